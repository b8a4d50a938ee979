//! The instruments of a client: those in `static`s and those made at run time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringstat_core::instrument::{Instrument, Unit};

use crate::identity::OwnInfo;

mod adopted;
mod describe;
mod dynamic;
mod entry;
#[cfg(feature = "metrics")]
mod float;
mod handle;
mod key;
mod source;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod table;
mod walk;

use describe::Descriptions;
#[cfg(feature = "metrics")]
pub(crate) use dynamic::Counter;
pub(crate) use dynamic::Owned;
use dynamic::{Dynamic, Make};
pub(crate) use entry::Entry;
#[cfg(feature = "metrics")]
pub(crate) use float::FloatHistogram;
pub use handle::{OwnedCounter, OwnedGauge, OwnedHistogram};
use key::Key;
pub(crate) use source::Source;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) use table::Table;
pub(crate) use walk::Walk;

/// All instruments of one client. It is locked when an instrument is added, but never by recording or by the worker's walk.
#[derive(Debug)]
pub(crate) struct Registry {
    /// This list only grows, and is read without the lock: by the worker, and in a child, where the lock may be held for ever.
    entries: boxcar::Vec<Entry>,
    /// The instruments made at run time. Held while anything is added.
    made: Mutex<Index>,
    /// The largest number of instruments made at run time.
    limit: usize,
    refused: AtomicU64,
    /// The descriptions of their names.
    pub(crate) descriptions: Descriptions,
}

type Index = HashMap<Key, Dynamic>;

/// The name of the series for what is beyond the limit.
const OVERFLOW: &str = "ringstat.overflow";

