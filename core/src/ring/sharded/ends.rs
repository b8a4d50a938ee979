//! The ends of a set of shards.

use core::marker::PhantomData;
use core::ops::Deref;

use super::{Shard, Sharded, hand_over_drain};
use crate::ring::{Fallback, RingRef, ShardRing, Source, Storage, percent};

/// The recording end of one shard. Dropping it frees the shard for another owner.
///
/// ```
/// use ringstat_core::ring::{Slot, mpmc, sharded::{Shard, Sharded}, spsc};
///
/// let shards = [const { Shard::new(spsc::Ring::new([const { Slot::<u32>::new() }; 8])) }; 2];
/// let all = Sharded::new(shards, mpmc::Ring::new([const { mpmc::Cell::<u32>::new() }; 8]));
/// let mut own = Sharded::claim(&all).unwrap();
/// own.get().push(1).unwrap();
/// assert_eq!((own.index(), own.capacity()), (0, 8));
/// drop(own);
/// assert_eq!(all.vacated(), 1, "another thread can claim the shard, and what is in it stays");
/// ```
#[derive(Debug)]
pub struct ShardProducer<R, L, S, F>
where
    R: RingRef<Target = Sharded<L, S, F>>,
    L: ShardRing,
    S: Storage<Shard<L>>,
{
    all: R,
    index: usize,
    types: PhantomData<fn(L, S, F)>,
}

impl<R, L, S, F> ShardProducer<R, L, S, F>
where
    R: RingRef<Target = Sharded<L, S, F>>,
    L: ShardRing,
    S: Storage<Shard<L>>,
{
    /// Creates the end of a shard that was just taken.
    pub(super) fn new(all: R, index: usize) -> Self {
        Self { all, index, types: PhantomData }
    }

    /// The recording end of the shard's ring, which cannot outlive `self`.
    ///
    /// ```compile_fail,E0505
    /// # use ringstat_core::ring::{Slot, mpmc, sharded::{Shard, Sharded}, spsc};
    /// # let shards = [Shard::new(spsc::Ring::new([const { Slot::<u8>::new() }; 2]))];
    /// # let all = Sharded::new(shards, mpmc::Ring::new([mpmc::Cell::<u8>::new()]));
    /// let mut shard = Sharded::claim(&all).unwrap();
    /// let mut kept = shard.get();
    /// drop(shard);
    /// kept.push(1).unwrap();
    /// ```
    #[inline(always)]
    pub fn get(&mut self) -> L::Producer<'_> {
        // SAFETY: the shard was taken for `self` alone until `self` is dropped, and the end borrows from `self`.
        // Between two owners, the release and the acquire of `claimed` provide the order.
        unsafe { self.all.shards.slots()[self.index].ring.producer() }
    }

    /// The index of the shard.
    #[inline]
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of items that fit in the shard.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.all.shards.slots()[self.index].capacity()
    }

    /// All shards, to which this one belongs.
    #[must_use]
    pub fn all(&self) -> &R {
        &self.all
    }
}

impl<R, L, S, F> Drop for ShardProducer<R, L, S, F>
where
    R: RingRef<Target = Sharded<L, S, F>>,
    L: ShardRing,
    S: Storage<Shard<L>>,
{
    fn drop(&mut self) {
        self.all.give_back(self.index);
    }
}

/// The sending end of all shards and the shared ring.
///
/// ```
/// use ringstat_core::ring::{Slot, Source, mpmc, sharded::{Shard, Sharded}, spsc};
///
/// let shards = [const { Shard::new(spsc::Ring::new([const { Slot::<u32>::new() }; 8])) }; 2];
/// let all = Sharded::new(shards, mpmc::Ring::new([const { mpmc::Cell::<u32>::new() }; 8]));
/// let mut first = Sharded::claim(&all).unwrap();
/// let mut second = Sharded::claim(&all).unwrap();
/// first.get().push_slice(&[1, 2]);
/// second.get().push_slice(&[3]);
///
/// let mut drain = Sharded::drain(&all).unwrap();
/// assert!(Sharded::drain(&all).is_none(), "there is one drain at a time");
/// let mut taken = Vec::new();
/// assert_eq!(drain.drain(16, |item| taken.push(item)), 3);
/// assert_eq!(taken, [1, 2, 3], "each shard keeps its order");
/// ```
#[derive(Debug)]
pub struct ShardConsumer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
{
    all: R,
    /// Where the next drain begins; the shared ring comes after the last shard.
    next: usize,
    types: PhantomData<fn(L, S, F)>,
}

impl<R, L, S, F> ShardConsumer<R, L, S, F>
where
    R: RingRef<Target = Sharded<L, S, F>>,
{
    /// Creates the drain of shards whose drain was just claimed.
    pub(super) fn new(all: R) -> Self {
        Self { all, next: 0, types: PhantomData }
    }
}

impl<R, L, S, F> Drop for ShardConsumer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
{
    fn drop(&mut self) {
        // Release: everything this drain took happens before what the next drain takes.
        self.all.drained.store(0, hand_over_drain());
    }
}

impl<R, L, S, F> Source<L::Item> for ShardConsumer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
    L: ShardRing,
    S: Storage<Shard<L>>,
    F: Fallback<L::Item>,
{
    /// Continues where the last drain stopped, so that a busy shard does not keep the others waiting: each shard gets
    /// `max` items at a time, then it is the next one's turn.
    fn drain(&mut self, max: usize, mut f: impl FnMut(L::Item)) -> usize {
        let shards = self.all.shards();
        let mut taken = 0;
        for _ in 0..=shards.len() {
            let left = max - taken;
            taken += match shards.get(self.next) {
                // SAFETY: this is the only drain (`drained`), and the end does not outlive this expression.
                Some(shard) => unsafe { shard.ring.consumer() }.drain(left, &mut f),
                None => self.all.shared.take(left, &mut f),
            };
            self.next = if self.next >= shards.len() { 0 } else { self.next + 1 };
            if taken == max {
                break;
            }
        }
        taken
    }

    fn len(&self) -> usize {
        self.all.shards().iter().map(Shard::len).sum::<usize>() + self.all.shared.len()
    }

    fn capacity(&self) -> usize {
        let shards = self.all.shards().iter().map(Shard::capacity);
        shards.sum::<usize>() + self.all.shared.capacity()
    }

    fn fill(&self) -> u8 {
        let shards = self.all.shards().iter().map(|s| percent(s.len(), s.capacity()));
        let shared = percent(self.all.shared.len(), self.all.shared.capacity());
        shards.fold(shared, u8::max)
    }
}
