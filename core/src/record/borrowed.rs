//! The strings of a draft that stay where they are until the event is recorded: see [`draft`](super::draft).

#![allow(unsafe_code)] // Strings are written once, without a look at each byte's place.

use core::mem::MaybeUninit;

use crate::ledger::Cause;
use crate::record::{
    DYNAMIC_TAG_LIMIT, DraftStrings, Event, Outcome, Recorder, STRING_LIMIT, TEXT_LIMIT,
};

/// The strings of a draft stay where they are until the event is recorded.
#[derive(Clone, Copy)]
pub struct Borrowed<'a> {
    text: Option<&'a str>,
    /// So many tags were added, of which more than there is room for are not in `tags`.
    count: usize,
    /// The bytes that the tags take: each string behind one with its length.
    tag_bytes: usize,
    /// All lengths, bit by bit: above [`STRING_LIMIT`] if one of them is.
    lengths: usize,
    /// The first `count` are written.
    tags: MaybeUninit<[(&'a str, &'a str); DYNAMIC_TAG_LIMIT]>,
}

impl<'a> DraftStrings<'a> for Borrowed<'a> {
    #[inline(always)]
    fn new() -> Self {
        // Field by field: said at once, all that is constant would be copied here, 512 bytes of nothing included.
        let mut new = MaybeUninit::<Self>::uninit();
        let fields = new.as_mut_ptr();
        // SAFETY: every field is written but the last, which need not be.
        unsafe {
            (&raw mut (*fields).text).write(None);
            (&raw mut (*fields).count).write(0);
            (&raw mut (*fields).tag_bytes).write(0);
            (&raw mut (*fields).lengths).write(0);
            new.assume_init()
        }
    }

    #[inline]
    fn push_text<const I: usize>(&mut self, e: &mut Event<I>, text: &'a str) -> Result<(), Cause> {
        if self.text.is_some() || self.count != 0 {
            return Err(Cause::Invalid);
        }
        if text.len() > TEXT_LIMIT {
            return Err(Cause::TextTooLong);
        }
        e.says_text();
        self.text = Some(text);
        Ok(())
    }

    #[inline(always)]
    fn push_tag<const I: usize>(
        &mut self,
        _: &mut Event<I>,
        key: &'a str,
        value: &'a str,
    ) -> Result<(), Cause> {
        // Without a branch, so that where all tags are added in a row each has its place when this is compiled. What is
        // wrong is found when the event is recorded.
        let first = self.tags.as_mut_ptr().cast::<(&str, &str)>();
        // SAFETY: there is room for so many.
        unsafe { first.add(self.count % DYNAMIC_TAG_LIMIT).write((key, value)) };
        self.count += 1;
        self.tag_bytes = self.tag_bytes.wrapping_add(2 + key.len()).wrapping_add(value.len());
        self.lengths |= key.len() | value.len();
        Ok(())
    }

    #[inline(always)]
    fn record<const I: usize>(&self, to: &(impl Recorder<I> + ?Sized), e: &Event<I>) -> Outcome {
        if self.count == 0 && self.text.is_none() { to.push(e) } else { to.push_with(e, self) }
    }
}

impl<'a> Borrowed<'a> {
    /// The text, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// The dynamic tags, in the order they were added.
    #[inline(always)]
    #[must_use]
    pub fn tags(&self) -> &[(&'a str, &'a str)] {
        let count = self.count.min(DYNAMIC_TAG_LIMIT);
        // SAFETY: `push_tag` alone counts, and what it counts it has written.
        unsafe { core::slice::from_raw_parts(self.tags.as_ptr().cast(), count) }
    }

    /// Why it does not fit a slot that has room for so many bytes, where there is no other memory.
    #[must_use]
    pub fn too_long(&self, room: usize) -> Cause {
        if self.text.is_some_and(|text| text.len() >= room) {
            Cause::TextTooLong
        } else {
            Cause::TagTooLong
        }
    }

    /// Looks whether all of it can be recorded.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] and [`Cause::TooManyTags`].
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<Sound<'_, 'a>, Cause> {
        const { assert!((STRING_LIMIT + 1).is_power_of_two(), "lengths can be compared bit by bit") };
        if self.lengths > STRING_LIMIT {
            return Err(Cause::TagTooLong);
        }
        if self.count > DYNAMIC_TAG_LIMIT {
            return Err(Cause::TooManyTags);
        }
        Ok(Sound(self))
    }
}

/// Strings that can be recorded: no tag is too long, none is missing, and `tag_bytes` is what they take.
#[derive(Clone, Copy)]
pub(crate) struct Sound<'s, 'a>(&'s Borrowed<'a>);

impl Sound<'_, '_> {
    /// Whether there is a text.
    #[inline(always)]
    pub(crate) fn has_text(self) -> bool {
        self.0.text.is_some()
    }

