//! Ring buffers between recorders and the sender.
//!
//! | type | producers | consumers | when full | progress |
//! |---|---|---|---|---|
//! | [`spsc::Ring`] | one | one | refuses | wait-free at both ends |
//! | [`overwrite::Ring`] | one | one | refuses, or gives up its oldest | wait-free at both ends |
//! | [`mpmc::Ring`] | any | any | refuses, or gives up its oldest | lock-free but for a preempted party |
//! | [`sharded::Sharded`] | one a shard, any for the shared ring | one | as the policy says | as its parts |
//! | [`priority::Ring`] | one | one | gives up the oldest of the lowest level | wait-free at both ends |
//! | [`priority::Shared`] | any | any | refuses, or gives up the oldest of the same level | as `mpmc::Ring` |
//!
//! All hold exactly as many items as they say, allocate nothing after construction, work in a `static`, and count
//! their positions in laps of twice the capacity, so that no index ever outgrows its word. The sender is written
//! against [`Source`].

#![allow(unsafe_code)] // Slots are shared memory; each block says who may touch it and why.

use core::mem::MaybeUninit;
use core::ops::Deref;

use crate::sync::UnsafeCell;

pub mod mpmc;
pub mod overwrite;
pub mod priority;
pub mod sharded;
pub mod spsc;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod stress_tests;

/// The consuming end of a ring, or of several.
pub trait Source<T> {
    /// Takes up to `max` items, oldest first, and returns how many.
    fn drain(&mut self, max: usize, f: impl FnMut(T)) -> usize;

    /// How many items wait; producers may have added some since.
    fn len(&self) -> usize;

    /// How many items there is room for.
    fn capacity(&self) -> usize;

    /// Whether no item waits; producers may have added one since.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full it is, in percent; of several rings the fullest.
    fn fill(&self) -> u8 {
        percent(self.len(), self.capacity())
    }
}

/// `used` of `capacity` in percent, 0 to 100. Of no room at all, 100.
#[must_use]
pub const fn percent(used: usize, capacity: usize) -> u8 {
    if used >= capacity {
        return 100;
    }
    // Within one hundredth, and without a product that could overflow.
    (if capacity > usize::MAX / 100 { used / (capacity / 100) } else { used * 100 / capacity })
        as u8
}

/// A ring with one recording and one sending end: what a shard is made of.
pub trait Lane {
    /// What it holds.
    type Item;
    /// The recording end.
    type Producer<R: Deref<Target = Self> + Clone>;
    /// The sending end.
    type Consumer<R: Deref<Target = Self> + Clone>: Source<Self::Item>;

    /// The recording end of `ring`.
    ///
    /// # Safety
    /// There is no other recording end of the ring as long as this one lives, and the next one is made after what
    /// this one did (as between threads by a lock, or a release and an acquire).
    unsafe fn producer<R: Deref<Target = Self> + Clone>(ring: R) -> Self::Producer<R>;

    /// The sending end of `ring`.
    ///
    /// # Safety
    /// As for [`producer`](Self::producer), among sending ends.
    unsafe fn consumer<R: Deref<Target = Self> + Clone>(ring: R) -> Self::Consumer<R>;

    /// How many items there are; both ends may have moved on since.
    fn len(&self) -> usize;

    /// How many items there is room for.
    fn capacity(&self) -> usize;

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// No room: gives the item back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full<T>(pub T);

/// What became of an item that may push out an older one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed<T> {
    /// There was room.
    Stored,
    /// It took the place of this one.
    Evicted(T),
}

/// Memory for one item.
#[derive(Debug)]
pub struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

impl<T: Copy> Slot<T> {
    crate::sync::const_fn! {
        /// A slot that holds nothing.
        #[must_use]
        pub const fn new() -> Self {
            Self(UnsafeCell::new(MaybeUninit::uninit()))
        }
    }

    /// Writes the item.
    ///
    /// # Safety
    /// Nobody else touches the slot meanwhile.
    #[inline(always)]
    unsafe fn write(&self, item: T) {
        // SAFETY: the caller has the slot to itself.
        self.0.with_mut(|slot| unsafe { (*slot).write(item) });
    }

    /// Copies the item in: from memory to memory, without a stop on the stack.
    ///
    /// # Safety
    /// As for [`write`](Self::write).
    #[inline(always)]
    unsafe fn copy_from(&self, item: &T) {
        // SAFETY: the caller has the slot to itself; both places hold a `T`, and `item` is elsewhere, since a slot is
        // never lent out.
        self.0.with_mut(|slot| unsafe { slot.cast::<T>().copy_from_nonoverlapping(item, 1) });
    }

    /// Copies the item out.
    ///
    /// # Safety
    /// The slot was written, and nobody writes it meanwhile.
    #[inline(always)]
    unsafe fn read(&self) -> T {
        // SAFETY: the caller says that it is initialized and not being written.
        self.0.with(|slot| unsafe { (*slot).assume_init_read() })
    }
}

impl<T: Copy> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: a slot is only memory; the rings see to it that one party at a time touches it, and items go from one
// thread to another, hence `Send`.
unsafe impl<T: Send> Sync for Slot<T> {}

/// Where a ring keeps its items: an array of slots, or with the feature `alloc` a boxed slice whose length is chosen
/// at run time. At least one, at most [`MAX_CAPACITY`].
pub trait Storage<C> {
    /// The slots.
    fn slots(&self) -> &[C];
}

impl<C, const N: usize> Storage<C> for [C; N] {
    #[inline(always)]
    fn slots(&self) -> &[C] {
        const { assert!(N > 0 && N <= MAX_CAPACITY, "a ring has at least one slot") };
        self
    }
}

#[cfg(feature = "alloc")]
impl<C> Storage<C> for alloc::boxed::Box<[C]> {
    #[inline(always)]
    fn slots(&self) -> &[C] {
        self
    }
}

/// Slots for `capacity` items, at least 1 and at most [`MAX_CAPACITY`].
#[cfg(feature = "alloc")]
#[must_use]
pub fn boxed<C: Default>(capacity: usize) -> alloc::boxed::Box<[C]> {
    (0..capacity.clamp(1, MAX_CAPACITY)).map(|_| C::default()).collect()
}

/// The largest ring: positions run over two laps and share a word with one more bit.
pub const MAX_CAPACITY: usize = usize::MAX >> 3;

/// Positions in a ring of `n` slots: `0..2 * n`. The first lap and the second tell a full ring from an empty one, for
/// every `n` and without an index that grows until it wraps.
#[derive(Clone, Copy, Debug)]
struct Laps(usize);

impl Laps {
    /// The slot at a position.
    #[inline(always)]
    fn slot(self, position: usize) -> usize {
        if position < self.0 { position } else { position - self.0 }
    }

    /// The position `by` further on; `by` is at most `n`.
    #[inline(always)]
    fn forward(self, position: usize, by: usize) -> usize {
        let next = position + by;
        if next < 2 * self.0 { next } else { next - 2 * self.0 }
    }

    /// How far `to` is ahead of `from`.
    #[inline(always)]
    fn distance(self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + 2 * self.0 - from }
    }
}