impl Registry {
    pub(crate) fn new(entries: Vec<Entry>, limit: usize) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            made: Mutex::default(),
            limit,
            refused: AtomicU64::new(0),
            descriptions: Descriptions::new(limit),
        }
    }

    /// The registry of a client that goes on in a child of the process: the same instruments, counted from now on. It
    /// takes no lock of the parent.
    pub(crate) fn in_child(parent: &Self) -> Self {
        let mut registry = Self::new(Vec::new(), parent.limit);
        let made = registry.made.get_mut().unwrap_or_else(PoisonError::into_inner);
        for source in parent.entries.iter().filter_map(|(_, entry)| entry.source()) {
            if let Source::Dynamic(one) = &source {
                made.insert(one.key().clone(), one.clone());
            }
            registry.entries.push(Entry::adopt(source));
        }
        for described in registry.descriptions.take_over(&parent.descriptions) {
            registry.entries.push(Entry::Own(described));
        }
        registry
    }

    /// Holds the lock, as another thread may at a fork.
    #[cfg(test)]
    pub(crate) fn hold(&self) -> impl Sized + use<'_> {
        self.lock()
    }

    /// Locks the instruments. A panic elsewhere leaves nothing half done here, so a poisoned lock is fine.
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, instrument: &'static dyn Instrument) {
        let _adding = self.lock();
        if !self.entries.iter().any(|(_, entry)| entry.is(instrument)) {
            self.entries.push(Entry::adopt(Source::Static(instrument)));
        }
    }

    /// The number of instruments requested beyond the limit.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts an instrument requested beyond the limit.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of instruments made at run time.
    pub(crate) fn made(&self) -> usize {
        self.lock().len()
    }

    /// The largest number of them.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The instruments, for the sender to walk.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk(self)
    }

    /// The instrument under that key, made if need be and there is room for `limit`; `None` also where another type has
    /// the key, or it could never be sent.
    fn try_make<I: Make>(&self, key: Key, limit: usize) -> Option<Arc<Owned<I>>> {
        let mut index = self.lock();
        if let Some(made) = index.get(&key) {
            return I::unwrap(made).cloned();
        }
        if !key.is_valid() || index.len() >= limit {
            return None;
        }
        let made = Arc::new(Owned { key: key.clone(), inner: I::make() });
        let one = I::wrap(made.clone());
        self.entries.push(Entry::Dynamic(one.clone()));
        index.insert(key, one);
        Some(made)
    }

    /// The instrument of that name, tags and type, which is made if there is none; the overflow series if there is no
    /// room.
    fn make<I: Make>(&self, name: &str, tags: &[(&str, &str)]) -> Arc<Owned<I>> {
        if let Some(made) = self.try_make::<I>(Key::new(name, tags), self.limit) {
            return made;
        }
        // The limit is reached, the name belongs to another type, or the instrument could never be sent: records go to
        // an overflow series, one for each type.
        self.refused.fetch_add(1, Ordering::Relaxed);
        let kind = std::any::type_name::<I>().rsplit("::").next().unwrap_or("");
        let overflow = Key::new(OVERFLOW, &[("type", kind)]);
        match self.try_make::<I>(overflow.clone(), usize::MAX) {
            Some(made) => made,
            // An instrument of another type has the name of the overflow series: this one works, but is not sent.
            None => Arc::new(Owned { key: overflow, inner: I::make() }),
        }
    }

    pub(crate) fn counter(&self, name: &str, tags: &[(&str, &str)]) -> OwnedCounter {
        OwnedCounter(self.make(name, tags))
    }

    pub(crate) fn gauge(&self, name: &str, tags: &[(&str, &str)]) -> OwnedGauge {
        OwnedGauge(self.make(name, tags))
    }

    pub(crate) fn histogram(&self, name: &str, tags: &[(&str, &str)]) -> OwnedHistogram {
        OwnedHistogram(self.make(name, tags))
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn float_histogram(
        &self,
        name: &str,
        tags: &[(&str, &str)],
    ) -> Arc<Owned<FloatHistogram>> {
        self.make(name, tags)
    }

    /// Sets the unit of every histogram of floats with that name.
    #[cfg(feature = "metrics")]
    pub(crate) fn set_unit(&self, name: &str, unit: Unit) {
        for (key, made) in &*self.lock() {
            if let Dynamic::Floats(histogram) = made
                && *key.name == *name
            {
                histogram.inner.set_unit(unit);
            }
        }
    }

    /// An instrument that nobody sends, for a caller without a client in this process.
    fn unsent<I: Make>() -> Arc<Owned<I>> {
        Arc::new(Owned { key: Key::new("", &[]), inner: I::make() })
    }

    pub(crate) fn unsent_counter() -> OwnedCounter {
        OwnedCounter(Self::unsent())
    }

    pub(crate) fn unsent_gauge() -> OwnedGauge {
        OwnedGauge(Self::unsent())
    }

    pub(crate) fn unsent_histogram() -> OwnedHistogram {
        OwnedHistogram(Self::unsent())
    }

    /// An instrument of the client's own, which does not count towards the limit; it is sent if it is `listed`.
    fn own<I: Make>(&self, name: &str, tags: &[(&str, &str)], listed: bool) -> Arc<Owned<I>> {
        let made = Arc::new(Owned { key: Key::new(name, tags), inner: I::make() });
        if listed {
            self.push_own(made.clone());
        }
        made
    }

    pub(crate) fn own_counter(&self, name: &str, tags: &[(&str, &str)]) -> OwnedCounter {
        OwnedCounter(self.own(name, tags, true))
    }

    pub(crate) fn own_gauge(&self, name: &str, tags: &[(&str, &str)]) -> OwnedGauge {
        OwnedGauge(self.own(name, tags, true))
    }

    /// A histogram of the client's own, which is not sent until it is [listed](Self::list).
    pub(crate) fn own_histogram(&self, name: &str, tags: &[(&str, &str)]) -> OwnedHistogram {
        OwnedHistogram(self.own(name, tags, false))
    }

    /// Sends the histogram from now on.
    pub(crate) fn list(&self, histogram: &OwnedHistogram) {
        self.push_own(histogram.0.clone());
    }

    /// Says who the client is, with the instruments.
    pub(crate) fn introduce(&self, info: OwnInfo) {
        self.push_own(Arc::new(info));
    }

    /// Says what a name means, with the instruments.
    pub(crate) fn describe(&self, name: &str, unit: Unit, text: &str) {
        if let Some(described) = self.descriptions.say(name, unit, text) {
            self.push_own(described);
        }
    }

    fn push_own(&self, instrument: Arc<dyn Instrument + Send + Sync>) {
        let _adding = self.lock();
        self.entries.push(Entry::Own(instrument));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::instrument::{Instruments, State};

    #[test]
    fn the_same_name_and_tags_are_the_same_instrument() {
        let registry = Registry::new(Vec::new(), 10);
        registry.counter("a", &[("x", "1"), ("y", "2")]).add(3);
        let again = registry.counter("a", &[("y", "2"), ("x", "1")]);
        assert_eq!(again.total(), 3, "in any order");
        assert_eq!(registry.counter("a", &[]).total(), 0);
        assert_eq!(registry.walk().len(), 2);
    }

    #[test]
    fn beyond_the_limit_totals_are_kept_in_an_overflow_series() {
        let registry = Registry::new(Vec::new(), 2);
        for i in 0..5 {
            registry.counter(&format!("c{i}"), &[]).inc();
        }
        registry.gauge("g", &[]).set(1.0);
        registry.histogram("", &[]).record(7);
        assert_eq!(registry.refused(), 5);
        let mut totals = HashMap::new();
        let walk = registry.walk();
        for index in 0..walk.len() {
            walk.visit(index, &mut |i| {
                if let State::Total(n) = i.state() {
                    totals.insert(i.name().to_owned(), n);
                }
            });
        }
        let expected = [("c0", 1), ("c1", 1), (OVERFLOW, 3)].map(|(n, t)| (n.to_owned(), t));
        assert_eq!(totals, HashMap::from(expected));
    }
}
