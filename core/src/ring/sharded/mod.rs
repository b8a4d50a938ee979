//! A ring of its own for each producing thread, task or interrupt, one drain for all.
//!
//! - Capacity: that of each shard, and of the shared ring. Allocation: none after construction. A shard is any
//!   [`ShardRing`]: one that refuses, one that gives up its oldest, or one that knows priorities.
//! - Progress: a shard's producer is wait-free and shares nothing with other producers. Who finds no free shard uses
//!   the shared ring ([`mpmc`](super::mpmc)), with the delays that are described there.
//! - Order: kept for each producer.
//! - Who: a shard belongs to who claimed it, until the [`ShardProducer`] or [`Lease`] is dropped; then somebody else
//!   may claim it, and what is in it stays. Shards are owned, never picked at random: a random pick would make each
//!   one multi-producer.

mod ends;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod lease;

pub use ends::{ShardConsumer, ShardProducer};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use lease::Lease;

use core::marker::PhantomData;

use super::{RingRef, ShardRing, Storage};
use crate::sync::{AtomicU8, AtomicUsize, CachePadded, Ordering, const_fn, mutant};

/// What the next owner of a shard sees of the last one.
#[inline(always)]
fn hand_over() -> Ordering {
    if mutant("shard_release") { Ordering::Relaxed } else { Ordering::Release }
}
/// What a new owner has to see.
#[inline(always)]
fn take_over() -> Ordering {
    if mutant("shard_claim") { Ordering::Relaxed } else { Ordering::Acquire }
}
/// The same, between one drain and the next.
#[inline(always)]
fn hand_over_drain() -> Ordering {
    if mutant("shard_undrained") { Ordering::Relaxed } else { Ordering::Release }
}
#[inline(always)]
fn take_over_drain() -> Ordering {
    if mutant("shard_drained") { Ordering::Relaxed } else { Ordering::Acquire }
}

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
        // The look before spares the owners' cache lines. Acquire: what the last owner did in the ring comes before
        // what the next one does.
        self.claimed.load(Ordering::Relaxed) == 0
            && self.claimed.compare_exchange(0, 1, take_over(), Ordering::Relaxed).is_ok()
    }
}

impl<L: ShardRing> Shard<L> {
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

/// Shards over the rings `L` in `S` (an array or boxed slice of [`Shard`]), and the shared ring `F`.
#[derive(Debug)]
pub struct Sharded<L, S, F> {
    shards: S,
    shared: F,
    drained: AtomicU8,
    /// How often a shard was given back.
    vacated: AtomicUsize,
    rings: PhantomData<fn() -> L>,
}

impl<L: ShardRing, S: Storage<Shard<L>>, F> Sharded<L, S, F> {
    const_fn! {
        /// Over shards that are all free, and a shared ring, which is new.
        #[must_use]
        pub const fn new(shards: S, shared: F) -> Self {
            let (drained, vacated) = (AtomicU8::new(0), AtomicUsize::new(0));
            Self { shards, shared, drained, vacated, rings: PhantomData }
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

    /// How often a shard was given back. Who found none free need not look again before this changes: read it before
    /// looking for one.
    #[inline]
    #[must_use]
    pub fn vacated(&self) -> usize {
        // Acquire: who sees the number also sees the shard free.
        self.vacated.load(Ordering::Acquire)
    }

    /// Claims a free shard of `this`, if there is one. Linear in the number of shards.
    pub fn claim<R>(this: R) -> Option<ShardProducer<R, L, S, F>>
    where
        R: RingRef<Target = Self>,
    {
        let index = this.take()?;
        Some(ShardProducer::new(this, index))
    }

    /// The one drain of `this`; `None` if there is one already.
    pub fn drain<R>(this: R) -> Option<ShardConsumer<R, L, S, F>>
    where
        R: RingRef<Target = Self>,
    {
        // Acquire: what the last drain took comes before what the next one takes.
        let claim = this.drained.compare_exchange(0, 1, take_over_drain(), Ordering::Relaxed);
        claim.ok()?;
        Some(ShardConsumer::new(this))
    }

    /// Takes a free shard. It is the caller's until `give_back`.
    fn take(&self) -> Option<usize> {
        self.shards().iter().position(Shard::claim)
    }

    fn give_back(&self, index: usize) {
        if let Some(shard) = self.shards().get(index) {
            // Release: what its owner did in the ring comes before what the next one does.
            shard.claimed.store(0, hand_over());
            // Release: the shard is seen free by who sees this.
            self.vacated.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
