//! The sender's side of the per-datagram string table: each string once, with the prefix it shares.
//!
//! The first use of a string in a datagram spells it out and gives it the next index; later uses are that index.
//! A new string that begins like an earlier one says only how much of it it repeats. Two small hash tables make
//! that cheap: one finds strings and tag sets by identity (the address of static data, the number of a symbol, or
//! a hash of the content), the other finds an earlier string by its first 4 to 20 bytes. Both are stamped with
//! a generation, so that a new datagram begins without clearing them, and both may forget: a string that is not
//! found is spelled out once more, which costs bytes and is never wrong.

use super::cursor::{NoRoom, Writer};
use super::{ARENA_LIMIT, STRING_LIMIT, TABLE_LIMIT, string};

/// What makes two uses the same string or tag set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Identity {
    /// The address of a static string.
    Static(usize),
    /// The number of an interned string.
    Symbol(u32),
    /// A hash of the bytes, which are then compared.
    Content(u32),
    /// The address of a static tag set.
    Set(usize),
    /// The indices of a tag's key and value.
    Tag(u16, u16),
}

impl Identity {
    /// A key, and what sort of key it is.
    #[inline(always)]
    fn parts(self) -> (usize, u16) {
        match self {
            Self::Static(address) => (address, 0x000),
            Self::Symbol(number) => (number as usize, 0x100),
            Self::Content(hash) => (hash as usize, 0x200),
            Self::Set(address) => (address, 0x300),
            Self::Tag(key, value) => ((key as usize) << 16 | value as usize, 0x400),
        }
    }
}

#[derive(Clone, Copy)]
struct Slot {
    key: usize,
    /// What sort of key, and the length of the string or set.
    sort: u16,
    generation: u16,
    index: u16,
}

#[derive(Clone, Copy)]
struct Prefix {
    generation: u16,
    index: u16,
}

#[derive(Clone, Copy)]
struct Span {
    at: u16,
    length: u8,
}

/// The tables. `SLOTS` (a power of two) entries each; `ARENA` bytes of strings are remembered for prefixes.
pub(crate) struct Strings<const SLOTS: usize, const ARENA: usize> {
    generation: u16,
    /// Strings, tags and tag sets defined in this datagram, and the members of all sets.
    strings: u16,
    tags: u16,
    sets: u16,
    members: u16,
    /// Bytes of all strings with their prefixes written out.
    expanded: u32,
    used: u16,
    slots: [Slot; SLOTS],
    prefixes: [[Prefix; SLOTS]; 2],
    spans: [Span; SLOTS],
    arena: [u8; ARENA],
}

/// How far a hash slot may be from its home.
const PROBES: usize = 4;
/// Below this a shared prefix costs more than it saves.
const PREFIX_MIN: usize = 3;

impl<const SLOTS: usize, const ARENA: usize> Strings<SLOTS, ARENA> {
    pub(crate) const fn new() -> Self {
        const {
            assert!(SLOTS.is_power_of_two() && SLOTS >= PROBES && SLOTS <= TABLE_LIMIT);
            assert!(ARENA <= ARENA_LIMIT);
        }
        Self {
            generation: 0,
            strings: 0,
            tags: 0,
            sets: 0,
            members: 0,
            expanded: 0,
            used: 0,
            slots: [Slot { key: 0, sort: 0, generation: 0, index: 0 }; SLOTS],
            prefixes: [[Prefix { generation: 0, index: 0 }; SLOTS]; 2],
            spans: [Span { at: 0, length: 0 }; SLOTS],
            arena: [0; ARENA],
        }
    }

