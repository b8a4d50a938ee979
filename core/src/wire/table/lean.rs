//! The string table of a chip: each string once per datagram, spelled out in full.
//!
//! Nothing outlives the datagram, so nothing has to be forgotten. A hash table leads from the address or number of a
//! string to its index, and for other strings from a hash to their position in the datagram itself. Whatever finds no
//! room there is spelled out again, which costs bytes but is never wrong.

use super::Table;
use super::key::{Key, spread};
use crate::record::event::RawContent;
use crate::record::{STRING_LIMIT, Tag, Value};
use crate::wire::cursor::{NoRoom, Writer};
use crate::wire::layout::string;
use crate::wire::number::Number;
use crate::wire::{ARENA_LIMIT, TABLE_LIMIT};

#[derive(Clone, Copy)]
struct Entry {
    key: usize,
    /// The sort of key in the high byte, the length of the string or set in the low one. 0 if the entry is free.
    sort: u16,
    index: u16,
    /// The position of the string's bytes in the datagram.
    at: u16,
}

impl Entry {
    const FREE: Self = Self { key: 0, sort: 0, index: 0, at: 0 };
}

/// A table with room for `SLOTS` (a power of two) strings and tag sets.
pub struct Lean<const SLOTS: usize> {
    entries: [Entry; SLOTS],
    /// The number of strings, tags and tag sets defined in this datagram, and of the members of all sets.
    strings: u16,
    tags: u16,
    sets: u16,
    members: u16,
    /// The number of bytes in all strings.
    expanded: u32,
}

/// How far an entry may be from the position that its hash gives.
const PROBES: usize = 4;

impl<const SLOTS: usize> Default for Lean<SLOTS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize> Lean<SLOTS> {
    pub(crate) const fn new() -> Self {
        const { assert!(SLOTS.is_power_of_two() && SLOTS <= TABLE_LIMIT) };
        Self {
            entries: [Entry::FREE; SLOTS],
            strings: 0,
            tags: 0,
            sets: 0,
            members: 0,
            expanded: 0,
        }
    }

    /// The index of the entry with `key`, or the free entry in which to remember it, or neither.
    fn seek(
        &mut self,
        w: &Writer<'_>,
        key: Key,
        text: &str,
        length: usize,
    ) -> Result<u16, Option<&mut Entry>> {
        let sort = key.sort | length as u16;
        let home = spread::<SLOTS>(key.key);
        for probe in 0..PROBES {
            let at = home.wrapping_add(probe) & (SLOTS - 1);
            let Some(entry) = self.entries.get(at) else { break };
            if entry.sort == 0 {
                return Err(self.entries.get_mut(at));
            }
            if (entry.key, entry.sort) == (key.key, sort)
                && (!key.is_content() || w.stands_at(usize::from(entry.at), text.as_bytes()))
            {
                return Ok(entry.index);
            }
        }
        Err(None)
    }

    fn open_set(&mut self, w: &mut Writer<'_>, count: usize) -> Result<(), NoRoom> {
        if usize::from(self.sets) >= TABLE_LIMIT || usize::from(self.members) + count > TABLE_LIMIT
        {
            return Err(NoRoom);
        }
        self.sets += 1;
        self.members += count as u16;
        w.byte(0)?;
        w.varint(count as u64)
    }

    fn open_tag(&mut self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        if usize::from(self.tags) >= TABLE_LIMIT {
            return Err(NoRoom);
        }
        self.tags += 1;
        w.byte(0)
    }
}

impl<const SLOTS: usize> Table for Lean<SLOTS> {
    const PACKED: bool = false;
    const HISTOGRAMS: bool = true;
    const RUN_TIME_NAMES: bool = false;

    fn clear(&mut self, _packed: bool) {
        *self = Self::new();
    }

    #[inline(never)]
    fn write(&mut self, w: &mut Writer<'_>, key: Key, text: &str) -> Result<(), NoRoom> {
        // The entries keep only the lowest byte of a length, so a longer string must not be taken for a shorter one.
        if text.len() > STRING_LIMIT {
            return Err(NoRoom);
        }
        let (strings, position) = (self.strings, w.position());
        let entry = match self.seek(w, key, text, text.len()) {
            Ok(index) => return w.reference(2 * index + string::REFERENCE as u16),
            Err(entry) => entry,
        };
        if let Some(entry) = entry {
            // The string's bytes follow a byte for "new" and one or two for the length.
            let at = position + 2 + usize::from(text.len() > 127);
            let sort = key.sort | text.len() as u16;
            *entry = Entry { key: key.key, sort, index: strings, at: at as u16 };
        }
        self.expanded += text.len() as u32;
        if usize::from(strings) >= TABLE_LIMIT || self.expanded as usize > ARENA_LIMIT {
            return Err(NoRoom);
        }
        self.strings += 1;
        w.byte(string::PLAIN as u8)?;
        w.string(text.as_bytes())
    }

