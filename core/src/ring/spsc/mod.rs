//! A ring for one producer and one consumer: the fastest one, if the newest item may be refused.
//!
//! - Capacity: exactly that of its storage. Allocation: none.
//! - Progress: both ends are wait-free; neither ever delays the other.
//! - When full: [`Producer::push`] gives the item back. When empty: [`Consumer::pop`] returns `None`.
//! - Callers: one [`Producer`] and one [`Consumer`], handles that take `&mut self`; each may move to another thread.
//!
//! Each end remembers the other's position and reads it again only when the remembered position means that the ring is
//! full or empty, so that the cache line of a position moves between cores only once in many items (as in FastForward
//! and MCRingBuffer).
//!
//! ```
//! use ringstat_core::ring::Slot;
//! use ringstat_core::ring::spsc::Ring;
//!
//! let mut ring = Ring::new([const { Slot::new() }; 4]);
//! let (mut producer, mut consumer) = ring.split();
//! producer.push(1).unwrap();
//! assert_eq!(producer.push_slice(&[2, 3, 4, 5]), 3, "exactly four fit");
//! let mut taken = Vec::new();
//! consumer.drain(10, |item| taken.push(item));
//! assert_eq!(taken, [1, 2, 3, 4]);
//! ```
//!
//! There cannot be a second producer:
//!
//! ```compile_fail,E0599
//! # use ringstat_core::ring::{Slot, spsc::Ring};
//! let mut ring: Ring<u32, _> = Ring::new([const { Slot::new() }; 4]);
//! let (producer, _) = ring.split();
//! let another = producer.clone();
//! ```

mod consumer;
mod producer;
#[cfg(all(test, not(loom)))]
mod tests;

pub use consumer::Consumer;
pub use producer::Producer;

use super::shard_ring::shard_ring;
use super::storage::{End, Laps};
use super::{Slot, Storage};
use crate::sync::{CachePadded, Ordering, const_fn, mutant};

/// The ordering that makes an item visible to the consumer. A mutant weakens it, to show that the model checker
/// notices.
#[inline(always)]
fn publish() -> Ordering {
    if mutant("spsc_publish") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering that allows a slot to be written again.
#[inline(always)]
fn release() -> Ordering {
    if mutant("spsc_release") { Ordering::Relaxed } else { Ordering::Release }
}

/// A ring over the storage `S`.
#[derive(Debug)]
pub struct Ring<T, S> {
    /// Where the consumer takes the next item, and the producer's position as the consumer last saw it.
    head: CachePadded<End>,
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
                head: CachePadded::new(End::new(position)),
                tail: CachePadded::new(End::new(position)),
                slots,
                item: core::marker::PhantomData,
            }
        }
    }

    /// Returns the two ends. Items already in the ring stay there.
    ///
    /// To split a ring in a `static`, put it into a `StaticCell` and split the `&'static mut` that it hands out.
    pub fn split(&mut self) -> (Producer<'_, T, S>, Consumer<'_, T, S>) {
        let ring = &*self;
        // SAFETY: `&mut self` proves that there are no other ends, and these two borrow from it.
        unsafe { (Producer::new(ring), Consumer::new(ring)) }
    }

    /// The number of items that fit.
    #[inline(always)]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.slots.slots().len()
    }

    /// The number of items; both ends may have moved on since.
    #[must_use]
    pub fn len(&self) -> usize {
        // The head is read first, so the tail is at or ahead of it, possibly by more than a lap.
        let head = self.head.position.load(Ordering::Acquire);
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
    fn slot(&self, position: usize) -> &Slot<T> {
        &self.slots.slots()[self.laps().slot(position)]
    }
}

#[cfg(not(loom))]
impl<T: Copy, const N: usize> Default for Ring<T, [Slot<T>; N]> {
    fn default() -> Self {
        Self::new([const { Slot::new() }; N])
    }
}

shard_ring!(Ring<T, S> where T: Copy, S: Storage<Slot<T>>);
