//! The text and the dynamic tags of an event, opened for reading.
//!
//! In a slot, each string follows one byte with its length: first the text if there is one, then keys and values in
//! turn. The tag memory uses the same layout, except that a text has two bytes of length there.

#![allow(unsafe_code)] // Strings that were written as such are not checked again.

use crate::record::spill::Held;

/// The text and the dynamic tags of an event, opened for reading; see
/// [`Event::strings`](crate::record::Event::strings).
#[derive(Debug)]
pub struct EventStrings<'a>(Place<'a>);

#[derive(Debug)]
enum Place<'a> {
    Slot(InSlot<'a>),
    /// In the tag memory. Nobody else can open them while this exists.
    Beside(Held<'a>),
}

impl<'a> EventStrings<'a> {
    /// An event without strings.
    pub(crate) const NONE: Self = Self(Place::Slot(InSlot { bytes: &[], text: false }));

    pub(crate) fn in_slot(slot: InSlot<'a>) -> Self {
        Self(Place::Slot(slot))
    }

    pub(crate) fn held(held: Held<'a>) -> Self {
        Self(Place::Beside(held))
    }

    /// The text, if there is one.
    #[inline]
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Place::Slot(slot) => slot.text(),
            Place::Beside(held) => held.text(),
        }
    }

    /// The dynamic tags, in the order in which they were added.
    #[inline]
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        match &self.0 {
            Place::Slot(slot) => slot.tags(),
            Place::Beside(held) => held.tags(),
        }
    }

    /// Whether there are dynamic tags.
    #[inline]
    #[must_use]
    pub fn has_tags(&self) -> bool {
        self.tags().next().is_some()
    }
}

/// The strings in the slot of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InSlot<'a> {
    bytes: &'a [u8],
    /// Whether the first string is a text.
    text: bool,
}

impl<'a> InSlot<'a> {
    /// # Safety
    /// Each string in `bytes` must be UTF-8 and follow a byte with its length.
    #[inline]
    pub(crate) unsafe fn new(bytes: &'a [u8], text: bool) -> Self {
        Self { bytes, text }
    }

    #[inline]
    pub(crate) fn text(self) -> Option<&'a str> {
        if self.text { self.strings().next() } else { None }
    }

    #[inline]
    pub(crate) fn tags(self) -> Tags<'a> {
        let mut strings = self.strings();
        if self.text {
            strings.next();
        }
        Tags(strings)
    }

    #[inline]
    fn strings(self) -> EachString<'a> {
        EachString(self.bytes)
    }
}

/// Iterates over strings that each follow a byte with their length.
#[derive(Clone, Debug)]
struct EachString<'a>(&'a [u8]);

impl<'a> Iterator for EachString<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let (length, tail) = self.0.split_first()?;
        let (string, tail) = tail.split_at_checked(usize::from(*length))?;
        self.0 = tail;
        // SAFETY: the creator guarantees that each string is whole and follows its length.
        Some(unsafe { core::str::from_utf8_unchecked(string) })
    }
}

/// Iterates over keys and values that alternate.
#[derive(Clone, Debug)]
pub(crate) struct Tags<'a>(EachString<'a>);

impl<'a> Tags<'a> {
    /// # Safety
    /// Each string in `bytes` must be UTF-8 and follow a byte with its length.
    #[inline]
    pub(crate) unsafe fn new(bytes: &'a [u8]) -> Self {
        Self(EachString(bytes))
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        Some((self.0.next()?, self.0.next()?))
    }
}
