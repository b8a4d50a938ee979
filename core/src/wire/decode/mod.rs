//! Unpacking: a datagram is checked, then read record by record. Records borrow from the datagram and from the decoder.
//!
//! Nothing allocates and nothing panics, whatever the bytes. UTF-8 is checked once per new string. Records also give
//! the index of each string and tag set in the datagram, so that a receiver can look each up once per datagram instead
//! of once per record.

use heapless::{String, Vec};

use super::cursor::Reader;
use super::error::DecodeError;
use super::layout::{Form, StateForm, extended, tag};
use super::state::BucketsHead;
use super::{ARENA_LIMIT, TABLE_LIMIT, crc, number};
use crate::format::{Header, PAYLOAD_MAX, Prologue};
use crate::instrument::{Details, Layout, Unit};
use crate::record::{DYNAMIC_TAG_LIMIT, Kind, Priority, Value};

mod record;
mod tables;

use record::checked;
pub use record::{Body, Buckets, Content, Event, Record, Tags, Text};

/// The string tables of a receiver, reused from datagram to datagram.
///
/// The defaults hold whatever the format allows (about 30 KiB). A receiver that knows its senders, or a test on a chip,
/// can use smaller tables; a datagram that does not fit is refused with [`DecodeError::TableFull`].
///
/// ```
/// use ringstat_core::format::{Header, Mode, Prologue};
/// use ringstat_core::record::{Event, Kind, NoNames};
/// use ringstat_core::wire::{Decoder, Encoder};
///
/// let header = Header { mode: Mode::Checksum, key: 0, sender: 7, epoch: 1, sequence: 0 };
/// let mut buf = [0; 512];
/// let mut encoder = <Encoder>::new();
/// let mut datagram = encoder.begin(&mut buf, &header, &Prologue::default())?;
/// let event: Event = Event::new(Kind::Gauge, "room.celsius".into(), 21.5.into(), 0).unwrap();
/// datagram.event(&event, &NoNames)?;
/// let length = datagram.finish(false);
///
/// let mut decoder = <Decoder>::new();
/// let mut received = decoder.open(&buf[..length])?;
/// assert_eq!(received.header().sender, 7);
/// let record = received.next().unwrap()?;
/// assert_eq!(record.name.text, "room.celsius");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decoder<const STRINGS: usize = TABLE_LIMIT, const ARENA: usize = ARENA_LIMIT> {
    /// Whether strings are packed in this datagram.
    packed: bool,
    /// All strings of the datagram, with prefixes written out, one after the other.
    arena: String<ARENA>,
    /// Where the strings end. Zeros follow, so that no string is the last thing in the arena: a branch on whether it is
    /// would be mispredicted each time.
    end: usize,
    strings: Vec<Span, STRINGS>,
    /// Keys and values of all tags.
    tags: Vec<(u16, u16), STRINGS>,
    /// The tags of all sets, one set after the other.
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

/// A dynamic tag of the record just read: the index of its key, and where its value is in the datagram.
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
    /// Creates a decoder with empty tables.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(STRINGS <= TABLE_LIMIT && ARENA <= ARENA_LIMIT) };
        Self {
            packed: false,
            arena: String::new(),
            end: 0,
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
    /// The reason why the datagram is refused. None of its records should be believed.
    pub fn open<'a>(
        &'a mut self,
        datagram: &'a [u8],
    ) -> Result<Datagram<'a, STRINGS, ARENA>, DecodeError> {
        if datagram.len() > PAYLOAD_MAX {
            return Err(DecodeError::TooLong);
        }
        let header = Header::parse(datagram)?;
        if datagram.len() < Header::LEN + crc::TRAILER {
            return Err(DecodeError::Truncated);
        }
        let checked = crc::checked(datagram)?;
        let (prologue, body) = Prologue::parse(&checked[Header::LEN..])?;
        self.packed = prologue.packed;
        self.arena.clear();
        self.end = 0;
        self.strings.clear();
        self.tags.clear();
        self.members.clear();
        self.sets.clear();
        Ok(Datagram {
            left: prologue.records,
            time: prologue.base_time,
            nanos: prologue.unit.nanos(),
            header,
            prologue,
            body,
            r: Reader::new(body),
            tables: self,
        })
    }
}

/// An open datagram: its header, prologue, and the records still to be read.
pub struct Datagram<'a, const STRINGS: usize = TABLE_LIMIT, const ARENA: usize = ARENA_LIMIT> {
    header: Header,
    prologue: Prologue,
    /// What the reader reads: records and padding.
    body: &'a [u8],
    r: Reader<'a>,
    left: u16,
    time: u64,
    nanos: u64,
    tables: &'a mut Decoder<STRINGS, ARENA>,
}

