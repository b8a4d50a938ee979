//! A record as received: what it borrows from the datagram and from the decoder.

use super::tables::Tables;
use crate::instrument::{Layout, Unit};
use crate::record::{Kind, Priority, Value};
use crate::wire::cursor::Reader;

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
    /// A number. An integer comes as a decimal without places, unless it is too large for one;
    /// [`as_u64`](Value::as_u64) does not care.
    Number(Value),
    /// A text.
    Text(&'a str),
}

/// The tags of a record: those of its tag set, then its dynamic ones.
#[derive(Clone, Copy)]
pub struct Tags<'a> {
    pub(super) set: Option<u16>,
    pub(super) has_dynamic: bool,
    // One pointer and not a slice for each table: a record is handed over by value.
    pub(super) tables: &'a dyn Tables,
    pub(super) body: &'a [u8],
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
        self.indices().len() + if self.has_dynamic { self.tables.dynamic().len() } else { 0 }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Key and value of each, in the order the sender gave them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let tables = self.tables;
        self.indices().iter().filter_map(move |tag| tables.tag(*tag)).chain(self.dynamic())
    }

    /// The places of the set's tags in the datagram: equal indices are equal tags.
    #[must_use]
    pub fn indices(&self) -> &'a [u16] {
        self.set.map_or(&[], |set| self.tables.members(set))
    }

    /// The tag at such a place.
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
    /// The unit of what was recorded.
    pub unit: Unit,
    /// Where its buckets lie.
    pub layout: Layout,
    /// Everything recorded, added up.
    pub sum: Value,
    pub(super) pairs: &'a [u8],
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

/// A string of the body that was found to be UTF-8 when it was read.
#[inline]
pub(super) fn checked(body: &[u8], at: u16, length: u16) -> &str {
    let at = usize::from(at);
    let bytes = body.get(at..at + usize::from(length)).unwrap_or(&[]);
    core::str::from_utf8(bytes).unwrap_or("")
}
