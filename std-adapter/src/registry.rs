//! The instruments of a client: those in `static`s, and those made at run time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringstat_core::instrument::{
    Buckets, Counter, DEFAULT_BUCKETS, Gauge, Histogram, Instrument, Instruments, Mark, State, Unit,
};
use ringstat_core::observe::Quantiles;
use ringstat_core::record::Tag;

#[cfg(feature = "metrics")]
use crate::metrics::FloatHistogram;

/// One instrument of the client.
pub(crate) enum Entry {
    Static(&'static dyn Instrument),
    Owned(Arc<dyn Instrument + Send + Sync>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.get().name()).finish()
    }
}

impl Entry {
    fn get(&self) -> &dyn Instrument {
        match self {
            Self::Static(instrument) => *instrument,
            Self::Owned(instrument) => instrument.as_ref(),
        }
    }
}

/// All instruments of one client. Locked when one is added and by the worker's walk, never by recording.
#[derive(Debug)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    /// Instruments made at run time at most.
    limit: usize,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    made: HashMap<Key, Made>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    name: Box<str>,
    tags: Box<[(Box<str>, Box<str>)]>,
}

impl Key {
    /// Whether it can be sent.
    fn is_valid(&self) -> bool {
        let fits = |s: &str| s.len() <= 255;
        let tags = self.tags.len() <= 255 && self.tags.iter().all(|(k, v)| fits(k) && fits(v));
        !self.name.is_empty() && fits(&self.name) && tags
    }
}

#[derive(Clone, Debug)]
enum Made {
    Counter(Arc<Owned<Counter>>),
    Gauge(Arc<Owned<Gauge>>),
    Histogram(Arc<Owned<Histogram>>),
    #[cfg(feature = "metrics")]
    Floats(Arc<Owned<FloatHistogram>>),
}

/// The series that takes what is beyond the limit.
const OVERFLOW: &str = "ringstat.overflow";

impl Registry {
    pub(crate) fn new(entries: Vec<Entry>, limit: usize) -> Self {
        let inner = Inner { entries, made: HashMap::new() };
        Self { inner: Mutex::new(inner), limit, refused: AtomicU64::new(0) }
    }

    /// Nothing is left half done where this could be poisoned.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, instrument: &'static dyn Instrument) {
        let mut inner = self.lock();
        let same = |e: &Entry| std::ptr::addr_eq(e.get(), instrument);
        if !inner.entries.iter().any(same) {
            inner.entries.push(Entry::Static(instrument));
        }
    }

    /// Instruments asked for beyond the limit.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts one.
    #[cfg(feature = "metrics")]
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many instruments were made at run time.
    pub(crate) fn made(&self) -> usize {
        self.lock().made.len()
    }

    /// So many may be.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The instruments, locked for a walk.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk { inner: RefCell::new(self.lock()), limit: self.limit }
    }

    /// The instrument of that name, tags and type, made if need be; the overflow series where there is no room.
    fn make<I: Make>(&self, name: &str, tags: &[(&str, &str)]) -> Arc<Owned<I>> {
        let mut inner = self.lock();
        if let Some(made) = inner.make::<I>(key(name, tags), self.limit) {
            return made;
        }
        // Full, or the name is taken by another type, or it could never be sent: what is recorded goes to a series
        // that says so, one for each type.
        self.refused.fetch_add(1, Ordering::Relaxed);
        let kind = std::any::type_name::<I>().rsplit("::").next().unwrap_or("");
        let overflow = key(OVERFLOW, &[("type", kind)]);
        match inner.make::<I>(overflow.clone(), usize::MAX) {
            Some(made) => made,
            // Somebody has an instrument of another type under this very name: it is kept, and sent under none.
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
        for (key, made) in &self.lock().made {
            if let Made::Floats(histogram) = made
                && *key.name == *name
            {
                histogram.inner.set_unit(unit);
            }
        }
    }

    /// An instrument of the client's own, beside the limit; it is sent if it is `listed`.
    fn own<I: Make>(&self, name: &str, tags: &[(&str, &str)], listed: bool) -> Arc<Owned<I>> {
        let made = Arc::new(Owned { key: key(name, tags), inner: I::make() });
        if listed {
            self.lock().entries.push(Entry::Owned(made.clone()));
        }
        made
    }

    pub(crate) fn own_counter(&self, name: &str, tags: &[(&str, &str)]) -> OwnedCounter {
        OwnedCounter(self.own(name, tags, true))
    }

    pub(crate) fn own_gauge(&self, name: &str, tags: &[(&str, &str)]) -> OwnedGauge {
        OwnedGauge(self.own(name, tags, true))
    }

    /// A histogram of the client's own, which is not sent before it is [listed](Self::list).
    pub(crate) fn own_histogram(&self, name: &str, tags: &[(&str, &str)]) -> OwnedHistogram {
        OwnedHistogram(self.own(name, tags, false))
    }

    /// Sends the histogram from now on.
    pub(crate) fn list(&self, histogram: &OwnedHistogram) {
        self.lock().entries.push(Entry::Owned(histogram.0.clone()));
    }
}

