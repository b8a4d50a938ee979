//! Health: a grade for a client, with the reasons for it, what they mean and what to do.
//!
//! [`Readings`] are compared with [`HealthLimits`]. Rates are taken over a recent [`HealthWindow`], so that a bad hour
//! long ago does not count for ever.

use core::fmt;

use serde::{Deserialize, Serialize};

mod limits;
mod reason;
mod window;

pub use limits::{HealthCounts, HealthLimits, Readings};
pub use reason::{Meaning, Reason};
pub use window::HealthWindow;

/// How a client or sender is doing.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Grade {
    /// There is no reason for concern.
    #[default]
    Healthy = 0,
    /// There is one reason.
    Degraded = 1,
    /// There are two reasons or more, or nothing gets through at all.
    Unhealthy = 2,
}

impl Grade {
    /// The name of the grade in metrics, JSON and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A grade and the reasons for it.
///
/// `{}` formats it in a few words, as in `degraded: buffer`; `{:#}` adds what each reason means and what to do.
///
/// ```
/// use ringstat_core::observe::{Grade, Health, Reason};
///
/// let health = Health::of([Reason::Buffer]);
/// assert_eq!(health.grade(), Grade::Degraded);
/// assert_eq!(health.to_string(), "degraded: buffer");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Health {
    /// One bit for each reason.
    reasons: u16,
    /// Whether the receiver cannot answer, so that nobody knows what arrives.
    unheard: bool,
    /// What it was held against.
    limits: HealthLimits,
}

impl Health {
    /// Creates a health with the given reasons and the limits of [`HealthLimits::DEFAULT`].
    #[must_use]
    pub fn of(reasons: impl IntoIterator<Item = Reason>) -> Self {
        let reasons = reasons.into_iter().fold(0, |bits, r| bits | 1 << r as u8);
        Self { reasons, unheard: false, limits: HealthLimits::DEFAULT }
    }

    /// Derives a health from readings.
    ///
    /// ```
    /// use ringstat_core::observe::{Grade, Health, HealthCounts, HealthLimits, Readings, Reason};
    ///
    /// let recent = HealthCounts { recorded: 1000, dropped: 20, ..HealthCounts::NONE };
    /// let readings = Readings { recent, ..Readings::default() };
    /// let health = Health::judge(&readings, &HealthLimits::DEFAULT);
    /// assert_eq!(health.grade(), Grade::Degraded);
    /// assert!(health.reasons().eq([Reason::Drops]));
    /// ```
    #[must_use]
    pub fn judge(now: &Readings, limits: &HealthLimits) -> Self {
        let health = Self::of(Reason::ALL.into_iter().filter(|r| limits.exceeded(*r, now)));
        Self { limits: *limits, ..health }
    }

    /// Notes that the receiver cannot answer, as StatsD agents cannot. The grade then only covers what this side can
    /// see.
    #[must_use]
    pub const fn unheard(self) -> Self {
        Self { unheard: true, ..self }
    }

    /// Whether the receiver cannot answer, so that nobody knows what arrives.
    #[must_use]
    pub const fn is_unheard(self) -> bool {
        self.unheard
    }

    /// The grade.
    #[must_use]
    pub fn grade(self) -> Grade {
        match self.reasons.count_ones() {
            0 => Grade::Healthy,
            1 if !self.sends_nothing() => Grade::Degraded,
            _ => Grade::Unhealthy,
        }
    }

    /// Whether one of the reasons is that nothing is sent at all.
    fn sends_nothing(self) -> bool {
        [Reason::Unreachable, Reason::Forked, Reason::Died].into_iter().any(|r| self.has(r))
    }

    /// Adds a reason.
    #[must_use]
    pub const fn because(self, reason: Reason) -> Self {
        Self { reasons: self.reasons | 1 << reason as u8, ..self }
    }

    /// Whether `reason` is one of the reasons.
    #[must_use]
    pub fn has(self, reason: Reason) -> bool {
        self.reasons & 1 << reason as u8 != 0
    }

    /// The limits that it was held against.
    #[must_use]
    pub const fn limits(&self) -> &HealthLimits {
        &self.limits
    }

    /// The reasons.
    pub fn reasons(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |r| self.has(*r))
    }
}

/// Added to the description of a client whose receiver cannot answer.
const UNHEARD: &str = "the receiver does not answer, so nobody knows what arrives";

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.grade())?;
        for (i, reason) in self.reasons().enumerate() {
            if f.alternate() {
                let meaning = reason.explain(Some(&self.limits));
                write!(f, "\n- {meaning}: {}", reason.advice())?;
            } else {
                write!(f, "{}{}", if i == 0 { ": " } else { ", " }, reason.as_str())?;
            }
        }
        match self.unheard {
            true if f.alternate() => write!(f, "\n- {UNHEARD}"),
            true => f.write_str(" (unheard)"),
            false => Ok(()),
        }
    }
}