    /// Forgets everything: a new datagram begins.
    pub(crate) fn clear(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            // What was stamped 65 536 datagrams ago must not look fresh.
            self.slots.iter_mut().for_each(|s| s.generation = 0);
            self.prefixes.as_flattened_mut().iter_mut().for_each(|p| p.generation = 0);
            self.generation = 1;
        }
        self.strings = 0;
        self.tags = 0;
        self.sets = 0;
        self.members = 0;
        self.expanded = 0;
        self.used = 0;
    }

    /// Writes a reference to `text`, or its definition on first use. Returns its index.
    #[inline(always)]
    pub(crate) fn write(
        &mut self,
        w: &mut Writer<'_>,
        identity: Identity,
        text: &str,
    ) -> Result<u16, NoRoom> {
        // A string too long for the format is never found, and refused where it would be defined.
        match self.find(identity, text.len() as u8, text) {
            Ok(index) => w.varint(2 * u64::from(index) + string::REFERENCE).map(|()| index),
            Err(vacant) => self.define(w, identity, text, vacant),
        }
    }

    /// Writes a reference to a tag set known by `identity`, or its definition on first use.
    #[inline(always)]
    pub(crate) fn write_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        identity: Option<(Identity, u8)>,
        tags: impl ExactSizeIterator<Item = ((Identity, &'t str), (Identity, &'t str))>,
    ) -> Result<(), NoRoom> {
        if let Some((identity, length)) = identity
            && let Ok(index) = self.find(identity, length, "")
        {
            return w.varint(u64::from(index) + 1);
        }
        self.define_set(w, identity, tags)
    }

    #[cold]
    fn define_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        identity: Option<(Identity, u8)>,
        tags: impl ExactSizeIterator<Item = ((Identity, &'t str), (Identity, &'t str))>,
    ) -> Result<(), NoRoom> {
        let count = tags.len();
        if usize::from(self.sets) >= TABLE_LIMIT || usize::from(self.members) + count > TABLE_LIMIT
        {
            return Err(NoRoom);
        }
        w.byte(0)?;
        w.varint(count as u64)?;
        for (key, value) in tags {
            self.write_tag(w, key, value)?;
        }
        self.members += count as u16;
        // Looked up again: its members may have taken the slot that was free before them.
        if let Some((identity, length)) = identity
            && let Err(vacant) = self.find(identity, length, "")
        {
            self.remember(vacant, identity, length, self.sets);
        }
        self.sets += 1;
        Ok(())
    }

    /// Writes a reference to a tag, or its definition on first use.
    fn write_tag(
        &mut self,
        w: &mut Writer<'_>,
        (key_identity, key): (Identity, &str),
        (value_identity, value): (Identity, &str),
    ) -> Result<(), NoRoom> {
        // The tables keep the lowest byte of a length: a longer one must not be taken for a shorter one.
        if key.len() > STRING_LIMIT || value.len() > STRING_LIMIT {
            return Err(NoRoom);
        }
        let known = (
            self.find(key_identity, key.len() as u8, key),
            self.find(value_identity, value.len() as u8, value),
        );
        if let (Ok(key), Ok(value)) = known
            && let Ok(index) = self.find(Identity::Tag(key, value), 0, "")
        {
            return w.varint(u64::from(index) + 1);
        }
        if usize::from(self.tags) >= TABLE_LIMIT {
            return Err(NoRoom);
        }
        w.byte(0)?;
        let key = self.write(w, key_identity, key)?;
        let value = self.write(w, value_identity, value)?;
        let tag = Identity::Tag(key, value);
        if let Err(vacant) = self.find(tag, 0, "") {
            self.remember(vacant, tag, 0, self.tags);
        }
        self.tags += 1;
        Ok(())
    }

    /// The index of what is known by `identity`, or the slot where it may be remembered.
    #[inline(always)]
    fn find(&self, identity: Identity, length: u8, text: &str) -> Result<u16, usize> {
        let (key, sort) = identity.parts();
        let home = spread(key);
        for probe in 0..PROBES {
            let at = home.wrapping_add(probe) & (SLOTS - 1);
            let slot = &self.slots[at];
            if slot.generation != self.generation {
                // Slots are filled from home on: behind a free one there is nothing.
                return Err(at);
            }
            if slot.key == key
                && slot.sort == sort | u16::from(length)
                && (!matches!(identity, Identity::Content(_))
                    || self.text(slot.index) == Some(text.as_bytes()))
            {
                return Ok(slot.index);
            }
        }
        Err(home & (SLOTS - 1))
    }

    #[inline]
    fn remember(&mut self, at: usize, identity: Identity, length: u8, index: u16) {
        let (key, sort) = identity.parts();
        self.slots[at & (SLOTS - 1)] =
            Slot { key, sort: sort | u16::from(length), generation: self.generation, index };
    }

    /// The bytes of an earlier string, if they are remembered.
    #[inline]
    fn text(&self, index: u16) -> Option<&[u8]> {
        let span = self.spans.get(usize::from(index))?;
        let at = usize::from(span.at);
        self.arena.get(at..at + usize::from(span.length)).filter(|t| !t.is_empty())
    }

    fn define(
        &mut self,
        w: &mut Writer<'_>,
        identity: Identity,
        text: &str,
        vacant: usize,
    ) -> Result<u16, NoRoom> {
        let bytes = text.as_bytes();
        if bytes.len() > STRING_LIMIT
            || usize::from(self.strings) >= TABLE_LIMIT
            || self.expanded as usize + bytes.len() > ARENA_LIMIT
        {
            return Err(NoRoom);
        }
        let heads = Heads::of(bytes);
        let (index, prefix) = self.longest_prefix(text, &heads);
        if prefix < PREFIX_MIN {
            w.varint(string::PLAIN)?;
            w.string(bytes)?;
        } else {
            write_prefixed(w, index, prefix, bytes)?;
        }
        self.remember(vacant, identity, bytes.len() as u8, self.strings);
        self.keep(bytes, &heads);
        self.expanded += bytes.len() as u32;
        self.strings += 1;
        Ok(self.strings - 1)
    }

    /// The earlier string that shares the longest known prefix, and how long it is, cut at a character.
    #[inline]
    fn longest_prefix(&self, text: &str, heads: &Heads) -> (u16, usize) {
        for (length, hash) in heads.longest_first() {
            let prefix = &self.prefixes[(hash >> 16) as usize & 1][hash as usize & (SLOTS - 1)];
            if prefix.generation != self.generation {
                continue;
            }
            let Some(earlier) = self.text(prefix.index) else { continue };
            let mut shared = common_prefix(earlier, text.as_bytes());
            if shared < length {
                continue; // another string with the same hash
            }
            while !text.is_char_boundary(shared) {
                shared -= 1;
            }
            return (prefix.index, shared);
        }
        (0, 0)
    }

    /// Remembers a string for later prefixes, as long as there is room.
    #[inline]
    fn keep(&mut self, bytes: &[u8], heads: &Heads) {
        let index = self.strings;
        let Some(span) = self.spans.get_mut(usize::from(index)) else { return };
        let at = usize::from(self.used);
        let Some(room) = self.arena.get_mut(at..at + bytes.len()) else {
            *span = Span { at: 0, length: 0 };
            return;
        };
        room.copy_from_slice(bytes);
        *span = Span { at: at as u16, length: bytes.len() as u8 };
        self.used += bytes.len() as u16;
        for (_, hash) in heads.longest_first() {
            self.prefixes[(hash >> 16) as usize & 1][hash as usize & (SLOTS - 1)] =
                Prefix { generation: self.generation, index };
        }
    }
}

