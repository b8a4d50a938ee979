//! A ring for one producer and one consumer with four levels: what matters more is sent first and given up last.
//!
//! - Capacity: exactly that of its storage, shared by all levels. Allocation: none.
//! - Progress: both ends are wait-free.
//! - When full: [`Producer::push`] evicts the oldest item of the lowest level that is not above the new item's. The new
//!   item is refused only if there is no such item, or if the consumer is taking from that level at this moment.
//! - Drain order: the highest level first; but a level that has waited for 15 items of higher levels gets a turn, so
//!   that none starves.
//! - Callers: one [`Producer`] and one [`Consumer`], handles that take `&mut self`.
//!
//! Items lie in a pool and never move. What moves is the number of an item's place: through a small [`overwrite`] ring
//! per level, from which the producer can take the oldest number back, and through one more ring that returns free
//! places. Whoever holds the number owns the place.

mod consumer;
mod producer;
mod shared;
#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::Consumer;
pub use producer::Producer;
pub use shared::Shared;

use super::shard_ring::shard_ring;
use super::{Slot, Storage, overwrite};
use crate::sync::{AtomicU32, const_fn};

/// The number of levels; the last one is the highest.
pub const LEVELS: usize = 4;
/// The largest number of items of higher levels that a level waits for.
const STARVED_AFTER: u32 = 15;

/// Says how much an item matters.
pub trait Prioritized {
    /// The item's level, from 0 (given up first) to [`LEVELS`] − 1. Larger values count as the highest level.
    fn level(&self) -> usize;
}

impl<const INLINE: usize> Prioritized for crate::record::Event<INLINE> {
    fn level(&self) -> usize {
        self.priority() as usize
    }
}

/// A ring over the pool `P`, with place numbers in `I`, all of the same size.
#[derive(Debug)]
pub struct Storages<T, P, I> {
    pool: P,
    levels: [overwrite::Ring<u32, I>; LEVELS],
    free: overwrite::Ring<u32, I>,
    /// Places from this one on have never been used. Belongs to the recording end.
    fresh: AtomicU32,
    /// How many items of higher levels each level has waited for. Belongs to the sending end.
    waited: [AtomicU32; LEVELS],
    item: core::marker::PhantomData<fn(T) -> T>,
}

/// A ring for `N` items, stored in place.
///
/// ```
/// use ringstat_core::ring::{Pushed, priority::{Prioritized, Ring}};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// struct Alarm(usize);
/// impl Prioritized for Alarm {
///     fn level(&self) -> usize { self.0 }
/// }
///
/// let mut ring: Ring<Alarm, 2> = Ring::new();
/// let (mut producer, mut consumer) = ring.split();
/// producer.push(Alarm(0)).unwrap();
/// producer.push(Alarm(1)).unwrap();
/// assert_eq!(producer.push(Alarm(3)), Ok(Pushed::Evicted(Alarm(0))));
/// assert_eq!(consumer.pop(), Some(Alarm(3)), "the highest level first");
/// ```
pub type Ring<T, const N: usize> = Storages<T, [Slot<T>; N], [Slot<u32>; N]>;

/// A ring whose capacity is chosen at run time.
#[cfg(feature = "alloc")]
pub type BoxedRing<T> = Storages<T, alloc::boxed::Box<[Slot<T>]>, alloc::boxed::Box<[Slot<u32>]>>;

impl<T: Copy, const N: usize> Ring<T, N> {
    /// Creates an empty ring.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self::over(
            [const { Slot::new() }; N],
            [const { overwrite::Ring::new([const { Slot::new() }; N]) }; LEVELS],
            overwrite::Ring::new([const { Slot::new() }; N]),
            [const { AtomicU32::new(0) }; LEVELS],
        )
    }

    #[cfg(all(test, loom))]
    pub(super) fn for_model() -> Self {
        let numbers = || overwrite::Ring::new(core::array::from_fn(|_| Slot::new()));
        Self::over(
            core::array::from_fn(|_| Slot::new()),
            core::array::from_fn(|_| numbers()),
            numbers(),
            core::array::from_fn(|_| AtomicU32::new(0)),
        )
    }
}

#[cfg(not(loom))]
impl<T: Copy, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<T: Copy> BoxedRing<T> {
    /// Creates an empty ring for `capacity` items, from 1 to 2^31.
    #[must_use]
    pub fn boxed(capacity: usize) -> Self {
        let capacity = capacity.min(1 << 31);
        let numbers = || overwrite::Ring::new(super::boxed(capacity));
        Self::over(
            super::boxed(capacity),
            core::array::from_fn(|_| numbers()),
            numbers(),
            core::array::from_fn(|_| AtomicU32::new(0)),
        )
    }
}

impl<T: Copy, P, I> Storages<T, P, I> {
    const_fn! {
        const fn over(
            pool: P,
            levels: [overwrite::Ring<u32, I>; LEVELS],
            free: overwrite::Ring<u32, I>,
            waited: [AtomicU32; LEVELS],
        ) -> Self {
            let fresh = AtomicU32::new(0);
            Self { pool, levels, free, fresh, waited, item: core::marker::PhantomData }
        }
    }
}

impl<T: Copy + Prioritized, P: Storage<Slot<T>>, I: Storage<Slot<u32>>> Storages<T, P, I> {
    /// Returns the two ends of the ring.
    pub fn split(&mut self) -> (Producer<'_, T, P, I>, Consumer<'_, T, P, I>) {
        let ring = &*self;
        // SAFETY: `&mut self` proves that there are no other ends, and these two borrow from it.
        unsafe { (Producer::new(ring), Consumer::new(ring)) }
    }

    /// The number of items that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pool.slots().len()
    }

    /// The number of items; both ends may have moved on since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.iter().map(overwrite::Ring::len).sum::<usize>().min(self.capacity())
    }

    /// Whether the ring holds no items; see [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn place(&self, number: u32) -> &Slot<T> {
        &self.pool.slots()[number as usize]
    }
}

shard_ring!(Storages<T, P, I> where T: Copy + Prioritized, P: Storage<Slot<T>>, I: Storage<Slot<u32>>);
