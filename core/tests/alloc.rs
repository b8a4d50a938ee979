//! Nothing allocates after start-up: not recording of any kind, nor packing, nor unpacking.

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure;
use ringstat_core::format::{Format, Header, Packer, Prologue};
use ringstat_core::instrument::{Counter, Gauge, Histogram, Instrument};
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Copied, Event, Interner, Kind, Outcome, Recorder};
use ringstat_core::ring::mpmc;
use ringstat_core::testkit::Corpus;
use ringstat_core::text::{self, Dialect};
use ringstat_core::wire::{Decoder, Encoder};

fn allocations(f: impl FnOnce()) -> u64 {
    measure(f).count_total
}

static RING: mpmc::Ring<Event, [mpmc::Cell<Event>; 64]> =
    mpmc::Ring::new([const { mpmc::Cell::new() }; 64]);
static NAMES: Interner<64, 1024> = Interner::new();
static COUNTER: Counter = Counter::new("c").tags(&[("k", "v")]);
static GAUGE: Gauge = Gauge::new("g");
static HISTOGRAM: Histogram = Histogram::new("h");

struct Stats;

impl Recorder for Stats {
    type Strings<'a> = Copied;

    fn now(&self) -> u64 {
        1
    }
    fn push(&self, event: &Event) -> Outcome {
        if RING.try_push_evicting(event, |_| ()) {
            Outcome::Recorded
        } else {
            Outcome::Dropped(Cause::Full)
        }
    }
    fn refuse(&self, cause: Cause) -> Outcome {
        Outcome::Dropped(cause)
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

#[test]
fn recording_allocates_nothing() {
    let count = allocations(|| {
        for i in 0..1000u32 {
            let symbol = NAMES.intern("made.at.run.time").unwrap();
            assert!(Stats.count("count", 1u8).tags(&[("a", "b")]).record().is_recorded());
            assert!(Stats.level(symbol, f64::from(i)).record().is_recorded());
            assert!(
                Stats
                    .timing("t", Duration::from_nanos(1))
                    .tag("table", "orders")
                    .record()
                    .is_recorded()
            );
            assert!(Stats.distribution("d", i).sampled(10).record().is_recorded());
            assert!(Stats.set("s", 1u8).text("member").record().is_recorded());
            assert!(Stats.event("e").symbol(symbol).record().is_recorded());
            assert!(!Stats.level("", 0u8).record().is_recorded());
            COUNTER.inc();
            GAUGE.set(1.5);
            HISTOGRAM.record(u64::from(i));
        }
        while RING.pop().is_some() {}
    });
    assert_eq!(count, 0);
}

#[test]
fn packing_and_unpacking_allocate_nothing() {
    let events: Vec<Event> = Corpus::new(1)
        .take(6000)
        .map(|e| {
            let mut event = Event::new(Kind::Gauge, e.name.into(), e.value, e.time_ns).unwrap();
            event.set_tags(e.tags).unwrap();
            event
        })
        .collect();
    let mut encoder: Box<Encoder> = Box::default();
    let mut decoder: Box<Decoder> = Box::default();
    let mut buf = vec![0; 1472];
    let mut read = 0;
    let count = allocations(|| {
        let mut left = &events[..];
        while !left.is_empty() {
            let mut datagram =
                encoder.begin(&mut buf, &Header::default(), &Prologue::default()).unwrap();
            while let Some((event, rest)) = left.split_first() {
                if datagram.event(event, &NAMES).is_err() {
                    break;
                }
                left = rest;
            }
            for instrument in [&COUNTER as &dyn Instrument, &GAUGE, &HISTOGRAM] {
                let _ = black_box(datagram.instrument(instrument, 0));
            }
            let length = datagram.finish(false);
            let mut datagram = decoder.open(&buf[..length]).unwrap();
            while let Some(record) = datagram.next() {
                black_box(record.unwrap().tags.iter().count());
                read += 1;
            }
        }
    });
    assert_eq!(count, 0);
    assert!(read >= 6000);
}

#[test]
fn lines_allocate_nothing_either() {
    let events: Vec<Event> = Corpus::new(1)
        .take(6000)
        .map(|e| {
            let mut event = Event::new(Kind::Gauge, e.name.into(), e.value, e.time_ns).unwrap();
            event.set_tags(e.tags).unwrap();
            event.push_tag("reserved:", "|").unwrap();
            event.set_rate(3);
            event
        })
        .collect();
    let mut encoder: Box<text::Encoder<_>> =
        Box::new(text::Encoder::new(Dialect::StatsD, text::Fixed::<512, 64>::new()));
    let mut buf = vec![0; 1472];
    let mut lines = 0;
    let count = allocations(|| {
        for (sequence, events) in (0..).zip(events.chunks(8)) {
            COUNTER.inc();
            HISTOGRAM.record(u64::from(sequence));
            let header = Header { sequence, ..Header::default() };
            let mut datagram = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
            for event in events {
                datagram.event(event, &NAMES).unwrap();
            }
            for (number, instrument) in
                [&COUNTER as &dyn Instrument, &GAUGE, &HISTOGRAM].into_iter().enumerate()
            {
                datagram.instrument(number, instrument, 0).unwrap();
            }
            lines += datagram.records();
            black_box(datagram.finish(false));
            encoder.settle(sequence, sequence % 2 == 0);
        }
    });
    assert_eq!(count, 0);
    assert!(lines > 6000 + 3 * 700);
}
