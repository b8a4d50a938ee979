//! The text and the dynamic tags of an event: inside the slot, or in the memory beside the ring.

#![allow(unsafe_code)] // Bytes of the slot that are known to be written are read as strings.

use super::{Event, SPILLED};
use crate::ledger::Cause;
use crate::record::spill::Spilled;
use crate::record::strings::{EventStrings, InSlot};
use crate::record::{Borrowed, Outcome, Resolve, uninit};

impl<const INLINE: usize> Event<INLINE> {
    /// Copies text and dynamic tags into the slot.
    ///
    /// # Errors
    /// [`Cause::TextTooLong`], [`Cause::TagTooLong`] or [`Cause::TooManyTags`] when they do not fit; the event is then as
    /// before.
    pub fn set_strings(&mut self, strings: &Borrowed<'_>) -> Result<(), Cause> {
        self.keep_strings(strings, |strings| Err(strings.too_long(INLINE)))
    }

    /// Adds a dynamic tag by copying it into the slot.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] if it does not fit; the event is then unchanged.
    #[inline]
    pub fn push_tag(&mut self, key: &str, value: &str) -> Result<(), Cause> {
        self.push_inline(&[key, value]).ok_or(Cause::TagTooLong)
    }

    #[inline]
    pub(super) fn push_inline(&mut self, strings: &[&str]) -> Option<()> {
        let mut at = usize::from(self.inline_len);
        for string in strings {
            let end = at + 1 + string.len();
            let room = self.inline.get_mut(at..end)?;
            let (length, bytes) = room.split_first_mut()?;
            length.write(string.len() as u8);
            // The lengths are always equal, but written this way the compiler sees it and emits no panic.
            let bytes = bytes.get_mut(..string.len())?;
            uninit::write(bytes, string.as_bytes());
            at = end;
        }
        self.inline_len = at as u8;
        Some(())
    }

    /// The ticket for text and dynamic tags that are not in the slot, if any; see [`spill`](crate::record::spill).
    #[inline]
    #[must_use]
    pub fn spilled(&self) -> Option<Spilled> {
        if self.inline_len != SPILLED {
            return None;
        }
        let ticket = self.inline.first_chunk::<{ Spilled::BYTES }>()?;
        // SAFETY: only `set_spilled` sets this mark, and it wrote all of these bytes.
        Some(Spilled::from_bytes(ticket.map(|byte| unsafe { byte.assume_init() })))
    }

    /// Puts a ticket in the place of text and dynamic tags.
    #[inline]
    pub(crate) fn set_spilled(&mut self, spilled: Spilled) {
        const { assert!(INLINE >= Spilled::BYTES, "a ticket fits the slot") };
        if let Some(place) = self.inline.first_chunk_mut::<{ Spilled::BYTES }>() {
            uninit::write(place, &spilled.to_bytes());
            self.inline_len = SPILLED;
        }
    }

    /// Keeps text and dynamic tags in the slot, or where they do not fit in the memory beside the ring, which `write`
    /// takes them to.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] and [`Cause::TooManyTags`] for what can be nowhere, and what `write` says. The event is then
    /// as before.
    pub fn keep_strings(
        &mut self,
        strings: &Borrowed<'_>,
        write: impl FnOnce(&Borrowed<'_>) -> Result<Spilled, Cause>,
    ) -> Result<(), Cause> {
        let checked = strings.check()?;
        let length = checked.len_in_slot();
        if length <= INLINE {
            // SAFETY: there is room for all, and so no long text.
            unsafe { checked.write_in_slot(self.inline.as_mut_ptr().cast()) };
            self.inline_len = length as u8;
        } else {
            self.set_spilled(write(strings)?);
        }
        if checked.has_text() {
            self.says_text();
        }
        Ok(())
    }

    /// Passes a copy of the event with these strings to `push`. They are kept as
    /// [`keep_strings`](Self::keep_strings) does, and what is beside the ring is given back to `memory` unless the event
    /// is recorded.
    ///
    /// # Errors
    /// As for [`keep_strings`](Self::keep_strings); `push` is not called then.
    pub fn push_with_strings(
        &self,
        strings: &Borrowed<'_>,
        memory: &impl Resolve,
        write: impl FnOnce(&Borrowed<'_>) -> Result<Spilled, Cause>,
        push: impl FnOnce(&Self) -> Outcome,
    ) -> Result<Outcome, Cause> {
        let mut event = *self;
        event.keep_strings(strings, write)?;
        let outcome = push(&event);
        if !outcome.is_recorded() {
            event.give_back(memory);
        }
        Ok(outcome)
    }

    /// Gives back what it has beside the ring. Whoever takes an event out of circulation calls this.
    #[inline]
    pub fn give_back<N: Resolve>(&self, names: &N) {
        if N::HAS_AREAS
            && let Some(spilled) = self.spilled()
            && let Some(area) = names.area(spilled.area())
        {
            area.free(spilled);
        }
    }

    /// The event's text and dynamic tags, wherever they are. `None` if they are in a memory that `names` does not know,
    /// or have been given back already.
    #[inline]
    #[must_use]
    pub fn strings<'a, N: Resolve>(&'a self, names: &'a N) -> Option<EventStrings<'a>> {
        match self.spilled() {
            None => Some(EventStrings::in_slot(self.in_slot())),
            Some(_) if !N::HAS_AREAS => None,
            Some(spilled) => names.area(spilled.area())?.open(spilled).map(EventStrings::held),
        }
    }

    /// Whether there is nothing in its slot.
    #[inline(always)]
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.inline_len == 0
    }

    /// The dynamic tags in the slot, in the order in which they were added. Tags outside the slot are left out; see
    /// [`strings`](Self::strings).
    #[inline]
    pub fn dynamic_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.in_slot().tags()
    }

    #[inline]
    pub(crate) fn in_slot(&self) -> InSlot<'_> {
        // An event that has spilled has none in the slot: its `inline_len` exceeds every slot.
        let written = self.inline.get(..usize::from(self.inline_len)).unwrap_or(&[]);
        // SAFETY: only `push_inline` and `keep_strings` advance `inline_len`, within the slot and to the end of what they have written
        // without gaps, each string whole after its length. A text is always the first string.
        unsafe { InSlot::new(uninit::written(written), self.has_text()) }
    }
}
