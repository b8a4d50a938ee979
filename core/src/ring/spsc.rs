//! One producer, one consumer: the fastest ring, for when the newest may be refused.
//!
//! - Capacity: exactly `N`. Allocation: none.
//! - Progress: both ends are wait-free; neither ever delays the other.
//! - Full: [`Producer::push`] gives the item back. Empty: [`Consumer::pop`] is `None`.
//! - Who: one [`Producer`] and one [`Consumer`], handles that take `&mut self`; each may move to another thread.
//!
//! Each end keeps a copy of the other's position and looks again only when the copy says full or empty, so that the
//! cache line of a position moves between cores once in many items (the FastForward / MCRingBuffer idea).
//!
//! ```
//! use ringstat_core::ring::spsc::Ring;
//!
//! let mut ring: Ring<u32, 4> = Ring::new();
//! let (mut producer, mut consumer) = ring.split();
//! producer.push(1).unwrap();
//! assert_eq!(producer.push_slice(&[2, 3, 4, 5]), 3, "exactly four fit");
//! let mut taken = Vec::new();
//! consumer.drain(10, |item| taken.push(item));
//! assert_eq!(taken, [1, 2, 3, 4]);
//! ```
//!
//! A second producer cannot be had:
//!
//! ```compile_fail
//! # use ringstat_core::ring::spsc::Ring;
//! let mut ring: Ring<u32, 4> = Ring::new();
//! let (producer, _) = ring.split();
//! let another = producer.clone();
//! ```

use super::{Full, Laps, Slot, Source};
use crate::sync::{AtomicUsize, CachePadded, Ordering, mutant};

/// When an item becomes visible to the consumer. Weakened in a mutant, to show that the model checker would notice.
#[inline(always)]
fn publish() -> Ordering {
    if mutant("spsc_publish") { Ordering::Relaxed } else { Ordering::Release }
}
/// When a slot may be written again.
#[inline(always)]
fn release() -> Ordering {
    if mutant("spsc_release") { Ordering::Relaxed } else { Ordering::Release }
}

/// A ring of `N` items.
#[derive(Debug)]
pub struct Ring<T, const N: usize> {
    /// Where the consumer takes next; only the consumer writes it.
    head: CachePadded<AtomicUsize>,
    /// Where the producer puts next; only the producer writes it.
    tail: CachePadded<AtomicUsize>,
    slots: [Slot<T>; N],
}

impl<T: Copy, const N: usize> Ring<T, N> {
    const LAPS: Laps = {
        assert!(N > 0 && N <= super::MAX_CAPACITY, "a ring has at least one slot");
        Laps(N)
    };

    /// An empty ring.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            head: CachePadded::new(AtomicUsize::new(0)),
            tail: CachePadded::new(AtomicUsize::new(0)),
            slots: [const { Slot::new() }; N],
        }
    }

    /// An empty ring whose positions begin at `position`, to test both laps.
    #[cfg(test)]
    pub(super) fn starting_at(position: usize) -> Self {
        Self {
            head: CachePadded::new(AtomicUsize::new(position)),
            tail: CachePadded::new(AtomicUsize::new(position)),
            slots: core::array::from_fn(|_| Slot::new()),
        }
    }

    /// The two ends. Whatever is in the ring stays there.
    ///
    /// For a ring in a `static`, put it into a `StaticCell` and split the `&'static mut` that it gives out.
    pub fn split(&mut self) -> (Producer<'_, T, N>, Consumer<'_, T, N>) {
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        let ring = &*self;
        (Producer { ring, tail, head }, Consumer { ring, head, tail })
    }
}

#[cfg(not(loom))]
impl<T: Copy, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The recording end.
#[derive(Debug)]
pub struct Producer<'a, T, const N: usize> {
    ring: &'a Ring<T, N>,
    tail: usize,
    /// The consumer's position when last looked at; it can only have gone on since.
    head: usize,
}

