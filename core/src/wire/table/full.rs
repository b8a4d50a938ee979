//! The sender's side of the per-datagram string table: each string once, with the prefix it shares.
//!
//! The first use of a string in a datagram spells it out and gives it the next index; later uses are that index.
//! A new string that begins like an earlier one says only how much of it it repeats.
//!
//! A program says the same things again and again, so what does not depend on the datagram is kept from one to the
//! next: a hash table finds strings, tags and tag sets by identity (the address of static data, the number of a
//! symbol, or a hash of the content), [`Prefixes`] holds their bytes and relations, and a tag set is the list of its
//! tags. What an entry means in the present datagram is stamped with a generation, so that a new datagram begins
//! without clearing anything. All of it may forget: what is not found is spelled out once more, which costs bytes
//! and is never wrong.

use super::Table;
use super::key::{Key, sort, spread};
use crate::record::event::RawContent;
use crate::record::{STRING_LIMIT, Tag, Value};
use crate::wire::cursor::{NoRoom, Writer};
use crate::wire::layout::string;
use crate::wire::number::Number;
use crate::wire::prefixes::{NONE, Prefixes, Stamp};
use crate::wire::spelling::{Packing, write_new};
use crate::wire::{ARENA_LIMIT, TABLE_LIMIT, sixbit};

#[derive(Clone, Copy)]
struct Slot {
    key: usize,
    /// What sort of key, and the length of the string or set. 0: the slot is free.
    sort: u16,
    /// Of a string: its leaf among the prefixes. Of a set: where its tags begin among the members. Or [`NONE`].
    place: u16,
    stamp: Stamp,
}

impl Slot {
    const FREE: Self = Self { key: 0, sort: 0, place: NONE, stamp: Stamp::NEVER };

    /// The index in the datagram of this generation.
    #[inline(always)]
    fn index(&self, generation: u16) -> Option<u16> {
        (self.stamp.generation == generation).then_some(self.stamp.index)
    }
}

/// The tables. `SLOTS` (a power of two) entries each; `ARENA` bytes of strings are remembered for prefixes.
pub struct Strings<const SLOTS: usize, const ARENA: usize> {
    generation: u16,
    /// Whether strings are packed in this datagram.
    packed: bool,
    /// Strings, tags and tag sets defined in this datagram, and the members of all sets.
    strings: u16,
    tags: u16,
    sets: u16,
    members: u16,
    /// How many uses found no room to be remembered in.
    missed: u16,
    /// Bytes of all strings with their prefixes written out.
    expanded: u32,
    slots: [Slot; SLOTS],
    prefixes: Prefixes<SLOTS, ARENA>,
    /// The slots of the tags of all known sets, one set behind the other.
    links: [u16; SLOTS],
    linked: u16,
}

