//! Instruments aggregate in place and are sent as cumulative state.
//!
//! Recording on an instrument takes one or a few relaxed atomic operations, and cannot be dropped. What is sent is the
//! total since the start, the latest value, or the counts of all buckets, so the next datagram makes up for a lost one.
//! An instrument usually lives in a `static`, and one line lists those that a client sends:
//!
//! ```
//! use ringstat_core::instrument::{Counter, Gauge, Instrument};
//!
//! static REQUESTS: Counter = Counter::new("http.requests").tags(&[("service", "shop")]);
//! static TEMPERATURE: Gauge = Gauge::new("board.celsius");
//! static INSTRUMENTS: &[&dyn Instrument] = &[&REQUESTS, &TEMPERATURE];
//!
//! REQUESTS.inc();
//! TEMPERATURE.set(21.5);
//! # assert_eq!(REQUESTS.total(), 1);
//! # assert_eq!(INSTRUMENTS.len(), 2);
//! ```

use crate::record::{Tag, Value};
use crate::sync::{AtomicU32, Ordering, const_fn};

mod biased;
mod counter;
mod description;
mod gauge;
mod histogram;
mod info;
mod marked;
mod owners;
mod sharded;
mod total;
pub mod walk;

#[cfg(all(test, loom))]
mod loom_tests;

pub use biased::BiasedCounter;
pub use counter::Counter;
pub use description::{Description, Meaning};
pub use gauge::Gauge;
pub use histogram::{DEFAULT_BUCKETS, Histogram, Layout, percentile};
pub use info::{Describe, Details, Info};
pub use marked::Marked;
pub use owners::Owners;
pub use sharded::ShardedCounter;

/// The unit of what a histogram records.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Unit {
    /// No unit, or one that is evident from the name.
    #[default]
    None = 0,
    /// Nanoseconds, 10^-9 s.
    Nanoseconds = 1,
    /// Microseconds, 10^-6 s.
    Microseconds = 2,
    /// Milliseconds, 10^-3 s.
    Milliseconds = 3,
    /// Seconds.
    Seconds = 4,
    /// Bytes.
    Bytes = 5,
    /// Percent.
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

/// The state of an instrument.
pub enum State<'a> {
    /// A counter's total.
    Total(u64),
    /// A gauge's latest value.
    Level(Value),
    /// A histogram's buckets.
    Buckets(&'a dyn Buckets),
    /// Who the sender is.
    Info(&'a dyn Describe),
    /// What the name means: a [`Meaning`].
    Description(&'a dyn Describe),
}

/// A histogram's buckets, cumulative since the start.
pub trait Buckets {
    /// The bounds of the buckets.
    fn layout(&self) -> Layout;
    /// The sum of all recorded values.
    fn sum(&self) -> Value;
    /// The number of values in bucket `index`.
    fn bucket_count(&self, index: usize) -> u64;
    /// The number of buckets.
    fn buckets(&self) -> usize;
}

/// Something that aggregates records in place, and is sent as cumulative state.
pub trait Instrument: Sync {
    /// The instrument's name.
    fn name(&self) -> &str;
    /// The instrument's tag at `index`, or `None` beyond its last tag.
    fn tag(&self, index: usize) -> Option<(&str, &str)>;
    /// The name and the tags if both are static, so that the sender can recognize them by address.
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])>;
    /// The unit of the recorded values.
    fn unit(&self) -> Unit {
        Unit::None
    }
    /// The state to send.
    fn state(&self) -> State<'_>;
    /// A number that changes whenever the state does. (A counter that is incremented exactly 2^32 times between two
    /// flushes looks unchanged, and is sent at the next refresh.)
    fn version(&self) -> u32;
    /// Where the sender notes the version that it sent last.
    fn mark(&self) -> &Mark;
}

/// The version of an instrument that was sent last. A mark belongs to one sender: for a second sender an instrument is
/// [`Marked`].
#[derive(Debug)]
pub struct Mark(AtomicU32);

impl Mark {
    const_fn! {
        /// Creates the mark of an instrument that was never sent.
        #[must_use]
        pub const fn new() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    /// Whether `version` differs from the version that was sent last.
    #[must_use]
    pub fn differs(&self, version: u32) -> bool {
        self.0.load(Ordering::Relaxed) != version
    }

    /// Notes that `version` has been sent.
    pub fn set(&self, version: u32) {
        self.0.store(version, Ordering::Relaxed);
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::new()
    }
}

/// The instruments that a client sends. Each has an index, which never changes.
pub trait Instruments {
    /// The number of instruments.
    fn len(&self) -> usize;

    /// Whether there are no instruments.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with the instrument at `index`, if there is one.
    fn visit(&self, index: usize, f: &mut dyn FnMut(&dyn Instrument));
}

impl Instruments for [&'static dyn Instrument] {
    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn visit(&self, index: usize, f: &mut dyn FnMut(&dyn Instrument)) {
        if let Some(instrument) = self.get(index) {
            f(*instrument);
        }
    }
}

/// The fields that all instruments of this crate share.
#[derive(Debug)]
struct Head {
    name: &'static str,
    tags: &'static [Tag],
    unit: Unit,
    mark: Mark,
}

impl Head {
    const_fn! {
        const fn new(name: &'static str) -> Self {
            Self { name, tags: &[], unit: Unit::None, mark: Mark::new() }
        }
    }
}

/// Implements the methods of [`Instrument`] that a `Head` can answer.
macro_rules! described_by_head {
    () => {
        fn name(&self) -> &str {
            self.head.name
        }
        fn tag(&self, index: usize) -> Option<(&str, &str)> {
            self.head.tags.get(index).copied()
        }
        fn static_identity(&self) -> Option<(&'static str, &'static [$crate::record::Tag])> {
            Some((self.head.name, self.head.tags))
        }
        fn unit(&self) -> $crate::instrument::Unit {
            self.head.unit
        }
        fn mark(&self) -> &$crate::instrument::Mark {
            &self.head.mark
        }
    };
}
use described_by_head;

/// Implements the methods of [`Instrument`] that say the state of what has a `total`.
macro_rules! stated_by_total {
    () => {
        fn state(&self) -> $crate::instrument::State<'_> {
            $crate::instrument::State::Total(self.total())
        }
        fn version(&self) -> u32 {
            self.total() as u32
        }
    };
}
use stated_by_total;
