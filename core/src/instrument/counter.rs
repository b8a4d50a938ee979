//! Counters.

use super::total::Total;
use super::{Head, Instrument, described_by_head, stated_by_total};
use crate::record::Tag;
use crate::sync::const_fn;

/// A counter: a total that only grows. Adding is one relaxed atomic operation, wait-free, from any thread or interrupt.
///
/// Threads that share one counter contend for its cache line: with two cores, an increment takes 28 ns instead of 6.
/// Servers can use [`ShardedCounter`](super::ShardedCounter) instead.
///
/// On parts without 64-bit atomics, adding is one 32-bit operation; without compare-and-swap (thumbv6m), interrupts are
/// masked for the handful of instructions that it takes.
///
/// ```
/// use ringstat_core::instrument::Counter;
///
/// static REQUESTS: Counter = Counter::new("http.requests").tags(&[("service", "shop")]);
///
/// REQUESTS.inc();
/// REQUESTS.add(2);
/// assert_eq!(REQUESTS.total(), 3);
/// ```
#[derive(Debug)]
pub struct Counter {
    head: Head,
    total: Total,
}

impl Counter {
    const_fn! {
        /// Creates a counter at 0.
        #[must_use]
        pub const fn new(name: &'static str) -> Self {
            Self { head: Head::new(name), total: Total::new() }
        }
    }

    /// Sets the counter's tags.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [Tag]) -> Self {
        self.head.tags = tags;
        self
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.total.add(1);
    }

    /// Adds `n`. The total wraps at 2^64, or at 2^63 on parts without 64-bit atomics.
    #[inline]
    pub fn add(&self, n: u64) {
        self.total.add(n);
    }

    /// Raises the total to at least `total`, for a counter that mirrors one kept elsewhere. A lower `total` changes
    /// nothing.
    ///
    /// This is one atomic operation. On parts without 64-bit atomics it is two, and concurrent callers may raise the
    /// total too far.
    #[inline]
    pub fn raise_to(&self, total: u64) {
        self.total.raise_to(total);
    }

    /// The current total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.get()
    }
}

impl Instrument for Counter {
    described_by_head!();
    stated_by_total!();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn adds_up_across_threads_and_words() {
        static COUNTER: Counter = Counter::new("c").tags(&[("k", "v")]);
        COUNTER.add(u64::from(u32::MAX) - 1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| COUNTER.inc()));
            }
        });
        assert_eq!(COUNTER.total(), u64::from(u32::MAX) - 1 + 40_000);
        assert_eq!(COUNTER.static_identity(), Some(("c", &[("k", "v")][..])));
        COUNTER.raise_to(7);
        assert_eq!(COUNTER.total(), u64::from(u32::MAX) - 1 + 40_000);
        COUNTER.raise_to(u64::MAX - 1);
        assert_eq!(COUNTER.total(), u64::MAX - 1);
        assert_eq!((COUNTER.tag(0), COUNTER.tag(1)), (Some(("k", "v")), None));
    }
}
