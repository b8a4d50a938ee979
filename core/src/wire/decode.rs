//! Unpacking: a datagram is checked, then read record by record, borrowing from the datagram and from the decoder.
//!
//! Nothing is allocated and nothing panics, whatever the bytes. UTF-8 is checked once for each new string. Records
//! name strings and tag sets by their index in the datagram as well, so that a receiver can look each up once a
//! datagram and not once a record.

use core::ops::Range;

use heapless::{String, Vec};

use super::cursor::Reader;
use super::error::DecodeError;
use super::header::{Header, Prologue};
use super::{
    ARENA_LIMIT, DYNAMIC_TAG_LIMIT, PAYLOAD_MAX, STRING_LIMIT, TABLE_LIMIT, crc, extended, form,
    number, packed, string, tag,
};
use crate::event::{Kind, Priority};
use crate::instrument::{Layout, Unit};
use crate::value::Value;

/// The tables of a receiver, kept from datagram to datagram.
///
/// The defaults hold whatever the format allows (about 30 KiB). A receiver that knows its senders, or a test on a
/// chip, can do with less: what does not fit is refused with [`DecodeError::TableFull`].
pub struct Decoder<const STRINGS: usize = TABLE_LIMIT, const ARENA: usize = ARENA_LIMIT> {
    /// Whether strings are packed in this datagram.
    packed: bool,
    /// All strings of the datagram, prefixes written out, one behind the other.
    arena: String<ARENA>,
    strings: Vec<Span, STRINGS>,
    /// Keys and values of all tags.
    tags: Vec<(u16, u16), STRINGS>,
    /// The tags of all sets, one set behind the other.
    members: Vec<u16, STRINGS>,
    /// Where each set begins and ends among the members.
    sets: Vec<(u16, u16), STRINGS>,
    dynamic: Vec<Dynamic, DYNAMIC_TAG_LIMIT>,
}

#[derive(Clone, Copy)]
struct Span {
    at: u16,
    length: u8,
}

/// A dynamic tag of the record just read: its key's index, and where its value stands in the datagram.
#[derive(Clone, Copy)]
struct Dynamic {
    key: u16,
    at: u16,
    length: u8,
}