    fn write_set(&mut self, w: &mut Writer<'_>, tags: &'static [Tag]) -> Result<(), NoRoom> {
        let (key, sets) = (Key::of_set(tags), self.sets);
        // Sets of more than 255 tags, which only an instrument can have, are not remembered.
        if let Ok(count) = u8::try_from(tags.len()) {
            match self.seek(w, key, "", usize::from(count)) {
                Ok(index) => return w.reference(index + 1),
                Err(Some(entry)) => {
                    let sort = key.sort | u16::from(count);
                    *entry = Entry { key: key.key, sort, index: sets, at: 0 };
                }
                Err(None) => {}
            }
        }
        self.open_set(w, tags.len())?;
        tags.iter().try_for_each(|(key, value)| {
            self.open_tag(w)?;
            self.write(w, Key::of_static(key), key)?;
            self.write(w, Key::of_static(value), value)
        })
    }

    fn define_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        mut tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NoRoom> {
        self.open_set(w, tags.len())?;
        tags.try_for_each(|(key, value)| {
            self.open_tag(w)?;
            self.write(w, Key::of_content(key), key)?;
            self.write(w, Key::of_content(value), value)
        })
    }

    fn number(value: Value) -> Number {
        Number::as_given(value)
    }

    fn number_of_slot(slot: RawContent) -> Option<Number> {
        Number::as_given_in_slot(slot)
    }
}

/// No table: every string is spelled out where it is used. For datagrams of at most 1472 bytes, which have no room for
/// more strings, tags or sets than a receiver can hold.
pub(crate) struct Bare;

impl Table for Bare {
    const PACKED: bool = false;
    const HISTOGRAMS: bool = false;
    const RUN_TIME_NAMES: bool = false;

    fn clear(&mut self, _packed: bool) {}

    fn write(&mut self, w: &mut Writer<'_>, _: Key, text: &str) -> Result<(), NoRoom> {
        self.spell(w, text)
    }

    fn write_set(&mut self, w: &mut Writer<'_>, tags: &'static [Tag]) -> Result<(), NoRoom> {
        self.define_set(w, tags.iter().copied())
    }

    fn define_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        mut tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NoRoom> {
        w.byte(0)?;
        w.varint(tags.len() as u64)?;
        tags.try_for_each(|(key, value)| {
            w.byte(0)?;
            self.spell(w, key)?;
            self.spell(w, value)
        })
    }

    fn number(value: Value) -> Number {
        Number::as_given(value)
    }

    fn number_of_slot(slot: RawContent) -> Option<Number> {
        Number::as_given_in_slot(slot)
    }
}

impl Bare {
    #[inline(never)]
    fn spell(&self, w: &mut Writer<'_>, text: &str) -> Result<(), NoRoom> {
        if text.len() > STRING_LIMIT {
            return Err(NoRoom);
        }
        w.byte(string::PLAIN as u8)?;
        w.string(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Symbol;

    #[test]
    fn a_string_is_spelled_out_once_a_datagram_however_it_is_known() {
        let mut table: Lean<16> = Lean::new();
        let mut buf = [0; 64];
        for _ in 0..2 {
            table.clear(false);
            let mut w = Writer::new(&mut buf);
            for _ in 0..2 {
                table.write(&mut w, Key::of_static("abc"), "abc").unwrap();
                table.write(&mut w, Key::of_symbol(Symbol(7)), "de").unwrap();
                table.write(&mut w, Key::of_content("f"), "f").unwrap();
            }
            assert_eq!(w.written(), b"\x00\x03abc\x00\x02de\x00\x01f\x02\x04\x06");
        }
    }

    #[test]
    fn a_colliding_hash_is_not_taken_for_the_same_string() {
        let mut table: Lean<4> = Lean::new();
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        table.write(&mut w, Key::of_content("route"), "route").unwrap();
        table.write(&mut w, Key::of_content("route"), "rotue").unwrap();
        assert_eq!(w.written(), b"\x00\x05route\x00\x05rotue");
    }

    #[test]
    fn sets_are_defined_once() {
        static TAGS: [Tag; 2] = [("a", "x"), ("b", "x")];
        let mut table: Lean<8> = Lean::new();
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        table.write_set(&mut w, &TAGS).unwrap();
        table.write_set(&mut w, &TAGS).unwrap();
        let tags = b"\x00\x00\x01a\x00\x01x\x00\x00\x01b\x04";
        assert_eq!(w.written(), [b"\x00\x02", tags.as_slice(), b"\x01"].concat());
    }

    #[test]
    fn what_has_no_room_is_spelled_out_again() {
        let mut table: Lean<1> = Lean::new();
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        for text in ["a", "b", "a", "b"] {
            table.write(&mut w, Key::of_static(text), text).unwrap();
        }
        assert_eq!(w.written(), b"\x00\x01a\x00\x01b\x02\x00\x01b");
    }
}
