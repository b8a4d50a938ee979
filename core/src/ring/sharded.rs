//! A ring of its own for each producing thread, task or interrupt, one drain for all.
//!
//! - Capacity: that of each shard, and of the shared ring. Allocation: none after construction.
//! - Progress: a shard's producer is wait-free and shares nothing with other producers. Who finds no free shard uses
//!   the shared ring ([`mpmc`]), with the delays that are described there.
//! - Order: kept for each producer.
//! - Who: a shard belongs to who claimed it, until the [`ShardProducer`] is dropped; then somebody else may claim it,
//!   and what is in it stays. Shards are owned, never picked at random: a random pick would make each one
//!   multi-producer.

use core::ops::Deref;

use super::{Slot, Source, Storage, mpmc, overwrite};
use crate::sync::{AtomicU8, CachePadded, Ordering, const_fn};

/// One shard: a ring, and whether its ends are taken.
#[derive(Debug)]
pub struct Shard<T, S> {
    claimed: CachePadded<AtomicU8>,
    ring: overwrite::Ring<T, S>,
}

impl<T: Copy, S: Storage<Slot<T>>> Shard<T, S> {
    const_fn! {
        /// A free shard over `slots`.
        #[must_use]
        pub const fn new(slots: S) -> Self {
            Self {
                claimed: CachePadded::new(AtomicU8::new(0)),
                ring: overwrite::Ring::new(slots),
            }
        }
    }

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
        self.ring.is_empty()
    }

    fn claim(&self) -> bool {
        // Acquire: what the last owner did in the ring comes before what the next one does.
        self.claimed.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn release(&self) {
        self.claimed.store(0, Ordering::Release);
    }
}

/// Shards over `S` in `SH` (an array or boxed slice of [`Shard`]), and the shared ring over `C`.
#[derive(Debug)]
pub struct Sharded<T, S, SH, C> {
    shards: SH,
    shared: mpmc::Ring<T, C>,
    drained: AtomicU8,
    storage: core::marker::PhantomData<fn() -> S>,
}

impl<T, S, SH, C> Sharded<T, S, SH, C>
where
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    const_fn! {
        /// All shards free, everything empty.
        #[must_use]
        pub const fn new(shards: SH, shared: C) -> Self {
            Self {
                shards,
                shared: mpmc::Ring::new(shared),
                drained: AtomicU8::new(0),
                storage: core::marker::PhantomData,
            }
        }
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard<T, S>] {
        self.shards.slots()
    }

    /// The ring for who has no shard.
    #[inline]
    #[must_use]
    pub fn shared(&self) -> &mpmc::Ring<T, C> {
        &self.shared
    }

    /// Claims a free shard of `this`, if there is one. Linear in the number of shards.
    pub fn claim<R>(this: R) -> Option<ShardProducer<R, T, S, SH, C>>
    where
        R: Deref<Target = Self> + Clone,
    {
        let index = this.shards().iter().position(Shard::claim)?;
        let ring = ShardRef { all: this, index, types: core::marker::PhantomData };
        // SAFETY: `claim` gave the shard to us alone, until `ShardProducer` releases it when it is dropped.
        Some(ShardProducer { producer: unsafe { overwrite::Producer::new(ring) } })
    }

    /// The one drain of `this`; `None` if there is one already.
    pub fn drain<R>(this: R) -> Option<ShardConsumer<R, T, S, SH, C>>
    where
        R: Deref<Target = Self> + Clone,
    {
        let claim = this.drained.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        claim.ok()?;
        Some(ShardConsumer { all: this, next: 0, types: core::marker::PhantomData })
    }
}

/// Refers to one shard's ring by way of all of them, so that `R` may be an `Arc` or a `&'static`.
#[derive(Debug)]
pub struct ShardRef<R, T, S, SH, C> {
    all: R,
    index: usize,
    types: core::marker::PhantomData<fn(T, S, SH, C)>,
}

impl<R, T, S, SH, C> Deref for ShardRef<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    type Target = overwrite::Ring<T, S>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.all.shards.slots()[self.index].ring
    }
}

/// The recording end of one shard. Dropping it frees the shard for somebody else.
#[derive(Debug)]
pub struct ShardProducer<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    producer: overwrite::Producer<ShardRef<R, T, S, SH, C>, T, S>,
}

impl<R, T, S, SH, C> ShardProducer<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    /// The end itself.
    #[inline(always)]
    pub fn get(&mut self) -> &mut overwrite::Producer<ShardRef<R, T, S, SH, C>, T, S> {
        &mut self.producer
    }

    /// Which shard it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.producer.ring().index
    }

    /// All shards.
    #[must_use]
    pub fn all(&self) -> &R {
        &self.producer.ring().all
    }
}

impl<R, T, S, SH, C> Drop for ShardProducer<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    fn drop(&mut self) {
        let shard = self.producer.ring();
        shard.all.shards()[shard.index].release();
    }
}

/// The sending end of all shards and the shared ring.
#[derive(Debug)]
pub struct ShardConsumer<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    all: R,
    /// Where the next drain begins: the shared ring comes behind the last shard.
    next: usize,
    types: core::marker::PhantomData<fn(T, S, SH, C)>,
}

impl<R, T, S, SH, C> Drop for ShardConsumer<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    fn drop(&mut self) {
        self.all.drained.store(0, Ordering::Release);
    }
}

impl<R, T, S, SH, C> Source<T> for ShardConsumer<R, T, S, SH, C>
where
    R: Deref<Target = Sharded<T, S, SH, C>>,
    T: Copy,
    S: Storage<Slot<T>>,
    SH: Storage<Shard<T, S>>,
    C: Storage<mpmc::Cell<T>>,
{
    /// Goes on where the last drain stopped, so that a busy shard does not keep the others waiting: it gets `max`
    /// items at a time, then it is the next one's turn.
    fn drain(&mut self, max: usize, mut f: impl FnMut(T)) -> usize {
        let shards = self.all.shards();
        let mut taken = 0;
        for _ in 0..=shards.len() {
            let left = max - taken;
            taken += match shards.get(self.next) {
                // SAFETY: this is the one drain (`drained`), and the end lives only here.
                Some(shard) => unsafe { overwrite::Consumer::new(&shard.ring) }.drain(left, &mut f),
                None => (&self.all.shared).drain(left, &mut f),
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
        let shards = self.all.shards().iter().map(|s| s.ring.capacity());
        shards.sum::<usize>() + self.all.shared.capacity()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ring::mpmc::Cell;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    type Item = (usize, usize);
    type Small = Sharded<Item, [Slot<Item>; 4], [Shard<Item, [Slot<Item>; 4]>; 2], [Cell<Item>; 4]>;

    fn small() -> Arc<Small> {
        Arc::new(Sharded::new(
            core::array::from_fn(|_| Shard::new(core::array::from_fn(|_| Slot::new()))),
            core::array::from_fn(|_| Cell::new()),
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
