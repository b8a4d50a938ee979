//! Copies events into slots that were reserved for them.

#![allow(unsafe_code)] // A slot is written field by field, without a copy in between.

use core::mem::MaybeUninit;

use super::{Event, SPILLED};
use crate::record::Borrowed;
use crate::record::spill::{Owner, Spilled};

impl<const INLINE: usize> Event<INLINE> {
    /// Copies everything but what stands in the slot.
    ///
    /// Field by field, as they were just written: a core waits before it can read in one piece what it has written in
    /// several, and the compiler would make large pieces of them.
    #[inline(always)]
    fn copy_head(&self, place: &mut MaybeUninit<Self>) {
        const { assert!(core::mem::offset_of!(Self, rate) == core::mem::offset_of!(Self, name_len) + 4) };
        let place = place.as_mut_ptr();
        // SAFETY: both are events, and the fields of this one are written; the first four of one byte are in a row, and
        // aligned as a word of four is, behind pointers.
        unsafe {
            (&raw mut (*place).time).write((&raw const self.time).read_volatile());
            (&raw mut (*place).bits).write((&raw const self.bits).read_volatile());
            (&raw mut (*place).name).write((&raw const self.name).read_volatile());
            (&raw mut (*place).tags).write((&raw const self.tags).read_volatile());
            let four = (&raw const self.name_len).cast::<u32>().read_volatile();
            (&raw mut (*place).name_len).cast::<u32>().write(four);
            (&raw mut (*place).rate).write(self.rate);
        }
    }

    /// Copies an event that has nothing in its slot.
    #[inline(always)]
    pub(crate) fn copy_bare(&self, place: &mut MaybeUninit<Self>) {
        self.copy_head(place);
        // SAFETY: it is a field of the event.
        unsafe { (&raw mut (*place.as_mut_ptr()).inline_len).write(0) };
    }

    /// Copies the event with its tags, and keeps them as [`keep_strings`](Self::keep_strings) does. One with a text is
    /// left to that; then, and where the memory beside the ring, which `owner` returns, has no block at hand, what is
    /// written is not a whole event and this is `None`.
    #[inline(always)]
    pub(crate) fn copy_with<'o>(
        &self,
        place: &mut MaybeUninit<Self>,
        strings: &Borrowed<'_>,
        owner: impl FnOnce() -> Option<Owner<'o>>,
    ) -> Option<()> {
        let tags = strings.only_tags()?;
        let length = tags.tag_bytes();
        // First, because what follows needs all registers.
        self.copy_head(place);
        let place = place.as_mut_ptr();
        // SAFETY: these are fields of the event.
        let (slot, inline_len) =
            unsafe { ((&raw mut (*place).inline).cast::<u8>(), &raw mut (*place).inline_len) };
        if length <= INLINE {
            // SAFETY: there is room for all.
            unsafe {
                inline_len.write(length as u8);
                tags.write_tags(slot);
            }
            return Some(());
        }
        let ticket = owner()?.write_tags(tags)?;
        const { assert!(Spilled::BYTES <= INLINE, "a ticket fits the slot") };
        // SAFETY: there is room for it.
        unsafe {
            inline_len.write(SPILLED);
            ticket.write(slot);
        }
        Some(())
    }
}
