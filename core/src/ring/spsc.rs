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

use super::storage::{End, Laps, Reserved};
use super::{Full, ShardRing, Slot, Source, Storage, sealed};
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

impl<T: Copy, S: Storage<Slot<T>>> sealed::ShardRing for Ring<T, S> {}

impl<T: Copy, S: Storage<Slot<T>>> ShardRing for Ring<T, S> {
    type Item = T;
    type Producer<'a>
        = Producer<'a, T, S>
    where
        Self: 'a;
    type Consumer<'a>
        = Consumer<'a, T, S>
    where
        Self: 'a;

    #[inline(always)]
    unsafe fn producer(&self) -> Producer<'_, T, S> {
        // SAFETY: the caller guarantees that there is no other one.
        unsafe { Producer::new(self) }
    }

    #[inline(always)]
    unsafe fn consumer(&self) -> Consumer<'_, T, S> {
        // SAFETY: the caller guarantees that there is no other one.
        unsafe { Consumer::new(self) }
    }

    fn len(&self) -> usize {
        Ring::len(self)
    }

    fn capacity(&self) -> usize {
        Ring::capacity(self)
    }
}

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
impl<T: Copy, S: Storage<Slot<T>>> sealed::Reserve<T> for Producer<'_, T, S> {
    #[inline(always)]
    fn reserve(&mut self) -> Option<Reserved<'_, T>> {
        Producer::reserve(self)
    }
}

/// The sending end of a [`Ring`].
///
/// ```
/// use ringstat_core::ring::{Slot, spsc::Ring};
///
/// let mut ring = Ring::new([const { Slot::new() }; 4]);
/// let (mut producer, mut consumer) = ring.split();
/// producer.push_slice(&[1, 2, 3]);
/// let mut sum = 0;
/// assert_eq!(consumer.drain(8, |item| sum += item), 3);
/// assert_eq!(sum, 6);
/// ```
#[derive(Debug)]
pub struct Consumer<'a, T, S> {
    ring: &'a Ring<T, S>,
}

impl<'a, T: Copy, S: Storage<Slot<T>>> Consumer<'a, T, S> {
    /// Creates the sending end of `ring`.
    ///
    /// # Safety
    /// No other sending end of the ring may exist while this one lives, and everything done through this one must
    /// happen before the next one is used.
    #[inline(always)]
    #[must_use]
    pub unsafe fn new(ring: &'a Ring<T, S>) -> Self {
        Self { ring }
    }

    /// Takes the oldest item, or returns `None` if the ring is empty.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let head = self.head();
        if self.available(head, 1) == 0 {
            return None;
        }
        // SAFETY: the producer wrote the slot at `head` and published it (acquired in `available`), and writes it again
        // only after the store below.
        let item = unsafe { self.ring.slot(head).read() };
        self.release(self.ring.laps().forward(head, 1));
        Some(item)
    }

    /// Takes up to `max` items, oldest first, passes them to `f`, and releases their slots together. Returns how many
    /// there were.
    #[inline]
    pub fn drain(&mut self, max: usize, mut f: impl FnMut(T)) -> usize {
        let head = self.head();
        let count = self.available(head, max);
        if count == 0 {
            return 0;
        }
        let laps = self.ring.laps();
        let mut releasing = Releasing { consumer: self, position: head };
        for _ in 0..count {
            // SAFETY: `count` published items begin at `head`; see `pop`.
            let item = unsafe { releasing.consumer.ring.slot(releasing.position).read() };
            // Before the call, so that the item counts as taken even if `f` panics.
            releasing.position = laps.forward(releasing.position, 1);
            f(item);
        }
        count
    }

    #[inline(always)]
    fn head(&self) -> usize {
        // Relaxed: only sending ends write it, one after the other.
        self.ring.head.position.load(Ordering::Relaxed)
    }

    /// The number of published items, up to `max`; reads the producer's position only if the remembered one does not
    /// suffice.
    #[inline(always)]
    fn available(&mut self, head: usize, max: usize) -> usize {
        let ring = self.ring;
        // SAFETY: this is the sending end.
        let known = ring.laps().distance(head, unsafe { ring.head.seen() });
        if known >= max {
            return max;
        }
        // Acquire: the producer has finished writing the slots that it published.
        let tail = ring.tail.position.load(Ordering::Acquire);
        // SAFETY: as above.
        unsafe { ring.head.see(tail) };
        max.min(ring.laps().distance(head, tail))
    }

    #[inline(always)]
    fn release(&mut self, head: usize) {
        self.ring.head.position.store(head, release());
    }
}

/// Releases the slots of the items taken so far when it is dropped.
struct Releasing<'c, 'a, T: Copy, S: Storage<Slot<T>>> {
    consumer: &'c mut Consumer<'a, T, S>,
    position: usize,
}

impl<T: Copy, S: Storage<Slot<T>>> Drop for Releasing<'_, '_, T, S> {
    #[inline(always)]
    fn drop(&mut self) {
        self.consumer.release(self.position);
    }
}

impl<T: Copy, S: Storage<Slot<T>>> Source<T> for Consumer<'_, T, S> {
    fn drain(&mut self, max: usize, f: impl FnMut(T)) -> usize {
        Consumer::drain(self, max, f)
    }

    fn len(&self) -> usize {
        self.ring.len()
    }

    fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    proptest! {
        /// Compared with a queue, from every starting position, in every mix of single and batch operations.
        #[test]
        fn behaves_like_a_bounded_queue(start in 0usize..10, steps in proptest::collection::vec((0u8..4, 0usize..8), 0..200)) {
            let mut ring: Ring<usize, [Slot<usize>; 5]> =
                Ring::starting_at(core::array::from_fn(|_| Slot::new()), start);
            let (mut producer, mut consumer) = ring.split();
            let mut model = VecDeque::new();
            let mut next = 0;
            for (step, n) in steps {
                match step {
                    0 => {
                        let fits = model.len() < 5;
                        prop_assert_eq!(producer.push(next), if fits { Ok(()) } else { Err(Full(next)) });
                        if fits { model.push_back(next); }
                        next += 1;
                    }
                    1 => {
                        let items: alloc::vec::Vec<_> = (next..next + n).collect();
                        let pushed = producer.push_slice(&items);
                        prop_assert_eq!(pushed, n.min(5 - model.len()));
                        model.extend(&items[..pushed]);
                        next += n;
                    }
                    2 => prop_assert_eq!(consumer.pop(), model.pop_front()),
                    _ => {
                        let mut taken = alloc::vec::Vec::new();
                        consumer.drain(n, |item| taken.push(item));
                        let expected: alloc::vec::Vec<_> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(taken, expected);
                    }
                }
                prop_assert_eq!(Source::len(&consumer), model.len());
                prop_assert_eq!(producer.len(), model.len());
            }
        }
    }
}
