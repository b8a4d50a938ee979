//! Health: a grade for a client, with reasons.
//!
//! Rates are those of a recent [`HealthWindow`], so that a bad hour long ago does not count for ever.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How a client or sender is doing.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Grade {
    /// There is nothing to complain of.
    #[default]
    Healthy = 0,
    /// There is one reason to complain.
    Degraded = 1,
    /// There are two reasons or more, or nothing gets through at all.
    Unhealthy = 2,
}

impl Grade {
    /// The name that metrics, JSON and pages use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Why a grade is not the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Reason {
    /// A ring is more than 90 % full.
    Buffer = 0,
    /// More than 1 % of the records are given up.
    Drops = 1,
    /// More than 5 % of the sends fail.
    SendErrors = 2,
    /// One record in a hundred takes more than 5 s from the record call to the socket.
    Latency = 3,
    /// There is no way to the receiver: the circuit breaker is open.
    Unreachable = 4,
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = 5;

    /// Every reason.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Buffer, Self::Drops, Self::SendErrors, Self::Latency, Self::Unreachable];

    /// The name that metrics, JSON and pages use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buffer => "buffer",
            Self::Drops => "drops",
            Self::SendErrors => "send_errors",
            Self::Latency => "latency",
            Self::Unreachable => "unreachable",
        }
    }

    /// What it means, for a person.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Buffer => "a ring is more than 90 % full",
            Self::Drops => "more than 1 % of the records are given up",
            Self::SendErrors => "more than 5 % of the sends fail",
            Self::Latency => "the slowest 1 % of the records take more than 5 s to the socket",
            Self::Unreachable => "there is no way to the receiver",
        }
    }
}

/// How a client or sender is doing: a grade, and the reasons for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Health {
    reasons: u8,
}

impl Health {
    /// The health of a client with these reasons to complain.
    #[must_use]
    pub fn of(reasons: impl IntoIterator<Item = Reason>) -> Self {
        Self { reasons: reasons.into_iter().fold(0, |bits, r| bits | 1 << r as u8) }
    }

    /// Judges readings.
    ///
    /// ```
    /// use ringstat_core::observe::{Grade, Health, Readings, Reason};
    ///
    /// let health = Health::judge(&Readings { recorded: 1000, dropped: 20, ..Readings::default() });
    /// assert_eq!(health.grade(), Grade::Degraded);
    /// assert!(health.reasons().eq([Reason::Drops]));
    /// ```
    #[must_use]
    pub fn judge(now: &Readings) -> Self {
        let more = |part: u64, whole: u64, percent: u64| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
        };
        let holds = |reason| match reason {
            Reason::Buffer => now.buffer_percent > 90,
            Reason::Drops => more(now.dropped, now.recorded, 1),
            Reason::SendErrors => more(now.send_errors, now.sends, 5),
            // The 99th percentile is above a bound if and only if more than 1 % of all are.
            Reason::Latency => more(now.slow, now.timed, 1),
            Reason::Unreachable => now.unreachable,
        };
        Self::of(Reason::ALL.into_iter().filter(|r| holds(*r)))
    }

    /// The grade that follows from the reasons.
    #[must_use]
    pub fn grade(self) -> Grade {
        match self.reasons.count_ones() {
            0 => Grade::Healthy,
            1 if !self.has(Reason::Unreachable) => Grade::Degraded,
            _ => Grade::Unhealthy,
        }
    }

    /// Whether this is one of the reasons.
    #[must_use]
    pub fn has(self, reason: Reason) -> bool {
        self.reasons & 1 << reason as u8 != 0
    }

    /// The reasons, in the order of [`Reason::ALL`].
    pub fn reasons(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |r| self.has(*r))
    }
}

/// As `degraded: buffer, drops`.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.grade().as_str())?;
        for (i, reason) in self.reasons().enumerate() {
            f.write_str(if i == 0 { ": " } else { ", " })?;
            f.write_str(reason.as_str())?;
        }
        Ok(())
    }
}

/// In serde formats `{"grade": …, "reasons": [{"reason": …, "meaning": …}]}`.
impl Serialize for Health {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        #[derive(Serialize)]
        struct Explained {
            reason: Reason,
            meaning: &'static str,
        }
        struct Reasons(Health);
        impl Serialize for Reasons {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let explained = |reason: Reason| Explained { reason, meaning: reason.explain() };
                serializer.collect_seq(self.0.reasons().map(explained))
            }
        }
        let mut health = serializer.serialize_struct("Health", 2)?;
        health.serialize_field("grade", &self.grade())?;
        health.serialize_field("reasons", &Reasons(*self))?;
        health.end()
    }
}