impl<const STRINGS: usize, const ARENA: usize> Datagram<'_, STRINGS, ARENA> {
    /// The header: the sender, its epoch and the sequence number.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The sender's account.
    #[must_use]
    pub fn prologue(&self) -> &Prologue {
        &self.prologue
    }

    /// When the datagram was packed, in nanoseconds from the origin that the prologue names. Saturates.
    #[must_use]
    pub fn base_time_ns(&self) -> u64 {
        self.prologue.base_time.saturating_mul(self.nanos)
    }

    /// Reads the next record. Returns `None` after the last one.
    ///
    /// # Errors
    /// The first record that cannot be read ends the datagram: every later call returns `None`. The records before it
    /// are as the sender wrote them, since the checksum is right; the fault is the sender's.
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

    /// Checks that nothing but zeros follow the last record.
    #[cold]
    fn end(&mut self) -> Option<Result<Record<'_>, DecodeError>> {
        let padding = self.r.rest();
        self.r = Reader::new(&[]);
        padding.iter().any(|b| *b != 0).then_some(Err(DecodeError::TrailingBytes))
    }

    #[inline(always)]
    fn read(&mut self) -> Result<Raw, DecodeError> {
        let first = self.r.byte()?;
        let second = if first & tag::EXTENDED != 0 { self.read_second()? } else { 0 };
        let name = self.tables.string_ref(&mut self.r)?;
        if self.tables.strings.get(usize::from(name)).is_none_or(|s| s.length == 0) {
            return Err(DecodeError::EmptyName);
        }
        let set =
            if first & tag::HAS_TAGS != 0 { Some(self.tables.set_ref(&mut self.r)?) } else { None };
        let body = match first & tag::KIND {
            tag::STATE if second == 0 => self.read_state(first)?,
            kind => {
                let kind = *Kind::ALL.get(usize::from(kind)).ok_or(DecodeError::BadRecord)?;
                self.read_event(kind, Form::of_record(first), second)?
            }
        };
        Ok(Raw { name, set, body })
    }

    fn read_second(&mut self) -> Result<u8, DecodeError> {
        let second = self.r.byte()?;
        let unasked = second & extended::IDENTIFIED != 0 && self.prologue.ack_floor.is_none();
        if second & extended::RESERVED != 0 || unasked {
            return Err(DecodeError::BadRecord);
        }
        Ok(second)
    }

    #[inline(always)]
    fn read_event(&mut self, kind: Kind, form: Form, second: u8) -> Result<RawBody, DecodeError> {
        // Time and number are read together if both are small, as they usually are.
        let small = if form.is_varint() {
            self.r.pair(form != Form::One)
        } else if form == Form::Text && !kind.takes_text() {
            return Err(DecodeError::BadRecord);
        } else {
            None
        };
        let delta = match small {
            Some((delta, _)) => delta.into(),
            None => self.r.varint()?,
        };
        let time = if second & extended::BACKWARD != 0 {
            self.time.checked_sub(delta)
        } else {
            self.time.checked_add(delta)
        };
        self.time = time.ok_or(DecodeError::BadTime)?;
        let content = match small {
            Some((_, bits)) => RawContent::Number(number::of_varint(form, bits.into())?),
            None => self.read_content(form)?,
        };
        let time_ns = self.time.saturating_mul(self.nanos);
        let more = if second == 0 { More::NONE } else { self.read_more(second)? };
        Ok(RawBody::Event { kind, time_ns, content, more })
    }

    #[inline(never)]
    fn read_content(&mut self, form: Form) -> Result<RawContent, DecodeError> {
        if form != Form::Text {
            return Ok(RawContent::Number(number::read(form, &mut self.r)?));
        }
        let text = self.r.text()?;
        core::str::from_utf8(text).map_err(|_| DecodeError::BadUtf8)?;
        Ok(RawContent::Text(self.span_of(text), text.len() as u16))
    }

    /// Reads the fields that only some events have.
    #[inline(never)]
    fn read_more(&mut self, second: u8) -> Result<More, DecodeError> {
        let mut more = More::NONE;
        if second & extended::RATE != 0 {
            more.rate = u32::try_from(self.r.varint()?).map_err(|_| DecodeError::BadNumber)?;
            if more.rate == 0 {
                return Err(DecodeError::BadNumber);
            }
        }
        if second & extended::DYNAMIC != 0 {
            self.read_dynamic()?;
            more.has_dynamic = !self.tables.dynamic.is_empty();
        }
        if second & extended::IDENTIFIED != 0 {
            let floor = self.prologue.ack_floor.unwrap_or(0);
            more.id = Some(floor.checked_add(self.r.varint()?).ok_or(DecodeError::BadNumber)?);
        }
        more.priority = match second & extended::PRIORITY {
            0 => Priority::Normal,
            1 => Priority::Low,
            2 => Priority::High,
            _ => Priority::Critical,
        };
        Ok(more)
    }

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

    #[cold]
    fn read_info(&mut self) -> Result<RawBody, DecodeError> {
        let (heartbeat_ms, started_ms) = (self.r.varint()?, self.r.varint()?);
        let process = u32::try_from(self.r.varint()?).map_err(|_| DecodeError::BadNumber)?;
        let (host, version) = (self.read_text()?, self.read_text()?);
        Ok(RawBody::Info { heartbeat_ms, started_ms, process, host, version })
    }

    /// Reads a text of at most 255 bytes.
    fn read_text(&mut self) -> Result<At, DecodeError> {
        let text = self.r.string()?;
        core::str::from_utf8(text).map_err(|_| DecodeError::BadUtf8)?;
        Ok((self.span_of(text), text.len() as u16))
    }

    #[inline(never)]
    fn read_state(&mut self, first: u8) -> Result<RawBody, DecodeError> {
        let r = &mut self.r;
        match StateForm::of_record(first).ok_or(DecodeError::BadRecord)? {
            StateForm::Total => Ok(RawBody::Total(r.take(DecodeError::BadRecord)?)),
            StateForm::Level => Ok(RawBody::Level(number::read_with_form(r)?)),
            StateForm::Info => self.read_info(),
            StateForm::Buckets => {
                let head: BucketsHead = r.take(DecodeError::BadBuckets)?;
                let (unit, layout) = (head.unit(), head.layout());
                let sum = number::read_with_form(r)?;
                let before = r.rest();
                check_pairs(r)?;
                let length = before.len() - r.rest().len();
                let at = self.body.len() - before.len();
                Ok(RawBody::Buckets { unit, layout, sum, at, length })
            }
        }
    }
}

