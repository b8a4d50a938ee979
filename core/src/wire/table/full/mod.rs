//! The sender's string table for a datagram: each string once, with the prefix that it shares.
//!
//! The first use of a string in a datagram spells it out and assigns it the next index; later uses write that index. A
//! new string that begins like an earlier one only says how much of it is repeated.
//!
//! A program records the same things again and again, so whatever does not depend on the datagram is kept from one to
//! the next: a hash table finds strings, tags and tag sets by identity (the address of static data, the number of a
//! symbol, or a hash of the content), [`Prefixes`] holds their bytes and relations, and a tag set is the list of its
//! tags. The index of an entry in the present datagram is stamped with a generation, so a new datagram begins without
//! clearing anything. Every table may forget: whatever is not found is spelled out once more, which costs bytes but is
//! never wrong.

mod prefixes;
mod sets;
mod spelling;
#[cfg(test)]
mod tests;

use super::Table;
use super::key::{Key, sort, spread};
use crate::record::event::RawContent;
use crate::record::{STRING_LIMIT, Tag, Value};
use crate::wire::cursor::{NoRoom, Writer};
use crate::wire::layout::string;
use crate::wire::number::Number;
use crate::wire::{ARENA_LIMIT, TABLE_LIMIT, sixbit};
use prefixes::{NONE, Prefixes, Stamp};
use spelling::{Packing, write_new};

#[derive(Clone, Copy)]
struct Slot {
    key: usize,
    /// The sort of key in the high byte, the length of the string or set in the low one. 0 if the slot is free.
    sort: u16,
    /// For a string, its leaf among the prefixes; for a set, where its tags begin among the members; or [`NONE`].
    place: u16,
    stamp: Stamp,
}

impl Slot {
    const FREE: Self = Self { key: 0, sort: 0, place: NONE, stamp: Stamp::NEVER };

    /// The index in the datagram of this generation, if the entry is defined there.
    #[inline(always)]
    fn index(&self, generation: u16) -> Option<u16> {
        (self.stamp.generation == generation).then_some(self.stamp.index)
    }
}

/// The tables, with `SLOTS` (a power of two) entries each. `ARENA` bytes of strings are remembered for prefixes.
pub struct Strings<const SLOTS: usize, const ARENA: usize> {
    generation: u16,
    /// Whether strings are packed in this datagram.
    packed: bool,
    /// The number of strings, tags and tag sets defined in this datagram, and of the members of all sets.
    strings: u16,
    tags: u16,
    sets: u16,
    members: u16,
    /// How many uses found no room to be remembered.
    missed: u16,
    /// The number of bytes in all strings, with prefixes written out.
    expanded: u32,
    slots: [Slot; SLOTS],
    prefixes: Prefixes<SLOTS, ARENA>,
    /// The slots of the tags of all known sets, one set after the other.
    links: [u16; SLOTS],
    linked: u16,
}

/// How far a slot may be from the position that its hash gives.
const PROBES: usize = 8;

impl<const SLOTS: usize, const ARENA: usize> Strings<SLOTS, ARENA> {
    pub(crate) const fn new() -> Self {
        const {
            assert!(SLOTS.is_power_of_two() && SLOTS <= TABLE_LIMIT);
            assert!(ARENA <= ARENA_LIMIT);
        }
        Self {
            generation: 0,
            packed: false,
            strings: 0,
            tags: 0,
            sets: 0,
            members: 0,
            missed: 0,
            expanded: 0,
            slots: [Slot::FREE; SLOTS],
            prefixes: Prefixes::new(),
            links: [0; SLOTS],
            linked: 0,
        }
    }

    /// Writes the string in this slot, whose bytes are remembered.
    #[inline]
    fn write_known(&mut self, w: &mut Writer<'_>, at: usize) -> Result<(), NoRoom> {
        let slot = self.slots.get(at).ok_or(NoRoom)?;
        match slot.index(self.generation) {
            Some(index) => w.reference(2 * index + string::REFERENCE as u16),
            None => self.spell(w, at, slot.place, &[]),
        }
    }

    /// The slot of the entry with `key`, or the free slot in which to remember it; `SLOTS` if there is neither.
    #[inline(always)]
    fn seek(&self, key: Key, length: u8, text: &str) -> usize {
        let sort = key.sort | u16::from(length);
        let home = spread::<SLOTS>(key.key);
        for probe in 0..PROBES {
            let at = home.wrapping_add(probe) & (SLOTS - 1);
            let slot = &self.slots[at];
            if slot.key == key.key
                && slot.sort == sort
                && (key.sort != sort::CONTENT || self.prefixes.text(slot.place) == text.as_bytes())
            {
                return at;
            }
            // Slots are filled starting at the hash's position: nothing follows a free one.
            if slot.sort == 0 {
                return at;
            }
        }
        SLOTS
    }

    /// The code that refers to the string in this slot, if this datagram defines it.
    #[inline(always)]
    fn string_at(&self, at: usize) -> Option<u16> {
        let index = self.slots.get(at)?.index(self.generation)?;
        Some(2 * index + string::REFERENCE as u16)
    }

    /// The slot of a string or tag, which is remembered if there is room.
    fn place(&mut self, key: Key, text: &str) -> usize {
        let at = self.seek(key, text.len() as u8, text);
        if self.slots.get(at).is_none_or(|slot| slot.sort == 0) {
            self.learn(at, key, text);
        }
        // An entry that is identified by its content is not remembered without it.
        if self.slots.get(at).is_some_and(|slot| slot.sort != 0) { at } else { SLOTS }
    }

