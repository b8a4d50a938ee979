//! The recording end: adds items, and publishes them.

use super::{Ring, publish};
use crate::ring::storage::Reserved;
use crate::ring::{Full, Slot, Storage};
use crate::sync::Ordering;

/// The recording end of a [`Ring`].
///
/// ```
/// use ringstat_core::ring::{Slot, Source, spsc::Ring};
///
/// let mut ring = Ring::new([const { Slot::new() }; 4]);
/// let (mut producer, consumer) = ring.split();
/// let mut readings = [20, 21, 22].into_iter();
/// assert_eq!(producer.push_with(8, || readings.next()), 3, "published together");
/// assert_eq!(consumer.len(), 3);
/// ```
#[derive(Debug)]
pub struct Producer<'a, T, S> {
    ring: &'a Ring<T, S>,
}

impl<'a, T: Copy, S: Storage<Slot<T>>> Producer<'a, T, S> {
    /// Creates the recording end of `ring`.
    ///
    /// # Safety
    /// No other recording end of the ring may exist while this one lives, and everything done through this one must
    /// happen before the next one is used (between threads, by a lock or a release and an acquire).
    #[inline(always)]
    #[must_use]
    pub unsafe fn new(ring: &'a Ring<T, S>) -> Self {
        Self { ring }
    }

    /// Adds an item.
    ///
    /// # Errors
    /// [`Full`] gives it back when there is no room.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.try_push(&item) { Ok(()) } else { Err(Full(item)) }
    }

    /// Adds a copy of an item that stays where it is, and returns whether there was room.
    #[inline]
    pub fn try_push(&mut self, item: &T) -> bool {
        self.reserve().map(|slot| slot.put(item)).is_some()
    }

    #[inline(always)]
    fn reserve(&mut self) -> Option<Reserved<'_, T>> {
        let (ring, tail) = (self.ring, self.tail());
        if self.room_for(tail, 1) == 0 {
            return None;
        }
        let next = ring.laps().forward(tail, 1);
        // SAFETY: the slot at `tail` is free: the consumer released it (`room_for` acquired that) and looks at it
        // again only when the next position is published.
        Some(unsafe { Reserved::new(ring.slot(tail), &ring.tail.position, next, publish()) })
    }

    /// Adds as many of `items` as fit, in order, and publishes them together. Returns how many were added.
    #[inline]
    pub fn push_slice(&mut self, items: &[T]) -> usize {
        let mut items = items.iter().copied();
        self.push_with(items.len(), || items.next())
    }

    /// Reserves room for up to `max` items, writes what `next` returns until that is `None`, and publishes all of it
    /// together, even if `next` panics. Returns how many items were added.
    #[inline]
    pub fn push_with(&mut self, max: usize, mut next: impl FnMut() -> Option<T>) -> usize {
        let tail = self.tail();
        let room = self.room_for(tail, max);
        let laps = self.ring.laps();
        let mut publishing = Publishing { producer: self, position: tail };
        for count in 0..room {
            let Some(item) = next() else { return count };
            // SAFETY: `count` is below the number of free slots that `room_for` found; see `push`.
            unsafe { publishing.producer.ring.slot(publishing.position).write(item) };
            publishing.position = laps.forward(publishing.position, 1);
        }
        room
    }

    /// The number of items that fit.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The number of items. The consumer may have taken some since, but nobody can have added any.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether the consumer has taken every item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn tail(&self) -> usize {
        // Relaxed: only recording ends write it, one after the other.
        self.ring.tail.position.load(Ordering::Relaxed)
    }

    /// The number of free slots, up to `max`; reads the consumer's position only if the remembered one does not
    /// suffice.
    #[inline(always)]
    fn room_for(&mut self, tail: usize, max: usize) -> usize {
        let ring = self.ring;
        // SAFETY: this is the recording end.
        let head = unsafe { ring.tail.seen() };
        let free = ring.capacity() - ring.laps().distance(head, tail);
        if free >= max {
            return max;
        }
        // Acquire: the consumer has finished reading the slots that it released.
        let head = ring.head.position.load(Ordering::Acquire);
        // SAFETY: as above.
        unsafe { ring.tail.see(head) };
        max.min(ring.capacity() - ring.laps().distance(head, tail))
    }

    #[inline(always)]
    fn publish(&mut self, tail: usize) {
        self.ring.tail.position.store(tail, publish());
    }
}

/// Publishes the items written so far when it is dropped.
struct Publishing<'p, 'a, T: Copy, S: Storage<Slot<T>>> {
    producer: &'p mut Producer<'a, T, S>,
    position: usize,
}

impl<T: Copy, S: Storage<Slot<T>>> Drop for Publishing<'_, '_, T, S> {
    #[inline(always)]
    fn drop(&mut self) {
        self.producer.publish(self.position);
    }
}

#[cfg(feature = "alloc")]
impl<T: Copy, S: Storage<Slot<T>>> crate::ring::sealed::Reserve<T> for Producer<'_, T, S> {
    #[inline(always)]
    fn reserve(&mut self) -> Option<Reserved<'_, T>> {
        Producer::reserve(self)
    }
}
