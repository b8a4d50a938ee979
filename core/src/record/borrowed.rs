//! The strings of a draft that remain in place until the event is recorded: see [`draft`](super::draft).

#![allow(unsafe_code)] // Strings are written once, without a look at each byte's place.

use core::mem::MaybeUninit;

use crate::ledger::Cause;
use crate::record::{
    DYNAMIC_TAG_LIMIT, DraftStrings, Event, Outcome, Recorder, STRING_LIMIT, TEXT_LIMIT,
};

/// References to the strings of a draft, which remain in place until the event is recorded.
#[derive(Clone, Copy)]
pub struct Borrowed<'a> {
    text: Option<&'a str>,
    /// The number of tags that were added. Those for which there is no room are not in `tags`.
    count: usize,
    /// The bytes that the tags take: each string is preceded by a byte with its length.
    tag_bytes: usize,
    /// The bitwise OR of all lengths, which is above [`STRING_LIMIT`] if one of them is.
    lengths: usize,
    /// The tags, of which the first `count` are written.
    tags: MaybeUninit<[(&'a str, &'a str); DYNAMIC_TAG_LIMIT]>,
}

impl<'a> DraftStrings<'a> for Borrowed<'a> {
    #[inline(always)]
    fn new() -> Self {
        // The fields are written one by one: a struct literal would copy all constants here, including 512 unused
        // bytes.
        let mut new = MaybeUninit::<Self>::uninit();
        let fields = new.as_mut_ptr();
        // SAFETY: every field is written except the last, which need not be.
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
        // There is no branch, so that in a chain of tags each place is known at compile time. Errors are detected when
        // the event is recorded.
        let first = self.tags.as_mut_ptr().cast::<(&str, &str)>();
        // SAFETY: the index is below the array's length.
        unsafe { first.add(self.count % DYNAMIC_TAG_LIMIT).write((key, value)) };
        self.count += 1;
        self.tag_bytes = self.tag_bytes.wrapping_add(2 + key.len()).wrapping_add(value.len());
        self.lengths |= key.len() | value.len();
        Ok(())
    }

    #[inline(always)]
    fn record<const I: usize>(&self, to: &(impl Recorder<I> + ?Sized), e: &Event<I>) -> Outcome {
        if self.count == 0 && self.text.is_none() {
            // A copy, which costs nothing: what is lent out has to lie in memory, and the rest of the draft need not.
            let event = *e;
            return to.push(&event);
        }
        to.push_with(e, self)
    }
}

impl<'a> Borrowed<'a> {
    /// Returns the text, if there is one.
    #[inline(always)]
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.text
    }

    /// Returns the dynamic tags, in the order in which they were added.
    #[inline(always)]
    #[must_use]
    pub fn tags(&self) -> &[(&'a str, &'a str)] {
        let count = self.count.min(DYNAMIC_TAG_LIMIT);
        // SAFETY: only `push_tag` counts, and it has written what it counts.
        unsafe { core::slice::from_raw_parts(self.tags.as_ptr().cast(), count) }
    }

    /// Returns why the strings do not fit a slot with room for `room` bytes when there is no other memory.
    #[must_use]
    pub fn too_long(&self, room: usize) -> Cause {
        if self.text.is_some_and(|text| text.len() >= room) {
            Cause::TextTooLong
        } else {
            Cause::TagTooLong
        }
    }

    /// Checks whether everything can be recorded.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] and [`Cause::TooManyTags`].
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<Checked<'_, 'a>, Cause> {
        const { assert!((STRING_LIMIT + 1).is_power_of_two(), "lengths can be compared bit by bit") };
        if self.lengths > STRING_LIMIT {
            return Err(Cause::TagTooLong);
        }
        if self.count > DYNAMIC_TAG_LIMIT {
            return Err(Cause::TooManyTags);
        }
        Ok(Checked(self))
    }

    #[cfg(feature = "alloc")]
    /// Returns the tags if they can be recorded, and there is no text.
    #[inline(always)]
    pub(crate) fn only_tags(&self) -> Option<Checked<'_, 'a>> {
        if self.lengths > STRING_LIMIT || self.count > DYNAMIC_TAG_LIMIT || self.text.is_some() {
            return None;
        }
        Some(Checked(self))
    }
}

/// Strings that can be recorded: no tag is too long or missing, and they take `tag_bytes` bytes.
#[derive(Clone, Copy)]
pub(crate) struct Checked<'s, 'a>(&'s Borrowed<'a>);

