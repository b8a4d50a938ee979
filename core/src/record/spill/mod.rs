//! Long tags and texts: whatever has no room in the slot of an event waits in memory beside the rings.
//!
//! ```text
//!  Draft ──record──► written, and parked ──► Spilled: a ticket, in the event's slot ──► ring
//!                     ▲ blocks of an Area                                                │
//!                     └────────── free ◄── Held: read, while it is packed ◄──open── sender ◄──┘
//! ```
//!
//! The memory is made once, of blocks of [`BLOCK`] bytes. An event takes as many blocks in a row as it needs, when it is
//! recorded: its strings are then known, and copied once. No heap, no lock, no system call; who finds too many blocks in
//! use gives up, which is counted as [`Cause::TagMemoryFull`].
//!
//! Memory is [`owned`](OwnedTagMemory) or shared ([`TagMemory`] in a `static`, `BoxedTagMemory`). Owned memory stands
//! beside a ring with one recording end, and only that end takes blocks: it looks for free ones and writes, and needs no
//! operation that another core could hold up. Of shared memory anybody takes blocks, each by one compare-and-swap.
//!
//! # Who gives blocks back
//! Whoever takes an event out of circulation: the sender once it is packed or given up, a recorder that evicts or
//! refuses it. An event is copied from place to place,
//! so its ticket is checked: it opens its blocks for one party at a time, and no more once they are free. A
//! ticket that is forgotten costs its blocks until the memory is dropped, and nothing worse.

#![allow(unsafe_code)] // Blocks are shared memory; the claims say who may touch them.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;

use crate::ledger::Cause;
use crate::record::borrowed::{Borrowed, Checked};
use crate::record::strings::Tags;
use crate::record::{DYNAMIC_TAG_LIMIT, STRING_LIMIT, TEXT_LIMIT, uninit};
use crate::sync::AtomicU32;
#[cfg(feature = "alloc")]
use crate::sync::prefetch_to_write;

mod claims;
#[cfg(all(test, loom))]
mod loom_tests;
mod memory;
#[cfg(all(test, not(loom)))]
mod tests;

use claims::Claim;
#[cfg(feature = "alloc")]
use claims::Clear;
pub use memory::TagMemory;
#[cfg(feature = "alloc")]
pub use memory::{BoxedTagMemory, OwnedTagMemory};

/// The size of a block in bytes.
pub const BLOCK: usize = 128;

#[cfg(feature = "alloc")]
/// An owner asks for the blocks that come after so many events of the same size.
const AHEAD: usize = 8;
#[cfg(feature = "alloc")]
/// The bytes of a cache line.
const LINE: usize = 64;

/// What stands before the strings: their length in bytes, these two included, and [`WITH_TEXT`].
const HEAD: usize = 2;
/// The first string is a text, after two bytes with its length. (Keys and values of tags have one such byte each.)
const WITH_TEXT: u16 = 1 << 15;

const _: () = assert!(
    HEAD + 2 + TEXT_LIMIT + DYNAMIC_TAG_LIMIT * 2 * (1 + STRING_LIMIT) < WITH_TEXT as usize,
    "all of an event's strings have a length"
);

/// The memory of one block. The bytes of adjacent blocks are contiguous.
#[derive(Debug)]
#[repr(transparent)]
struct Block(UnsafeCell<[MaybeUninit<u8>; BLOCK]>);

#[cfg(not(loom))]
impl Block {
    const fn new() -> Self {
        Self(UnsafeCell::new([MaybeUninit::uninit(); BLOCK]))
    }
}

// SAFETY: a block is only memory; its claim ensures that one party at a time accesses it.
unsafe impl Sync for Block {}

/// Memory for long tags and texts, whoever owns it.
#[derive(Clone, Copy, Debug)]
pub struct Area<'a> {
    claims: &'a [Claim],
    blocks: &'a [Block],
    /// Where to start searching for free blocks.
    cursor: &'a AtomicU32,
    /// Distinguishes the areas of one recorder.
    number: u16,
    /// Only the [`Owner`] takes blocks.
    owned: bool,
}

