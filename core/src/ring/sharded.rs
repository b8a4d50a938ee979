//! A ring of its own for each producing thread, task or interrupt, one drain for all.
//!
//! - Capacity: that of each shard, and of the shared ring. Allocation: none after construction. A shard is any [`Lane`]: a
//!   plain ring, or one that knows priorities.
//! - Progress: a shard's producer is wait-free and shares nothing with other producers. Who finds no free shard uses
//!   the shared ring ([`mpmc`](super::mpmc)), with the delays that are described there.
//! - Order: kept for each producer.
//! - Who: a shard belongs to who claimed it, until the [`ShardProducer`] is dropped; then somebody else may claim it,
//!   and what is in it stays. Shards are owned, never picked at random: a random pick would make each one
//!   multi-producer.

use core::marker::PhantomData;
use core::ops::Deref;

use super::{Full, Lane, Source, Storage, percent};
use crate::sync::{AtomicU8, CachePadded, Ordering, const_fn};

/// One shard: a ring, and whether its recording end is taken.
#[derive(Debug)]
pub struct Shard<L> {
    claimed: CachePadded<AtomicU8>,
    ring: L,
}

impl<L> Shard<L> {
    const_fn! {
        /// A free shard over `ring`, which is new.
        #[must_use]
        pub const fn new(ring: L) -> Self {
            Self { claimed: CachePadded::new(AtomicU8::new(0)), ring }
        }
    }

    fn claim(&self) -> bool {
        // Acquire: what the last owner did in the ring comes before what the next one does.
        self.claimed.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn release(&self) {
        self.claimed.store(0, Ordering::Release);
    }
}

impl<L: Lane> Shard<L> {
    /// How many items wait in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// How many items there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether none wait in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The ring for who has no shard: anybody may push and take.
pub trait Fallback<T> {
    /// Adds an item.
    ///
    /// # Errors
    /// [`Full`] gives it back when there is no room.
    fn push(&self, item: T) -> Result<(), Full<T>>;

    /// Adds an item, if need be in place of others, which go to `evicted`.
    ///
    /// # Errors
    /// [`Full`] gives it back when no room could be made.
    fn push_evicting(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>>;

    /// Takes up to `max` items, and returns how many.
    fn take(&self, max: usize, f: impl FnMut(T)) -> usize;

    /// How many items wait.
    fn len(&self) -> usize;

    /// How many items there is room for.
    fn capacity(&self) -> usize;

    /// Whether none wait.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Shards over the rings `L` in `S` (an array or boxed slice of [`Shard`]), and the shared ring `F`.
#[derive(Debug)]
pub struct Sharded<L, S, F> {
    shards: S,
    shared: F,
    drained: AtomicU8,
    lanes: PhantomData<fn() -> L>,
}

impl<L: Lane, S: Storage<Shard<L>>, F> Sharded<L, S, F> {
    const_fn! {
        /// Over shards that are all free, and a shared ring, which is new.
        #[must_use]
        pub const fn new(shards: S, shared: F) -> Self {
            Self { shards, shared, drained: AtomicU8::new(0), lanes: PhantomData }
        }
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard<L>] {
        self.shards.slots()
    }

    /// The ring for who has no shard.
    #[inline]
    #[must_use]
    pub fn shared(&self) -> &F {
        &self.shared
    }

    /// Claims a free shard of `this`, if there is one. Linear in the number of shards.
    pub fn claim<R>(this: R) -> Option<ShardProducer<R, L, S, F>>
    where
        R: Deref<Target = Self> + Clone,
    {
        let index = this.shards().iter().position(Shard::claim)?;
        let ring = ShardRef { all: this, index, types: PhantomData };
        // SAFETY: `claim` gave the shard to us alone, until `ShardProducer` releases it when it is dropped; between
        // two owners the release and the acquire of `claimed` keep the order.
        let producer = unsafe { L::producer(ring.clone()) };
        Some(ShardProducer { producer, ring })
    }

    /// The one drain of `this`; `None` if there is one already.
    pub fn drain<R>(this: R) -> Option<ShardConsumer<R, L, S, F>>
    where
        R: Deref<Target = Self> + Clone,
    {
        let claim = this.drained.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        claim.ok()?;
        Some(ShardConsumer { all: this, next: 0, types: PhantomData })
    }
}

/// Refers to one shard's ring by way of all of them, so that `R` may be an `Arc` or a `&'static`.
#[derive(Debug)]
pub struct ShardRef<R, L, S, F> {
    all: R,
    index: usize,
    types: PhantomData<fn(L, S, F)>,
}

impl<R: Clone, L, S, F> Clone for ShardRef<R, L, S, F> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), index: self.index, types: PhantomData }
    }
}

impl<R, L, S, F> Deref for ShardRef<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
    L: Lane,
    S: Storage<Shard<L>>,
{
    type Target = L;

    #[inline(always)]
    fn deref(&self) -> &L {
        &self.all.shards.slots()[self.index].ring
    }
}