/// Serializes as `{"grade": …, "unheard": …, "reasons": [{"reason": …, "meaning": …, "advice": …}]}`.
impl Serialize for Health {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        #[derive(Serialize)]
        struct Explained<'a> {
            reason: Reason,
            meaning: Meaning<'a>,
            advice: &'static str,
        }
        struct Reasons(Health);
        impl Serialize for Reasons {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let explained = |reason: Reason| Explained {
                    reason,
                    meaning: reason.explain(Some(&self.0.limits)),
                    advice: reason.advice(),
                };
                serializer.collect_seq(self.0.reasons().map(explained))
            }
        }
        let mut health = serializer.serialize_struct("Health", 3)?;
        health.serialize_field("grade", &self.grade())?;
        health.serialize_field("unheard", &self.unheard)?;
        health.serialize_field("reasons", &Reasons(*self))?;
        health.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn each_limit_is_crossed_just_above_it() {
        let recent = HealthCounts {
            recorded: 1000,
            dropped: 10,
            sends: 100,
            send_errors: 5,
            timed: 1000,
            slow: 10,
            opened: 1,
            left: 1000,
            lost: 20,
            ..HealthCounts::NONE
        };
        let fine = Readings {
            recent,
            buffer_percent: 90,
            unacknowledged_percent: 50,
            unreachable: false,
            memory_bytes: 100_000_000,
            unconfirmed: 7,
            silent_ms: 1999,
        };
        let judge = |now: &Readings| Health::judge(now, &HealthLimits::DEFAULT);
        assert_eq!(judge(&fine).grade(), Grade::Healthy);
        let count = |f: fn(&mut HealthCounts)| {
            let mut recent = recent;
            f(&mut recent);
            Readings { recent, ..fine }
        };
        for (reason, readings) in [
            (Reason::Buffer, Readings { buffer_percent: 91, ..fine }),
            (Reason::Drops, count(|c| c.dropped = 11)),
            (Reason::SendErrors, count(|c| c.send_errors = 6)),
            (Reason::Latency, count(|c| c.slow = 11)),
            (Reason::Unreachable, Readings { unreachable: true, ..count(|c| c.opened = 9) }),
            (Reason::Flapping, count(|c| c.opened = 2)),
            (Reason::Unacknowledged, count(|c| c.unacknowledged = 1)),
            (Reason::Unacknowledged, Readings { unacknowledged_percent: 51, ..fine }),
            (Reason::Tags, count(|c| c.tags_refused = 1)),
            (Reason::Names, count(|c| c.names_refused = 1)),
            (Reason::Instruments, count(|c| c.instruments_refused = 1)),
            (Reason::Memory, Readings { memory_bytes: 100_000_001, ..fine }),
            (Reason::Unconfirmed, Readings { silent_ms: 2000, ..fine }),
            (Reason::Loss, count(|c| c.lost = 21)),
            (Reason::Transport, count(|c| c.panics = 1)),
        ] {
            let health = judge(&readings);
            assert!(health.reasons().eq([reason]), "{reason:?}: {health}");
            let alone =
                if reason == Reason::Unreachable { Grade::Unhealthy } else { Grade::Degraded };
            assert_eq!(health.grade(), alone);
        }
        let both = Readings { buffer_percent: 100, ..count(|c| c.dropped = 900) };
        assert_eq!(judge(&both).to_string(), "unhealthy: buffer, drops");
        assert_eq!(judge(&Readings::default()).grade(), Grade::Healthy, "nothing yet");
        let limits =
            HealthLimits { drops_percent: 95, buffer_percent: 100, ..HealthLimits::DEFAULT };
        assert_eq!(Health::judge(&both, &limits).grade(), Grade::Healthy, "as configured");
    }

    #[test]
    fn it_says_to_people_what_is_wrong_and_what_to_do() {
        assert_eq!(Health::default().to_string(), "healthy");
        let health = Health::of([Reason::Tags]).unheard();
        assert_eq!(health.to_string(), "degraded: tags (unheard)");
        let long = std::format!("{health:#}");
        let meaning = Reason::Tags.explain(None).to_string();
        for part in [&*meaning, Reason::Tags.advice(), UNHEARD] {
            assert!(long.contains(part), "{long}");
        }
    }

    #[test]
    fn it_quotes_the_limits_that_it_was_held_against() {
        let limits = HealthLimits {
            buffer_percent: 42,
            drops_percent: 3,
            latency_ms: 250,
            unconfirmed_ms: 4000,
            memory_bytes: 1_500_000,
            ..HealthLimits::DEFAULT
        };
        let recent =
            HealthCounts { recorded: 100, dropped: 50, timed: 1, slow: 1, ..HealthCounts::NONE };
        let now = Readings {
            recent,
            buffer_percent: 43,
            memory_bytes: u64::MAX,
            unconfirmed: 1,
            silent_ms: 4000,
            ..Readings::default()
        };
        let said = std::format!("{:#}", Health::judge(&now, &limits));
        for part in
            ["42 % full", "3 % of the records", "250 ms or more", "for 4 s the", "than 1500 kB"]
        {
            assert!(said.contains(part), "{part:?} in {said}");
        }
        assert!(
            Reason::Memory.explain(Some(&HealthLimits::DEFAULT)).to_string().ends_with("100 MB")
        );
    }

    #[test]
    fn every_reason_has_its_own_bit_name_sentence_and_advice() {
        for (i, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            assert!(Health::of([reason]).reasons().eq([reason]));
            let said: [fn(Reason) -> std::string::String; 4] = [
                |r| r.as_str().into(),
                |r| r.explain(None).to_string(),
                |r| r.explain(Some(&HealthLimits::DEFAULT)).to_string(),
                |r| r.advice().into(),
            ];
            for said in said {
                let same = Reason::ALL.iter().filter(|r| said(**r) == said(reason)).count();
                assert!(same == 1 && !said(reason).is_empty(), "{reason:?}");
            }
        }
    }
}
