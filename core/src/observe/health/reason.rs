//! Why a client is unhealthy, what that means, and what to do about it.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::HealthLimits;

/// Why a grade is less than healthy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// A ring is nearly full.
    Buffer = 0,
    /// Too many records are given up.
    Drops = 1,
    /// Too many sends fail.
    SendErrors = 2,
    /// Records take too long from the record call to the socket.
    Latency = 3,
    /// Nothing gets through to the receiver: the circuit breaker is not closed.
    Unreachable = 4,
    /// The circuit breaker opens again and again.
    Flapping = 5,
    /// Critical events were given up or are waiting, because nobody acknowledges them.
    Unacknowledged = 6,
    /// Records are refused because of their tags or text.
    Tags = 7,
    /// Names made at run time are refused because there is no room for them.
    Names = 8,
    /// Instruments made at run time went to the overflow series.
    Instruments = 9,
    /// The client takes more memory than it should.
    Memory = 10,
    /// Events left, and the receiver has not said for too long what arrived.
    Unconfirmed = 11,
    /// Too many events are lost on the way.
    Loss = 12,
    /// The transport panics.
    Transport = 13,
    /// The process was forked from the one that the client belongs to, and sends nothing.
    Forked = 14,
    /// The sending thread has died of a panic.
    Died = 15,
}

impl Reason {
    /// The number of reasons.
    pub const COUNT: usize = 16;

    /// Every reason, in the order of its index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Buffer,
        Self::Drops,
        Self::SendErrors,
        Self::Latency,
        Self::Unreachable,
        Self::Flapping,
        Self::Unacknowledged,
        Self::Tags,
        Self::Names,
        Self::Instruments,
        Self::Memory,
        Self::Unconfirmed,
        Self::Loss,
        Self::Transport,
        Self::Forked,
        Self::Died,
    ];

    /// The name of the reason in metrics, JSON and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Buffer => "buffer",
            Self::Drops => "drops",
            Self::SendErrors => "send_errors",
            Self::Latency => "latency",
            Self::Unreachable => "unreachable",
            Self::Flapping => "flapping",
            Self::Unacknowledged => "unacknowledged",
            Self::Tags => "tags",
            Self::Names => "names",
            Self::Instruments => "instruments",
            Self::Memory => "memory",
            Self::Unconfirmed => "unconfirmed",
            Self::Loss => "loss",
            Self::Transport => "transport",
            Self::Forked => "forked",
            Self::Died => "died",
        }
    }

    /// What the reason means, for a person. `limits` are those of the client; without them the text quotes no numbers.
    #[must_use]
    pub const fn explain(self, limits: Option<&HealthLimits>) -> Meaning<'_> {
        Meaning { reason: self, limits }
    }

    /// What to do about it, for a person.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Buffer => {
                "record less in one thread, make the rings larger, or the batch age shorter"
            }
            Self::Drops => {
                "see the causes in the ledger; make the rings larger, sample, or aggregate"
            }
            Self::SendErrors => {
                "check that the receiver listens, and that datagrams of this size get through"
            }
            Self::Latency => "look for a backlog; lower the batch age",
            Self::Unreachable => {
                "check that it runs, that the address is right, and that no firewall is in between"
            }
            Self::Flapping => "look for a receiver that restarts, or an unstable link",
            Self::Unacknowledged => {
                "check that the collector's answers get back; give critical events more time or room"
            }
            Self::Tags => {
                "see the limit in the ledger's causes; shorten them, make tags that never change static, or provide more tag memory"
            }
            Self::Names => "move what varies from names into tags",
            Self::Instruments => "find the tag that has too many values, or raise the limit",
            Self::Memory => "make the rings smaller, or allow fewer instruments",
            Self::Unconfirmed => {
                "check that the collector runs and that its answers get back; make events critical if they must arrive"
            }
            Self::Loss => {
                "give the collector a larger receive buffer, send smaller datagrams, or aggregate; look for a link that drops"
            }
            Self::Transport => "fix it; the panic's message is on standard error",
            Self::Died => {
                "see the panic's message on standard error: an instrument of yours, or a bug"
            }
            Self::Forked => {
                "call `restart_after_fork` first thing in the child, or record only in the parent"
            }
        }
    }
}

/// What a [`Reason`] means; see [`Reason::explain`].
#[derive(Clone, Copy, Debug)]
pub struct Meaning<'a> {
    reason: Reason,
    limits: Option<&'a HealthLimits>,
}

/// The number of a limit, and what stands behind it; without limits what is said instead.
macro_rules! limit {
    ($f:expr, $limits:expr, $with:literal, |$l:ident| $value:expr, $without:literal) => {
        match $limits {
            Some($l) => write!($f, $with, $value),
            None => $f.write_str($without),
        }
    };
}

impl fmt::Display for Meaning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.limits;
        match self.reason {
            Reason::Buffer => {
                limit!(
                    f,
                    limits,
                    "a ring is more than {} % full",
                    |l| l.buffer_percent,
                    "a ring is nearly full"
                )
            }
            Reason::Drops => limit!(
                f,
                limits,
                "more than {} % of the records are given up",
                |l| l.drops_percent,
                "too many records are given up"
            ),
            Reason::SendErrors => limit!(
                f,
                limits,
                "more than {} % of the sends fail",
                |l| l.send_errors_percent,
                "too many sends fail"
            ),
            Reason::Latency => limit!(
                f,
                limits,
                "the slowest 1 % of the records take {} or more to reach the socket",
                |l| Millis(l.latency_ms),
                "the slowest 1 % of the records take too long to reach the socket"
            ),
            Reason::Unreachable => f.write_str("there is no way to the receiver"),
            Reason::Flapping => f.write_str("the connection to the receiver comes and goes"),
            Reason::Unacknowledged => f.write_str("critical events are not acknowledged"),
            Reason::Tags => {
                f.write_str("records are refused because their tags or text do not fit")
            }
            Reason::Names => {
                f.write_str("names made at run time are refused: the interner is full")
            }
            Reason::Instruments => {
                f.write_str("instruments beyond the limit go to the overflow series")
            }
            Reason::Memory => limit!(
                f,
                limits,
                "the client takes more than {}",
                |l| Bytes(l.memory_bytes),
                "the client takes too much memory"
            ),
            Reason::Unconfirmed => limit!(
                f,
                limits,
                "events were sent, but for {} the receiver has not said what arrived",
                |l| Millis(l.unconfirmed_ms),
                "events were sent, but the receiver has not said what arrived for too long"
            ),
            Reason::Loss => limit!(
                f,
                limits,
                "more than {} % of the events that were sent are lost on the way",
                |l| l.loss_percent,
                "too many of the events that were sent are lost on the way"
            ),
            Reason::Transport => f.write_str("the transport panics"),
            Reason::Died => {
                f.write_str("the sending thread has died of a panic, and nothing is sent")
            }
            Reason::Forked => {
                f.write_str("this process is a child of the client's, and sends nothing")
            }
        }
    }
}

impl Serialize for Meaning<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Milliseconds, in seconds where these are whole.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms >= 1000 && ms.is_multiple_of(1000) => write!(f, "{} s", ms / 1000),
            ms => write!(f, "{ms} ms"),
        }
    }
}

/// Bytes, in the largest unit of which they are a whole number.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{} {name}", self.0 / unit),
            None => write!(f, "{} bytes", self.0),
        }
    }
}
