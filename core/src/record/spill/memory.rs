//! The memory for long tags: in a `static`, or of a size chosen at run time.

#[cfg(feature = "alloc")]
use super::Owner;
use super::claims::Claim;
use super::{Area, Block};
use crate::record::{Resolve, Symbol};
use crate::sync::AtomicU32;

/// Memory for the long tags and texts of the events of a chip: `BLOCKS` blocks of 128 bytes, and 4 bytes more for each.
///
/// ```
/// use ringstat_core::record::TagMemory;
///
/// static LONG_TAGS: TagMemory<16> = TagMemory::new();
/// assert_eq!(LONG_TAGS.area().capacity(), 16);
/// ```
#[derive(Debug)]
pub struct TagMemory<const BLOCKS: usize> {
    claims: [Claim; BLOCKS],
    cursor: AtomicU32,
    blocks: [Block; BLOCKS],
}

impl<const BLOCKS: usize> TagMemory<BLOCKS> {
    /// Creates a memory of which nothing is in use.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(BLOCKS > 0 && BLOCKS < u32::MAX as usize, "there is at least one block") };
        Self {
            claims: [const { Claim::new() }; BLOCKS],
            cursor: AtomicU32::new(0),
            blocks: [const { Block::new() }; BLOCKS],
        }
    }

    /// The blocks of this memory.
    #[must_use]
    pub fn area(&self) -> Area<'_> {
        Area {
            claims: &self.claims,
            blocks: &self.blocks,
            cursor: &self.cursor,
            number: 0,
            owned: false,
        }
    }
}

/// Resolves no symbols, but finds the long tags that are in this memory.
impl<const BLOCKS: usize> Resolve for TagMemory<BLOCKS> {
    const HAS_AREAS: bool = true;

    fn resolve(&self, _: Symbol) -> Option<&str> {
        None
    }

    #[inline]
    fn area(&self, number: u16) -> Option<Area<'_>> {
        (number == 0).then(|| TagMemory::area(self))
    }
}

#[cfg(not(loom))]
impl<const BLOCKS: usize> Default for TagMemory<BLOCKS> {
    fn default() -> Self {
        Self::new()
    }
}

/// Creates `count` claims on free blocks. They are all zeros, so memory that the system provides zeroed is not touched.
#[cfg(all(feature = "alloc", not(loom)))]
fn claims(count: usize) -> alloc::boxed::Box<[Claim]> {
    const { assert!(size_of::<Claim>() == size_of::<u32>() && align_of::<Claim>() == align_of::<u32>()) };
    let words = alloc::boxed::Box::into_raw(alloc::vec![0u32; count].into_boxed_slice());
    // SAFETY: a claim is one word of the same size and alignment, and the claim on a free block is 0.
    unsafe { alloc::boxed::Box::from_raw(words as *mut [Claim]) }
}

#[cfg(all(feature = "alloc", loom))]
fn claims(count: usize) -> alloc::boxed::Box<[Claim]> {
    (0..count).map(|_| Claim::new()).collect()
}

/// Memory for long tags and texts whose size is chosen at run time. Its pages are only touched when they are used.
///
/// ```
/// use ringstat_core::record::BoxedTagMemory;
///
/// let memory = BoxedTagMemory::new(64, 0);
/// assert_eq!((memory.area().used(), memory.area().capacity()), (0, 64));
/// assert!(memory.bytes() >= 64 * 128);
/// ```
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct BoxedTagMemory {
    claims: alloc::boxed::Box<[Claim]>,
    cursor: AtomicU32,
    blocks: alloc::boxed::Box<[Block]>,
    number: u16,
}

#[cfg(feature = "alloc")]
impl BoxedTagMemory {
    /// Creates a memory of `blocks` blocks of 128 bytes. `number` distinguishes it from other memories of the same
    /// recorder.
    #[must_use]
    pub fn new(blocks: usize, number: u16) -> Self {
        let blocks = blocks.min(u32::MAX as usize - 1);
        // SAFETY: a block consists of bytes that need not be initialized.
        let memory = unsafe { alloc::boxed::Box::new_uninit_slice(blocks).assume_init() };
        Self { claims: claims(blocks), cursor: AtomicU32::new(0), blocks: memory, number }
    }

    /// The largest amount of memory that it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.claims.len() * (super::BLOCK + size_of::<Claim>())
    }

    /// The blocks of this memory.
    #[inline]
    #[must_use]
    pub fn area(&self) -> Area<'_> {
        Area {
            claims: &self.claims,
            blocks: &self.blocks,
            cursor: &self.cursor,
            number: self.number,
            owned: false,
        }
    }
}

/// Memory from which a single party takes blocks: the owner of a ring's recording end, see
/// [`WithTags`](crate::ring::WithTags). Anybody may give blocks back.
///
/// ```
/// use ringstat_core::record::{Event, OwnedTagMemory};
/// use ringstat_core::ring::{ShardRing, Slot, WithTags, boxed, spsc};
///
/// let ring: spsc::Ring<Event, Box<[Slot<Event>]>> = spsc::Ring::new(boxed(16));
/// let ring = WithTags::new(ring, Some(OwnedTagMemory::new(8, 0)));
/// assert_eq!(ring.capacity(), 16);
/// assert_eq!(ring.memory().unwrap().area().capacity(), 8);
/// ```
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct OwnedTagMemory(BoxedTagMemory);

#[cfg(feature = "alloc")]
impl OwnedTagMemory {
    /// Creates a memory of `blocks` blocks of 128 bytes. `number` distinguishes it from other memories of the same
    /// recorder.
    #[must_use]
    pub fn new(blocks: usize, number: u16) -> Self {
        Self(BoxedTagMemory::new(blocks, number))
    }

    /// The largest amount of memory that it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The blocks of this memory, for whoever reads or releases them.
    #[inline]
    #[must_use]
    pub fn area(&self) -> Area<'_> {
        Area { owned: true, ..self.0.area() }
    }

    /// Returns the end that takes blocks.
    ///
    /// # Safety
    /// No other one may exist while this one lives, and everything done through this one must happen before the next one
    /// is used (between threads, by a lock or a release and an acquire).
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) unsafe fn owner(&self) -> Owner<'_> {
        Owner(self.area())
    }
}
