//! Unpacking: a datagram is checked, then read record by record. Records borrow from the datagram and from the decoder.
//!
//! Nothing allocates and nothing panics, whatever the bytes. UTF-8 is checked once per new string. Records also give
//! the index of each string and tag set in the datagram, so that a receiver can look each up once per datagram instead
//! of once per record.

use heapless::{String, Vec};

use super::cursor::Reader;
use super::error::DecodeError;
use super::{ARENA_LIMIT, TABLE_LIMIT, crc};
use crate::format::{Header, PAYLOAD_MAX, Prologue};
use crate::record::DYNAMIC_TAG_LIMIT;

mod read;
mod record;
mod tables;

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
}
