//! A ring for each producing thread, task or interrupt, and one drain for all of them.
//!
//! - Capacity: that of each shard and of the shared ring. Allocation: none after construction. A shard is any
//!   [`ShardRing`]: one that refuses, one that evicts its oldest item, or one with priorities.
//! - Progress: a shard's producer is wait-free and shares nothing with other producers. A producer that finds no free
//!   shard uses the shared ring ([`mpmc`](super::mpmc)), with the delays that are described there.
//! - Order: kept per producer.
//! - Callers: a shard belongs to whoever claimed it until the [`ShardProducer`] or [`Lease`] is dropped; then it can be
//!   claimed again, and the items in it stay. Shards are owned, never picked at random: a random pick would give every
//!   shard several producers.

mod ends;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
mod lease;

pub use ends::{ShardConsumer, ShardProducer};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use lease::Lease;

use core::marker::PhantomData;

use super::{RingRef, ShardRing, Storage};
use crate::sync::{AtomicU8, AtomicUsize, CachePadded, Ordering, const_fn, mutant};

/// The ordering with which an owner gives its shard back, so that the next owner sees what it did.
#[inline(always)]
fn hand_over() -> Ordering {
    if mutant("shard_release") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering with which a new owner takes a shard, so that it sees what the last owner did.
#[inline(always)]
fn take_over() -> Ordering {
    if mutant("shard_claim") { Ordering::Relaxed } else { Ordering::Acquire }
}
/// The same hand-over between one drain and the next.
#[inline(always)]
fn hand_over_drain() -> Ordering {
    if mutant("shard_undrained") { Ordering::Relaxed } else { Ordering::Release }
}
#[inline(always)]
fn take_over_drain() -> Ordering {
    if mutant("shard_drained") { Ordering::Relaxed } else { Ordering::Acquire }
}

/// One shard: a ring, and whether its recording end is claimed.
#[derive(Debug)]
pub struct Shard<L> {
    claimed: CachePadded<AtomicU8>,
    ring: L,
}

impl<L> Shard<L> {
    const_fn! {
        /// Creates a free shard over `ring`, which must be new.
        #[must_use]
        pub const fn new(ring: L) -> Self {
            Self { claimed: CachePadded::new(AtomicU8::new(0)), ring }
        }
    }

    fn claim(&self) -> bool {
        // The load before the compare-and-swap spares the owners' cache lines. Acquire: what the last owner did in the
        // ring happens before what the next one does.
        self.claimed.load(Ordering::Relaxed) == 0
            && self.claimed.compare_exchange(0, 1, take_over(), Ordering::Relaxed).is_ok()
    }
}

impl<L: ShardRing> Shard<L> {
    /// The ring.
    #[inline]
    #[must_use]
    pub fn ring(&self) -> &L {
        &self.ring
    }

    /// How many items wait in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// The number of items that fit in the shard.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether no items wait in the shard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Shards over the rings `L` in `S` (an array or boxed slice of [`Shard`]), and the shared ring `F`.
///
/// ```
/// use ringstat_core::ring::{Slot, Source, mpmc, sharded::{Shard, Sharded}, spsc};
///
/// type One = spsc::Ring<u32, [Slot<u32>; 8]>;
/// static ALL: Sharded<One, [Shard<One>; 2], mpmc::Ring<u32, [mpmc::Cell<u32>; 8]>> = Sharded::new(
///     [const { Shard::new(spsc::Ring::new([const { Slot::new() }; 8])) }; 2],
///     mpmc::Ring::new([const { mpmc::Cell::new() }; 8]),
/// );
///
/// let mut own = Sharded::claim(&ALL).unwrap(); // by each producing thread
/// own.get().push(1).unwrap();
/// ALL.shared().push(2).unwrap(); // by a thread that found no free shard
///
/// let mut drain = Sharded::drain(&ALL).unwrap();
/// let mut sum = 0;
/// drain.drain(16, |item| sum += item);
/// assert_eq!(sum, 3);
/// ```
#[derive(Debug)]
pub struct Sharded<L, S, F> {
    shards: S,
    shared: F,
    drained: AtomicU8,
    /// How many times a shard has been given back.
    vacated: AtomicUsize,
    rings: PhantomData<fn() -> L>,
}

impl<L: ShardRing, S: Storage<Shard<L>>, F> Sharded<L, S, F> {
    const_fn! {
        /// Creates a set of free shards, and a shared ring, which must be new.
        #[must_use]
        pub const fn new(shards: S, shared: F) -> Self {
            let (drained, vacated) = (AtomicU8::new(0), AtomicUsize::new(0));
            Self { shards, shared, drained, vacated, rings: PhantomData }
        }
    }

    /// All shards.
    pub fn shards(&self) -> &[Shard<L>] {
        self.shards.slots()
    }

    /// The shared ring, for producers without a shard.
    #[inline]
    #[must_use]
    pub fn shared(&self) -> &F {
        &self.shared
    }

    /// How many times a shard has been given back. A producer that found no free shard need not look again until this
    /// number changes; read it before looking.
    #[inline]
    #[must_use]
    pub fn vacated(&self) -> usize {
        // Acquire: whoever sees the number also sees the shard free.
        self.vacated.load(Ordering::Acquire)
    }

    /// Claims a free shard of `this`, or returns `None` if there is none. Takes time linear in the number of shards.
    pub fn claim<R>(this: R) -> Option<ShardProducer<R, L, S, F>>
    where
        R: RingRef<Target = Self>,
    {
        let index = this.take()?;
        Some(ShardProducer::new(this, index))
    }

    /// Claims the drain of `this`; `None` if somebody has it already.
    pub fn drain<R>(this: R) -> Option<ShardConsumer<R, L, S, F>>
    where
        R: RingRef<Target = Self>,
    {
        // Acquire: what the last drain took happens before what the next one takes.
        let claim = this.drained.compare_exchange(0, 1, take_over_drain(), Ordering::Relaxed);
        claim.ok()?;
        Some(ShardConsumer::new(this))
    }

    /// Takes a free shard, which then belongs to the caller until `give_back`.
    fn take(&self) -> Option<usize> {
        self.shards().iter().position(Shard::claim)
    }

    fn give_back(&self, index: usize) {
        if let Some(shard) = self.shards().get(index) {
            // Release: what the shard's owner did in the ring happens before what the next one does.
            shard.claimed.store(0, hand_over());
            // Release: whoever sees the new number sees the shard free.
            self.vacated.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
