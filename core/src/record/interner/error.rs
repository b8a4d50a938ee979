//! Why a string was not interned.

use crate::ledger::Cause;

/// Why a string was not interned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InternError {
    /// The interner has no free slot or not enough bytes left.
    Full,
    /// The string is empty or longer than 255 bytes.
    Length,
}

impl InternError {
    /// The cause under which a record with such a name is counted.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::Full => Cause::InternerFull,
            Self::Length => Cause::Invalid,
        }
    }
}

impl core::fmt::Display for InternError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Full => "the interner is full",
            Self::Length => "a name has 1 to 255 bytes",
        })
    }
}

impl core::error::Error for InternError {}
