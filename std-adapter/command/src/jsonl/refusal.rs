//! Why a line is refused.

use std::fmt;

use ringstat_core::ledger::Cause;

use super::names::Full;

/// Why a line is not a valid record, and what would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self::from(match cause {
            Cause::Invalid => "a number that is not finite",
            Cause::TooManyTags => "too many tags: 255 is the most",
            Cause::TooLarge => "larger than a datagram: shorten its tags, or raise the limit",
            Cause::Full
            | Cause::Evicted
            | Cause::Sampled
            | Cause::Throttled
            | Cause::TagTooLong
            | Cause::TextTooLong
            | Cause::TagMemoryFull
            | Cause::InternerFull
            | Cause::Encode
            | Cause::SendError
            | Cause::Unacknowledged
            | Cause::Shutdown
            | Cause::Unsupported
            | Cause::Forked => return Self(cause.to_string()),
        })
    }
}

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::from("too many different names and tag sets in one file: split it")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