impl<const STRINGS: usize, const ARENA: usize> Default for Decoder<STRINGS, ARENA> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const STRINGS: usize, const ARENA: usize> Decoder<STRINGS, ARENA> {
    /// A decoder with empty tables.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(STRINGS <= TABLE_LIMIT && ARENA <= ARENA_LIMIT) };
        Self {
            packed: false,
            arena: String::new(),
            strings: Vec::new(),
            tags: Vec::new(),
            members: Vec::new(),
            sets: Vec::new(),
            dynamic: Vec::new(),
        }
    }

    /// Checks length, header, checksum and prologue, and opens the datagram for reading its records.
    ///
    /// # Errors
    /// Why the datagram is refused. No record of it should be believed then.
    pub fn open<'a>(
        &'a mut self,
        datagram: &'a [u8],
    ) -> Result<Datagram<'a, STRINGS, ARENA>, DecodeError> {
        if datagram.len() > PAYLOAD_MAX {
            return Err(DecodeError::TooLong);
        }
        let header = Header::parse(datagram)?;
        let (sealed, sum) = datagram.split_last_chunk().ok_or(DecodeError::Truncated)?;
        if sealed.len() < Header::LEN {
            return Err(DecodeError::Truncated);
        }
        if crc::crc32(sealed) != u32::from_le_bytes(*sum) {
            return Err(DecodeError::BadChecksum);
        }
        let (prologue, body) = Prologue::parse(&sealed[Header::LEN..])?;
        self.packed = prologue.packed;
        self.arena.clear();
        self.strings.clear();
        self.tags.clear();
        self.members.clear();
        self.sets.clear();
        Ok(Datagram {
            left: prologue.records,
            time: prologue.account.base_time,
            nanos: prologue.account.unit.nanos(),
            header,
            prologue,
            body,
            r: Reader::new(body),
            tables: self,
        })
    }

    /// Reads the reference to a string, or its definition.
    #[inline(always)]
    fn string_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.reference()?;
        if code >= string::REFERENCE && code.is_multiple_of(2) {
            let index = (code - string::REFERENCE) / 2;
            return if index < self.strings.len() as u64 {
                Ok(index as u16)
            } else {
                Err(DecodeError::BadStringIndex)
            };
        }
        self.define(code, r)
    }

    #[inline(never)]
    fn define(&mut self, code: u64, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let at = self.arena.len();
        let mut prefix = 0..0;
        let packed;
        let suffix = if code == string::PLAIN {
            let count = r.reference()?;
            packed = self.packed && count % 2 == 1;
            let length = if self.packed { count / 2 } else { count };
            if length > STRING_LIMIT as u64 {
                return Err(DecodeError::StringTooLong);
            }
            length as usize
        } else {
            let short = code != string::PREFIXED_LONG;
            packed = self.packed && short;
            let index = if short { (code - string::PREFIXED) / 2 } else { r.varint()? };
            let earlier = usize::try_from(index).ok().and_then(|i| self.strings.get(i)).copied();
            let Span { at, length } = earlier.ok_or(DecodeError::BadStringIndex)?;
            let lengths = r.byte()?;
            let (shared, suffix) =
                if short { ((lengths >> 4) + 1, lengths & 0xF) } else { (lengths, r.byte()?) };
            if shared > length {
                return Err(DecodeError::BadStringIndex);
            }
            prefix = usize::from(at)..usize::from(at) + usize::from(shared);
            if !self.arena.is_char_boundary(prefix.end) {
                return Err(DecodeError::BadUtf8);
            }
            usize::from(suffix)
        };
        let wide = r.rest().first_chunk();
        if packed {
            let bytes = r.bytes(packed::length(suffix))?;
            let done = wide
                .is_some_and(|wide| self.append_short(&prefix, &packed::unpack_wide(wide), suffix));
            if !done {
                self.append(&prefix, &packed::unpack_long(bytes)[..suffix])?;
            }
        } else {
            let bytes = r.bytes(suffix)?;
            if !wide.is_some_and(|wide| self.append_short(&prefix, wide, suffix)) {
                self.append(&prefix, bytes)?;
            }
        }
        let length = u8::try_from(self.arena.len() - at).map_err(|_| DecodeError::StringTooLong)?;
        let index = self.strings.len() as u16;
        self.strings.push(Span { at: at as u16, length }).map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    /// Appends a string to the arena: a prefix that stands there, and a suffix.
    fn append(&mut self, prefix: &Range<usize>, suffix: &[u8]) -> Result<(), DecodeError> {
        let prefix = self.arena.get(prefix.clone()).ok_or(DecodeError::BadUtf8)?;
        let prefix: String<STRING_LIMIT> =
            String::try_from(prefix).map_err(|_| DecodeError::StringTooLong)?;
        let suffix = core::str::from_utf8(suffix).map_err(|_| DecodeError::BadUtf8)?;
        self.arena.push_str(&prefix).map_err(|_| DecodeError::TableFull)?;
        self.arena.push_str(suffix).map_err(|_| DecodeError::TableFull)
    }

    /// The same for a string of ASCII of at most 32 bytes, half of them prefix, as nearly all are: put together in
    /// registers, so that nothing depends on its length. `wide` begins with the suffix. `false`: nothing was done.
    #[inline]
    fn append_short(&mut self, prefix: &Range<usize>, wide: &[u8; 32], suffix: usize) -> bool {
        const HALF: usize = 16;
        /// The lowest `n` bytes.
        fn low(n: usize) -> u128 {
            if n >= HALF { u128::MAX } else { (1 << (8 * n)) - 1 }
        }
        let shared = prefix.len();
        let mut head = 0;
        if shared > 0 {
            let tail = self.arena.as_bytes().get(prefix.start..);
            let Some(chunk) = tail.and_then(|t| t.first_chunk::<HALF>()) else { return false };
            head = u128::from_le_bytes(*chunk) & low(shared);
        }
        if shared > HALF || shared + suffix > wide.len() {
            return false;
        }
        let (front, back) = wide.split_at(HALF);
        let half = |b: &[u8]| b.first_chunk().map_or(0, |c| u128::from_le_bytes(*c));
        let (front, back) =
            (half(front) & low(suffix), half(back) & low(suffix.saturating_sub(HALF)));
        // In two steps each: a shift by the whole width would be none.
        let (up, down) = (4 * shared, 64 - 4 * shared);
        let first = head | front << up << up;
        let second = back << up << up | front >> down >> down;
        if (first | second) & 0x8080_8080_8080_8080_8080_8080_8080_8080 != 0 {
            return false;
        }
        let mut whole = [0; 32];
        whole[..HALF].copy_from_slice(&first.to_le_bytes());
        whole[HALF..].copy_from_slice(&second.to_le_bytes());
        let Ok(text) = core::str::from_utf8(&whole) else { return false };
        // All of it, since a copy of a fixed length is no call, then without the zeros at its end.
        let end = self.arena.len() + shared + suffix;
        if text.get(..32).is_none_or(|text| self.arena.push_str(text).is_err()) {
            return false;
        }
        self.arena.truncate(end);
        true
    }

    /// Reads the reference to a tag set, or its definition.
    #[inline(always)]
    fn set_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.reference()?;
        if code == 0 {
            return self.define_set(r);
        }
        if code > self.sets.len() as u64 {
            return Err(DecodeError::BadTagIndex);
        }
        Ok((code - 1) as u16)
    }

    #[inline(never)]
    fn define_set(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let count = r.varint()?;
        let from = self.members.len();
        if count > (STRINGS - from.min(STRINGS)) as u64 {
            return Err(DecodeError::TableFull);
        }
        for _ in 0..count {
            let tag = self.tag_ref(r)?;
            self.members.push(tag).map_err(|_| DecodeError::TableFull)?;
        }
        let index = self.sets.len() as u16;
        self.sets
            .push((from as u16, self.members.len() as u16))
            .map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    /// Reads the reference to a tag, or its definition.
    fn tag_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.reference()?;
        if code > 0 {
            return if code <= self.tags.len() as u64 {
                Ok((code - 1) as u16)
            } else {
                Err(DecodeError::BadTagIndex)
            };
        }
        let tag = (self.string_ref(r)?, self.string_ref(r)?);
        let index = self.tags.len() as u16;
        self.tags.push(tag).map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    #[inline]
    fn text(&self, index: u16) -> &str {
        let text = self.strings.get(usize::from(index)).and_then(|span| {
            let at = usize::from(span.at);
            self.arena.get(at..at + usize::from(span.length))
        });
        text.unwrap_or("")
    }
}

