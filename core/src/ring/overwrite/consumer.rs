//! The sending end: claims the oldest items, and takes them.

use super::{BUSY, Ring, release};
use crate::ring::{Slot, Source, Storage};
use crate::sync::{AtomicUsize, Ordering};

/// The sending end of a [`Ring`].
///
/// ```
/// use ringstat_core::ring::{Slot, Source, overwrite::Ring};
///
/// let mut ring = Ring::new([const { Slot::new() }; 4]);
/// let (mut producer, mut consumer) = ring.split();
/// (1..=6).for_each(|n| drop(producer.push_evicting(n)));
/// let mut taken = Vec::new();
/// consumer.drain(8, |item| taken.push(item));
/// assert_eq!(taken, [3, 4, 5, 6], "the oldest two were evicted");
/// ```
#[derive(Debug)]
pub struct Consumer<'a, T, S> {
    ring: &'a Ring<T, S>,
}

/// How many items are copied at a time, while the producer cannot evict.
const CLAIM: usize = 32;

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
    pub fn pop(&mut self) -> Option<T> {
        let mut item = None;
        self.claim(1, &mut |i| item = Some(i));
        item
    }

    fn claim(&mut self, max: usize, f: &mut impl FnMut(T)) -> usize {
        let ring = self.ring;
        // An empty ring costs two loads, without exclusive access to the producer's cache lines.
        if ring.is_empty() {
            return 0;
        }
        // Acquire: if the producer has evicted, the tail read below is at least as recent.
        let head = ring.head.fetch_or(BUSY, Ordering::Acquire) >> 1;
        // From here on the bit is cleared again whatever `f` does.
        let mut claimed = Claimed { head: &ring.head, position: head };
        // Acquire: the producer has finished writing the slots that it published.
        let tail = ring.tail.position.load(Ordering::Acquire);
        let count = ring.laps().distance(head, tail).min(max);
        for _ in 0..count {
            // SAFETY: the slot was published. The bit keeps the producer from evicting it, and it is written again only
            // after the bit is cleared.
            let item = unsafe { ring.slot(claimed.position).read() };
            // Before the call, so that the item counts as taken even if `f` panics.
            claimed.position = ring.laps().forward(claimed.position, 1);
            f(item);
        }
        count
    }
}

/// The consumer's claim on the oldest items. Dropping it releases the claim, and the slots of the items taken so far.
struct Claimed<'a> {
    head: &'a AtomicUsize,
    position: usize,
}

impl Drop for Claimed<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.head.store(self.position << 1, release());
    }
}

impl<T: Copy, S: Storage<Slot<T>>> Source<T> for Consumer<'_, T, S> {
    fn drain(&mut self, max: usize, mut f: impl FnMut(T)) -> usize {
        let mut taken = 0;
        while taken < max {
            let wanted = (max - taken).min(CLAIM);
            let count = self.claim(wanted, &mut f);
            taken += count;
            // A caller that looks again at once would find one item, then the next: each look takes the producer's
            // cache line away.
            if count < wanted {
                break;
            }
        }
        taken
    }

    fn len(&self) -> usize {
        self.ring.len()
    }

    fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}
