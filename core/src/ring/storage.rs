//! The memory of the rings: slots, where they are stored, and how positions run over them.

use core::mem::MaybeUninit;

use super::sealed;
#[cfg(feature = "alloc")]
use crate::sync::prefetch_to_write;
use crate::sync::{AtomicUsize, Ordering, UnsafeCell, const_fn};

/// Memory for one item.
#[derive(Debug)]
pub struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

impl<T: Copy> Slot<T> {
    const_fn! {
        /// Creates an empty slot.
        #[must_use]
        pub const fn new() -> Self {
            Self(UnsafeCell::new(MaybeUninit::uninit()))
        }
    }

    /// Writes the item.
    ///
    /// # Safety
    /// Nobody else may access the slot meanwhile.
    #[inline(always)]
    pub(super) unsafe fn write(&self, item: T) {
        // SAFETY: the caller has exclusive access to the slot.
        self.0.with_mut(|slot| unsafe { (*slot).write(item) });
    }

    /// Copies the item in directly, without a copy on the stack.
    ///
    /// # Safety
    /// As for [`write`](Self::write).
    #[inline(always)]
    pub(super) unsafe fn copy_from(&self, item: &T) {
        // SAFETY: the caller has exclusive access to the slot; both places hold a `T`, and they do not overlap, since a
        // slot is never lent out.
        self.0.with_mut(|slot| unsafe { slot.cast::<T>().copy_from_nonoverlapping(item, 1) });
    }

    #[cfg(feature = "alloc")]
    /// Has the item written in place.
    ///
    /// # Safety
    /// As for [`write`](Self::write).
    #[inline(always)]
    unsafe fn fill<R>(&self, fill: impl FnOnce(&mut MaybeUninit<T>) -> R) -> R {
        // SAFETY: the caller has the slot to itself.
        self.0.with_mut(|slot| fill(unsafe { &mut *slot }))
    }

    /// Copies the item out.
    ///
    /// # Safety
    /// The slot must have been written, and nobody may write it meanwhile.
    #[inline(always)]
    pub(super) unsafe fn read(&self) -> T {
        // SAFETY: the caller guarantees that the slot is initialized and not being written.
        self.0.with(|slot| unsafe { (*slot).assume_init_read() })
    }
}

impl<T: Copy> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: a slot is only memory. The rings make sure that one party at a time accesses it, and items move from one
// thread to another, hence `Send`.
unsafe impl<T: Send> Sync for Slot<T> {}

#[cfg(feature = "alloc")]
/// A recording end asks for the slot that it will write so many items later.
const AHEAD: usize = 8;

/// A free slot at a recording end, and what makes it the next item. Forgotten, it stays free.
#[derive(Debug)]
#[cfg_attr(not(feature = "alloc"), expect(unreachable_pub, reason = "one trait names it"))]
pub struct Reserved<'a, T> {
    slot: &'a Slot<T>,
    position: &'a AtomicUsize,
    next: usize,
    publish: Ordering,
}

impl<'a, T: Copy> Reserved<'a, T> {
    /// # Safety
    /// The recording end has the slot to itself until `position` becomes `next`, and borrows from whoever has this.
    #[inline(always)]
    pub(super) unsafe fn new(
        slot: &'a Slot<T>,
        position: &'a AtomicUsize,
        next: usize,
        publish: Ordering,
    ) -> Self {
        Self { slot, position, next, publish }
    }

    /// Adds a copy of an item.
    #[inline(always)]
    pub(super) fn put(self, item: &T) {
        // SAFETY: as `new` says.
        unsafe { self.slot.copy_from(item) };
        self.position.store(self.next, self.publish);
    }

    #[cfg(feature = "alloc")]
    /// Adds the item that `fill` writes; `None` if it does not.
    ///
    /// # Safety
    /// Where `fill` returns something, it has written the item.
    #[inline(always)]
    pub(super) unsafe fn put_with<R>(
        self,
        fill: impl FnOnce(&mut MaybeUninit<T>) -> Option<R>,
    ) -> Option<R> {
        // What is written a few items later. At the end of the ring it is what comes behind, and nothing is gained.
        prefetch_to_write(core::ptr::from_ref(self.slot).wrapping_add(AHEAD));
        // SAFETY: as `new` says.
        let written = unsafe { self.slot.fill(fill) }?;
        self.position.store(self.next, self.publish);
        Some(written)
    }
}