/// Hashes of a string's first bytes, of several lengths, as far as it has them.
struct Heads {
    hashes: [u32; 5],
    count: usize,
}

impl Heads {
    /// Lengths by which an earlier string is looked up.
    const LENGTHS: [usize; 5] = [4, 8, 12, 16, 20];

    #[inline]
    fn of(bytes: &[u8]) -> Self {
        let mut heads = Self { hashes: [0; 5], count: 0 };
        let mut h = 0;
        let mut from = 0;
        for (length, out) in Self::LENGTHS.into_iter().zip(&mut heads.hashes) {
            let Some(part) = bytes.get(from..length) else { break };
            for four in part.chunks_exact(4) {
                h = mix(h, four.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)));
            }
            *out = h ^ h >> 15;
            from = length;
            heads.count += 1;
        }
        heads
    }

    /// The longest is the one to try first.
    #[inline]
    fn longest_first(&self) -> impl Iterator<Item = (usize, u32)> {
        let pairs = Self::LENGTHS.into_iter().zip(self.hashes);
        pairs.take(self.count).rev()
    }
}

/// Writes a string as the prefix of an earlier one and a rest, in the shorter of the two layouts.
fn write_prefixed(
    w: &mut Writer<'_>,
    index: u16,
    prefix: usize,
    bytes: &[u8],
) -> Result<(), NoRoom> {
    let suffix = &bytes[prefix..];
    if prefix <= 16 && suffix.len() <= 15 {
        w.varint(2 * u64::from(index) + string::PREFIXED)?;
        w.byte((prefix as u8 - 1) << 4 | suffix.len() as u8)?;
    } else {
        w.varint(string::PREFIXED_LONG)?;
        w.varint(u64::from(index))?;
        w.byte(prefix as u8)?;
        w.byte(suffix.len() as u8)?;
    }
    w.bytes(suffix)
}

