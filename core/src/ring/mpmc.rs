//! A bounded ring for any number of producers and consumers.
//!
//! - Capacity: exactly that of its storage, at most 2^32 − 1 on 64 bits. Allocation: none.
//! - Progress: a party that is preempted between claiming a slot and finishing it delays what lies *behind* that slot:
//!   consumers see the ring as empty from there on, and producers that have come around to it see it as full. Nobody
//!   waits or spins, and nothing is corrupted, but interrupts and threads that must not be delayed by one another need
//!   rings of their own ([`sharded`](super::sharded)).
//! - When full: [`Ring::push`] gives the item back; [`Ring::push_evicting`] first takes the oldest item out, which is
//!   sound because any party may. When empty: [`Ring::pop`] returns `None`.
//! - Callers: anybody, through `&self`.
//!
//! This is Dmitry Vyukov's bounded queue with positions in laps, as in crossbeam's `ArrayQueue`: each slot records the
//! lap for which it is ready. On parts without compare-and-swap, interrupts are masked for each atomic operation.

use super::{Fallback, Full, Slot, Source, Storage, sealed};
use crate::sync::{AtomicUsize, CachePadded, Ordering, const_fn, mutant};

/// The ordering that makes an item visible to consumers.
#[inline(always)]
fn publish() -> Ordering {
    if mutant("mpmc_publish") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering that allows a slot to be written again.
#[inline(always)]
fn release() -> Ordering {
    if mutant("mpmc_release") { Ordering::Relaxed } else { Ordering::Release }
}

/// A slot, and the lap for which it is ready.
#[derive(Debug)]
pub struct Cell<T> {
    /// The lap bits of a position; the lowest bit says that the slot holds an item of that lap.
    stamp: AtomicUsize,
    slot: Slot<T>,
}

/// The bit of a stamp that says that the slot holds an item.
const HOLDS: usize = 1;

/// Whether a position is split into half a word of slot number and half a word of lap. 32 bits are too few for both.
const WIDE: bool = usize::BITS >= 64;
const HALF_WORD: usize = 1 << (usize::BITS / 2);

impl<T: Copy> Cell<T> {
    const_fn! {
        /// Creates an empty slot, ready for the first lap.
        #[must_use]
        pub const fn new() -> Self {
            Self { stamp: AtomicUsize::new(0), slot: Slot::new() }
        }
    }
}

impl<T: Copy> Default for Cell<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A ring over the storage `S`.
///
/// ```
/// use ringstat_core::ring::mpmc::{Cell, Ring};
///
/// static RING: Ring<u32, [Cell<u32>; 4]> = Ring::new([const { Cell::new() }; 4]);
///
/// std::thread::scope(|scope| {
///     scope.spawn(|| RING.push(1));
///     scope.spawn(|| RING.push(2));
/// });
/// let taken = [RING.pop(), RING.pop()].map(Option::unwrap);
/// assert_eq!(taken[0] + taken[1], 3);
/// ```
#[derive(Debug)]
pub struct Ring<T, S> {
    /// Where the next item is taken: the lap in the high bits, the slot in the low ones.
    head: CachePadded<AtomicUsize>,
    /// Where the next item is put, in the same form.
    tail: CachePadded<AtomicUsize>,
    cells: S,
    item: core::marker::PhantomData<fn(T) -> T>,
}

impl<T: Copy, S: Storage<Cell<T>>> Ring<T, S> {
    const_fn! {
        /// Creates an empty ring over `cells`, which must be new.
        #[must_use]
        pub const fn new(cells: S) -> Self {
            Self {
                head: CachePadded::new(AtomicUsize::new(0)),
                tail: CachePadded::new(AtomicUsize::new(0)),
                cells,
                item: core::marker::PhantomData,
            }
        }
    }

    /// Creates an empty ring one lap before the last lap number, to test wraparound.
    #[cfg(all(test, not(loom)))]
    pub(super) fn near_the_end(cells: S) -> Self {
        let ring = Self::new(cells);
        let lap = 0usize.wrapping_sub(2 * ring.one_lap());
        ring.head.store(lap, Ordering::Relaxed);
        ring.tail.store(lap, Ordering::Relaxed);
        for cell in ring.cells.slots() {
            cell.stamp.store(lap, Ordering::Relaxed);
        }
        ring
    }

    /// Adds an item.
    ///
    /// # Errors
    /// [`Full`] gives the item back when there is no room, or when a consumer has not finished with the next slot.
    #[inline]
    pub fn push(&self, item: T) -> Result<(), Full<T>> {
        if self.try_push(&item) { Ok(()) } else { Err(Full(item)) }
    }

    /// Adds a copy of an item that stays where it is, and returns whether there was room.
    #[inline]
    pub fn try_push(&self, item: &T) -> bool {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            let Some((cell, lap)) = self.at(tail) else { return false };
            // Acquire: whoever emptied the slot has finished reading it.
            let stamp = cell.stamp.load(Ordering::Acquire);
            if stamp == lap {
                // Relaxed: the slot's stamp orders its contents; the position only hands out slots.
                let claim = self.tail.compare_exchange_weak(
                    tail,
                    self.after(tail),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                match claim {
                    Ok(_) => {
                        // SAFETY: the stamp says that the slot is empty and ready for this lap, and moving the tail on
                        // from this very position made it exclusively ours until the stamp below.
                        unsafe { cell.slot.copy_from(item) };
                        cell.stamp.store(lap | HOLDS, publish());
                        return true;
                    }
                    Err(now) => tail = now,
                }
            } else {
                // Either the slot still belongs to an earlier lap and the ring is full, or the tail has moved on since
                // it was read.
                let now = self.tail.load(Ordering::Relaxed);
                if now == tail {
                    return false;
                }
                tail = now;
            }
        }
    }

    /// Adds an item, if necessary after taking out the oldest one, which is passed to `evicted`.
    ///
    /// At most one item is given up for it, unless other producers take the room that it makes.
    ///
    /// # Errors
    /// [`Full`] gives the item back when a consumer has not finished with the next slot, so that evicting the oldest
    /// item makes no room, or when other producers have taken the room that was made, four times in a row.
    #[inline]
    pub fn push_evicting(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>> {
        if self.try_push_evicting(&item, evicted) { Ok(()) } else { Err(Full(item)) }
    }

    /// Adds a copy of an item that stays where it is, evicting as [`push_evicting`](Self::push_evicting) does, and
    /// returns whether there was room.
    #[inline]
    pub fn try_push_evicting(&self, item: &T, mut evicted: impl FnMut(T)) -> bool {
        const ATTEMPTS: usize = 4;
        for _ in 0..ATTEMPTS {
            if self.try_push(item) {
                return true;
            }
            let tail = self.tail.load(Ordering::Relaxed);
            match self.take_before(tail) {
                Some(oldest) => evicted(oldest),
                // Another party is using that slot, or has just finished with it.
                None if self.tail.load(Ordering::Relaxed) == tail => return self.try_push(item),
                None => {}
            }
        }
        self.try_push(item)
    }

    /// Takes the item that is in the way of a push at `tail`: the one that the previous lap left in the same slot, if
    /// it is the oldest. Taking any other item would not make room.
    fn take_before(&self, tail: usize) -> Option<T> {
        if mutant("mpmc_evict_in_vain") {
            return self.pop();
        }
        let oldest = tail.wrapping_sub(self.one_lap());
        let (cell, lap) = self.at(oldest)?;
        // Acquire: whoever filled the slot has finished writing it.
        if cell.stamp.load(Ordering::Acquire) != lap | HOLDS {
            return None;
        }
        let after = self.after(oldest);
        self.head.compare_exchange(oldest, after, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        // SAFETY: as in `pop`: the stamp says that the slot holds an item of this lap, and moving the head on from this
        // very position made it exclusively ours.
        Some(unsafe { self.empty(cell, lap) })
    }

    /// Takes the oldest item. Returns `None` if the ring is empty, or if a producer has not finished writing the oldest
    /// item.
    #[inline]
    pub fn pop(&self) -> Option<T> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let (cell, lap) = self.at(head)?;
            // Acquire: whoever filled the slot has finished writing it.
            let stamp = cell.stamp.load(Ordering::Acquire);
            if stamp == lap | HOLDS {
                let claim = self.head.compare_exchange_weak(
                    head,
                    self.after(head),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                match claim {
                    Ok(_) => {
                        // SAFETY: the stamp says that the slot holds an item of this lap, and moving the head on from
                        // this very position made it exclusively ours.
                        return Some(unsafe { self.empty(cell, lap) });
                    }
                    Err(now) => head = now,
                }
            } else {
                let now = self.head.load(Ordering::Relaxed);
                if now == head {
                    return None;
                }
                head = now;
            }
        }
    }

    /// Reads the item of a slot and makes the slot ready for the next lap.
    ///
    /// # Safety
    /// The slot must hold an item of `lap`, and belong to the caller alone until this returns.
    #[inline(always)]
    unsafe fn empty(&self, cell: &Cell<T>, lap: usize) -> T {
        // SAFETY: the caller guarantees it.
        let item = unsafe { cell.slot.read() };
        cell.stamp.store(lap.wrapping_add(self.one_lap()), release());
        item
    }

    /// The number of items that are in the ring or being added; others may have added or taken some since.
    #[must_use]
    pub fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        let (mask, capacity) = (self.one_lap() - 1, self.capacity());
        let (from, to) = (head & mask, tail & mask);
        if tail & !mask == head & !mask {
            to.saturating_sub(from)
        } else {
            (capacity - from + to).min(capacity)
        }
    }

    /// Whether the ring holds no items; see [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of items that fit.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        let slots = self.cells.slots().len();
        // Slots beyond half a word, which would be more memory than any machine has, are not used: see `one_lap`.
        if WIDE { slots.min(HALF_WORD - 1) } else { slots }
    }

    /// The distance from one lap to the next: a power of two above every slot number, so that laps wrap with the word.
    ///
    /// A constant on 64 bits, because each operation waits for the one before it and for whatever that one computes
    /// first.
    #[inline(always)]
    fn one_lap(&self) -> usize {
        if WIDE { HALF_WORD } else { (self.capacity() + 1).next_power_of_two() }
    }

    /// The slot at a position, and the lap bits of the position. Every position has a slot; returning an `Option`
    /// avoids a panic in code that recorders reach.
    #[inline(always)]
    fn at(&self, position: usize) -> Option<(&Cell<T>, usize)> {
        let mask = self.one_lap() - 1;
        Some((self.cells.slots().get(position & mask)?, position & !mask))
    }

    /// The position after this one.
    #[inline(always)]
    fn after(&self, position: usize) -> usize {
        let mask = self.one_lap() - 1;
        if (position & mask) + 1 < self.capacity() {
            position + 1
        } else {
            (position & !mask).wrapping_add(mask + 1)
        }
    }
}

