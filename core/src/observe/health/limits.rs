//! The limits beyond which a client is unhealthy, and the readings that are compared with them.

use serde::{Deserialize, Serialize};

use super::Reason;

/// The limits beyond which a client is no longer healthy. Percentages refer to a recent period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthLimits {
    /// How full the fullest ring may be, in percent.
    pub buffer_percent: u8,
    /// How many of the records may be given up, in percent.
    pub drops_percent: u8,
    /// How many of the sends may fail, in percent.
    pub send_errors_percent: u8,
    /// How long 99 % of the records may take from the record call to the socket, in milliseconds.
    pub latency_ms: u64,
    /// How much of the room for critical events may wait for acknowledgements, in percent.
    pub unacknowledged_percent: u8,
    /// How often the circuit breaker may open within ten seconds.
    pub breaker_opened: u64,
    /// How much memory the client may take, in bytes.
    pub memory_bytes: u64,
}

impl HealthLimits {
    /// 90 % of a ring, 1 % drops, 5 % send errors, 5 s latency, half of the room for critical events, one opening, 100
    /// MB.
    pub const DEFAULT: Self = Self {
        buffer_percent: 90,
        drops_percent: 1,
        send_errors_percent: 5,
        latency_ms: 5000,
        unacknowledged_percent: 50,
        breaker_opened: 1,
        memory_bytes: 100_000_000,
    };

    /// Whether the readings give this reason.
    pub(super) fn exceeded(&self, reason: Reason, now: &Readings) -> bool {
        let more = |part: u64, whole: u64, percent: u8| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
        };
        let lately = &now.lately;
        match reason {
            Reason::Buffer => now.buffer_percent > self.buffer_percent,
            Reason::Drops => more(lately.dropped, lately.recorded, self.drops_percent),
            Reason::SendErrors => more(lately.send_errors, lately.sends, self.send_errors_percent),
            // The 99th percentile exceeds a bound exactly if more than 1 % of all values do.
            Reason::Latency => more(lately.slow, lately.timed, 1),
            Reason::Unreachable => now.unreachable,
            Reason::Flapping => !now.unreachable && lately.opened > self.breaker_opened,
            Reason::Unacknowledged => {
                lately.unacknowledged > 0
                    || now.unacknowledged_percent > self.unacknowledged_percent
            }
            Reason::Tags => lately.tags_refused > 0,
            Reason::Names => lately.names_refused > 0,
            Reason::Instruments => lately.instruments_refused > 0,
            Reason::Memory => now.memory_bytes > self.memory_bytes,
        }
    }
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a grade is based on: how much was counted recently, and the state at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Readings {
    /// How much the totals grew within a [`HealthWindow`](super::HealthWindow).
    pub lately: HealthCounts,
    /// How full the fullest ring is, in percent.
    pub buffer_percent: u8,
    /// How much of the room for critical events waits for acknowledgements, in percent.
    pub unacknowledged_percent: u8,
    /// Whether the circuit breaker is not closed.
    pub unreachable: bool,
    /// Memory that the client takes, in bytes.
    pub memory_bytes: u64,
}

/// Totals that only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HealthCounts {
    /// Record calls.
    pub recorded: u64,
    /// Records given up, for whatever reason.
    pub dropped: u64,
    /// Attempts to send.
    pub sends: u64,
    /// Attempts that failed; backpressure does not count as a failure.
    pub send_errors: u64,
    /// Records whose time from the call to the socket was measured.
    pub timed: u64,
    /// How many of the measured records took longer than [`HealthLimits::latency_ms`].
    pub slow: u64,
    /// How often the circuit breaker opened.
    pub opened: u64,
    /// Critical events given up because nobody acknowledged them.
    pub unacknowledged: u64,
    /// Records refused because their tags or text do not fit.
    pub tags_refused: u64,
    /// Names for which the interner had no room.
    pub names_refused: u64,
    /// Instruments requested beyond their limit.
    pub instruments_refused: u64,
}

impl HealthCounts {
    /// All totals at 0.
    pub const NONE: Self = Self {
        recorded: 0,
        dropped: 0,
        sends: 0,
        send_errors: 0,
        timed: 0,
        slow: 0,
        opened: 0,
        unacknowledged: 0,
        tags_refused: 0,
        names_refused: 0,
        instruments_refused: 0,
    };

    /// How much each total has grown since `then`. A total that has decreased counts as unchanged.
    #[must_use]
    pub const fn since(&self, then: &Self) -> Self {
        Self {
            recorded: self.recorded.saturating_sub(then.recorded),
            dropped: self.dropped.saturating_sub(then.dropped),
            sends: self.sends.saturating_sub(then.sends),
            send_errors: self.send_errors.saturating_sub(then.send_errors),
            timed: self.timed.saturating_sub(then.timed),
            slow: self.slow.saturating_sub(then.slow),
            opened: self.opened.saturating_sub(then.opened),
            unacknowledged: self.unacknowledged.saturating_sub(then.unacknowledged),
            tags_refused: self.tags_refused.saturating_sub(then.tags_refused),
            names_refused: self.names_refused.saturating_sub(then.names_refused),
            instruments_refused: self.instruments_refused.saturating_sub(then.instruments_refused),
        }
    }
}
