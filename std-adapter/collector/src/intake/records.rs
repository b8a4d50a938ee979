//! From the records of a datagram to the series that hold them.

use std::hash::{BuildHasher, RandomState};

use ringstat_core::format::Header;
use ringstat_core::receive::{IdWindow, Seen};
use ringstat_core::record::Kind;
use ringstat_core::wire::DecodeError;
use ringstat_core::wire::decode::{Body, Content, Datagram, Event};

use crate::memory::Room;
use crate::series::{Class, Data, say};
use crate::store::{Cache, Series, Store, Wanted};

/// Where the records of one datagram are stored.
pub(super) struct Target<'a, 'b> {
    pub(super) store: &'a mut Store,
    pub(super) cache: &'a mut Cache,
    pub(super) hasher: &'a RandomState,
    pub(super) header: Header,
    /// The sender's run. Counts that start again with each run do so when it changes.
    pub(super) run: u32,
    pub(super) now_ms: u64,
    pub(super) ids: Option<&'a mut IdWindow>,
    /// How much the series may grow.
    pub(super) room: Room<'b>,
    pub(super) tally: Tally,
}

/// What became of the records of a datagram.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tally {
    pub(super) read: u64,
    pub(super) stored: u64,
    /// Critical events that had been received before.
    pub(super) repeated: u64,
    /// Amounts and samples that are infinite or not a number, and negative amounts.
    pub(super) refused_values: u64,
    /// Events without an identifier.
    pub(super) events: u64,
}

impl Target<'_, '_> {
    /// Stores all records up to the first malformed one, and returns what is wrong with that.
    pub(super) fn take_all(&mut self, datagram: &mut Datagram<'_>) -> Option<DecodeError> {
        let base_time = datagram.base_time_ns();
        while let Some(record) = datagram.next() {
            let record = match record {
                Ok(record) => record,
                Err(e) => return Some(e),
            };
            self.tally.read += 1;
            if let Body::Event(event) = &record.body {
                self.tally.events += u64::from(event.id.is_none());
                if let Some((id, ids)) = event.id.zip(self.ids.as_deref_mut())
                    && ids.insert(id) != Seen::New
                {
                    self.tally.repeated += 1;
                    continue;
                }
            }
            let (class, may_overflow) = match record.body {
                Body::Event(event) => (class_of(event.kind), true),
                Body::Total(_) => (Class::Counter, false),
                Body::Level(_) => (Class::Gauge, true),
                Body::Buckets(_) => (Class::Histogram, false),
            };
            let unit = match &record.body {
                Body::Buckets(buckets) => buckets.unit,
                _ => class.unit(),
            };
            let wanted = Wanted {
                sender: self.header.sender,
                name: (record.name.index, record.name.text),
                tags: &record.tags,
                class,
                unit,
                may_overflow,
            };
            let Some(series) = self.store.series(self.cache, &mut self.room, wanted) else {
                continue;
            };
            series.seen_ms = self.now_ms;
            let (scaled, spot) = (series.scaled, series.spot());
            let stored = apply(
                series,
                &record.body,
                (&self.header, self.run),
                base_time,
                self.hasher,
                &mut self.room,
            );
            if series.scaled && !scaled {
                self.store.mark_scaled(spot);
            }
            self.tally.stored += u64::from(stored);
            self.tally.refused_values += u64::from(!stored);
        }
        None
    }
}

fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Counter => Class::Counter,
        Kind::Gauge => Class::Gauge,
        Kind::Timing => Class::Timing,
        Kind::Distribution => Class::Distribution,
        Kind::Set => Class::Set,
        Kind::Event => Class::Event,
    }
}

/// Puts one record into its series. Returns whether its value can be one of such a series.
///
/// By what the record is, and only then by what the series holds, although a class has one kind of data: the record is
/// at hand, and the series still on its way from memory.
#[inline]
fn apply(
    series: &mut Series,
    body: &Body<'_>,
    (header, run): (&Header, u32),
    base_time: u64,
    hasher: &RandomState,
    room: &mut Room<'_>,
) -> bool {
    let data = &mut series.data;
    match body {
        Body::Event(event) => apply_event(series, event, (header, run), hasher, room),
        Body::Total(total) => {
            let Data::Counter(counter) = data else { return mismatch() };
            counter.total(run, *total);
            true
        }
        Body::Level(level) => {
            let Data::Gauge(gauge) = data else { return mismatch() };
            gauge.state(run, header.sequence, base_time, level.as_f64());
            true
        }
        Body::Buckets(buckets) => {
            let Data::Distribution(distribution) = data else { return mismatch() };
            let from = (run, header.sequence);
            distribution.state(from, buckets.layout, buckets.sum.as_f64(), buckets.iter(), room);
            true
        }
    }
}

/// Puts an event into its series, as [`apply`] does. No wildcard: a new kind does not compile until it has a place.
#[inline]
fn apply_event(
    series: &mut Series,
    event: &Event<'_>,
    (header, run): (&Header, u32),
    hasher: &RandomState,
    room: &mut Room,
) -> bool {
    let number = match event.content {
        Content::Number(value) => value.as_f64(),
        Content::Text(_) => 1.0,
    };
    let (data, rate) = (&mut series.data, event.rate);
    match event.kind {
        Kind::Counter => {
            let Data::Counter(counter) = data else { return mismatch() };
            series.scaled |= rate > 1;
            counter.add(run, number * f64::from(rate))
        }
        Kind::Gauge => {
            let Data::Gauge(gauge) = data else { return mismatch() };
            gauge.event(run, header.sequence, event.time_ns, number);
            true
        }
        Kind::Timing | Kind::Distribution => {
            let Data::Distribution(distribution) = data else { return mismatch() };
            series.scaled |= rate > 1;
            distribution.add(number, rate, room)
        }
        Kind::Set => {
            let Data::Set(set) = data else { return mismatch() };
            let member = match event.content {
                Content::Number(_) => hasher.hash_one(number.to_bits()),
                Content::Text(text) => hasher.hash_one(text),
            };
            set.add(member, room);
            series.scaled |= !set.is_exact();
            true
        }
        Kind::Event => {
            let Data::Event { count, text } = data else { return mismatch() };
            *count = count.saturating_add(rate.into());
            if let Content::Text(said) = event.content {
                say(text, said, room);
            }
            true
        }
    }
}

/// A record whose class has other data, which cannot be: a series is looked up by class, and a class has one kind of
/// data. If it were otherwise, the record would be counted as refused.
#[cold]
fn mismatch() -> bool {
    debug_assert!(false, "a class has one kind of data");
    false
}