    /// Remembers a string or tag in a free slot. Returns the leaf of a string.
    fn learn(&mut self, at: usize, key: Key, text: &str) -> u16 {
        let is_text = key.sort != sort::TAG;
        let leaf = if is_text { self.prefixes.learn(text.as_bytes()) } else { None };
        let place = leaf.unwrap_or(NONE);
        if at >= SLOTS || (is_text && leaf.is_none()) {
            self.missed = self.missed.saturating_add(1);
        }
        if let Some(slot) = self.slots.get_mut(at)
            && (leaf.is_some() || key.sort != sort::CONTENT)
        {
            let sort = key.sort | text.len() as u16;
            *slot = Slot { key: key.key, sort, place, ..Slot::FREE };
        }
        place
    }

    #[inline(never)]
    fn define(
        &mut self,
        w: &mut Writer<'_>,
        at: usize,
        key: Key,
        text: &str,
    ) -> Result<(), NoRoom> {
        if text.len() > STRING_LIMIT {
            return Err(NoRoom);
        }
        let mut leaf = match self.slots.get(at) {
            Some(slot) if slot.sort != 0 => slot.place,
            _ => self.learn(at, key, text),
        };
        // Another interner may be in use now, with another string behind the same number.
        if key.sort == sort::SYMBOL && self.prefixes.text(leaf) != text.as_bytes() {
            leaf = self.learn(at, key, text);
        }
        self.spell(w, at, leaf, text.as_bytes())
    }

    /// Spells out the string of this leaf, or `text` if there is no leaf, and stamps its slot.
    fn spell(
        &mut self,
        w: &mut Writer<'_>,
        at: usize,
        leaf: u16,
        text: &[u8],
    ) -> Result<(), NoRoom> {
        let mut stamp = Stamp { generation: self.generation, index: self.strings };
        if let Some(index) = self.prefixes.index(leaf, self.generation) {
            // The same string under another identity.
            stamp.index = index;
            w.reference(2 * index + string::REFERENCE as u16)?;
        } else {
            let (earlier, shared) = self.prefixes.define(leaf, stamp);
            let (tail, length) = self.prefixes.tail(leaf).unwrap_or((text, text.len()));
            self.expanded += length as u32;
            if usize::from(self.strings) >= TABLE_LIMIT || self.expanded as usize > ARENA_LIMIT {
                return Err(NoRoom);
            }
            self.strings += 1;
            let fits = || self.prefixes.fits(leaf).unwrap_or_else(|| sixbit::fits(text));
            match (self.packed, self.packed && fits()) {
                (false, _) => write_new(w, Packing::None, earlier, shared, tail, length)?,
                (_, false) => write_new(w, Packing::Others, earlier, shared, tail, length)?,
                (_, true) => write_new(w, Packing::This, earlier, shared, tail, length)?,
            }
        }
        // A slot that stays free must not look stamped to the next entry that uses it.
        if let Some(slot) = self.slots.get_mut(at)
            && slot.sort != 0
        {
            slot.stamp = stamp;
        }
        Ok(())
    }
}

impl<const SLOTS: usize, const ARENA: usize> Table for Strings<SLOTS, ARENA> {
    const PACKED: bool = true;
    const HISTOGRAMS: bool = true;
    const RUN_TIME_NAMES: bool = true;

    fn clear(&mut self, packed: bool) {
        self.packed = packed;
        self.generation = self.generation.wrapping_add(1);
        // The tables hold strings that are no longer used, or stamps from 65 536 datagrams ago that would look fresh.
        if self.missed > self.strings / 4 || self.generation == 0 {
            self.slots.fill(Slot::FREE);
            self.prefixes.clear();
            self.linked = 0;
            self.generation = 1;
        }
        self.strings = 0;
        self.tags = 0;
        self.sets = 0;
        self.members = 0;
        self.missed = 0;
        self.expanded = 0;
    }

    #[inline(always)]
    fn known(&self, key: Key, text: &str) -> Option<u16> {
        self.string_at(self.seek(key, text.len() as u8, text))
    }

    #[inline(always)]
    fn known_set(&self, tags: &'static [Tag]) -> Option<u16> {
        self.set_at(self.seek_set(tags))
    }

    #[inline(always)]
    fn write(&mut self, w: &mut Writer<'_>, key: Key, text: &str) -> Result<(), NoRoom> {
        // A string too long for the format is never found, and is refused where it would be defined.
        let at = self.seek(key, text.len() as u8, text);
        match self.string_at(at) {
            Some(code) => w.reference(code),
            None => self.define(w, at, key, text),
        }
    }

    #[inline(always)]
    fn write_set(&mut self, w: &mut Writer<'_>, tags: &'static [Tag]) -> Result<(), NoRoom> {
        let at = self.seek_set(tags);
        match self.set_at(at) {
            Some(code) => w.reference(code),
            None => self.define_static_set(w, at, tags),
        }
    }

    fn define_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NoRoom> {
        self.open_set(w, tags.len())?;
        for (key, value) in tags {
            let identities = (Key::of_content(key), Key::of_content(value));
            self.write_tag(w, identities, (key, value))?;
        }
        self.sets += 1;
        Ok(())
    }

    #[inline(always)]
    fn number(value: Value) -> Number {
        Number::of(value)
    }

    #[inline(always)]
    fn number_of_slot(slot: RawContent) -> Option<Number> {
        Number::of_slot(slot)
    }
}