/// How many bytes two strings begin with in common.
#[inline]
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (wide_a, wide_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut shared = 0;
    for (x, y) in wide_a.zip(wide_b) {
        let (x, y) = (word(x), word(y));
        if x != y {
            return shared + ((x ^ y).trailing_zeros() / 8) as usize;
        }
        shared += 8;
    }
    shared + a[shared..].iter().zip(&b[shared..]).take_while(|(x, y)| x == y).count()
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

/// Mixes an address or number into hash bits (Fibonacci hashing: the odd integer nearest 2^32 / φ).
#[inline]
fn spread(key: usize) -> usize {
    (key as u32).wrapping_mul(0x9E37_79B1) as usize >> 12
}

/// One step of a hash over four bytes at a time.
#[inline]
fn mix(h: u32, v: u32) -> u32 {
    (h.rotate_left(5) ^ v).wrapping_mul(0x9E37_79B1)
}

/// A hash of short byte strings.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut h = bytes.len() as u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        h = mix(h, chunk.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)));
    }
    for byte in chunks.remainder() {
        h = mix(h, u32::from(*byte));
    }
    h ^ h >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(strings: &mut Strings<64, 512>, text: &'static str) -> alloc::vec::Vec<u8> {
        let mut buf = [0; 300];
        let mut w = Writer::new(&mut buf);
        strings.write(&mut w, Identity::Static(text.as_ptr().addr()), text).unwrap();
        w.written().to_vec()
    }

    #[test]
    fn a_string_is_spelled_out_once_a_datagram() {
        let mut strings = Strings::new();
        strings.clear();
        assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
        assert_eq!(write(&mut strings, "abc"), b"\x02");
        strings.clear();
        assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
    }

    #[test]
    fn shared_prefixes_are_not_repeated() {
        let mut strings = Strings::new();
        strings.clear();
        write(&mut strings, "http.server.requests");
        assert_eq!(write(&mut strings, "http.server.errors"), b"\x03\xB6errors");
        assert_eq!(write(&mut strings, "http.client"), b"\x05\x46client");
        let long = "http.client.requests.by.route.and.method";
        assert_eq!(write(&mut strings, long), b"\x01\x02\x0B\x1D.requests.by.route.and.method");
    }

    #[test]
    fn a_prefix_never_cuts_a_character() {
        let mut strings = Strings::new();
        strings.clear();
        write(&mut strings, "température");
        // é and è share their first byte.
        assert_eq!(write(&mut strings, "tempère"), b"\x03\x34\xC3\xA8re");
    }

    #[test]
    fn equal_content_is_found_by_content() {
        let mut strings: Strings<64, 512> = Strings::new();
        strings.clear();
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        for text in ["route", "table", "route"] {
            strings.write(&mut w, Identity::Content(hash(text.as_bytes())), text).unwrap();
        }
        assert_eq!(w.written(), b"\x00\x05route\x00\x05table\x02");
        // A colliding hash is not taken for the same string.
        strings.write(&mut w, Identity::Content(hash(b"route")), "rotue").unwrap();
        assert!(w.written().ends_with(b"rotue"));
    }

    #[test]
    fn without_an_arena_it_still_writes_what_can_be_read() {
        let mut strings: Strings<4, 0> = Strings::new();
        strings.clear();
        let mut buf = [0; 256];
        let mut w = Writer::new(&mut buf);
        for text in ["aaaa.b", "aaaa.c", "aaaa.d", "aaaa.e", "aaaa.f"] {
            strings.write(&mut w, Identity::Static(text.as_ptr().addr()), text).unwrap();
        }
        assert_eq!(w.position(), 5 * 8);
    }

    #[test]
    fn the_tables_of_a_receiver_are_never_overrun() {
        let mut strings: Strings<64, 512> = Strings::new();
        strings.clear();
        let mut buf = alloc::vec![0; 65_000];
        let mut w = Writer::new(&mut buf);
        let mut written = 0;
        for n in 0..2000u32 {
            let text = std::format!("{n:08}");
            match strings.write(&mut w, Identity::Symbol(n), &text) {
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
            strings.clear();
            assert_ne!(strings.generation, 0);
        }
        assert_eq!(write(&mut strings, "abc"), b"\x00\x03abc");
    }
}