/// The recording end of one shard. Dropping it frees the shard for somebody else.
pub struct ShardProducer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>> + Clone,
    L: Lane,
    S: Storage<Shard<L>>,
{
    producer: L::Producer<ShardRef<R, L, S, F>>,
    ring: ShardRef<R, L, S, F>,
}

impl<R, L, S, F> ShardProducer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>> + Clone,
    L: Lane,
    S: Storage<Shard<L>>,
{
    /// The end itself.
    #[inline(always)]
    pub fn get(&mut self) -> &mut L::Producer<ShardRef<R, L, S, F>> {
        &mut self.producer
    }

    /// Which shard it is.
    #[inline]
    #[must_use]
    pub fn index(&self) -> usize {
        self.ring.index
    }

    /// How many items the shard has room for.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// All shards.
    #[must_use]
    pub fn all(&self) -> &R {
        &self.ring.all
    }
}

impl<R, L, S, F> Drop for ShardProducer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>> + Clone,
    L: Lane,
    S: Storage<Shard<L>>,
{
    fn drop(&mut self) {
        self.ring.all.shards()[self.ring.index].release();
    }
}

/// The sending end of all shards and the shared ring.
#[derive(Debug)]
pub struct ShardConsumer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
{
    all: R,
    /// Where the next drain begins: the shared ring comes behind the last shard.
    next: usize,
    types: PhantomData<fn(L, S, F)>,
}

impl<R, L, S, F> Drop for ShardConsumer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
{
    fn drop(&mut self) {
        self.all.drained.store(0, Ordering::Release);
    }
}

impl<R, L, S, F> Source<L::Item> for ShardConsumer<R, L, S, F>
where
    R: Deref<Target = Sharded<L, S, F>>,
    L: Lane,
    S: Storage<Shard<L>>,
    F: Fallback<L::Item>,
{
    /// Goes on where the last drain stopped, so that a busy shard does not keep the others waiting: it gets `max`
    /// items at a time, then it is the next one's turn.
    fn drain(&mut self, max: usize, mut f: impl FnMut(L::Item)) -> usize {
        let shards = self.all.shards();
        let mut taken = 0;
        for _ in 0..=shards.len() {
            let left = max - taken;
            taken += match shards.get(self.next) {
                // SAFETY: this is the one drain (`drained`), and the end lives only here.
                Some(shard) => unsafe { L::consumer(&shard.ring) }.drain(left, &mut f),
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ring::mpmc::{self, Cell};
    use crate::ring::{Slot, overwrite};
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    type Item = (usize, usize);
    type Four = overwrite::Ring<Item, [Slot<Item>; 4]>;
    type Small = Sharded<Four, [Shard<Four>; 2], mpmc::Ring<Item, [Cell<Item>; 4]>>;

    fn small() -> Arc<Small> {
        Arc::new(Sharded::new(
            core::array::from_fn(|_| {
                Shard::new(overwrite::Ring::new(core::array::from_fn(|_| Slot::new())))
            }),
            mpmc::Ring::new(core::array::from_fn(|_| Cell::new())),
        ))
    }

    #[test]
    fn shards_are_owned_and_come_back() {
        let all = small();
        let first = Sharded::claim(all.clone()).unwrap();
        let mut second = Sharded::claim(all.clone()).unwrap();
        assert_eq!((first.index(), second.index()), (0, 1));
        assert!(Sharded::claim(all.clone()).is_none());
        second.get().push((1, 7)).unwrap();
        drop(second);
        let mut again = Sharded::claim(all.clone()).unwrap();
        assert_eq!(again.get().len(), 1, "what was in it stays");
        again.get().push((1, 8)).unwrap();
        let mut drain = Sharded::drain(all.clone()).unwrap();
        assert!(Sharded::drain(all.clone()).is_none());
        let mut taken = Vec::new();
        drain.drain(10, |item| taken.push(item));
        assert_eq!(taken, [(1, 7), (1, 8)]);
        drop(drain);
        assert!(Sharded::drain(all).is_some());
    }

    #[test]
    fn every_producer_gets_its_turn_and_keeps_its_order() {
        let all = small();
        let mut producers =
            [Sharded::claim(all.clone()).unwrap(), Sharded::claim(all.clone()).unwrap()];
        for i in 0..4 {
            for (p, producer) in producers.iter_mut().enumerate() {
                producer.get().push((p, i)).unwrap();
            }
            all.shared().push((2, i)).unwrap();
        }
        let mut drain = Sharded::drain(all.clone()).unwrap();
        assert_eq!((drain.len(), drain.capacity()), (12, 12));
        let mut taken = Vec::new();
        let mut first_round = Vec::new();
        for round in 0..6 {
            drain.drain(2, |item| taken.push(item));
            if round == 2 {
                first_round = taken.clone();
            }
        }
        let from = |p: usize, items: &[(usize, usize)]| {
            items.iter().filter(|i| i.0 == p).map(|i| i.1).collect::<Vec<_>>()
        };
        for p in 0..3 {
            assert_eq!(from(p, &first_round), [0, 1], "two each, in turn");
            assert_eq!(from(p, &taken), [0, 1, 2, 3]);
        }
    }
}
