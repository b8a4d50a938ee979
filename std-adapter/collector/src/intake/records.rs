//! From the records of a datagram to the series that hold them.

use std::hash::{BuildHasher, RandomState};

use ringstat_core::format::Header;
use ringstat_core::receive::{IdWindow, Seen};
use ringstat_core::record::Kind;
use ringstat_core::wire::DecodeError;
use ringstat_core::wire::decode::{Body, Content, Datagram};

use crate::series::{Class, Data};
use crate::store::{Cache, Series, Store};

/// Where the records of one datagram go.
pub(super) struct Target<'a> {
    pub(super) store: &'a mut Store,
    pub(super) cache: &'a mut Cache,
    pub(super) hasher: &'a RandomState,
    pub(super) header: Header,
    pub(super) now_ms: u64,
    pub(super) ids: Option<&'a mut IdWindow>,
    /// Events without an identifier.
    pub(super) events: u64,
    /// Events that were here before.
    pub(super) repeated: u64,
}

impl Target<'_> {
    /// Stores all records up to the first malformed one. Returns how many were read and stored.
    pub(super) fn take_all(
        &mut self,
        datagram: &mut Datagram<'_>,
    ) -> (u64, u64, Option<DecodeError>) {
        let (mut read, mut stored) = (0, 0);
        let base_time = datagram.base_time_ns();
        while let Some(record) = datagram.next() {
            let record = match record {
                Ok(record) => record,
                Err(e) => return (read, stored, Some(e)),
            };
            read += 1;
            if let Body::Event(event) = &record.body {
                self.events += u64::from(event.id.is_none());
                if let Some((id, ids)) = event.id.zip(self.ids.as_deref_mut())
                    && ids.insert(id) != Seen::New
                {
                    self.repeated += 1;
                    continue;
                }
            }
            let (class, adds) = match record.body {
                Body::Event(event) => (class_of(event.kind), true),
                Body::Total(_) => (Class::Counter, false),
                Body::Level(_) => (Class::Gauge, true),
                Body::Buckets(_) => (Class::Histogram, false),
            };
            let name = (record.name.index, record.name.text);
            let series =
                self.store.series(self.cache, self.header.sender, name, &record.tags, class, adds);
            let Some(series) = series else { continue };
            series.seen_ms = self.now_ms;
            apply(series, &record.body, &self.header, base_time, self.hasher);
            stored += 1;
        }
        (read, stored, None)
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

/// Puts one record into its series.
///
/// By what the record is, and only then by what the series holds, although a class has one kind of data: the record is
/// at hand, and the series still on its way from memory.
#[inline]
fn apply(
    series: &mut Series,
    body: &Body<'_>,
    header: &Header,
    base_time: u64,
    hasher: &RandomState,
) {
    let event = match body {
        Body::Event(event) => event,
        Body::Total(total) => {
            if let Data::Counter(counter) = &mut series.data {
                counter.total(header.epoch, *total);
            }
            return;
        }
        Body::Level(level) => {
            if let Data::Gauge(gauge) = &mut series.data {
                gauge.state(header.epoch, header.sequence, base_time, level.as_f64());
            }
            return;
        }
        Body::Buckets(buckets) => {
            if let Data::Distribution(distribution) = &mut series.data {
                distribution.unit = buckets.unit;
                let sum = buckets.sum.as_f64();
                distribution.state(header.epoch, buckets.layout, sum, buckets.iter());
            }
            return;
        }
    };
    let number = match event.content {
        Content::Number(value) => value.as_f64(),
        Content::Text(_) => 1.0,
    };
    match (event.kind, &mut series.data) {
        (Kind::Counter, Data::Counter(counter)) => {
            counter.add(number * f64::from(event.rate));
            series.scaled |= event.rate > 1;
        }
        (Kind::Gauge, Data::Gauge(gauge)) => {
            gauge.event(header.epoch, header.sequence, event.time_ns, number);
        }
        (Kind::Timing | Kind::Distribution, Data::Distribution(distribution)) => {
            distribution.add(number, event.rate);
            series.scaled |= event.rate > 1;
        }
        (Kind::Set, Data::Set(set)) => set.add(match event.content {
            Content::Number(_) => hasher.hash_one(number.to_bits()),
            Content::Text(text) => hasher.hash_one(text),
        }),
        (Kind::Event, Data::Event { count, text }) => {
            *count += u64::from(event.rate);
            if let Content::Text(said) = event.content
                && text.as_deref() != Some(said)
            {
                *text = Some(said.into());
            }
        }
        _ => {}
    }
}