impl<T: Copy, S: Storage<Cell<T>>> Source<T> for &Ring<T, S> {
    fn drain(&mut self, max: usize, mut f: impl FnMut(T)) -> usize {
        (0..max).map_while(|_| self.pop().map(&mut f)).count()
    }

    fn len(&self) -> usize {
        Ring::len(self)
    }

    fn capacity(&self) -> usize {
        Ring::capacity(self)
    }
}

impl<T, S> sealed::Fallback for Ring<T, S> {}

impl<T: Copy, S: Storage<Cell<T>>> Fallback<T> for Ring<T, S> {
    fn push(&self, item: T) -> Result<(), Full<T>> {
        Ring::push(self, item)
    }

    fn push_evicting(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>> {
        Ring::push_evicting(self, item, evicted)
    }

    fn take(&self, max: usize, f: impl FnMut(T)) -> usize {
        (&mut &*self).drain(max, f)
    }

    fn len(&self) -> usize {
        Ring::len(self)
    }

    fn capacity(&self) -> usize {
        Ring::capacity(self)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    static IN_A_STATIC: Ring<u8, [Cell<u8>; 1]> = Ring::new([const { Cell::new() }; 1]);

    #[test]
    fn one_slot_is_enough() {
        for i in 0..10 {
            assert_eq!(IN_A_STATIC.push(i), Ok(()));
            assert_eq!(IN_A_STATIC.push(i), Err(Full(i)));
            assert_eq!((IN_A_STATIC.len(), IN_A_STATIC.pop(), IN_A_STATIC.len()), (1, Some(i), 0));
        }
    }

    proptest! {
        /// Compared with a queue, across the end of the word.
        #[test]
        fn behaves_like_a_bounded_queue(steps in proptest::collection::vec(0u8..3, 0..300)) {
            let ring: Ring<usize, [Cell<usize>; 3]> = Ring::near_the_end(core::array::from_fn(|_| Cell::new()));
            let mut model = VecDeque::new();
            for (next, step) in steps.into_iter().enumerate() {
                match step {
                    0 => {
                        let fits = model.len() < 3;
                        prop_assert_eq!(ring.push(next).is_ok(), fits);
                        if fits { model.push_back(next); }
                    }
                    1 => {
                        let mut evicted = None;
                        ring.push_evicting(next, |item| evicted = Some(item)).unwrap();
                        prop_assert_eq!(evicted, (model.len() == 3).then(|| model.pop_front()).flatten());
                        model.push_back(next);
                    }
                    _ => prop_assert_eq!(ring.pop(), model.pop_front()),
                }
                prop_assert_eq!(ring.len(), model.len());
            }
        }
    }
}
