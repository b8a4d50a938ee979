//! The sending end: takes items, and releases their slots.

use super::{Ring, release};
use crate::ring::{Slot, Source, Storage};
use crate::sync::Ordering;

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
