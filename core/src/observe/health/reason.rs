//! Why a client is unhealthy, what that means, and what to do about it.

use serde::{Deserialize, Serialize};

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
}

/// The texts for a [`Reason`]: its name, its meaning, and advice.
struct Said {
    name: &'static str,
    meaning: &'static str,
    advice: &'static str,
}

impl Reason {
    /// The number of reasons.
    pub const COUNT: usize = 11;

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
    ];

    /// The name of the reason in metrics, JSON and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.said().name
    }

    /// What the reason means, for a person. The limits in the text are those of
    /// [`HealthLimits::DEFAULT`](super::HealthLimits::DEFAULT); a client may have others.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        self.said().meaning
    }

    /// What to do about it, for a person.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        self.said().advice
    }

    const fn said(self) -> Said {
        match self {
            Self::Buffer => Said {
                name: "buffer",
                meaning: "a ring is more than 90 % full",
                advice: "record less in one thread, make the rings larger, or the batch age shorter",
            },
            Self::Drops => Said {
                name: "drops",
                meaning: "more than 1 % of the records are given up",
                advice: "see the causes in the ledger; make the rings larger, sample, or aggregate",
            },
            Self::SendErrors => Said {
                name: "send_errors",
                meaning: "more than 5 % of the sends fail",
                advice: "check that the receiver listens, and that datagrams of this size get through",
            },
            Self::Latency => Said {
                name: "latency",
                meaning: "the slowest 1 % of the records take more than 5 s to reach the socket",
                advice: "look for a backlog; lower the batch age",
            },
            Self::Unreachable => Said {
                name: "unreachable",
                meaning: "there is no way to the receiver",
                advice: "check that it runs, that the address is right, and that no firewall is in between",
            },
            Self::Flapping => Said {
                name: "flapping",
                meaning: "the connection to the receiver comes and goes",
                advice: "look for a receiver that restarts, or an unstable link",
            },
            Self::Unacknowledged => Said {
                name: "unacknowledged",
                meaning: "critical events are not acknowledged",
                advice: "check that the collector's answers get back; give critical events more time or room",
            },
            Self::Tags => Said {
                name: "tags",
                meaning: "records are refused because their tags or text do not fit",
                advice: "shorten them, make tags that never change static, or provide more tag memory",
            },
            Self::Names => Said {
                name: "names",
                meaning: "names made at run time are refused: the interner is full",
                advice: "move what varies from names into tags",
            },
            Self::Instruments => Said {
                name: "instruments",
                meaning: "instruments beyond the limit go to the overflow series",
                advice: "find the tag that has too many values, or raise the limit",
            },
            Self::Memory => Said {
                name: "memory",
                meaning: "the client takes more than 100 MB",
                advice: "make the rings smaller, or allow fewer instruments",
            },
        }
    }
}
