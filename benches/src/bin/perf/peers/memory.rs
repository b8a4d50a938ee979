//! Memory: heap allocations of a steady state, and what buffered events take.

use std::hint::black_box;

use allocation_counter::measure;
use ringstat_benches::corpus::renumber;
use ringstat_collector::{Collector, Limits};
use ringstat_core::record::Event;
use ringstat_core::ring::{Slot, spsc};
use ringstat_core::testkit::NullTransport;
use ringstat_core::wire::Decoder;
use ringstat_std::{Client, Counter, Gauge, Histogram, Preset, Recorder, Tag};

use super::{Effort, Goal, Measured, Row, check};
use crate::suite;

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart")];
static COUNTER: Counter = Counter::new("requests");
static GAUGE: Gauge = Gauge::new("level");
static HISTOGRAM: Histogram = Histogram::new("took");

fn allocations(what: &str, count: u64) -> Row {
    let what = format!("heap allocations: {what}");
    Row::new(&what, count as f64, Goal::AtMost(0.0), "", String::new())
}

/// Of the calling thread, with a client at work.
fn record() -> Measured<Row> {
    let nowhere = NullTransport::default();
    let stats = Client::builder("nowhere:1").preset(Preset::HighThroughput).build_with(nowhere)?;
    // The first record of a thread takes its ring.
    let once = |n: u64| {
        let dynamic = stats.count("http.requests", n).tags(TAGS).tag("user", "alice").record();
        COUNTER.inc();
        GAUGE.set(n as f64);
        HISTOGRAM.record(n);
        dynamic.is_recorded()
    };
    check(once(0), || "nothing was recorded".into())?;
    let mut recorded = 0;
    let counted = measure(|| recorded = (0..10_000).filter(|n| once(black_box(*n))).count());
    check(recorded == 10_000, || format!("{recorded} of 10000 were recorded"))?;
    Ok(allocations("recording 10 000 events and on three instruments", counted.count_total))
}

fn wire() -> Measured<Vec<Row>> {
    let wrong = |w: suite::Wrong| super::Wrong(w.0);
    let mut encoded = 0;
    let mut encode = suite::encoder().map_err(wrong)?;
    let encoding = measure(|| encoded = encode());
    check(encoded > 0, || "nothing was encoded".into())?;
    let datagrams = suite::datagrams().map_err(wrong)?;
    let mut decoder: Box<Decoder> = Box::default();
    let mut decoded = 0;
    let decoding = measure(|| {
        for datagram in &datagrams {
            let Ok(mut opened) = decoder.open(datagram) else { continue };
            while let Some(Ok(record)) = opened.next() {
                black_box(&record);
                decoded += 1;
            }
        }
    });
    check(decoded > 0, || "nothing was decoded".into())?;
    // Two passes make the series and what they hold; the third finds all of it there.
    let mut collector = Collector::new(Limits::default());
    let mut sequence = 0u32;
    let mut pass = |collector: &mut Collector, all: &mut [Vec<u8>]| {
        renumber(all, &mut sequence);
        let counted = measure(|| all.iter().for_each(|d| _ = collector.receive(d, 0)));
        counted.count_total
    };
    let mut all = datagrams.clone();
    pass(&mut collector, &mut all);
    pass(&mut collector, &mut all);
    let collecting = pass(&mut collector, &mut all);
    check(collector.counts().accepted == 3 * all.len() as u64, || "not all accepted".into())?;
    Ok(vec![
        allocations("encoding 6000 events", encoding.count_total),
        allocations("decoding them", decoding.count_total),
        allocations("collecting them, series known", collecting),
    ])
}

pub(super) fn rows(_: &Effort) -> Measured<Vec<Row>> {
    const EVENTS: usize = 10_000;
    let mut rows = vec![record()?];
    rows.extend(wire()?);
    let ring = |slot: usize, whole: usize| (EVENTS * slot).max(whole) as f64 / 1000.0;
    let with_tags = ring(
        size_of::<Slot<Event>>(),
        size_of::<spsc::Ring<Event, [Slot<Event>; EVENTS]>>() - 1024,
    );
    let without = ring(size_of::<Slot<Event<2>>>(), 0);
    rows.push(Row::new(
        "10 000 buffered events",
        with_tags,
        Goal::AtMost(640.0),
        " kB",
        String::new(),
    ));
    let what = "10 000 buffered events without dynamic tags";
    rows.push(Row::new(what, without, Goal::AtMost(500.0), " kB", String::new()));
    Ok(rows)
}