impl<'a> Area<'a> {
    /// The number of blocks.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.claims.len()
    }

    /// The number of blocks in use; others may have taken and freed some since.
    #[must_use]
    pub fn used(&self) -> usize {
        self.claims.iter().filter(|claim| !claim.is_free()).count()
    }

    /// Keeps the strings of an event here.
    ///
    /// # Errors
    /// [`Cause::TagMemoryFull`] when there are not so many free blocks in a row, as far as a bounded search sees, or when
    /// the memory has an owner.
    pub fn write(&self, strings: &Borrowed<'_>) -> Result<Spilled, Cause> {
        let strings = strings.check()?;
        let length = HEAD + strings.len_beside();
        let run = if self.owned {
            None
        } else {
            claims::take(self.claims, self.cursor, length.div_ceil(BLOCK))
        };
        let run = run.ok_or(Cause::TagMemoryFull)?;
        let mut run = Run { area: *self, first: run.start, blocks: run.len() };
        run.write(length, strings);
        Ok(self.ticket(run.first, claims::park(self.claims, run.first)))
    }

    #[inline]
    fn ticket(&self, first: usize, stamp: u32) -> Spilled {
        Spilled { stamp, first: first as u32, area: self.number }
    }

    /// Opens an event's strings. `None` if they are not in this area, no longer there, or open already.
    #[inline]
    #[must_use]
    pub fn open(&self, spilled: Spilled) -> Option<Held<'a>> {
        let first = spilled.first as usize;
        if !claims::reopen(self.claims, first, spilled.stamp) {
            return None;
        }
        let mut run = Run { area: *self, first, blocks: 1 };
        let head = run.bytes().first_chunk::<HEAD>()?;
        // SAFETY: whoever parked the run wrote its head, and opening the run made the head visible.
        let head = u16::from_le_bytes(head.map(|byte| unsafe { byte.assume_init() }));
        let length = usize::from(head & !WITH_TEXT);
        run.blocks = length.div_ceil(BLOCK);
        Some(Held { run, length, text: head & WITH_TEXT != 0 })
    }

    /// Frees an event's blocks. Does nothing if they are not in this area, no longer there, or open.
    pub fn free(&self, spilled: Spilled) {
        if let Some(held) = self.open(spilled) {
            held.free();
        }
    }
}

/// Blocks in a row that belong to whoever has this, and to nobody else, until they are freed or parked.
#[derive(Debug)]
struct Run<'a> {
    area: Area<'a>,
    first: usize,
    blocks: usize,
}

impl Run<'_> {
    fn range(&self) -> Range<usize> {
        self.first..self.first + self.blocks
    }

    #[inline]
    fn bytes(&self) -> &[MaybeUninit<u8>] {
        let blocks = self.area.blocks.get(self.range()).unwrap_or(&[]);
        // SAFETY: the claims of these blocks are this run's alone, so nobody writes them while it is borrowed;
        // blocks are transparent arrays without padding, so that those in a row are one piece.
        unsafe { core::slice::from_raw_parts(blocks.as_ptr().cast(), blocks.len() * BLOCK) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        let blocks = self.area.blocks.get(self.range()).unwrap_or(&[]);
        // SAFETY: as in `bytes`, and this is the only borrow; every byte is inside an `UnsafeCell`.
        unsafe {
            core::slice::from_raw_parts_mut(blocks.as_ptr().cast_mut().cast(), blocks.len() * BLOCK)
        }
    }

    fn write(&mut self, length: usize, strings: Checked<'_, '_>) {
        let head = length as u16 | if strings.has_text() { WITH_TEXT } else { 0 };
        if let Some(room) = self.bytes_mut().get_mut(..length)
            && let Some((place, room)) = room.split_first_chunk_mut::<HEAD>()
            && room.len() == strings.len_beside()
        {
            uninit::write(place, &head.to_le_bytes());
            // SAFETY: there is room for all.
            unsafe { strings.write_beside(room.as_mut_ptr().cast()) };
        }
    }
}

#[cfg(feature = "alloc")]
/// The one that takes blocks of [`OwnedTagMemory`].
#[derive(Debug)]
pub struct Owner<'a>(Area<'a>);

