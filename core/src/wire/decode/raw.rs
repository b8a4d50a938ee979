//! A record just read, as indices and positions: it borrows the strings when it is handed out.

use super::record::checked;
use super::{Body, Buckets, Content, Decoder, Event, Record, Tags, Text};
use crate::instrument::{Details, Layout, Meaning, Unit};
use crate::record::{Kind, Priority, Value};

/// A record as indices and positions, before it borrows the strings.
pub(super) struct Raw {
    pub(super) name: u16,
    pub(super) set: Option<u16>,
    pub(super) body: RawBody,
}

pub(super) enum RawBody {
    Event { kind: Kind, time_ns: u64, content: RawContent, more: More },
    Total(u64),
    Level(Value),
    Buckets { unit: Unit, layout: Layout, sum: Value, at: usize, length: usize },
    Info { heartbeat_ms: u64, started_ms: u64, process: u32, host: At, version: At },
    Description { unit: Unit, text: At },
}

pub(super) enum RawContent {
    Number(Value),
    Text(u16, u16),
}

/// The fields that only some events have.
pub(super) struct More {
    pub(super) priority: Priority,
    pub(super) rate: u32,
    pub(super) id: Option<u64>,
    pub(super) has_dynamic: bool,
}

impl More {
    pub(super) const NONE: Self =
        Self { priority: Priority::Normal, rate: 1, id: None, has_dynamic: false };
}

/// Where a text stands in the body, and its length.
pub(super) type At = (u16, u16);

impl Raw {
    #[inline(always)]
    pub(super) fn borrow<'r, const STRINGS: usize, const ARENA: usize>(
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
                RawBody::Description { unit, text: (at, length) } => {
                    Body::Description(Meaning { unit, text: checked(body, at, length) })
                }
            },
            tags: Tags { set: self.set, has_dynamic, tables, body },
        }
    }
}
