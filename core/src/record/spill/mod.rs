//! Long tags and texts: whatever has no room in the slot of an event waits in memory beside the rings.
//!
//! ```text
//!  Draft ──► Spill: tag after tag ──park──► Spilled: a ticket, in the event's slot ──► ring
//!              ▲ from an Area of blocks                                                 │
//!              └────────── free ◄── Held: read, while it is packed ◄──open── sender ◄───┘
//! ```
//!
//! The memory is made once, of blocks of [`BLOCK`] bytes, as a [`TagMemory`] in a `static` or a `BoxedTagMemory`. An
//! event takes as many adjacent blocks as it needs. There is no heap, no lock and no system call: a block is taken by
//! one compare-and-swap, and a taker that finds too many in use gives up, which is counted as [`Cause::TagMemoryFull`].
//!
//! # Who gives blocks back
//! Whoever takes an event out of circulation: the sender once it is packed or given up, a recorder that evicts it, the
//! [`Draft`](crate::record::Draft) whose event was refused or never recorded. An event is copied from place to place,
//! so its ticket is checked: it opens its blocks for one party at a time, and no longer once they are free. A forgotten
//! ticket keeps its blocks in use until the memory is dropped, and does no other harm.

#![allow(unsafe_code)] // Blocks are shared memory; the claims say who may touch them.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;

use crate::ledger::Cause;
use crate::record::strings::{InSlot, Tags};
use crate::record::{DYNAMIC_TAG_LIMIT, STRING_LIMIT, TEXT_LIMIT, uninit};
use crate::sync::AtomicU32;

mod claims;
#[cfg(all(test, loom))]
mod loom_tests;
mod memory;
#[cfg(all(test, not(loom)))]
mod tests;

use claims::Claim;
#[cfg(feature = "alloc")]
pub use memory::BoxedTagMemory;
pub use memory::TagMemory;

/// The size of a block in bytes.
pub const BLOCK: usize = 128;

/// The length of what precedes the strings: two bytes with the total length, including these two, and [`WITH_TEXT`].
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

    /// Reserves room for `bytes` bytes of strings.
    ///
    /// # Errors
    /// [`Cause::TagMemoryFull`] if a bounded search does not find enough adjacent free blocks.
    #[inline]
    pub fn take(&self, bytes: usize) -> Result<Spill<'a>, Cause> {
        let blocks = (HEAD + bytes).div_ceil(BLOCK);
        let run = claims::take(self.claims, self.cursor, blocks);
        let run = run.ok_or(Cause::TagMemoryFull)?;
        Ok(Spill {
            run: Run { area: *self, first: run.start, blocks: run.len() },
            length: HEAD,
            text: false,
            tags: 0,
        })
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

/// Adjacent blocks that belong to the owner of this value alone, until they are freed or parked.
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
        // SAFETY: the claims of these blocks are taken by this run alone, so nobody writes them while it is borrowed.
        // Blocks are transparent arrays without padding, so adjacent ones are contiguous.
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
}

/// The strings of an event under construction. Dropping it frees its blocks.
#[derive(Debug)]
pub struct Spill<'a> {
    run: Run<'a>,
    /// How many bytes are written without gaps, after the head.
    length: usize,
    /// Whether the first string is a text.
    text: bool,
    tags: u8,
}

