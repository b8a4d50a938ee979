//! Counters that favour the first thread that adds to them.

use super::total::Total;
use super::{Head, Instrument, described_by_head, stated_by_total};
use crate::sync::{AtomicU32, Ordering, const_fn, mutant};

/// Nobody owns the cell yet.
const NOBODY: u32 = u32::MAX;

/// A counter that is biased towards one of its threads: the first one that adds as an owner gets a cell of its own, to
/// which it adds with a plain load and store; all others share a second cell with an atomic addition.
///
/// It takes 16 bytes more than a [`Counter`](super::Counter), where a [`ShardedCounter`](super::ShardedCounter) takes
/// cache lines for each thread: for counters of which there are many, made at run time, most of them used by one thread.
///
/// An adapter hands out the numbers below `OWNERS`, each to one thread at a time (see [`Owners`](super::Owners)). If two
/// threads add under the same number, increments are lost, but nothing worse happens.
#[derive(Debug)]
pub struct BiasedCounter<const OWNERS: usize> {
    head: Head,
    /// The number whose thread owns the first cell.
    owner: AtomicU32,
    own: Total,
    shared: Total,
}

impl<const OWNERS: usize> BiasedCounter<OWNERS> {
    const_fn! {
        /// Creates a counter at 0.
        #[must_use]
        pub const fn new(name: &'static str) -> Self {
            const { assert!(OWNERS < NOBODY as usize) };
            Self {
                head: Head::new(name),
                owner: AtomicU32::new(NOBODY),
                own: Total::new(),
                shared: Total::new(),
            }
        }
    }

    /// Adds `n` by one atomic operation, from anywhere.
    #[inline]
    pub fn add(&self, n: u64) {
        self.shared.add(n);
    }

    /// Adds `n` for the thread with this number. Numbers from `OWNERS` on are nobody's own.
    ///
    /// A signal handler that interrupts its own thread here must not call this: it may lose its increment.
    #[inline]
    pub fn add_in(&self, number: usize, n: u64) {
        // Relaxed: what the last thread with this number added is known to this one since it took the number.
        if self.owner.load(Ordering::Relaxed) as usize == number {
            self.own.add_alone(n);
        } else {
            self.add_elsewhere(number, n);
        }
    }

    /// Becomes the owner if there is none, or uses the shared cell.
    #[inline(never)]
    fn add_elsewhere(&self, number: usize, n: u64) {
        if number < OWNERS && self.claim(number as u32) {
            self.own.add_alone(n);
        } else {
            self.shared.add(n);
        }
    }

    fn claim(&self, number: u32) -> bool {
        if mutant("biased_claim") {
            let free = self.owner.load(Ordering::Relaxed) == NOBODY;
            self.owner.store(number, Ordering::Relaxed);
            return free;
        }
        let relaxed = Ordering::Relaxed;
        self.owner.compare_exchange(NOBODY, number, relaxed, relaxed).is_ok()
    }

    /// Raises the total to at least `total`, for a counter that mirrors one kept elsewhere. A lower `total` changes
    /// nothing. What the owner adds at the same time is added on top.
    #[inline]
    pub fn raise_to(&self, total: u64) {
        self.shared.raise_to(total.saturating_sub(self.own.get()));
    }

    /// The current total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.own.get().wrapping_add(self.shared.get())
    }
}

impl<const OWNERS: usize> Instrument for BiasedCounter<OWNERS> {
    described_by_head!();
    stated_by_total!();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_owner_has_a_cell_of_its_own_and_nothing_is_lost() {
        static COUNTER: BiasedCounter<3> = BiasedCounter::new("c");
        COUNTER.add_in(3, 1);
        assert_eq!((COUNTER.own.get(), COUNTER.shared.get()), (0, 1), "3 owns nothing");
        std::thread::scope(|scope| {
            for number in 0..5 {
                scope.spawn(move || (0..10_000).for_each(|_| COUNTER.add_in(number, 1)));
            }
        });
        assert_eq!((COUNTER.own.get(), COUNTER.total()), (10_000, 50_001));
        COUNTER.add(2);
        assert_eq!(COUNTER.total(), 50_003);
    }

    #[test]
    fn a_total_is_raised_over_both_cells() {
        let counter: BiasedCounter<1> = BiasedCounter::new("c");
        counter.add_in(0, 5);
        counter.add(2);
        for (to, total) in [(6, 7), (0, 7), (9, 9), (9, 9), (3, 9)] {
            counter.raise_to(to);
            assert_eq!(counter.total(), total);
        }
        counter.add_in(0, 1);
        assert_eq!(counter.total(), 10);
    }
}
