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
    /// 99 % of the records must take less than this from the record call to the socket, in milliseconds.
    pub latency_ms: u64,
    /// How much of the room for critical events may wait for acknowledgements, in percent.
    pub unacknowledged_percent: u8,
    /// How often the circuit breaker may open within ten seconds.
    pub breaker_opened: u64,
    /// How much memory the client may take, in bytes.
    pub memory_bytes: u64,
    /// Events that left may wait so long for a receiver that answers to say whether they arrived, in milliseconds.
    pub unconfirmed_ms: u64,
    /// So many of the events that left may be lost on the way, in percent.
    pub loss_percent: u8,
}

impl HealthLimits {
    /// 90 % of a ring, 1 % drops, 5 % send errors, 5 s latency, half of the room for critical events, one opening, 100
    /// MB, 2 s until the receiver says what arrived, 2 % lost.
    pub const DEFAULT: Self = Self {
        buffer_percent: 90,
        drops_percent: 1,
        send_errors_percent: 5,
        latency_ms: 5000,
        unacknowledged_percent: 50,
        breaker_opened: 1,
        memory_bytes: 100_000_000,
        unconfirmed_ms: 2000,
        loss_percent: 2,
    };

    /// Whether the readings give this reason.
    pub(super) fn exceeded(&self, reason: Reason, now: &Readings) -> bool {
        let more = |part: u64, whole: u64, percent: u8| {
            u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
        };
        let recent = &now.recent;
        match reason {
            Reason::Buffer => now.buffer_percent > self.buffer_percent,
            Reason::Drops => more(recent.dropped, recent.recorded, self.drops_percent),
            Reason::SendErrors => more(recent.send_errors, recent.sends, self.send_errors_percent),
            // The 99th percentile exceeds a bound exactly if more than 1 % of all values do.
            Reason::Latency => more(recent.slow, recent.timed, 1),
            Reason::Unreachable => now.unreachable,
            Reason::Flapping => !now.unreachable && recent.opened > self.breaker_opened,
            Reason::Unacknowledged => {
                recent.unacknowledged > 0
                    || now.unacknowledged_percent > self.unacknowledged_percent
            }
            Reason::Tags => recent.tags_refused > 0,
            Reason::Names => recent.names_refused > 0,
            Reason::Instruments => recent.instruments_refused > 0,
            Reason::Memory => now.memory_bytes > self.memory_bytes,
            Reason::Unconfirmed => now.unconfirmed > 0 && now.silent_ms >= self.unconfirmed_ms,
            Reason::Loss => more(recent.lost, recent.left, self.loss_percent),
            Reason::Transport => recent.panics > 0,
            // Where no worker is, none judges.
            Reason::Forked | Reason::Died => false,
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
    pub recent: HealthCounts,
    /// How full the fullest ring is, in percent.
    pub buffer_percent: u8,
    /// How much of the room for critical events waits for acknowledgements, in percent.
    pub unacknowledged_percent: u8,
    /// Whether the circuit breaker is not closed.
    pub unreachable: bool,
    /// Memory that the client takes, in bytes.
    pub memory_bytes: u64,
    /// Events that left, and of which nobody knows whether they arrived.
    pub unconfirmed: u64,
    /// How long the receiver has owed an answer, in milliseconds.
    pub silent_ms: u64,
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
    /// Events that left the machine,
    pub left: u64,
    /// and how many of them did not arrive.
    pub lost: u64,
    /// Panics of the transport.
    pub panics: u64,
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
        left: 0,
        lost: 0,
        panics: 0,
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
            left: self.left.saturating_sub(then.left),
            lost: self.lost.saturating_sub(then.lost),
            panics: self.panics.saturating_sub(then.panics),
        }
    }
}