/// An open datagram: its header, prologue, and the records still to be read.
pub struct Datagram<'a, const STRINGS: usize = TABLE_LIMIT, const ARENA: usize = ARENA_LIMIT> {
    header: Header,
    prologue: Prologue,
    /// What the reader reads: records, padding.
    body: &'a [u8],
    r: Reader<'a>,
    left: u16,
    time: u64,
    nanos: u64,
    tables: &'a mut Decoder<STRINGS, ARENA>,
}

impl<const STRINGS: usize, const ARENA: usize> Datagram<'_, STRINGS, ARENA> {
    /// Who sent it, and which one it is.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The sender's account.
    #[must_use]
    pub fn prologue(&self) -> &Prologue {
        &self.prologue
    }

    /// When it was packed, in nanoseconds from the origin that the prologue names. Saturates.
    #[must_use]
    pub fn base_time_ns(&self) -> u64 {
        self.prologue.account.base_time.saturating_mul(self.nanos)
    }

    /// The next record, or `None` behind the last one.
    ///
    /// # Errors
    /// The first record that cannot be read ends the datagram: from there on it is `None`. Records before it were
    /// as their sender wrote them, since the checksum is right; the sender is at fault.
    #[inline(always)] // A record is large: it is to be taken apart where it is used, not copied there.
    #[expect(clippy::should_implement_trait, reason = "a record borrows from the decoder")]
    pub fn next(&mut self) -> Option<Result<Record<'_>, DecodeError>> {
        if self.left == 0 {
            return self.end();
        }
        self.left -= 1;
        match self.read() {
            Ok(raw) => Some(Ok(raw.borrow(self.tables, self.body))),
            Err(e) => {
                self.left = 0;
                self.r = Reader::new(&[]);
                Some(Err(e))
            }
        }
    }

    /// Behind the last record there is nothing but zeros.
    #[cold]
    fn end(&mut self) -> Option<Result<Record<'_>, DecodeError>> {
        let padding = self.r.rest();
        self.r = Reader::new(&[]);
        padding.iter().any(|b| *b != 0).then_some(Err(DecodeError::TrailingBytes))
    }

    #[inline(always)]
    fn read(&mut self) -> Result<Raw, DecodeError> {
        let first = self.r.byte()?;
        let form = (first & tag::FORM) >> tag::FORM_SHIFT;
        let second = if first & tag::EXTENDED != 0 { self.r.byte()? } else { 0 };
        let unasked = second & extended::IDENTIFIED != 0 && self.prologue.ack_floor.is_none();
        if second & extended::RESERVED != 0 || unasked {
            return Err(DecodeError::BadRecord);
        }
        let name = self.tables.string_ref(&mut self.r)?;
        if self.tables.strings.get(usize::from(name)).is_none_or(|s| s.length == 0) {
            return Err(DecodeError::EmptyName);
        }
        let set =
            if first & tag::HAS_TAGS != 0 { Some(self.tables.set_ref(&mut self.r)?) } else { None };
        let body = match first & tag::KIND {
            tag::STATE if second == 0 => self.read_state(form)?,
            kind => {
                let kind = *Kind::ALL.get(usize::from(kind)).ok_or(DecodeError::BadRecord)?;
                self.read_event(kind, form, second)?
            }
        };
        let has_dynamic = second & extended::DYNAMIC != 0 && !self.tables.dynamic.is_empty();
        Ok(Raw { name, set, has_dynamic, body })
    }

    #[inline(always)]
    fn read_event(&mut self, kind: Kind, form: u8, second: u8) -> Result<RawBody, DecodeError> {
        let delta = self.r.varint()?;
        let time = if second & extended::BACKWARD != 0 {
            self.time.checked_sub(delta)
        } else {
            self.time.checked_add(delta)
        };
        self.time = time.ok_or(DecodeError::BadTime)?;
        let content = if form == form::TEXT {
            let text = self.r.string()?;
            core::str::from_utf8(text).map_err(|_| DecodeError::BadUtf8)?;
            RawContent::Text(self.span_of(text), text.len() as u8)
        } else {
            RawContent::Number(number::read(form, &mut self.r)?)
        };
        let rate = if second & extended::RATE != 0 {
            let rate = u32::try_from(self.r.varint()?).map_err(|_| DecodeError::BadNumber)?;
            if rate == 0 {
                return Err(DecodeError::BadNumber);
            }
            rate
        } else {
            1
        };
        if second & extended::DYNAMIC != 0 {
            self.read_dynamic()?;
        }
        let id = if second & extended::IDENTIFIED != 0 {
            let floor = self.prologue.ack_floor.unwrap_or(0);
            Some(floor.checked_add(self.r.varint()?).ok_or(DecodeError::BadNumber)?)
        } else {
            None
        };
        let priority = match second & extended::PRIORITY {
            0 => Priority::Normal,
            1 => Priority::Low,
            2 => Priority::High,
            _ => Priority::Critical,
        };
        let time_ns = self.time.saturating_mul(self.nanos);
        Ok(RawBody::Event { kind, priority, time_ns, content, rate, id })
    }

    #[inline(never)]
    fn read_dynamic(&mut self) -> Result<(), DecodeError> {
        let count = self.r.varint()?;
        if count > DYNAMIC_TAG_LIMIT as u64 {
            return Err(DecodeError::TableFull);
        }
        self.tables.dynamic.clear();
        for _ in 0..count {
            let key = self.tables.string_ref(&mut self.r)?;
            let value = self.r.string()?;
            core::str::from_utf8(value).map_err(|_| DecodeError::BadUtf8)?;
            let entry = Dynamic { key, at: self.span_of(value), length: value.len() as u8 };
            self.tables.dynamic.push(entry).map_err(|_| DecodeError::TableFull)?;
        }
        Ok(())
    }

    /// Where `part`, the bytes just read, begins in the body.
    fn span_of(&self, part: &[u8]) -> u16 {
        (self.body.len() - self.r.rest().len() - part.len()) as u16
    }

    #[inline(never)]
    fn read_state(&mut self, state: u8) -> Result<RawBody, DecodeError> {
        let r = &mut self.r;
        match state {
            tag::STATE_TOTAL => Ok(RawBody::Total(r.varint()?)),
            tag::STATE_LEVEL => Ok(RawBody::Level(number::read_with_form(r)?)),
            tag::STATE_BUCKETS => {
                let unit = Unit::from_code(r.byte()?).ok_or(DecodeError::BadBuckets)?;
                let layout = Layout { precision: r.byte()?, min_exponent: r.byte()? as i8 };
                if !(1..=Buckets::PRECISION_LIMIT).contains(&layout.precision) {
                    return Err(DecodeError::BadBuckets);
                }
                let sum = number::read_with_form(r)?;
                let before = r.rest();
                check_pairs(r)?;
                let length = before.len() - r.rest().len();
                let at = self.body.len() - before.len();
                Ok(RawBody::Buckets { unit, layout, sum, at, length })
            }
            _ => Err(DecodeError::BadRecord),
        }
    }
}

