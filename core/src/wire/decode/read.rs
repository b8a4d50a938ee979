//! Reading the records of an open datagram, one after the other.

use super::{Body, Buckets, Content, Datagram, Dynamic, Event, Record, Tags, Text};
use crate::instrument::{Details, Meaning};
use crate::record::{DYNAMIC_TAG_LIMIT, Kind, Priority};
use crate::wire::cursor::Reader;
use crate::wire::error::DecodeError;
use crate::wire::layout::{Form, StateForm, extended, tag};
use crate::wire::number;
use crate::wire::state::{BucketsHead, UnitCode};

impl<'a, const STRINGS: usize, const ARENA: usize> Datagram<'a, STRINGS, ARENA> {
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
            Ok(Read { name, set, has_dynamic, body }) => Some(Ok(Record {
                name: Text { index: name, text: self.tables.text(name) },
                tags: Tags { set, has_dynamic, tables: self.tables, body: self.body },
                body,
            })),
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
    fn read(&mut self) -> Result<Read<'a>, DecodeError> {
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
                Body::Event(self.read_event(kind, Form::of_record(first), second)?)
            }
        };
        let has_dynamic = second & extended::DYNAMIC != 0 && !self.tables.dynamic.is_empty();
        Ok(Read { name, set, has_dynamic, body })
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
    fn read_event(&mut self, kind: Kind, form: Form, second: u8) -> Result<Event<'a>, DecodeError> {
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
            Some((_, bits)) => Content::Number(number::of_varint(form, bits.into())?),
            None => self.read_content(form)?,
        };
        let time_ns = self.time.saturating_mul(self.nanos);
        let more = if second == 0 { More::NONE } else { self.read_more(second)? };
        let More { priority, rate, id } = more;
        Ok(Event { kind, priority, time_ns, content, rate, id })
    }

    #[inline(never)]
    fn read_content(&mut self, form: Form) -> Result<Content<'a>, DecodeError> {
        if form != Form::Text {
            return Ok(Content::Number(number::read(form, &mut self.r)?));
        }
        let text = core::str::from_utf8(self.r.text()?).map_err(|_| DecodeError::BadUtf8)?;
        Ok(Content::Text(text))
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

    /// Not [`Details`] in one piece, although that takes 448 instructions instead of 483: a number or a text that is too
    /// large is then refused before what follows it is read, and for the reason that the specification names.
    #[cold]
    fn read_info(&mut self) -> Result<Body<'a>, DecodeError> {
        let (heartbeat_ms, started_ms, process): (u64, u64, u64) =
            self.r.take(DecodeError::BadRecord)?;
        let process = u32::try_from(process).map_err(|_| DecodeError::BadNumber)?;
        let (host, version) = (self.read_text()?, self.read_text()?);
        Ok(Body::Info(Details { heartbeat_ms, started_ms, process, host, version }))
    }

    #[cold]
    fn read_description(&mut self) -> Result<Body<'a>, DecodeError> {
        let unit: UnitCode = self.r.take(DecodeError::BadBuckets)?;
        Ok(Body::Description(Meaning { unit: unit.unit(), text: self.read_text()? }))
    }

    /// Reads a text of at most 255 bytes.
    fn read_text(&mut self) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.r.string()?).map_err(|_| DecodeError::BadUtf8)
    }

    #[inline(never)]
    fn read_state(&mut self, first: u8) -> Result<Body<'a>, DecodeError> {
        let r = &mut self.r;
        match StateForm::of_record(first).ok_or(DecodeError::BadRecord)? {
            StateForm::Total => Ok(Body::Total(r.take(DecodeError::BadRecord)?)),
            StateForm::Level => Ok(Body::Level(number::read_with_form(r)?)),
            StateForm::Info => self.read_info(),
            StateForm::Description => self.read_description(),
            StateForm::Buckets => {
                let head: BucketsHead = r.take(DecodeError::BadBuckets)?;
                let (unit, layout) = (head.unit(), head.layout());
                let sum = number::read_with_form(r)?;
                let before = r.rest();
                check_pairs(r)?;
                let pairs = &before[..before.len() - r.rest().len()];
                Ok(Body::Buckets(Buckets { unit, layout, sum, pairs }))
            }
        }
    }
}

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

/// A record before it borrows its strings: their indices.
struct Read<'a> {
    name: u16,
    set: Option<u16>,
    has_dynamic: bool,
    body: Body<'a>,
}

/// The fields that only some events have.
struct More {
    priority: Priority,
    rate: u32,
    id: Option<u64>,
}

impl More {
    const NONE: Self = Self { priority: Priority::Normal, rate: 1, id: None };
}
