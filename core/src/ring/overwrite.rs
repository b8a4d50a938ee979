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

use super::storage::{End, Laps, Reserved};
use super::{Full, Pushed, ShardRing, Slot, Source, Storage, sealed};
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
impl<T: Copy, S: Storage<Slot<T>>> sealed::Reserve<T> for Producer<'_, T, S> {
    #[inline(always)]
    fn reserve(&mut self) -> Option<Reserved<'_, T>> {
        Producer::reserve(self)
    }
}

/// The sending end of a [`Ring`].
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    static IN_A_STATIC: Ring<u8, [Slot<u8>; 3]> = Ring::new([const { Slot::new() }; 3]);

    #[test]
    fn it_lives_in_a_static() {
        // SAFETY: these are the only ends of the ring, which belongs to this test.
        let (mut producer, mut consumer) =
            unsafe { (Producer::new(&IN_A_STATIC), Consumer::new(&IN_A_STATIC)) };
        for i in 0..5 {
            assert!(producer.push_evicting(i).is_ok());
        }
        assert_eq!((consumer.pop(), IN_A_STATIC.len()), (Some(2), 2));
    }

    proptest! {
        /// Compared with a queue, from every starting position.
        #[test]
        fn behaves_like_a_queue_that_forgets(start in 0usize..6, steps in proptest::collection::vec((0u8..4, 0usize..5), 0..200)) {
            let mut ring: Ring<usize, [Slot<usize>; 3]> = Ring::starting_at(core::array::from_fn(|_| Slot::new()), start);
            let (mut producer, mut consumer) = ring.split();
            let mut model = VecDeque::new();
            for (next, (step, n)) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        let fits = model.len() < 3;
                        prop_assert_eq!(producer.push(next).is_ok(), fits);
                        if fits { model.push_back(next); }
                    }
                    1 => {
                        let evicted = (model.len() == 3).then(|| model.pop_front()).flatten();
                        let expected = evicted.map_or(Pushed::Stored, Pushed::Evicted);
                        prop_assert_eq!(producer.push_evicting(next), Ok(expected));
                        model.push_back(next);
                    }
                    2 => prop_assert_eq!(producer.evict(), model.pop_front()),
                    _ => {
                        let mut taken = alloc::vec::Vec::new();
                        consumer.drain(n, |item| taken.push(item));
                        let expected: alloc::vec::Vec<_> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(taken, expected);
                    }
                }
                prop_assert_eq!(consumer.len(), model.len());
            }
        }
    }
}
