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
//!
//! A closure that a drain calls may panic: what it was given counts as taken, and nothing is given twice or left
//! locked.

#![allow(unsafe_code)] // Slots are shared memory; each block says who may touch it and why.

use core::ops::Deref;

pub mod mpmc;
pub mod overwrite;
pub mod priority;
pub mod sharded;
pub mod spsc;
mod storage;

#[cfg(feature = "alloc")]
pub use storage::boxed;
pub use storage::{MAX_CAPACITY, Slot, Storage};

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

/// A ring with one recording and one sending end: what a shard is made of. Sealed.
pub trait ShardRing: sealed::ShardRing {
    /// What it holds.
    type Item;
    /// The recording end: a reference, so that making one costs nothing.
    type Producer<'a>
    where
        Self: 'a;
    /// The sending end.
    type Consumer<'a>: Source<Self::Item>
    where
        Self: 'a;

    /// The recording end.
    ///
    /// # Safety
    /// There is no other recording end of the ring as long as this one lives, and the next one is made after what
    /// this one did (as between threads by a lock, or a release and an acquire).
    unsafe fn producer(&self) -> Self::Producer<'_>;

    /// The sending end.
    ///
    /// # Safety
    /// As for [`producer`](Self::producer), among sending ends.
    unsafe fn consumer(&self) -> Self::Consumer<'_>;

    /// How many items there are; both ends may have moved on since.
    fn len(&self) -> usize;

    /// How many items there is room for.
    fn capacity(&self) -> usize;

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A ring to which anybody may push and from which anybody may take: for who has no shard. Sealed.
pub trait Fallback<T>: sealed::Fallback {
    /// Adds an item.
    ///
    /// # Errors
    /// [`Full`] gives it back when there is no room.
    fn push(&self, item: T) -> Result<(), Full<T>>;

    /// Adds an item, if need be in place of others, which go to `evicted`.
    ///
    /// # Errors
    /// [`Full`] gives it back when no room could be made.
    fn push_evicting(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>>;

    /// Takes up to `max` items, and returns how many.
    fn take(&self, max: usize, f: impl FnMut(T)) -> usize;

    /// How many items wait.
    fn len(&self) -> usize;

    /// How many items there is room for.
    fn capacity(&self) -> usize;

    /// Whether none wait.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What may refer to a ring: `&T`, and with the feature `alloc` an `Arc<T>`.
///
/// Sealed: an end is made once for a place, so a reference and its clones must lead to the same place for ever. Any
/// other `Deref` may lead elsewhere at each call.
///
/// ```compile_fail,E0277
/// # use ringstat_core::ring::{Slot, mpmc, sharded::{Shard, Sharded}, spsc};
/// # type One = spsc::Ring<u8, [Slot<u8>; 2]>;
/// # type All = Sharded<One, [Shard<One>; 1], mpmc::Ring<u8, [mpmc::Cell<u8>; 1]>>;
/// #[derive(Clone)]
/// struct Elsewhere([&'static All; 2], std::rc::Rc<std::cell::Cell<usize>>);
///
/// impl std::ops::Deref for Elsewhere {
///     type Target = All;
///     fn deref(&self) -> &All {
///         self.1.set(1 - self.1.get());
///         self.0[self.1.get()]
///     }
/// }
///
/// fn claim(all: Elsewhere) {
///     let _ = Sharded::claim(all);
/// }
/// ```
pub trait RingRef: Deref + Clone + sealed::RingRef {}

impl<T> sealed::RingRef for &T {}
impl<T> RingRef for &T {}

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
impl<T> sealed::RingRef for alloc::sync::Arc<T> {}
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
impl<T> RingRef for alloc::sync::Arc<T> {}

/// Keeps others from implementing the traits that unsafe code relies on. One for each, so that none opens another.
mod sealed {
    pub trait Storage<C> {}
    pub trait ShardRing {}
    pub trait Fallback {}
    pub trait RingRef {}
}

/// No room: gives the item back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full<T>(pub T);

impl<T> core::fmt::Display for Full<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the ring is full")
    }
}

impl<T: core::fmt::Debug> core::error::Error for Full<T> {}

/// What became of an item that may push out an older one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed<T> {
    /// There was room.
    Stored,
    /// It took the place of this one.
    Evicted(T),
}
