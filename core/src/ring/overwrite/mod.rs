//! A ring for one producer and one consumer, whose producer may evict the oldest item to make room.
//!
//! - Capacity: exactly that of its storage. Allocation: none.
//! - Progress: both ends are wait-free.
//! - When full: [`Producer::push`] gives the item back; [`Producer::push_evicting`] evicts the oldest item, unless the
//!   consumer is taking it at that moment. In that case nothing can be evicted and the new item is refused; the
//!   consumer copies only a few items at a time and is soon done.
//! - Callers: one [`Producer`] and one [`Consumer`], handles that take `&mut self`.
//!
//! Two owners of one index would be a data race, so the oldest end has a lock that nobody ever waits for: the word with
//! the consumer's position has a bit that means "the consumer is reading here". The consumer sets the bit with an
//! operation that cannot fail, reads, and stores the new position without the bit. The producer moves the position on
//! only by a compare-and-swap from a value without the bit, and then owns the slot.

mod consumer;
mod producer;
#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::Consumer;
pub use producer::Producer;

use super::shard_ring::shard_ring;
use super::storage::{End, Laps};
use super::{Slot, Storage};
use crate::sync::{AtomicUsize, CachePadded, Ordering, const_fn, mutant};

/// The ordering that makes an item visible to the consumer.
#[inline(always)]
fn publish() -> Ordering {
    if mutant("overwrite_publish") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering that allows the slots that the consumer has read to be written again.
#[inline(always)]
fn release() -> Ordering {
    if mutant("overwrite_release") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering of an eviction.
#[inline(always)]
fn evict() -> Ordering {
    if mutant("overwrite_evict") { Ordering::Acquire } else { Ordering::AcqRel }
}
/// Whether the producer respects the consumer's bit.
#[inline(always)]
fn respect_busy() -> bool {
    !mutant("overwrite_busy")
}

/// The bit of `head` that means that the consumer is reading from this position on.
const BUSY: usize = 1;

/// A ring over the storage `S`.
///
/// ```
/// use ringstat_core::ring::{Pushed, Slot, overwrite::Ring};
///
/// let mut ring = Ring::new([const { Slot::new() }; 2]);
/// let (mut producer, mut consumer) = ring.split();
/// producer.push(1).unwrap();
/// producer.push(2).unwrap();
/// assert_eq!(producer.push_evicting(3), Ok(Pushed::Evicted(1)));
/// assert_eq!(consumer.pop(), Some(2));
/// ```
#[derive(Debug)]
pub struct Ring<T, S> {
    /// The position of the oldest item, shifted left by one, and [`BUSY`] in the lowest bit.
    head: CachePadded<AtomicUsize>,
    /// Where the producer puts the next item, and the consumer's position as the producer last saw it.
    tail: CachePadded<End>,
    slots: S,
    item: core::marker::PhantomData<fn(T) -> T>,
}

impl<T: Copy, S: Storage<Slot<T>>> Ring<T, S> {
    const_fn! {
        /// Creates an empty ring over `slots`.
        #[must_use]
        pub const fn new(slots: S) -> Self {
            Self::starting_at(slots, 0)
        }
    }

    const_fn! {
        /// Creates an empty ring whose positions begin at `position`, to test both laps.
        pub(super) const fn starting_at(slots: S, position: usize) -> Self {
            Self {
                head: CachePadded::new(AtomicUsize::new(position << 1)),
                tail: CachePadded::new(End::new(position)),
                slots,
                item: core::marker::PhantomData,
            }
        }
    }

    /// Returns the two ends. Items already in the ring stay there.
    pub fn split(&mut self) -> (Producer<'_, T, S>, Consumer<'_, T, S>) {
        let ring = &*self;
        // SAFETY: `&mut self` proves that there are no other ends, and these two borrow from it.
        unsafe { (Producer::new(ring), Consumer::new(ring)) }
    }

    /// The number of items that fit.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.slots().len()
    }

    /// The number of items; both ends may have moved on since.
    #[must_use]
    pub fn len(&self) -> usize {
        // The head is read first, so the tail is at or ahead of it, unless the producer evicts in between.
        let head = self.head.load(Ordering::Acquire) >> 1;
        let tail = self.tail.position.load(Ordering::Acquire);
        self.laps().distance(head, tail).min(self.capacity())
    }

    /// Whether the ring holds no items; see [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn laps(&self) -> Laps {
        Laps(self.capacity())
    }

    #[inline(always)]
    fn is_full(&self, head: usize, tail: usize) -> bool {
        self.laps().distance(head, tail) == self.capacity()
    }

    #[inline(always)]
    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots.slots()[self.laps().slot(position)]
    }
}

shard_ring!(Ring<T, S> where T: Copy, S: Storage<Slot<T>>);