/// What takes longer than this is slow: 5 s.
pub const SLOW_NANOS: u64 = 5_000_000_000;

/// What is judged: counts over a recent time, and how things are now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Readings {
    /// How full the fullest ring is.
    pub buffer_percent: u8,
    /// How many record calls were made.
    pub recorded: u64,
    /// How many records were given up, for whatever reason.
    pub dropped: u64,
    /// How many attempts to send were made.
    pub sends: u64,
    /// How many attempts to send failed; backpressure is no failure.
    pub send_errors: u64,
    /// How many records were timed on their way from the call to the socket.
    pub timed: u64,
    /// How many of the timed records took more than [`SLOW_NANOS`].
    pub slow: u64,
    /// Whether the circuit breaker is not closed.
    pub unreachable: bool,
}

/// The totals of a client that a [`HealthWindow`] looks at; they only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HealthCounts {
    /// How many record calls were made.
    pub recorded: u64,
    /// How many records were given up.
    pub dropped: u64,
    /// How many attempts to send were made.
    pub sends: u64,
    /// How many attempts to send failed.
    pub send_errors: u64,
    /// How many records were timed.
    pub timed: u64,
    /// How many of the timed records took more than [`SLOW_NANOS`].
    pub slow: u64,
}

/// How much totals grew over the last `N` ticks.
#[derive(Clone, Debug)]
pub struct HealthWindow<const N: usize = 10> {
    /// As they were at the last `N` ticks, the oldest one at `next`.
    ticks: [HealthCounts; N],
    next: usize,
}

impl<const N: usize> HealthWindow<N> {
    /// A window over a client that has just begun.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0) };
        let zero =
            HealthCounts { recorded: 0, dropped: 0, sends: 0, send_errors: 0, timed: 0, slow: 0 };
        Self { ticks: [zero; N], next: 0 }
    }

    /// Moves on by one tick, at which the totals are these.
    pub fn tick(&mut self, now: HealthCounts) {
        if let Some(oldest) = self.ticks.get_mut(self.next) {
            *oldest = now;
        }
        self.next = (self.next + 1) % N;
    }

    /// How much the totals have grown since the oldest tick of the window.
    #[must_use]
    pub fn growth(&self, now: HealthCounts) -> HealthCounts {
        let then = self.ticks.get(self.next).copied().unwrap_or_default();
        HealthCounts {
            recorded: now.recorded.saturating_sub(then.recorded),
            dropped: now.dropped.saturating_sub(then.dropped),
            sends: now.sends.saturating_sub(then.sends),
            send_errors: now.send_errors.saturating_sub(then.send_errors),
            timed: now.timed.saturating_sub(then.timed),
            slow: now.slow.saturating_sub(then.slow),
        }
    }
}

impl<const N: usize> Default for HealthWindow<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_limit_is_crossed_just_above_it() {
        let fine = Readings {
            buffer_percent: 90,
            recorded: 1000,
            dropped: 10,
            sends: 100,
            send_errors: 5,
            timed: 1000,
            slow: 10,
            unreachable: false,
        };
        assert_eq!(Health::judge(&fine).grade(), Grade::Healthy);
        for (reason, readings) in [
            (Reason::Buffer, Readings { buffer_percent: 91, ..fine }),
            (Reason::Drops, Readings { dropped: 11, ..fine }),
            (Reason::SendErrors, Readings { send_errors: 6, ..fine }),
            (Reason::Latency, Readings { slow: 11, ..fine }),
            (Reason::Unreachable, Readings { unreachable: true, ..fine }),
        ] {
            let health = Health::judge(&readings);
            assert!(health.reasons().eq([reason]), "{reason:?}");
            let alone =
                if reason == Reason::Unreachable { Grade::Unhealthy } else { Grade::Degraded };
            assert_eq!(health.grade(), alone);
        }
        let both = Health::judge(&Readings { buffer_percent: 100, dropped: 900, ..fine });
        assert_eq!(both.to_string(), "unhealthy: buffer, drops");
        assert_eq!(Health::judge(&Readings::default()).grade(), Grade::Healthy, "nothing yet");
    }

    #[test]
    fn a_window_forgets() {
        let mut window: HealthWindow<3> = HealthWindow::new();
        let at = |recorded| HealthCounts { recorded, ..HealthCounts::default() };
        assert_eq!(window.growth(at(5)).recorded, 5);
        for recorded in [10, 20, 30] {
            window.tick(at(recorded));
        }
        assert_eq!(window.growth(at(35)).recorded, 25, "since the oldest of three");
        window.tick(at(40));
        assert_eq!(window.growth(at(40)).recorded, 20);
        assert_eq!(window.growth(at(0)).recorded, 0, "a total that goes back does no harm");
    }
}