impl<'s, 'a> Checked<'s, 'a> {
    /// The tags.
    #[inline(always)]
    fn tags(self) -> &'s [(&'a str, &'a str)] {
        let Borrowed { tags, count, .. } = self.0;
        // SAFETY: they were counted as they were written, and there are no more than the array has places.
        unsafe { core::slice::from_raw_parts(tags.as_ptr().cast(), *count) }
    }

    /// Returns whether there is a text.
    #[inline(always)]
    pub(crate) fn has_text(self) -> bool {
        self.0.text.is_some()
    }

    #[cfg(feature = "alloc")]
    /// Returns the bytes that the tags take.
    #[inline(always)]
    pub(crate) fn tag_bytes(self) -> usize {
        self.0.tag_bytes
    }

    /// Returns the bytes that everything takes in a slot, where a text has one byte of length, too.
    #[inline(always)]
    pub(crate) fn len_in_slot(self) -> usize {
        self.0.text.map_or(0, |text| 1 + text.len()) + self.0.tag_bytes
    }

    /// Returns the bytes that everything takes next to the ring, where a text has two bytes of length.
    #[inline(always)]
    pub(crate) fn len_beside(self) -> usize {
        self.0.text.map_or(0, |text| 2 + text.len()) + self.0.tag_bytes
    }

    /// Writes everything in the layout of a slot.
    ///
    /// # Safety
    /// There must be room for the bytes that it takes there, and a text must be at most 255 bytes long.
    #[inline]
    pub(crate) unsafe fn write_in_slot(self, to: *mut u8) {
        // SAFETY: the caller guarantees it.
        unsafe {
            let mut writer = Writer(to);
            if let Some(text) = self.0.text {
                writer.write(&[text.len() as u8]);
                writer.write(text.as_bytes());
            }
            writer.write_tags(self.tags());
        }
    }

    /// Writes everything in the layout of the memory next to a ring.
    ///
    /// # Safety
    /// There must be room for the bytes that it takes there.
    #[inline]
    pub(crate) unsafe fn write_beside(self, to: *mut u8) {
        // SAFETY: the caller guarantees it.
        unsafe {
            let mut writer = Writer(to);
            if let Some(text) = self.0.text {
                writer.write(&(text.len() as u16).to_le_bytes());
                writer.write(text.as_bytes());
            }
            writer.write_tags(self.tags());
        }
    }

    #[cfg(feature = "alloc")]
    /// Writes the tags, whose layout is the same everywhere.
    ///
    /// # Safety
    /// There must be room for the bytes that they take.
    #[inline(always)]
    pub(crate) unsafe fn write_tags(self, to: *mut u8) {
        // SAFETY: the caller guarantees it.
        unsafe { Writer(to).write_tags(self.tags()) }
    }
}

impl core::fmt::Debug for Borrowed<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Borrowed").field("text", &self.text).field("tags", &self.tags()).finish()
    }
}

/// The position to write at.
struct Writer(*mut u8);

impl Writer {
    /// # Safety
    /// There must be room for that many bytes.
    #[inline(always)]
    unsafe fn write(&mut self, bytes: &[u8]) {
        // SAFETY: the caller guarantees it, and what is borrowed for reading is not written at the same time.
        unsafe {
            copy(bytes, self.0);
            self.0 = self.0.add(bytes.len());
        }
    }

    /// # Safety
    /// There must be room for each string and one more byte, and no string may be longer than 255 bytes.
    #[inline(always)]
    unsafe fn write_tags(&mut self, tags: &[(&str, &str)]) {
        for (key, value) in tags {
            for string in [key, value] {
                // SAFETY: the caller guarantees it.
                unsafe {
                    self.0.write(string.len() as u8);
                    self.0 = self.0.add(1);
                    self.write(string.as_bytes());
                }
            }
        }
    }
}

/// Copies a string. Most are short, and copying two overlapping pieces is faster than a call; where code size matters,
/// it is a call.
///
/// # Safety
/// There must be room for that many bytes.
#[inline(always)]
unsafe fn copy(from: &[u8], to: *mut u8) {
    /// # Safety
    /// There must be at least `N` bytes, and room for all of them.
    #[inline(always)]
    unsafe fn ends<const N: usize>(from: &[u8], to: *mut u8) {
        let last = from.len() - N;
        // SAFETY: the first and the last `N` bytes are within what the caller guarantees.
        unsafe {
            to.copy_from_nonoverlapping(from.as_ptr(), N);
            to.add(last).copy_from_nonoverlapping(from.as_ptr().add(last), N);
        }
    }
    let length = from.len();
    // SAFETY: the caller guarantees it, and each arm copies only as many bytes as there are.
    unsafe {
        if cfg!(not(target_pointer_width = "64")) {
            to.copy_from_nonoverlapping(from.as_ptr(), length);
        } else if length.wrapping_sub(4) <= 12 {
            if length >= 8 { ends::<8>(from, to) } else { ends::<4>(from, to) }
        } else if length > 16 {
            if length <= 32 {
                ends::<16>(from, to);
            } else if length <= 64 {
                ends::<32>(from, to);
            } else {
                to.copy_from_nonoverlapping(from.as_ptr(), length);
            }
        } else if length >= 2 {
            ends::<2>(from, to);
        } else if length == 1 {
            ends::<1>(from, to);
        }
    }
}
