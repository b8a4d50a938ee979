//! A record call to a running client allocates nothing, not even a thread's first one.

use std::time::Duration;

use allocation_counter::measure;
use ringstat_core::send::from_fn;
use ringstat_std::{Client, Counter, Gauge, Histogram, Recorder};

static COUNTER: Counter = Counter::new("c");
static GAUGE: Gauge = Gauge::new("g");
static HISTOGRAM: Histogram = Histogram::new("h");

#[test]
fn recording_allocates_nothing() {
    let stats = Client::builder("unused")
        .instruments(&[&COUNTER, &GAUGE, &HISTOGRAM])
        .build_with(from_fn(|_| Ok(())))
        .unwrap();
    let made = stats.counter("made", &[("at", "run time")]);
    let name = stats.intern("made.at.run.time").unwrap();
    let allocations = std::thread::scope(|scope| {
        let record = || {
            for i in 0..20_000u32 {
                stats.count("c", 1u8).tags(&[("a", "b")]).record();
                stats.level(name, f64::from(i)).record();
                stats.timing("t", Duration::from_nanos(5)).tag("table", "orders").record();
                stats.set("s", 1u8).text("member").record();
                let request = stats.count("r", 1u8).tag("route", "/users/{id}/orders");
                request.tag("method", "GET").tag("status", "200").record();
                stats.event("e").text("a text that is longer than what fits a slot").record();
                stats.level("", 0u8).record();
                COUNTER.inc();
                GAUGE.set(1.0);
                HISTOGRAM.record(u64::from(i));
                made.inc();
            }
        };
        scope.spawn(move || measure(record).count_total).join().unwrap()
    });
    assert_eq!(allocations, 0);
    let ledger = stats.shutdown(Duration::from_secs(5));
    assert_eq!(ledger.recorded, 140_000);
    assert!(ledger.closes());
}
