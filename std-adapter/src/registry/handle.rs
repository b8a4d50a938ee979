//! Handles on instruments that were made at run time.

use std::sync::Arc;
use std::time::Duration;

use ringstat_core::instrument::{Buckets, Gauge, Histogram};
use ringstat_core::observe::Quantiles;

use super::dynamic::{Counter, Owned};

/// A counter made at run time. Its name and tags were looked up once; recording is one atomic operation.
///
/// ```
/// use ringstat_std::Client;
///
/// # let stats = Client::builder("unused").build_with(ringstat_core::send::from_fn(|_| Ok(())))?;
/// let route = "/users/{id}"; // known only at run time
/// let requests = stats.counter("http.requests", &[("route", route)]);
/// requests.inc();
/// requests.add(2);
/// assert_eq!(stats.counter("http.requests", &[("route", route)]).total(), 3, "the same instrument");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OwnedCounter(pub(crate) Arc<Owned<Counter>>);

impl OwnedCounter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`. The total wraps at 2^64.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.inner.add(n);
    }

    /// The current total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.inner.total()
    }
}

/// A gauge made at run time. Its name and tags were looked up once; recording is one atomic operation.
///
/// ```
/// use ringstat_std::Client;
///
/// # let stats = Client::builder("unused").build_with(ringstat_core::send::from_fn(|_| Ok(())))?;
/// let depth = stats.gauge("queue.depth", &[("queue", "mail")]);
/// assert!(depth.set(7.0));
/// assert!(depth.add(-2.0));
/// assert!(!depth.set(f64::NAN), "what is not a number is refused");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OwnedGauge(pub(crate) Arc<Owned<Gauge>>);

impl OwnedGauge {
    /// Sets the value, as [`Gauge::set`] does.
    #[inline]
    pub fn set(&self, value: f64) -> bool {
        self.0.inner.set(value)
    }

    /// Adds to the value, as [`Gauge::add`] does.
    pub fn add(&self, amount: f64) -> bool {
        self.0.inner.add(amount)
    }
}

/// A histogram of durations made at run time. Its name and tags were looked up once; recording is two atomic
/// operations.
///
/// ```
/// use std::time::Duration;
///
/// use ringstat_std::Client;
///
/// # let stats = Client::builder("unused").build_with(ringstat_core::send::from_fn(|_| Ok(())))?;
/// let query = stats.histogram("db.query", &[("table", "orders")]);
/// query.record_duration(Duration::from_micros(1500));
/// query.record(2_000_000); // nanoseconds
/// assert_eq!(query.count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct OwnedHistogram(pub(super) Arc<Owned<Histogram>>);

impl OwnedHistogram {
    /// Records a duration.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.0.inner.record_duration(duration);
    }

    /// Records a duration in nanoseconds.
    #[inline]
    pub fn record(&self, nanos: u64) {
        self.0.inner.record(nanos);
    }

    /// The count and quantiles of the recorded values, in nanoseconds.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles::of(&self.0.inner)
    }

    /// The number of recorded values.
    #[must_use]
    pub fn count(&self) -> u64 {
        (0..self.0.inner.buckets()).map(|i| self.0.inner.bucket_count(i)).sum()
    }
}