/// Where a text stands in the body, and its length.
type At = (u16, u16);

/// Reads the bucket pairs up to the zero that ends them, and checks them.
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
    body: RawBody,
}

/// The fields that only some events have.
struct More {
    priority: Priority,
    rate: u32,
    id: Option<u64>,
    has_dynamic: bool,
}

impl More {
    const NONE: Self = Self { priority: Priority::Normal, rate: 1, id: None, has_dynamic: false };
}

enum RawBody {
    Event { kind: Kind, time_ns: u64, content: RawContent, more: More },
    Total(u64),
    Level(Value),
    Buckets { unit: Unit, layout: Layout, sum: Value, at: usize, length: usize },
    Info { heartbeat_ms: u64, started_ms: u64, process: u32, host: At, version: At },
}

enum RawContent {
    Number(Value),
    Text(u16, u16),
}

impl Raw {
    #[inline(always)]
    fn borrow<'r, const STRINGS: usize, const ARENA: usize>(
        self,
        tables: &'r Decoder<STRINGS, ARENA>,
        body: &'r [u8],
    ) -> Record<'r> {
        let mut has_dynamic = false;
        Record {
            name: Text { index: self.name, text: tables.text(self.name) },
            body: match self.body {
                RawBody::Event { kind, time_ns, content, more } => {
                    let content = match content {
                        RawContent::Number(value) => Content::Number(value),
                        RawContent::Text(at, length) => Content::Text(checked(body, at, length)),
                    };
                    let More { priority, rate, id, .. } = more;
                    has_dynamic = more.has_dynamic;
                    Body::Event(Event { kind, priority, time_ns, content, rate, id })
                }
                RawBody::Total(total) => Body::Total(total),
                RawBody::Level(level) => Body::Level(level),
                RawBody::Buckets { unit, layout, sum, at, length } => {
                    let pairs = body.get(at..at + length).unwrap_or(&[]);
                    Body::Buckets(Buckets { unit, layout, sum, pairs })
                }
                RawBody::Info { heartbeat_ms, started_ms, process, host, version } => {
                    let text = |(at, length): At| checked(body, at, length);
                    let (host, version) = (text(host), text(version));
                    Body::Info(Details { heartbeat_ms, started_ms, process, host, version })
                }
            },
            tags: Tags { set: self.set, has_dynamic, tables, body },
        }
    }
}