impl Inner {
    /// The instrument under that key, made if need be and there is room; `None` also where another type has the key,
    /// or it could never be sent.
    fn make<I: Make>(&mut self, key: Key, limit: usize) -> Option<Arc<Owned<I>>> {
        if let Some(made) = self.made.get(&key) {
            return I::unwrap(made).cloned();
        }
        if !key.is_valid() || self.made.len() >= limit {
            return None;
        }
        let made = Arc::new(Owned { key: key.clone(), inner: I::make() });
        self.entries.push(Entry::Owned(made.clone()));
        self.made.insert(key, I::wrap(made.clone()));
        Some(made)
    }
}

/// An instrument that can be made at run time.
trait Make: Instrument + Send + Sync + Sized + 'static {
    fn make() -> Self;
    fn wrap(made: Arc<Owned<Self>>) -> Made;
    fn unwrap(made: &Made) -> Option<&Arc<Owned<Self>>>;
}

macro_rules! make {
    ($type:ident, $variant:ident, $new:expr) => {
        impl Make for $type {
            fn make() -> Self {
                $new
            }
            fn wrap(made: Arc<Owned<Self>>) -> Made {
                Made::$variant(made)
            }
            fn unwrap(made: &Made) -> Option<&Arc<Owned<Self>>> {
                match made {
                    Made::$variant(made) => Some(made),
                    _ => None,
                }
            }
        }
    };
}

make!(Counter, Counter, Counter::new(""));
make!(Gauge, Gauge, Gauge::new(""));
make!(Histogram, Histogram, Histogram::<DEFAULT_BUCKETS>::new("").unit(Unit::Nanoseconds));
#[cfg(feature = "metrics")]
make!(FloatHistogram, Floats, FloatHistogram::new());

fn key(name: &str, tags: &[(&str, &str)]) -> Key {
    let mut tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    tags.sort_unstable();
    Key { name: name.into(), tags: tags.into() }
}

/// The instruments as the sender walks them.
pub(crate) struct Walk<'a> {
    /// Borrowed for one instrument at a time, so that some can be made on the way.
    inner: RefCell<MutexGuard<'a, Inner>>,
    limit: usize,
}

impl Walk<'_> {
    /// So many instruments may be made at run time.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The counter of that name and tags, made if there is room.
    pub(crate) fn try_counter(&self, name: &str, tags: &[(&str, &str)]) -> Option<OwnedCounter> {
        self.inner.borrow_mut().make(key(name, tags), self.limit).map(OwnedCounter)
    }

    /// The gauge of that name and tags, made if there is room.
    pub(crate) fn try_gauge(&self, name: &str, tags: &[(&str, &str)]) -> Option<OwnedGauge> {
        self.inner.borrow_mut().make(key(name, tags), self.limit).map(OwnedGauge)
    }

    /// The histogram of that name and tags, made if there is room.
    pub(crate) fn try_histogram(
        &self,
        name: &str,
        tags: &[(&str, &str)],
    ) -> Option<OwnedHistogram> {
        self.inner.borrow_mut().make(key(name, tags), self.limit).map(OwnedHistogram)
    }
}

impl Instruments for Walk<'_> {
    fn len(&self) -> usize {
        self.inner.borrow().entries.len()
    }

    fn visit(&self, index: usize, f: &mut dyn FnMut(&dyn Instrument)) {
        if let Some(entry) = self.inner.borrow().entries.get(index) {
            f(entry.get());
        }
    }
}

/// An instrument whose name and tags came at run time.
#[derive(Debug)]
pub(crate) struct Owned<I> {
    key: Key,
    pub(crate) inner: I,
}

impl<I: Instrument> Instrument for Owned<I> {
    fn name(&self) -> &str {
        &self.key.name
    }
    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.key.tags.get(index).map(|(k, v)| (&**k, &**v))
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }
    fn unit(&self) -> Unit {
        self.inner.unit()
    }
    fn state(&self) -> State<'_> {
        self.inner.state()
    }
    fn version(&self) -> u32 {
        self.inner.version()
    }
    fn mark(&self) -> &Mark {
        self.inner.mark()
    }
}

/// A counter made at run time. Name and tags were looked up once; recording is one atomic operation.
#[derive(Clone, Debug)]
pub struct OwnedCounter(pub(crate) Arc<Owned<Counter>>);

impl OwnedCounter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.0.inner.inc();
    }

    /// Adds `n`. The total wraps at 2^64.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.inner.add(n);
    }

    /// The total so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.inner.total()
    }
}

/// A gauge made at run time. Name and tags were looked up once; recording is one atomic operation.
#[derive(Clone, Debug)]
pub struct OwnedGauge(pub(crate) Arc<Owned<Gauge>>);

impl OwnedGauge {
    /// See [`Gauge::set`].
    #[inline]
    pub fn set(&self, value: f64) -> bool {
        self.0.inner.set(value)
    }

    /// See [`Gauge::add`].
    pub fn add(&self, amount: f64) -> bool {
        self.0.inner.add(amount)
    }
}

/// A histogram of durations made at run time. Name and tags were looked up once; recording is two atomic operations.
#[derive(Clone, Debug)]
pub struct OwnedHistogram(Arc<Owned<Histogram>>);

impl OwnedHistogram {
    /// Records a duration.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.0.inner.record_duration(duration);
    }

    /// Records nanoseconds.
    #[inline]
    pub fn record(&self, nanos: u64) {
        self.0.inner.record(nanos);
    }

    /// The values below which shares of the recorded ones lie.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles::of(&self.0.inner)
    }

    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        (0..self.0.inner.buckets()).map(|i| self.0.inner.bucket_count(i)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
