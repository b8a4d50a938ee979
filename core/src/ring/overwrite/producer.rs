//! The recording end: adds items, and takes the oldest one back out of a full ring.

use super::{BUSY, Ring, evict, publish, respect_busy};
use crate::ring::storage::Reserved;
use crate::ring::{Full, Pushed, Slot, Storage};
use crate::sync::Ordering;

/// The recording end of a [`Ring`].
///
/// ```
/// use ringstat_core::ring::{Pushed, Slot, overwrite::Ring};
///
/// let mut ring = Ring::new([const { Slot::new() }; 2]);
/// let (mut producer, mut consumer) = ring.split();
/// producer.push(1).unwrap();
/// producer.push(2).unwrap();
/// assert!(producer.push(3).is_err(), "the ring is full, and nothing was evicted");
/// assert_eq!(producer.push_evicting(3), Ok(Pushed::Evicted(1)));
/// assert_eq!(producer.evict(), Some(2), "it can also take the oldest item back");
/// assert_eq!(consumer.pop(), Some(3));
/// ```
#[derive(Debug)]
pub struct Producer<'a, T, S> {
    ring: &'a Ring<T, S>,
}

// The first functions read like those of `spsc::Producer`, and share nothing with them: each is a line or two over another
// ring, with another reason why the slot is free. A trait for what is alike would be longer than what it saves.
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
        if ring.is_full(self.seen(), tail) && ring.is_full(self.look(), tail) {
            return None;
        }
        Some(self.vacant(tail))
    }

    /// Adds an item, in a full ring in place of the oldest one.
    ///
    /// # Errors
    /// [`Full`] gives the item back when the ring is full and the consumer is taking the oldest item at this moment.
    #[inline]
    pub fn push_evicting(&mut self, item: T) -> Result<Pushed<T>, Full<T>> {
        match self.push(item) {
            Ok(()) => Ok(Pushed::Stored),
            Err(Full(item)) => {
                let Some(oldest) = self.evict() else { return Err(Full(item)) };
                self.vacant(self.tail()).put(&item);
                Ok(Pushed::Evicted(oldest))
            }
        }
    }

    /// Takes the oldest item back out. Returns `None` if the ring is empty or the consumer is taking items at this
    /// moment.
    #[cold]
    pub fn evict(&mut self) -> Option<T> {
        let ring = self.ring;
        let word = ring.head.load(Ordering::Acquire);
        let head = word >> 1;
        self.see(head);
        if head == self.tail() || (respect_busy() && word & BUSY != 0) {
            return None;
        }
        let next = ring.laps().forward(head, 1);
        // Acquire: the consumer has finished reading the slots before this one. Release: whoever sees this position
        // also sees a tail that is at most one lap ahead of it; with an older tail, it would take slots that hold
        // nothing.
        let exchanged = ring.head.compare_exchange(
            word,
            next << 1 | if respect_busy() { 0 } else { word & BUSY },
            evict(),
            Ordering::Relaxed,
        );
        if exchanged.is_err() {
            return None; // the consumer came first, and has begun to take items
        }
        // SAFETY: this end wrote the slot. The position has just moved past it, from a word that said that the consumer
        // was not reading: the consumer has not begun to read the slot, and no longer will.
        let oldest = unsafe { ring.slot(head).read() };
        self.see(next);
        Some(oldest)
    }

    /// The number of items; reads the consumer's position. The consumer may have taken some since.
    #[inline]
    pub fn len(&mut self) -> usize {
        let head = self.look();
        self.ring.laps().distance(head, self.tail())
    }

    /// Whether the consumer has taken every item.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn tail(&self) -> usize {
        // Relaxed: only recording ends write it, one after the other.
        self.ring.tail.position.load(Ordering::Relaxed)
    }

    /// The position of the oldest item when it was last read; it can only have advanced since.
    #[inline(always)]
    fn seen(&self) -> usize {
        // SAFETY: this is the recording end.
        unsafe { self.ring.tail.seen() }
    }

    #[inline(always)]
    fn see(&mut self, head: usize) {
        // SAFETY: this is the recording end.
        unsafe { self.ring.tail.see(head) };
    }

    #[inline(always)]
    fn look(&mut self) -> usize {
        // Acquire: the consumer has finished reading the slots that it released.
        let head = self.ring.head.load(Ordering::Acquire) >> 1;
        self.see(head);
        head
    }

    /// The slot at the tail, which is free.
    #[inline(always)]
    fn vacant(&mut self, tail: usize) -> Reserved<'_, T> {
        let ring = self.ring;
        let next = ring.laps().forward(tail, 1);
        // SAFETY: there is a free slot and `tail` is its position: the consumer released it (acquired in `look` or
        // `evict`), or this end evicted what was there. The consumer reads it only when the next position is published.
        unsafe { Reserved::new(ring.slot(tail), &ring.tail.position, next, publish()) }
    }
}

#[cfg(feature = "alloc")]
impl<T: Copy, S: Storage<Slot<T>>> crate::ring::sealed::Reserve<T> for Producer<'_, T, S> {
    #[inline(always)]
    fn reserve(&mut self) -> Option<Reserved<'_, T>> {
        Producer::reserve(self)
    }
}
