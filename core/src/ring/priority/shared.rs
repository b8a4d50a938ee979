//! A priority ring that any number of producers and consumers share.

use super::{LEVELS, Prioritized, STARVED_AFTER};
use crate::ring::{Fallback, Full, Storage, mpmc, sealed};
use crate::sync::{AtomicU32, Ordering, const_fn};

/// A priority ring for any number of producers and consumers. Each level has a ring of its own, so no level takes
/// another's room.
///
/// Progress and order within a level are those of [`mpmc`]. The highest level is taken first, but one of the lower
/// levels gets a turn every 16 items.
///
/// ```
/// use ringstat_core::ring::{Fallback, mpmc, priority::{Prioritized, Shared}};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// struct Alarm(usize);
/// impl Prioritized for Alarm {
///     fn level(&self) -> usize { self.0 }
/// }
///
/// // Any thread may record to it: room for two items on each level.
/// static SHARED: Shared<Alarm, [mpmc::Cell<Alarm>; 2]> =
///     Shared::new([const { mpmc::Ring::new([const { mpmc::Cell::new() }; 2]) }; 4]);
/// [0, 3, 1].map(|level| SHARED.push(Alarm(level)).unwrap());
/// assert_eq!(SHARED.pop(), Some(Alarm(3)), "the highest level first");
/// ```
#[derive(Debug)]
pub struct Shared<T, C> {
    levels: [mpmc::Ring<T, C>; LEVELS],
    /// The number of items taken so far, which decides whose turn it is. Consumers need not agree on it exactly.
    turn: AtomicU32,
}

impl<T: Copy + Prioritized, C: Storage<mpmc::Cell<T>>> Shared<T, C> {
    const_fn! {
        /// Creates a ring over empty rings, one per level, lowest level first.
        #[must_use]
        pub const fn new(levels: [mpmc::Ring<T, C>; LEVELS]) -> Self {
            Self { levels, turn: AtomicU32::new(0) }
        }
    }

    fn level(&self, item: &T) -> &mpmc::Ring<T, C> {
        &self.levels[item.level().min(LEVELS - 1)]
    }

    /// The number of items on the fullest level.
    #[must_use]
    pub fn fullest(&self) -> usize {
        self.levels.iter().map(mpmc::Ring::len).fold(0, usize::max)
    }

    /// Takes the item whose turn it is, or returns `None` if all levels are empty.
    pub fn pop(&self) -> Option<T> {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        // Every 16th item is the turn of a lower level; the lower levels alternate.
        let favoured = (turn % (STARVED_AFTER + 1) == STARVED_AFTER)
            .then_some((turn / (STARVED_AFTER + 1)) as usize % (LEVELS - 1));
        let order = favoured.into_iter().chain((0..LEVELS).rev());
        order.into_iter().find_map(|level| self.levels[level].pop())
    }

    /// Adds an item in place of the oldest item of the lowest level below its own, which is passed to `evicted`.
    ///
    /// # Errors
    /// [`Full`] gives the item back when nothing is on a lower level, or its own level has no room.
    pub fn push_replacing(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>> {
        let below = self.levels.iter().take(item.level().min(LEVELS - 1));
        match below.into_iter().find_map(mpmc::Ring::pop) {
            Some(lower) => {
                let mut evicted = evicted;
                evicted(lower);
                self.level(&item).push_evicting(item, evicted)
            }
            None => Err(Full(item)),
        }
    }
}

impl<T, C> sealed::Fallback for Shared<T, C> {}

impl<T: Copy + Prioritized, C: Storage<mpmc::Cell<T>>> Fallback<T> for Shared<T, C> {
    fn push(&self, item: T) -> Result<(), Full<T>> {
        self.level(&item).push(item)
    }

    fn push_evicting(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>> {
        self.level(&item).push_evicting(item, evicted)
    }

    fn take(&self, max: usize, mut f: impl FnMut(T)) -> usize {
        (0..max).map_while(|_| self.pop().map(&mut f)).count()
    }

    fn len(&self) -> usize {
        self.levels.iter().map(mpmc::Ring::len).sum()
    }

    fn capacity(&self) -> usize {
        self.levels.iter().map(mpmc::Ring::capacity).sum()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Ranked(usize, u32);

    impl Prioritized for Ranked {
        fn level(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn shared_levels_have_room_of_their_own_and_a_turn() {
        let shared: Shared<Ranked, [mpmc::Cell<Ranked>; 2]> =
            Shared::new(core::array::from_fn(|_| {
                mpmc::Ring::new(core::array::from_fn(|_| mpmc::Cell::new()))
            }));
        for level in 0..LEVELS {
            for n in 0..2 {
                shared.push(Ranked(level, n)).unwrap();
            }
            assert_eq!(shared.push(Ranked(level, 9)), Err(Full(Ranked(level, 9))));
        }
        let mut evicted = Vec::new();
        shared.push_evicting(Ranked(2, 9), |item| evicted.push(item)).unwrap();
        shared.push_replacing(Ranked(1, 8), |item| evicted.push(item)).unwrap();
        assert_eq!(evicted, [Ranked(2, 0), Ranked(0, 0), Ranked(1, 0)]);
        assert_eq!((shared.len(), shared.capacity()), (7, 8));
        assert_eq!(shared.push_replacing(Ranked(0, 7), |_| ()), Err(Full(Ranked(0, 7))));
        let mut taken = Vec::new();
        shared.take(99, |item| taken.push(item));
        assert_eq!(taken.iter().map(|r| r.0).collect::<Vec<_>>(), [3, 3, 2, 2, 1, 1, 0]);
        let mut waited = 0;
        shared.push(Ranked(0, 1)).unwrap();
        while shared.pop() != Some(Ranked(0, 1)) {
            shared.push(Ranked(3, 1)).unwrap();
            waited += 1;
        }
        assert!(waited <= 3 * 16, "the lowest waited for {waited}");
    }
}