/// Walks the bucket pairs up to their closing zero.
fn check_pairs(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mut next = 0u64;
    loop {
        let gap = r.varint()?;
        if gap == 0 {
            return Ok(());
        }
        next = next.saturating_add(gap);
        if next > Buckets::INDEX_LIMIT || r.varint()? == 0 {
            return Err(DecodeError::BadBuckets);
        }
    }
}

/// A record as indices and positions, before it borrows the strings.
struct Raw {
    name: u16,
    set: Option<u16>,
    has_dynamic: bool,
    body: RawBody,
}

enum RawBody {
    Event {
        kind: Kind,
        priority: Priority,
        time_ns: u64,
        content: RawContent,
        rate: u32,
        id: Option<u64>,
    },
    Total(u64),
    Level(Value),
    Buckets {
        unit: Unit,
        layout: Layout,
        sum: Value,
        at: usize,
        length: usize,
    },
}

enum RawContent {
    Number(Value),
    Text(u16, u8),
}

impl Raw {
    #[inline(always)]
    fn borrow<'r, const STRINGS: usize, const ARENA: usize>(
        self,
        tables: &'r Decoder<STRINGS, ARENA>,
        body: &'r [u8],
    ) -> Record<'r> {
        Record {
            name: Text { index: self.name, text: tables.text(self.name) },
            tags: Tags { set: self.set, has_dynamic: self.has_dynamic, tables, body },
            body: match self.body {
                RawBody::Event { kind, priority, time_ns, content, rate, id } => {
                    let content = match content {
                        RawContent::Number(value) => Content::Number(value),
                        RawContent::Text(at, length) => Content::Text(checked(body, at, length)),
                    };
                    Body::Event(Event { kind, priority, time_ns, content, rate, id })
                }
                RawBody::Total(total) => Body::Total(total),
                RawBody::Level(level) => Body::Level(level),
                RawBody::Buckets { unit, layout, sum, at, length } => {
                    let pairs = body.get(at..at + length).unwrap_or(&[]);
                    Body::Buckets(Buckets { unit, layout, sum, pairs })
                }
            },
        }
    }
}