#[cfg(feature = "alloc")]
impl Owner<'_> {
    /// Keeps the strings of an event, as [`Area::write`] does.
    ///
    /// # Errors
    /// [`Cause::TagMemoryFull`] when there are not so many free blocks in a row, as far as a bounded search sees.
    pub fn write(&mut self, strings: &Borrowed<'_>) -> Result<Spilled, Cause> {
        let Self(area) = self;
        let strings = strings.check()?;
        let length = HEAD + strings.len_beside();
        let blocks = length.div_ceil(BLOCK);
        let first = claims::find(area.claims, area.cursor, blocks).ok_or(Cause::TagMemoryFull)?;
        Run { area: *area, first, blocks }.write(length, strings);
        Ok(area.ticket(first, claims::park_found(area.claims, first, blocks)))
    }

    /// The same for tags alone, in blocks that are at hand; `None` if there are none.
    #[inline(always)]
    pub(crate) fn write_tags(self, strings: Checked<'_, '_>) -> Option<Spilled> {
        let Self(area) = self;
        let length = HEAD + strings.tag_bytes();
        // As `div_ceil`, of what is not 0.
        let count = 1 + (length - 1) / BLOCK;
        let clear = Clear::next(area.claims, area.cursor, count)?;
        // SAFETY: there are as many blocks as claims.
        let place = unsafe { area.blocks.as_ptr().add(clear.first) };
        // What events of this size will soon write.
        let ahead = place.wrapping_add(AHEAD * count).cast::<u8>();
        let mut line = 0;
        loop {
            prefetch_to_write(ahead.wrapping_add(line));
            line += LINE;
            if line >= length {
                break;
            }
        }
        // SAFETY: free blocks are the owner's, who is borrowed meanwhile; those in a row are one piece, with room for all.
        unsafe {
            let place = UnsafeCell::raw_get(&raw const (*place).0).cast::<u8>();
            place.cast::<[u8; HEAD]>().write((length as u16).to_le_bytes());
            strings.write_tags(place.add(HEAD));
        }
        Some(area.ticket(clear.first, clear.park()))
    }
}

/// The ticket that says where the strings of an event are. It is copied with the event, but opens the strings for one
/// party only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spilled {
    stamp: u32,
    first: u32,
    area: u16,
}

impl Spilled {
    /// The bytes that it takes in a slot.
    pub(crate) const BYTES: usize = 10;

    /// The number of the recorder's area that holds the strings.
    #[must_use]
    pub fn area(self) -> u16 {
        self.area
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let ([a, b, c, d], [e, f, g, h], [i, j]) =
            (self.stamp.to_le_bytes(), self.first.to_le_bytes(), self.area.to_le_bytes());
        [a, b, c, d, e, f, g, h, i, j]
    }

    #[cfg(feature = "alloc")]
    /// Writes the bytes, in the order of [`to_bytes`](Self::to_bytes).
    ///
    /// # Safety
    /// There is room for [`BYTES`](Self::BYTES).
    #[inline(always)]
    pub(crate) unsafe fn write(self, to: *mut u8) {
        // SAFETY: the caller guarantees it; arrays of bytes lie anywhere.
        unsafe {
            to.cast::<[u8; 4]>().write(self.stamp.to_le_bytes());
            to.add(4).cast::<[u8; 4]>().write(self.first.to_le_bytes());
            to.add(8).cast::<[u8; 2]>().write(self.area.to_le_bytes());
        }
    }

    pub(crate) fn from_bytes([a, b, c, d, e, f, g, h, i, j]: [u8; Self::BYTES]) -> Self {
        Self {
            stamp: u32::from_le_bytes([a, b, c, d]),
            first: u32::from_le_bytes([e, f, g, h]),
            area: u16::from_le_bytes([i, j]),
        }
    }
}

/// The strings of an event, open for reading. Dropping it parks them where they were.
#[derive(Debug)]
pub struct Held<'a> {
    run: Run<'a>,
    length: usize,
    text: bool,
}

impl Held<'_> {
    /// Frees the blocks, because the event has been packed or given up.
    #[inline]
    pub fn free(self) {
        let this = core::mem::ManuallyDrop::new(self);
        claims::free(this.run.area.claims, this.run.range());
    }

    #[inline]
    pub(crate) fn text(&self) -> Option<&str> {
        // SAFETY: `Run::write` wrote a whole `&str` behind its length.
        self.text.then(|| unsafe { core::str::from_utf8_unchecked(self.parts().0) })
    }

    #[inline]
    pub(crate) fn tags(&self) -> Tags<'_> {
        // SAFETY: `Run::write` wrote whole ones behind their lengths.
        unsafe { Tags::new(self.parts().1) }
    }

    /// The bytes of the text, and those of the tags.
    #[inline]
    fn parts(&self) -> (&[u8], &[u8]) {
        let written = self.run.bytes().get(HEAD..self.length).unwrap_or(&[]);
        // SAFETY: only a run that was written can be opened, and so many bytes were, without a gap.
        let bytes = unsafe { uninit::written(written) };
        if !self.text {
            return (&[], bytes);
        }
        let (length, rest) = bytes.split_first_chunk().unwrap_or((&[0; 2], &[]));
        rest.split_at_checked(u16::from_le_bytes(*length).into()).unwrap_or((&[], &[]))
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        claims::park(self.run.area.claims, self.run.first);
    }
}