/// How far a hash slot may be from its home.
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

    #[inline]
    fn open_set(&mut self, w: &mut Writer<'_>, count: usize) -> Result<(), NoRoom> {
        if usize::from(self.sets) >= TABLE_LIMIT || usize::from(self.members) + count > TABLE_LIMIT
        {
            return Err(NoRoom);
        }
        self.members += count as u16;
        w.byte(0)?;
        w.varint(count as u64)
    }
    #[inline(never)]
    fn define_static_set(
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
        // Only now: a tag may have taken the slot that was free before.
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
    fn write_tag(
        &mut self,
        w: &mut Writer<'_>,
        identities: (Key, Key),
        (key, value): (&str, &str),
    ) -> Result<usize, NoRoom> {
        // The tables keep the lowest byte of a length: a longer one must not be taken for a shorter one.
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

    /// Writes the string in this slot, whose bytes are remembered.
    #[inline]
    fn write_known(&mut self, w: &mut Writer<'_>, at: usize) -> Result<(), NoRoom> {
        let slot = self.slots.get(at).ok_or(NoRoom)?;
        match slot.index(self.generation) {
            Some(index) => w.reference(2 * index + string::REFERENCE as u16),
            None => self.spell(w, at, slot.place, &[]),
        }
    }

    /// The slot of what is known by `key`, or the one where it may be remembered; `SLOTS` if there is neither.
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
            // Slots are filled from home on: behind a free one there is nothing.
            if slot.sort == 0 {
                return at;
            }
        }
        SLOTS
    }

    /// The code that refers to the string in this slot, if it is defined in this datagram.
    #[inline(always)]
    fn string_at(&self, at: usize) -> Option<u16> {
        let index = self.slots.get(at)?.index(self.generation)?;
        Some(2 * index + string::REFERENCE as u16)
    }

    /// The same for a tag set.
    #[inline(always)]
    fn set_at(&self, at: usize) -> Option<u16> {
        Some(self.slots.get(at)?.index(self.generation)? + 1)
    }

    /// The slot of a tag set. More than 255 tags, which only an instrument can have, are not remembered.
    #[inline(always)]
    fn seek_set(&self, tags: &'static [Tag]) -> usize {
        match u8::try_from(tags.len()) {
            Ok(count) => self.seek(Key::of_set(tags), count, ""),
            Err(_) => SLOTS,
        }
    }

    /// The slot of a string or tag, which is remembered if there is room.
    fn place(&mut self, key: Key, text: &str) -> usize {
        let at = self.seek(key, text.len() as u8, text);
        if self.slots.get(at).is_none_or(|slot| slot.sort == 0) {
            self.learn(at, key, text);
        }
        // What is known only by its content is not remembered without it.
        if self.slots.get(at).is_some_and(|slot| slot.sort != 0) { at } else { SLOTS }
    }

    /// Remembers a string or tag in a free slot. Returns a string's leaf.
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
        // Another interner may have taken over, with another string behind the same number.
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
        // A slot that stays free must not look like that of whoever comes to it next.
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
    const ANY_INSTRUMENT: bool = true;

    fn clear(&mut self, packed: bool) {
        self.packed = packed;
        self.generation = self.generation.wrapping_add(1);
        // The tables hold what is no longer said, or what was stamped 65 536 datagrams ago and must not look fresh.
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
        // A string too long for the format is never found, and refused where it would be defined.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Symbol;

    fn write(strings: &mut Strings<64, 512>, text: &'static str) -> alloc::vec::Vec<u8> {
        let mut buf = [0; 300];
        let mut w = Writer::new(&mut buf);
        strings.write(&mut w, Key::of_static(text), text).unwrap();
        w.written().to_vec()
    }

    #[test]
    fn a_string_is_spelled_out_once_a_datagram() {
        let mut strings = Strings::new();
        strings.clear(false);
        assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
        assert_eq!(write(&mut strings, "abc"), b"\x02");
        strings.clear(false);
        assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
    }

    #[test]
    fn shared_prefixes_are_not_repeated() {
        let mut strings = Strings::new();
        strings.clear(false);
        write(&mut strings, "http.server.requests");
        assert_eq!(write(&mut strings, "http.server.errors"), b"\x03\xB6errors");
        assert_eq!(write(&mut strings, "http.client"), b"\x03\x46client");
        let long = "http.client.requests.by.route.and.method";
        assert_eq!(write(&mut strings, long), b"\x01\x02\x0B\x1D.requests.by.route.and.method");
    }

    #[test]
    fn a_prefix_never_cuts_a_character() {
        let mut strings = Strings::new();
        strings.clear(false);
        write(&mut strings, "température");
        // é and è share their first byte.
        assert_eq!(write(&mut strings, "tempère"), b"\x03\x34\xC3\xA8re");
    }

    #[test]
    fn equal_content_is_found_by_content() {
        let mut strings: Strings<64, 512> = Strings::new();
        strings.clear(false);
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        for text in ["route", "table", "route"] {
            strings.write(&mut w, Key::of_content(text), text).unwrap();
        }
        assert_eq!(w.written(), b"\x00\x05route\x00\x05table\x02");
        // A colliding hash is not taken for the same string.
        strings.write(&mut w, Key::of_content("route"), "rotue").unwrap();
        assert!(w.written().ends_with(b"\x03\x13tue"));
    }

    #[test]
    fn without_an_arena_it_still_writes_what_can_be_read() {
        let mut strings: Strings<4, 0> = Strings::new();
        strings.clear(false);
        let mut buf = [0; 256];
        let mut w = Writer::new(&mut buf);
        for text in ["aaaa.b", "aaaa.c", "aaaa.d", "aaaa.e", "aaaa.f"] {
            strings.write(&mut w, Key::of_static(text), text).unwrap();
        }
        assert_eq!(w.position(), 5 * 8);
    }

    #[test]
    fn without_an_arena_what_is_not_remembered_is_never_taken_for_something_else() {
        let mut strings: Strings<4, 0> = Strings::new();
        strings.clear(false);
        let mut buf = [0; 256];
        for text in ["one", "two", "three", "four", "five", "six"] {
            for key in [Key::of_content(text), Key::of_static(text)] {
                let mut w = Writer::new(&mut buf);
                strings.write(&mut w, key, text).unwrap();
                assert!(w.written().ends_with(text.as_bytes()), "{text}: {:?}", w.written());
            }
        }
    }

    #[test]
    fn the_tables_of_a_receiver_are_never_overrun() {
        let mut strings: Strings<64, 512> = Strings::new();
        strings.clear(false);
        let mut buf = alloc::vec![0; 65_000];
        let mut w = Writer::new(&mut buf);
        let mut written = 0;
        for n in 0..2000u32 {
            let text = std::format!("{n:08}");
            match strings.write(&mut w, Key::of_symbol(Symbol(n)), &text) {
                Ok(_) => written += 1,
                Err(NoRoom) => break,
            }
        }
        assert_eq!(written, TABLE_LIMIT);
    }

    #[test]
    fn generations_wrap_without_confusion() {
        let mut strings: Strings<64, 512> = Strings::new();
        for _ in 0..70_000 {
            strings.clear(false);
            assert_ne!(strings.generation, 0);
        }
        assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
    }
}