impl<T: Copy, const N: usize> Producer<'_, T, N> {
    const LAPS: Laps = Ring::<T, N>::LAPS;

    /// Adds an item.
    ///
    /// # Errors
    /// [`Full`] gives it back when there are `N` items.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.room_for(1) == 0 {
            return Err(Full(item));
        }
        // SAFETY: the slot at `tail` is free: the consumer released it (`room_for` acquired that) and looks at it
        // again only after the store below.
        unsafe { self.ring.slots[Self::LAPS.slot(self.tail)].write(item) };
        self.publish(1);
        Ok(())
    }

    /// Adds as many of `items` as fit, in order, and publishes them together. Returns how many.
    #[inline]
    pub fn push_slice(&mut self, items: &[T]) -> usize {
        let mut items = items.iter().copied();
        self.push_with(items.len(), || items.next())
    }

    /// Reserves room for up to `max` items, writes what `next` gives until it gives `None`, and publishes all of it
    /// together. Returns how many.
    #[inline]
    pub fn push_with(&mut self, max: usize, mut next: impl FnMut() -> Option<T>) -> usize {
        let room = self.room_for(max);
        let mut count = 0;
        let mut position = self.tail;
        while count < room
            && let Some(item) = next()
        {
            // SAFETY: `count` is below the free slots that `room_for` found, see `push`.
            unsafe { self.ring.slots[Self::LAPS.slot(position)].write(item) };
            position = Self::LAPS.forward(position, 1);
            count += 1;
        }
        self.publish(count);
        count
    }

    /// How many items there are. The consumer may have taken some since, nobody can have added any.
    #[must_use]
    pub fn len(&self) -> usize {
        Self::LAPS.distance(self.ring.head.load(Ordering::Acquire), self.tail)
    }

    /// Whether the consumer has taken everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Free slots, at most `max`; looks at the consumer only if the copy of its position does not do.
    #[inline(always)]
    fn room_for(&mut self, max: usize) -> usize {
        let free = N - Self::LAPS.distance(self.head, self.tail);
        if free >= max {
            return max;
        }
        // Acquire: the consumer has read the slots that it released.
        self.head = self.ring.head.load(Ordering::Acquire);
        max.min(N - Self::LAPS.distance(self.head, self.tail))
    }

    #[inline(always)]
    fn publish(&mut self, count: usize) {
        self.tail = Self::LAPS.forward(self.tail, count);
        self.ring.tail.store(self.tail, publish());
    }
}

/// The sending end.
#[derive(Debug)]
pub struct Consumer<'a, T, const N: usize> {
    ring: &'a Ring<T, N>,
    head: usize,
    /// The producer's position when last looked at; it can only have gone on since.
    tail: usize,
}

impl<T: Copy, const N: usize> Consumer<'_, T, N> {
    const LAPS: Laps = Ring::<T, N>::LAPS;

    /// Takes the oldest item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.available(1) == 0 {
            return None;
        }
        // SAFETY: the producer wrote the slot at `head` and published it (`available` acquired that), and writes it
        // again only after the store below.
        let item = unsafe { self.ring.slots[Self::LAPS.slot(self.head)].read() };
        self.release(1);
        Some(item)
    }

    /// Takes up to `max` items, oldest first, and releases their slots together. Returns how many.
    #[inline]
    pub fn drain(&mut self, max: usize, mut f: impl FnMut(T)) -> usize {
        let count = self.available(max);
        let mut position = self.head;
        for _ in 0..count {
            // SAFETY: `count` published items begin at `head`, see `pop`.
            f(unsafe { self.ring.slots[Self::LAPS.slot(position)].read() });
            position = Self::LAPS.forward(position, 1);
        }
        self.release(count);
        count
    }

    /// Published items, at most `max`; looks at the producer only if the copy of its position does not do.
    #[inline(always)]
    fn available(&mut self, max: usize) -> usize {
        let known = Self::LAPS.distance(self.head, self.tail);
        if known >= max {
            return max;
        }
        // Acquire: the producer has written the slots that it published.
        self.tail = self.ring.tail.load(Ordering::Acquire);
        max.min(Self::LAPS.distance(self.head, self.tail))
    }

    #[inline(always)]
    fn release(&mut self, count: usize) {
        self.head = Self::LAPS.forward(self.head, count);
        self.ring.head.store(self.head, release());
    }
}

impl<T: Copy, const N: usize> Source<T> for Consumer<'_, T, N> {
    fn drain(&mut self, max: usize, f: impl FnMut(T)) -> usize {
        Consumer::drain(self, max, f)
    }

    fn len(&self) -> usize {
        Self::LAPS.distance(self.head, self.ring.tail.load(Ordering::Acquire))
    }

    fn capacity(&self) -> usize {
        N
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    proptest! {
        /// Against a queue, from every starting position, in every mix of single and batch operations.
        #[test]
        fn behaves_like_a_bounded_queue(start in 0usize..10, steps in proptest::collection::vec((0u8..4, 0usize..8), 0..200)) {
            let mut ring: Ring<usize, 5> = Ring::starting_at(start);
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
