//! Heap allocations in a steady state, which should not take any more memory.

use std::hint::black_box;

use allocation_counter::measure;
use ringstat_benches::corpus::renumber;
use ringstat_collector::{Collector, Limits};
use ringstat_core::ring::{Slot, spsc};
use ringstat_core::testkit::NullTransport;
use ringstat_core::wire::Decoder;
use ringstat_std::{Client, Counter, Gauge, Histogram, Preset, Recorder, Tag};

use super::exact;
use crate::results::Metric;
use crate::suite::{self, Wrong, check};

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart")];
static COUNTER: Counter = Counter::new("requests");
static GAUGE: Gauge = Gauge::new("level");
static HISTOGRAM: Histogram = Histogram::new("took");

pub(super) fn metrics() -> Result<Vec<Metric>, Wrong> {
    let wire = of_wire()?;
    let of = |name: &str, value: u64| exact("allocations", name, "allocations", value as f64);
    Ok(vec![
        of("ring", of_a_ring()?),
        of("record", of_recording()?),
        of("encode", wire.encoding),
        of("decode", wire.decoding),
        of("collect", wire.collecting),
    ])
}

/// Counts the allocations of sending 10 000 items through a ring.
fn of_a_ring() -> Result<u64, Wrong> {
    let mut ring: Box<spsc::Ring<[u64; 8], [Slot<[u64; 8]>; 64]>> = Box::default();
    let (mut producer, mut consumer) = ring.split();
    let mut through = 0;
    let counted = measure(|| {
        through = (0..10_000u64)
            .filter(|n| producer.push([*n; 8]).is_ok() && consumer.pop() == Some([*n; 8]))
            .count();
    });
    check(through == 10_000, || format!("{through} of 10000 came through"))?;
    Ok(counted.count_total)
}

/// Counts the calling thread's allocations while it records 10 000 events and updates three instruments, with a client
/// running.
pub(crate) fn of_recording() -> Result<u64, Wrong> {
    let nowhere = NullTransport::default();
    let builder = Client::builder("nowhere:1").preset(Preset::HighThroughput);
    let stats = builder.build_with(nowhere)?;
    let once = |n: u64| {
        let dynamic = stats.count("http.requests", n).tags(TAGS).tag("user", "alice").record();
        COUNTER.inc();
        GAUGE.set(n as f64);
        HISTOGRAM.record(n);
        dynamic.is_recorded()
    };
    // The first record of a thread claims its ring.
    check(once(0), || "nothing was recorded".into())?;
    let mut recorded = 0;
    let counted = measure(|| recorded = (0..10_000).filter(|n| once(black_box(*n))).count());
    check(recorded == 10_000, || format!("{recorded} of 10000 were recorded"))?;
    Ok(counted.count_total)
}

/// The allocations of encoding, decoding and collecting the corpus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocations {
    pub(crate) encoding: u64,
    pub(crate) decoding: u64,
    pub(crate) collecting: u64,
    /// Bytes allocated per datagram collected.
    pub(crate) collecting_bytes: f64,
}

/// Counts the allocations of encoding the corpus, of decoding it, and of collecting it into series that exist already.
pub(crate) fn of_wire() -> Result<Allocations, Wrong> {
    let mut encoded = 0;
    let mut encode = suite::encoder()?;
    let encoding = measure(|| encoded = encode());
    check(encoded > 0, || "nothing was encoded".into())?;
    let datagrams = suite::datagrams()?;
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
    // The first two passes create the series and their storage; the third finds them in place.
    let mut collector = Collector::new(Limits::default());
    let (mut sequence, mut all) = (0u32, datagrams);
    let mut pass = || {
        renumber(&mut all, &mut sequence);
        measure(|| all.iter().for_each(|d| _ = collector.receive(d, 0)))
    };
    pass();
    pass();
    let collecting = pass();
    let count = all.len() as u64;
    check(collector.counts().accepted == 3 * count, || "not all were accepted".into())?;
    Ok(Allocations {
        encoding: encoding.count_total,
        decoding: decoding.count_total,
        collecting: collecting.count_total,
        collecting_bytes: collecting.bytes_total as f64 / count as f64,
    })
}
