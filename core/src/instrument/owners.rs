//! Ownership of the cells of a sharded instrument.

use crate::sync::{AtomicU32, Ordering, const_fn, mutant};

/// The ordering with which an owner gives its cell back, so that the next owner sees what it wrote.
#[inline(always)]
fn hand_over() -> Ordering {
    if mutant("owners_release") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering with which a new owner takes a cell, so that it sees what the last owner wrote.
#[inline(always)]
fn take_over() -> Ordering {
    if mutant("owners_take") { Ordering::Relaxed } else { Ordering::Acquire }
}

/// Hands out small numbers, each owned by one thread at a time: the cells of a
/// [`ShardedCounter`](super::ShardedCounter).
///
/// Lock-free. Everything an owner wrote before it gave its number back is visible to the number's next owner.
#[derive(Debug)]
pub struct Owners {
    /// The numbers that are taken, one bit each.
    taken: AtomicU32,
}

impl Owners {
    const_fn! {
        /// Creates a set in which all numbers are free.
        #[must_use]
        pub const fn new() -> Self {
            Self { taken: AtomicU32::new(0) }
        }
    }

    /// Takes the lowest free number below `limit`, which is at most 32, or returns `None` if all are taken.
    pub fn take(&self, limit: usize) -> Option<usize> {
        let free = |taken: u32| (!taken).trailing_zeros();
        let taken = self.taken.fetch_update(take_over(), Ordering::Relaxed, |taken| {
            ((free(taken) as usize) < limit.min(32)).then(|| taken | 1 << free(taken))
        });
        taken.ok().map(|taken| free(taken) as usize)
    }

    /// Returns a number that the caller has taken.
    pub fn give_back(&self, number: usize) {
        if number < 32 {
            self.taken.fetch_and(!(1 << number), hand_over());
        }
    }
}

impl Default for Owners {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_one_owner() {
        let owners = Owners::new();
        assert_eq!([0; 3].map(|_| owners.take(2)), [Some(0), Some(1), None]);
        owners.give_back(0);
        assert_eq!((owners.take(2), owners.take(2)), (Some(0), None));
        let rest: std::vec::Vec<_> = std::iter::from_fn(|| owners.take(99)).collect();
        assert_eq!(rest, (2..32).collect::<std::vec::Vec<_>>());
        owners.give_back(99);
        assert_eq!(owners.take(99), None);
    }
}
