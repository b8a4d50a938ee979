//! An instrument that existed before the client, as seen by this client: in a `static`, or made in the process that this
//! one was forked from.
//!
//! The instrument counts from its own start, for whoever asks; a client sends what was recorded since it
//! adopted the instrument. A receiver sees each client as a source of its own, so without this, several clients one
//! after the other would each deliver the first one's counts again. Which version was sent last belongs to the client,
//! too: if it were noted in the instrument, each of two clients would take the other's sending for its own.

use ringstat_core::instrument::{Buckets, Instrument, Layout, Mark, State, Unit};
use ringstat_core::record::{Tag, Value};

use super::Source;

/// An instrument that existed before as seen by one client; see the [module](self).
pub(crate) struct Adopted {
    instrument: Source,
    before: Before,
    mark: Mark,
}

/// What the instrument held when it was adopted.
enum Before {
    /// A gauge, what a sender is or what a name means: nothing is subtracted.
    Level,
    Total(u64),
    Buckets(Since),
}

/// A histogram minus what it held before.
struct Since {
    instrument: Source,
    layout: Layout,
    sum: Value,
    counts: Box<[u64]>,
}

impl Adopted {
    /// Adopts the instrument, which counts from here on.
    pub(super) fn new(instrument: Source) -> Self {
        let before = match instrument.get().state() {
            State::Level(_) | State::Info(_) | State::Description(_) => Before::Level,
            State::Total(total) => Before::Total(total),
            State::Buckets(buckets) => Before::Buckets(Since {
                instrument: instrument.clone(),
                layout: buckets.layout(),
                sum: buckets.sum(),
                counts: (0..buckets.buckets()).map(|i| buckets.bucket_count(i)).collect(),
            }),
        };
        Self { instrument, before, mark: Mark::new() }
    }

    /// Whether `instrument` is the one that was adopted.
    pub(super) fn is(&self, instrument: &dyn Instrument) -> bool {
        matches!(self.instrument, Source::Static(own) if std::ptr::addr_eq(own, instrument))
    }

    pub(super) fn source(&self) -> &Source {
        &self.instrument
    }
}

impl Instrument for Adopted {
    fn name(&self) -> &str {
        self.instrument.get().name()
    }
    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.instrument.get().tag(index)
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        self.instrument.get().static_identity()
    }
    fn unit(&self) -> Unit {
        self.instrument.get().unit()
    }
    fn state(&self) -> State<'_> {
        match (self.instrument.get().state(), &self.before) {
            (State::Total(now), Before::Total(before)) => State::Total(now.wrapping_sub(*before)),
            (State::Buckets(_), Before::Buckets(since)) => State::Buckets(since),
            (state, _) => state,
        }
    }
    fn version(&self) -> u32 {
        self.instrument.get().version()
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Since {
    /// What `read` returns for the buckets at this moment.
    fn now<T>(&self, read: impl FnOnce(&dyn Buckets) -> T) -> Option<T> {
        match self.instrument.get().state() {
            State::Buckets(buckets) => Some(read(buckets)),
            State::Total(_) | State::Level(_) | State::Info(_) | State::Description(_) => None,
        }
    }
}

impl Buckets for Since {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn sum(&self) -> Value {
        match (self.now(|now| now.sum()), self.sum) {
            (Some(Value::U64(now)), Value::U64(before)) => Value::U64(now.wrapping_sub(before)),
            (Some(Value::F64(now)), Value::F64(before)) => Value::F64(now - before),
            (now, before) => now.unwrap_or(before),
        }
    }

    fn bucket_count(&self, index: usize) -> u64 {
        let before = self.counts.get(index).copied().unwrap_or(0);
        self.now(|now| now.bucket_count(index)).unwrap_or(before).wrapping_sub(before)
    }

    fn buckets(&self) -> usize {
        self.counts.len()
    }
}