/// A string of the body that was found to be UTF-8 when it was read.
#[inline]
fn checked(body: &[u8], at: u16, length: u8) -> &str {
    let at = usize::from(at);
    let bytes = body.get(at..at + usize::from(length)).unwrap_or(&[]);
    core::str::from_utf8(bytes).unwrap_or("")
}

/// A string, and its index in the datagram: equal indices are equal strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text<'a> {
    /// Its place in the datagram's string table.
    pub index: u16,
    /// The string itself.
    pub text: &'a str,
}

/// One record of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it is called; never empty.
    pub name: Text<'a>,
    /// Its tags.
    pub tags: Tags<'a>,
    /// What it says.
    pub body: Body<'a>,
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// An event, kept by itself.
    Event(Event<'a>),
    /// An instrument: a counter's total since the sender's start.
    Total(u64),
    /// An instrument: a gauge's latest value.
    Level(Value),
    /// An instrument: a histogram's buckets, all or some, cumulative since the sender's start.
    Buckets(Buckets<'a>),
}

/// An event as received.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Event<'a> {
    /// What kind it is.
    pub kind: Kind,
    /// How much it mattered to its sender.
    pub priority: Priority,
    /// When it was recorded, in nanoseconds from the origin that the prologue names. Saturates.
    pub time_ns: u64,
    /// Its number or text.
    pub content: Content<'a>,
    /// It stands for so many of its kind; at least 1.
    pub rate: u32,
    /// What it is acknowledged by, and known by when it comes again.
    pub id: Option<u64>,
}

/// The number or text of an event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Content<'a> {
    /// A number.
    Number(Value),
    /// A text.
    Text(&'a str),
}

/// The tables of a decoder of any size, as the tags of a record need them.
trait Tables: Send + Sync {
    fn text(&self, index: u16) -> &str;
    /// Key and value of a tag.
    fn tag(&self, index: u16) -> Option<(&str, &str)>;
    fn members(&self, set: u16) -> &[u16];
    fn dynamic(&self) -> &[Dynamic];
}