/// Where a ring keeps its items: an array of slots, or with the feature `alloc` a boxed slice whose length is chosen
/// at run time. At least one, at most [`MAX_CAPACITY`].
///
/// Sealed: the rings rely on it to return the same slots at every call, and to nobody else.
///
/// ```compile_fail,E0277
/// use ringstat_core::ring::{Slot, Storage};
///
/// struct Shifting([Slot<u8>; 2], [Slot<u8>; 2]);
///
/// impl Storage<Slot<u8>> for Shifting {
///     fn slots(&self) -> &[Slot<u8>] {
///         &self.0
///     }
/// }
/// ```
pub trait Storage<C>: sealed::Storage<C> {
    /// The slots.
    fn slots(&self) -> &[C];
}

impl<C, const N: usize> sealed::Storage<C> for [C; N] {}

impl<C, const N: usize> Storage<C> for [C; N] {
    #[inline(always)]
    fn slots(&self) -> &[C] {
        const { assert!(N > 0 && N <= MAX_CAPACITY, "a ring has at least one slot") };
        self
    }
}

#[cfg(feature = "alloc")]
impl<C> sealed::Storage<C> for alloc::boxed::Box<[C]> {}

#[cfg(feature = "alloc")]
impl<C> Storage<C> for alloc::boxed::Box<[C]> {
    #[inline(always)]
    fn slots(&self) -> &[C] {
        self
    }
}

/// Creates slots for `capacity` items, from 1 to [`MAX_CAPACITY`].
#[cfg(feature = "alloc")]
#[must_use]
pub fn boxed<C: Default>(capacity: usize) -> alloc::boxed::Box<[C]> {
    (0..capacity.clamp(1, MAX_CAPACITY)).map(|_| C::default()).collect()
}

/// The capacity of the largest ring: positions run over two laps and share a word with one more bit.
pub const MAX_CAPACITY: usize = usize::MAX >> 3;

/// Positions in a ring of `n` slots run over `0..2 * n`. Two laps tell a full ring from an empty one, for every `n`,
/// without an index that grows until it wraps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Laps(pub(super) usize);

impl Laps {
    /// The index of the slot at a position.
    #[inline(always)]
    pub(super) fn slot(self, position: usize) -> usize {
        if position < self.0 { position } else { position - self.0 }
    }

    /// The position `by` slots further on; `by` is at most `n`.
    #[inline(always)]
    pub(super) fn forward(self, position: usize, by: usize) -> usize {
        let next = position + by;
        if next < 2 * self.0 { next } else { next - 2 * self.0 }
    }

    /// How far `to` is ahead of `from`.
    #[inline(always)]
    pub(super) fn distance(self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + 2 * self.0 - from }
    }
}

/// The state of one end of a ring: the position that it publishes, and the other end's position as this end last saw
/// it. Both are stored in the ring, so that a handle on an end is only a reference, and the next owner continues where
/// the last one stopped.
#[derive(Debug)]
pub(super) struct End {
    /// Written by the owner of this end, read by the owner of the other.
    pub(super) position: AtomicUsize,
    /// The other end's position when it was last read; it can only have advanced since. Belongs to the owner of this
    /// end.
    seen: UnsafeCell<usize>,
}

// SAFETY: only the owner of the end accesses `seen`: the functions `seen` and `see` are unsafe and require it.
unsafe impl Sync for End {}

impl End {
    const_fn! {
        /// Creates an end at `position`. A ring whose two ends have the same position is empty.
        pub(super) const fn new(position: usize) -> Self {
            Self { position: AtomicUsize::new(position), seen: UnsafeCell::new(position) }
        }
    }

    /// The other end's position as it was last seen.
    ///
    /// # Safety
    /// The caller must own this end.
    #[inline(always)]
    pub(super) unsafe fn seen(&self) -> usize {
        // SAFETY: only the owner accesses it.
        self.seen.with(|seen| unsafe { *seen })
    }

    /// Remembers the other end's position.
    ///
    /// # Safety
    /// The caller must own this end.
    #[inline(always)]
    pub(super) unsafe fn see(&self, position: usize) {
        // SAFETY: only the owner accesses it.
        self.seen.with_mut(|seen| unsafe { *seen = position });
    }
}
