//! Tags and tag sets: a remembered set is the list of its tags, a remembered tag is a pair of remembered strings.

use super::prefixes::{NONE, Stamp};
use super::{Slot, Strings};
use crate::record::{STRING_LIMIT, Tag};
use crate::wire::TABLE_LIMIT;
use crate::wire::cursor::{NoRoom, Writer};
use crate::wire::table::Table;
use crate::wire::table::key::Key;

impl<const SLOTS: usize, const ARENA: usize> Strings<SLOTS, ARENA> {
    #[inline]
    pub(super) fn open_set(&mut self, w: &mut Writer<'_>, count: usize) -> Result<(), NoRoom> {
        if usize::from(self.sets) >= TABLE_LIMIT || usize::from(self.members) + count > TABLE_LIMIT
        {
            return Err(NoRoom);
        }
        self.members += count as u16;
        w.byte(0)?;
        w.varint(count as u64)
    }
    #[inline(never)]
    pub(super) fn define_static_set(
        &mut self,
        w: &mut Writer<'_>,
        mut at: usize,
        tags: &'static [Tag],
    ) -> Result<(), NoRoom> {
        self.open_set(w, tags.len())?;
        let known = self.slots.get(at).map_or(NONE, |slot| slot.place);
        if known != NONE {
            for link in usize::from(known)..usize::from(known) + tags.len() {
                let tag = self.links.get(link).copied().unwrap_or(NONE);
                self.write_known_tag(w, usize::from(tag))?;
            }
        } else {
            at = self.learn_set(w, tags)?;
        }
        let stamp = Stamp { generation: self.generation, index: self.sets };
        if let Some(slot) = self.slots.get_mut(at) {
            slot.stamp = stamp;
        }
        self.sets += 1;
        Ok(())
    }

    /// Writes the tags of a set, and remembers them if all of them and their strings are remembered. Returns the
    /// set's slot.
    fn learn_set(&mut self, w: &mut Writer<'_>, tags: &'static [Tag]) -> Result<usize, NoRoom> {
        let from = self.linked;
        let mut whole = true;
        for (i, (key, value)) in tags.iter().enumerate() {
            let identities = (Key::of_static(key), Key::of_static(value));
            let tag = self.write_tag(w, identities, (key, value))?;
            let spelt = self.is_spelt(tag);
            match self.links.get_mut(usize::from(from) + i) {
                Some(link) if spelt => *link = tag as u16,
                _ => whole = false,
            }
        }
        if whole {
            self.linked += tags.len() as u16;
        } else {
            self.missed += 1;
        }
        // Not before: a tag may have taken the slot that was free.
        let set = Key::of_set(tags);
        let at = self.seek_set(tags);
        if let Some(slot) = self.slots.get_mut(at) {
            let place = if whole { from } else { NONE };
            *slot = Slot { key: set.key, sort: set.sort | tags.len() as u16, place, ..Slot::FREE };
        }
        Ok(at)
    }

    /// Whether the tag in this slot can be written from memory.
    fn is_spelt(&self, tag: usize) -> bool {
        self.slots.get(tag).is_some_and(|slot| {
            let known = |at: usize| self.slots.get(at).is_some_and(|slot| slot.place != NONE);
            known(slot.key >> 16) && known(slot.key & 0xFFFF)
        })
    }

    /// Writes a reference to a tag, or its definition on first use. Returns its slot.
    pub(super) fn write_tag(
        &mut self,
        w: &mut Writer<'_>,
        identities: (Key, Key),
        (key, value): (&str, &str),
    ) -> Result<usize, NoRoom> {
        // The tables keep only the lowest byte of a length, so a longer string must not be taken for a shorter one.
        if key.len() > STRING_LIMIT || value.len() > STRING_LIMIT {
            return Err(NoRoom);
        }
        let at = (self.place(identities.0, key), self.place(identities.1, value));
        let tag = if at.0 < SLOTS && at.1 < SLOTS {
            self.place(Key::of_tag(at.0, at.1), "")
        } else {
            SLOTS
        };
        if let Some(index) = self.slots.get(tag).and_then(|slot| slot.index(self.generation)) {
            w.reference(index + 1)?;
            return Ok(tag);
        }
        self.open_tag(w, tag)?;
        self.write(w, identities.0, key)?;
        self.write(w, identities.1, value)?;
        Ok(tag)
    }

    /// The same for a tag whose strings are remembered.
    #[inline]
    fn write_known_tag(&mut self, w: &mut Writer<'_>, tag: usize) -> Result<(), NoRoom> {
        let slot = self.slots.get(tag).ok_or(NoRoom)?;
        if let Some(index) = slot.index(self.generation) {
            return w.reference(index + 1);
        }
        let (key, value) = (slot.key >> 16, slot.key & 0xFFFF);
        self.open_tag(w, tag)?;
        self.write_known(w, key)?;
        self.write_known(w, value)
    }

    #[inline]
    fn open_tag(&mut self, w: &mut Writer<'_>, tag: usize) -> Result<(), NoRoom> {
        if usize::from(self.tags) >= TABLE_LIMIT {
            return Err(NoRoom);
        }
        let stamp = Stamp { generation: self.generation, index: self.tags };
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.stamp = stamp;
        }
        self.tags += 1;
        w.byte(0)
    }

    /// The code that refers to the tag set in this slot, if this datagram defines it.
    #[inline(always)]
    pub(super) fn set_at(&self, at: usize) -> Option<u16> {
        Some(self.slots.get(at)?.index(self.generation)? + 1)
    }

    /// The slot of a tag set. Sets of more than 255 tags, which only an instrument can have, are not remembered.
    #[inline(always)]
    pub(super) fn seek_set(&self, tags: &'static [Tag]) -> usize {
        match u8::try_from(tags.len()) {
            Ok(count) => self.seek(Key::of_set(tags), count, ""),
            Err(_) => SLOTS,
        }
    }
}