impl<const STRINGS: usize, const ARENA: usize> Tables for Decoder<STRINGS, ARENA> {
    fn text(&self, index: u16) -> &str {
        Decoder::text(self, index)
    }

    fn tag(&self, index: u16) -> Option<(&str, &str)> {
        let (key, value) = self.tags.get(usize::from(index))?;
        Some((Decoder::text(self, *key), Decoder::text(self, *value)))
    }

    fn members(&self, set: u16) -> &[u16] {
        let members = self
            .sets
            .get(usize::from(set))
            .and_then(|(from, to)| self.members.get(usize::from(*from)..usize::from(*to)));
        members.unwrap_or(&[])
    }

    fn dynamic(&self) -> &[Dynamic] {
        &self.dynamic
    }
}

/// The tags of a record: those of its tag set, then its dynamic ones.
#[derive(Clone, Copy)]
pub struct Tags<'a> {
    set: Option<u16>,
    has_dynamic: bool,
    // One pointer and not a slice for each table: a record is handed over by value.
    tables: &'a dyn Tables,
    body: &'a [u8],
}

impl<'a> Tags<'a> {
    /// The place of the tag set in the datagram: equal indices are equal sets. `None`: no set.
    #[inline]
    #[must_use]
    pub fn set_index(&self) -> Option<u16> {
        self.set
    }

    /// Whether there are tags besides those of the set.
    #[inline]
    #[must_use]
    pub fn has_dynamic(&self) -> bool {
        self.has_dynamic
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members().len() + self.dynamic().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key and value of each, in the order the sender gave them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let Self { tables, body, .. } = *self;
        let fixed = self.members().iter().filter_map(move |tag| tables.tag(*tag));
        let dynamic = self.dynamic().iter();
        fixed.chain(dynamic.map(move |d| (tables.text(d.key), checked(body, d.at, d.length))))
    }

    fn members(&self) -> &'a [u16] {
        self.set.map_or(&[], |set| self.tables.members(set))
    }

    fn dynamic(&self) -> &'a [Dynamic] {
        if self.has_dynamic { self.tables.dynamic() } else { &[] }
    }
}

impl core::fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A histogram's state.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Buckets<'a> {
    /// The unit of what was recorded.
    pub unit: Unit,
    /// Where its buckets lie.
    pub layout: Layout,
    /// Everything recorded, added up.
    pub sum: Value,
    pairs: &'a [u8],
}

impl<'a> Buckets<'a> {
    /// The finest precision that the format allows.
    pub const PRECISION_LIMIT: u8 = 8;
    /// No bucket has this index or a higher one.
    pub const INDEX_LIMIT: u64 = 1 << 16;

    /// Index and count of the buckets that are not empty, ascending. A bucket that is not named holds what an
    /// earlier datagram said.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + use<'a> {
        let mut r = Reader::new(self.pairs);
        let mut next = 0u64;
        core::iter::from_fn(move || {
            let gap = r.varint().ok().filter(|gap| *gap > 0)?;
            next += gap;
            Some(((next - 1) as u16, r.varint().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Short strings of ASCII are put together in another way than the rest.
        #[test]
        fn both_ways_of_appending_agree(
            earlier in "[a-zé]{1,40}",
            shared in 0usize..40,
            suffix in "[a-z._é]{0,40}",
            behind in any::<[u8; 32]>(),
        ) {
            let mut plain: Decoder<4, 256> = Decoder::new();
            plain.arena.push_str("before").unwrap();
            plain.arena.push_str(&earlier).unwrap();
            let shared = shared.min(earlier.len());
            prop_assume!(earlier.is_char_boundary(shared));
            let prefix = 6..6 + shared;
            plain.arena.push_str("and sixteen more").unwrap();
            let mut short: Decoder<4, 256> = Decoder::new();
            short.arena.push_str(&plain.arena).unwrap();
            plain.append(&prefix, suffix.as_bytes()).unwrap();
            let mut wide = behind;
            let length = suffix.len().min(32);
            wide[..length].copy_from_slice(&suffix.as_bytes()[..length]);
            let done = short.append_short(&prefix, &wide, suffix.len());
            let ascii = earlier[..shared].is_ascii() && suffix.is_ascii();
            prop_assert_eq!(done, ascii && shared <= 16 && shared + suffix.len() <= 32);
            if done {
                prop_assert_eq!(&short.arena, &plain.arena);
            }
        }
    }
}
