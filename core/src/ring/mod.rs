//! Ring buffers between recorders and the sender.
//!
//! | type | producers | consumers | when full | progress |
//! |---|---|---|---|---|
//! | [`spsc::Ring`] | one | one | refuses | wait-free at both ends |
//! | [`overwrite::Ring`] | one | one | refuses, or gives up its oldest | wait-free at both ends |
//! | [`mpmc::Ring`] | any | any | refuses, or gives up its oldest | lock-free, except behind a preempted party |
//! | [`sharded::Sharded`] | one per shard, any for the shared ring | one | as the policy says | as its parts |
//! | [`priority::Ring`] | one | one | gives up the oldest of the lowest level | wait-free at both ends |
//! | [`priority::Shared`] | any | any | refuses, or gives up the oldest of the same level | as `mpmc::Ring` |
//!
//! Every ring holds exactly as many items as its storage has slots, allocates nothing after construction, and works in
//! a `static`. Positions run over laps of twice the capacity, so an index never outgrows its word. The sender is
//! written against [`Source`].
//!
//! A closure passed to a drain may panic: the item that it was given counts as taken, nothing is given twice, and
//! nothing stays locked.

#![allow(unsafe_code)] // Slots are shared memory; each block says who may touch it and why.

use core::ops::Deref;

pub mod mpmc;
pub mod overwrite;
pub mod priority;
mod shard_ring;
pub mod sharded;
pub mod spsc;
mod storage;
#[cfg(feature = "alloc")]
mod with_tags;

pub use shard_ring::ShardRing;
#[cfg(feature = "alloc")]
pub use storage::boxed;
pub use storage::{MAX_CAPACITY, Slot, Storage};
#[cfg(feature = "alloc")]
pub use with_tags::{Recording, Vacancy, WithTags};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod stress_tests;

/// The consuming end of a ring, or of several rings.
pub trait Source<T> {
    /// Takes up to `max` items, oldest first, passes them to `f`, and returns how many there were.
    fn drain(&mut self, max: usize, f: impl FnMut(T)) -> usize;

    /// The number of waiting items; producers may have added some since.
    fn len(&self) -> usize;

    /// The number of items that fit.
    fn capacity(&self) -> usize;

    /// Whether no item waits; producers may have added one since.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full the ring is in percent; of several rings, the fullest one.
    fn fill(&self) -> u8 {
        percent(self.len(), self.capacity())
    }
}

/// `used` of `capacity` in percent, 0 to 100. A capacity of 0 counts as full.
#[must_use]
pub const fn percent(used: usize, capacity: usize) -> u8 {
    if used >= capacity {
        return 100;
    }
    // Exact to one part in a hundred, without a product that could overflow.
    (if capacity > usize::MAX / 100 { used / (capacity / 100) } else { used * 100 / capacity })
        as u8
}

/// A ring that anybody may push to and take from, for producers without a shard. Sealed.
pub trait Fallback<T>: sealed::Fallback {
    /// Adds an item.
    ///
    /// # Errors
    /// [`Full`] gives it back when there is no room.
    fn push(&self, item: T) -> Result<(), Full<T>>;

    /// Adds an item, if necessary in place of others, which are passed to `evicted`.
    ///
    /// # Errors
    /// [`Full`] gives it back when no room could be made.
    fn push_evicting(&self, item: T, evicted: impl FnMut(T)) -> Result<(), Full<T>>;

    /// Takes up to `max` items, passes them to `f`, and returns how many there were.
    fn take(&self, max: usize, f: impl FnMut(T)) -> usize;

    /// The number of waiting items; others may have added or taken some since.
    fn len(&self) -> usize;

    /// The number of items that fit.
    fn capacity(&self) -> usize;

    /// Whether no item waits; see [`len`](Self::len).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A reference to a ring: `&T`, and with the feature `alloc` also `Arc<T>`.
///
/// Sealed: each end is created once for a place in memory, so a reference and its clones must always lead to the same
/// place. Any other `Deref` could lead elsewhere at each call:
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

/// Keeps others from implementing the traits that unsafe code relies on. Each trait has one of its own, so that none
/// opens another.
mod sealed {
    #[cfg(feature = "alloc")]
    /// A recording end that has items written in place.
    pub trait Reserve<T> {
        /// A free slot, if there is one, that becomes the next item.
        fn reserve(&mut self) -> Option<super::storage::Reserved<'_, T>>;
    }

    pub trait Storage<C> {}
    pub trait ShardRing {}
    pub trait Fallback {}
    pub trait RingRef {}
}

/// The ring is full: gives the item back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full<T>(pub T);

impl<T> core::fmt::Display for Full<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the ring is full")
    }
}

impl<T: core::fmt::Debug> core::error::Error for Full<T> {}

/// What became of an item that may evict an older one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed<T> {
    /// There was room for the item.
    Stored,
    /// The item took the place of this one.
    Evicted(T),
}