impl Spill<'_> {
    /// Adds the text, which must be the first string.
    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), Cause> {
        self.reserve(2 + text.len())?;
        let length = (text.len() as u16).to_le_bytes();
        self.write(&length);
        self.write(text.as_bytes());
        self.text = true;
        Ok(())
    }

    /// Adds the strings that are in a slot.
    #[inline]
    pub(crate) fn push_all(&mut self, slot: InSlot<'_>) -> Result<(), Cause> {
        if let Some(text) = slot.text() {
            self.push_text(text)?;
        }
        let tags = slot.tag_bytes();
        self.reserve(tags.len())?;
        self.write(tags);
        self.tags = slot.tags().count() as u8;
        Ok(())
    }

    /// Adds a tag, whose strings have been checked to be short enough.
    #[inline]
    pub(crate) fn push_tag(&mut self, key: &str, value: &str) -> Result<(), Cause> {
        if usize::from(self.tags) >= DYNAMIC_TAG_LIMIT {
            return Err(Cause::TooManyTags);
        }
        let (key, value) = (key.as_bytes(), value.as_bytes());
        let length = 2 + key.len() + value.len();
        self.reserve(length)?;
        let (begin, end) = (self.length, self.length + length);
        let room = self.run.bytes_mut().get_mut(begin..end);
        let mut room = room.ok_or(Cause::TagMemoryFull)?;
        for string in [key, value] {
            let Some((first, rest)) = room.split_first_mut() else { break };
            let Some((place, rest)) = rest.split_at_mut_checked(string.len()) else { break };
            first.write(string.len() as u8);
            copy(place, string);
            room = rest;
        }
        self.length = end;
        self.tags += 1;
        Ok(())
    }

    /// Makes room for `more` bytes: in the next block, or else in a longer run elsewhere.
    #[inline]
    fn reserve(&mut self, more: usize) -> Result<(), Cause> {
        if self.length + more > self.run.blocks * BLOCK { self.grow(more) } else { Ok(()) }
    }

    #[inline(never)]
    fn grow(&mut self, more: usize) -> Result<(), Cause> {
        let needed = (self.length + more).div_ceil(BLOCK);
        while self.run.blocks < needed {
            if !claims::take_one(self.run.area.claims, self.run.first + self.run.blocks) {
                return self.move_to(needed);
            }
            self.run.blocks += 1;
        }
        Ok(())
    }

    fn move_to(&mut self, blocks: usize) -> Result<(), Cause> {
        let Area { claims, cursor, .. } = self.run.area;
        let run = claims::take(claims, cursor, blocks).ok_or(Cause::TagMemoryFull)?;
        let mut run = Run { area: self.run.area, first: run.start, blocks: run.len() };
        // Both slices have the same length, but written this way the compiler sees it and emits no panic.
        let length = self.length;
        if let (Some(to), Some(from)) =
            (run.bytes_mut().get_mut(..length), self.run.bytes().get(..length))
        {
            to.copy_from_slice(from);
        }
        claims::free(claims, core::mem::replace(&mut self.run, run).range());
        Ok(())
    }

    /// Writes bytes for which room was reserved.
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.run.bytes_mut().get_mut(self.length..end) {
            copy(place, bytes);
            self.length = end;
        }
    }

    /// Parks the strings for the event that carries the ticket.
    #[inline]
    pub(crate) fn park(self) -> Spilled {
        let mut this = core::mem::ManuallyDrop::new(self);
        let head = this.length as u16 | if this.text { WITH_TEXT } else { 0 };
        if let Some(place) = this.run.bytes_mut().first_chunk_mut::<HEAD>() {
            uninit::write(place, &head.to_le_bytes());
        }
        // Whoever opens the run frees as many blocks as its length requires.
        let needed = this.length.div_ceil(BLOCK);
        let Area { claims, number, .. } = this.run.area;
        let range = this.run.range();
        claims::free(claims, range.start + needed..range.end);
        let stamp = claims::park(claims, range.start);
        Spilled { stamp, first: range.start as u32, area: number }
    }
}

impl Drop for Spill<'_> {
    #[inline]
    fn drop(&mut self) {
        claims::free(self.run.area.claims, self.run.range());
    }
}

/// Copies bytes into a place of the same length. Keys and values are short: 4 to 16 bytes are copied in two overlapping
/// pieces, which is faster than a call.
#[inline]
fn copy(to: &mut [MaybeUninit<u8>], from: &[u8]) {
    match from.len() {
        8..=16 => copy_ends::<8>(to, from),
        4..=7 => copy_ends::<4>(to, from),
        0..=3 => to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(*from)),
        _ => uninit::write(to, from),
    }
}

/// Copies the first and the last `N` bytes.
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [MaybeUninit<u8>], from: &[u8]) {
    let (Some(head), Some(tail)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return;
    };
    if let Some(to) = to.first_chunk_mut::<N>() {
        uninit::write(to, head);
    }
    if let Some(to) = to.last_chunk_mut::<N>() {
        uninit::write(to, tail);
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
    /// A ticket that opens nothing.
    pub(crate) const NOWHERE: Self = Self { stamp: 0, first: u32::MAX, area: u16::MAX };

    /// The size of a ticket in a slot.
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
        // SAFETY: `push_text` wrote a whole `&str` after its length.
        self.text.then(|| unsafe { core::str::from_utf8_unchecked(self.parts().0) })
    }

    #[inline]
    pub(crate) fn tags(&self) -> Tags<'_> {
        // SAFETY: `push_tag` wrote whole strings after their lengths.
        unsafe { Tags::new(self.parts().1) }
    }

    /// The bytes of the text, and those of the tags.
    #[inline]
    fn parts(&self) -> (&[u8], &[u8]) {
        let written = self.run.bytes().get(HEAD..self.length).unwrap_or(&[]);
        // SAFETY: only `Spill` makes runs that can be opened, and it wrote this many bytes without gaps.
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