    /// The bytes that the tags take.
    #[inline(always)]
    pub(crate) fn tag_bytes(self) -> usize {
        self.0.tag_bytes
    }

    /// The bytes that all takes in a slot, where a text has one byte of length, too.
    #[inline(always)]
    pub(crate) fn len_in_slot(self) -> usize {
        self.0.text.map_or(0, |text| 1 + text.len()) + self.0.tag_bytes
    }

    /// The bytes that all takes beside the ring, where a text has two bytes of length.
    #[inline(always)]
    pub(crate) fn len_beside(self) -> usize {
        self.0.text.map_or(0, |text| 2 + text.len()) + self.0.tag_bytes
    }

    /// Writes all of it as it stands in a slot.
    ///
    /// # Safety
    /// There is room for as many bytes as it takes there, and a text is at most 255 bytes long.
    #[inline]
    pub(crate) unsafe fn write_in_slot(self, to: *mut u8) {
        // SAFETY: as the caller says.
        unsafe {
            let mut pen = Pen(to);
            if let Some(text) = self.0.text {
                pen.write(&[text.len() as u8]);
                pen.write(text.as_bytes());
            }
            pen.write_tags(self.0.tags());
        }
    }

    /// Writes all of it as it stands beside a ring.
    ///
    /// # Safety
    /// There is room for as many bytes as it takes there.
    #[inline]
    pub(crate) unsafe fn write_beside(self, to: *mut u8) {
        // SAFETY: as the caller says.
        unsafe {
            let mut pen = Pen(to);
            if let Some(text) = self.0.text {
                pen.write(&(text.len() as u16).to_le_bytes());
                pen.write(text.as_bytes());
            }
            pen.write_tags(self.0.tags());
        }
    }

    /// Writes the tags, which are the same everywhere.
    ///
    /// # Safety
    /// There is room for as many bytes as they take.
    #[inline(always)]
    pub(crate) unsafe fn write_tags(self, to: *mut u8) {
        // SAFETY: as the caller says.
        unsafe { Pen(to).write_tags(self.0.tags()) }
    }
}

impl core::fmt::Debug for Borrowed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Borrowed").field("text", &self.text).field("tags", &self.tags()).finish()
    }
}

/// Where to write next.
struct Pen(*mut u8);

impl Pen {
    /// # Safety
    /// There is room for as many bytes.
    #[inline(always)]
    unsafe fn write(&mut self, bytes: &[u8]) {
        // SAFETY: as the caller says; what was borrowed to be read is not written meanwhile.
        unsafe {
            copy(bytes, self.0);
            self.0 = self.0.add(bytes.len());
        }
    }

    /// # Safety
    /// There is room for each string and a byte more, and none is longer than 255 bytes.
    #[inline(always)]
    unsafe fn write_tags(&mut self, tags: &[(&str, &str)]) {
        for (key, value) in tags {
            for string in [key, value] {
                // SAFETY: as the caller says.
                unsafe {
                    self.0.write(string.len() as u8);
                    self.0 = self.0.add(1);
                    self.write(string.as_bytes());
                }
            }
        }
    }
}

/// Copies a string. Most are short, and two pieces that overlap take less than a call; where code has to be small, it is
/// a call.
///
/// # Safety
/// There is room for as many bytes.
#[inline(always)]
unsafe fn copy(from: &[u8], to: *mut u8) {
    /// # Safety
    /// There are at least `N` bytes, and room for as many as there are.
    #[inline(always)]
    unsafe fn ends<const N: usize>(from: &[u8], to: *mut u8) {
        let last = from.len() - N;
        // SAFETY: the first `N` bytes and the last, within what the caller says.
        unsafe {
            let (head, tail) = (
                from.as_ptr().cast::<[u8; N]>().read(),
                from.as_ptr().add(last).cast::<[u8; N]>().read(),
            );
            to.cast::<[u8; N]>().write(head);
            to.add(last).cast::<[u8; N]>().write(tail);
        }
    }
    let length = from.len();
    // SAFETY: as the caller says; each arm has as many bytes as it takes.
    unsafe {
        if cfg!(not(target_pointer_width = "64")) {
            to.copy_from_nonoverlapping(from.as_ptr(), length);
        } else if length.wrapping_sub(4) <= 12 {
            if length >= 8 { ends::<8>(from, to) } else { ends::<4>(from, to) }
        } else if length > 64 {
            to.copy_from_nonoverlapping(from.as_ptr(), length);
        } else if length > 32 {
            ends::<32>(from, to);
        } else if length > 16 {
            ends::<16>(from, to);
        } else if length >= 2 {
            ends::<2>(from, to);
        } else if length == 1 {
            ends::<1>(from, to);
        }
    }
}
