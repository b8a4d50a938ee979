//! Instruments: what is aggregated in place and sent as cumulative state.

use crate::name::Tag;
use crate::value::Value;

/// The unit of what a histogram records.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Unit {
    /// None, or the name says it.
    #[default]
    None = 0,
    /// 10^-9 s.
    Nanoseconds = 1,
    /// 10^-6 s.
    Microseconds = 2,
    /// 10^-3 s.
    Milliseconds = 3,
    /// Seconds.
    Seconds = 4,
    /// Bytes.
    Bytes = 5,
    /// Hundredths.
    Percent = 6,
}

impl Unit {
    /// The unit with this code on the wire.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::None,
            1 => Self::Nanoseconds,
            2 => Self::Microseconds,
            3 => Self::Milliseconds,
            4 => Self::Seconds,
            5 => Self::Bytes,
            6 => Self::Percent,
            _ => return None,
        })
    }
}

/// What an instrument holds.
pub enum State<'a> {
    /// A counter's total.
    Total(u64),
    /// A gauge's latest value.
    Level(Value),
    /// A histogram's buckets.
    Buckets(&'a dyn Buckets),
}

/// A histogram's buckets, cumulative since the start.
pub trait Buckets {
    /// Buckets an octave, as a power of two.
    fn precision(&self) -> u8;
    /// The exponent of the first bucket's lower bound.
    fn min_exponent(&self) -> i8;
    /// Everything recorded, added up.
    fn sum(&self) -> Value;
    /// How many values bucket `index` holds.
    fn bucket_count(&self, index: usize) -> u64;
    /// How many buckets there are.
    fn buckets(&self) -> usize;
}

/// Something that aggregates in place.
pub trait Instrument: Sync {
    /// What it is called.
    fn name(&self) -> &str;
    /// Its tag number `index`.
    fn tag(&self, index: usize) -> Option<(&str, &str)>;
    /// Name and tags, if they are static.
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])>;
    /// The unit of what it records.
    fn unit(&self) -> Unit;
    /// What it holds.
    fn state(&self) -> State<'_>;
}
