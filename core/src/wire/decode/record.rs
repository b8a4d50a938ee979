//! A record as received, borrowing from the datagram and from the decoder.

use super::tables::Tables;
use crate::instrument::{Details, Layout, Meaning, Unit};
use crate::record::{Kind, Priority, Value};
use crate::wire::cursor::Reader;

/// A string and its index in the datagram: equal indices mean equal strings.
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
    /// The name of the record; never empty.
    pub name: Text<'a>,
    /// Its tags.
    pub tags: Tags<'a>,
    /// The event, or the state of an instrument.
    pub body: Body<'a>,
}

/// The content of a record.
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
    /// Who the sender is: the record's name is its program, and its tags are free labels.
    Info(Details<&'a str>),
    /// What the record's name means. Tags say nothing here.
    Description(Meaning<&'a str>),
}

/// An event as received.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Event<'a> {
    /// The kind of the event.
    pub kind: Kind,
    /// How much it mattered to its sender.
    pub priority: Priority,
    /// When it was recorded, in nanoseconds from the origin that the prologue names. Saturates.
    pub time_ns: u64,
    /// Its number or text.
    pub content: Content<'a>,
    /// How many events of its kind this one stands for; at least 1.
    pub rate: u32,
    /// The identifier of a critical event, by which it is acknowledged, and recognized if it arrives again.
    pub id: Option<u64>,
}

/// The number or text of an event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Content<'a> {
    /// A number. An integer is given as a decimal with scale 0, unless it is too large for one;
    /// [`as_u64`](Value::as_u64) reads both.
    Number(Value),
    /// A text.
    Text(&'a str),
}

/// The tags of a record: those of its tag set, then its dynamic ones.
#[derive(Clone, Copy)]
pub struct Tags<'a> {
    pub(super) set: Option<u16>,
    pub(super) has_dynamic: bool,
    // One pointer rather than a slice per table, because a record is passed by value.
    pub(super) tables: &'a dyn Tables,
    pub(super) body: &'a [u8],
}

impl<'a> Tags<'a> {
    /// The index of the tag set in the datagram: equal indices mean equal sets. `None` if the record has no set.
    #[inline]
    #[must_use]
    pub fn set_index(&self) -> Option<u16> {
        self.set
    }

    /// Whether the record has tags besides those of the set.
    #[inline]
    #[must_use]
    pub fn has_dynamic(&self) -> bool {
        self.has_dynamic
    }

    /// The number of tags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices().len() + if self.has_dynamic { self.tables.dynamic().len() } else { 0 }
    }

    /// Whether the record has no tags.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the tags as key and value, in the order in which the sender added them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let tables = self.tables;
        self.indices().iter().filter_map(move |tag| tables.tag(*tag)).chain(self.dynamic())
    }

    /// The indices of the set's tags in the datagram: equal indices mean equal tags.
    #[must_use]
    pub fn indices(&self) -> &'a [u16] {
        self.set.map_or(&[], |set| self.tables.members(set))
    }

    /// The tag at an index from [`indices`](Self::indices).
    #[must_use]
    pub fn tag(&self, index: u16) -> Option<(&'a str, &'a str)> {
        self.tables.tag(index)
    }

    /// The tags besides those of the set.
    pub fn dynamic(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let Self { tables, body, .. } = *self;
        let all = if self.has_dynamic { tables.dynamic() } else { &[] };
        all.iter().map(move |d| (tables.text(d.key), checked(body, d.at, d.length.into())))
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
    /// The unit of the recorded values.
    pub unit: Unit,
    /// The bounds of the buckets.
    pub layout: Layout,
    /// The sum of all recorded values.
    pub sum: Value,
    pub(super) pairs: &'a [u8],
}

impl<'a> Buckets<'a> {
    /// The finest precision that the format allows.
    pub const PRECISION_LIMIT: u8 = 8;
    /// Every bucket index is below this limit.
    pub const INDEX_LIMIT: u64 = 1 << 16;

    /// Iterates over index and count of the buckets that are not empty, in ascending order. A bucket that is not named
    /// keeps the count from an earlier datagram.
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

/// A string of the body that was checked to be UTF-8 when it was read.
#[inline]
pub(super) fn checked(body: &[u8], at: u16, length: u16) -> &str {
    let at = usize::from(at);
    let bytes = body.get(at..at + usize::from(length)).unwrap_or(&[]);
    core::str::from_utf8(bytes).unwrap_or("")
}
