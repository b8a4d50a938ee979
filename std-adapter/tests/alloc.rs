//! A record call to a running client allocates nothing, not even a thread's first one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use ringstat_core::send::from_fn;
use ringstat_std::{Client, Counter, Gauge, Histogram, Recorder};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator; counting does not touch its memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller fulfils the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller fulfils the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
        let recording = scope.spawn(|| {
            let before = COUNT.get();
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
            COUNT.get() - before
        });
        recording.join().unwrap()
    });
    assert_eq!(allocations, 0);
    let ledger = stats.shutdown(Duration::from_secs(5));
    assert_eq!(ledger.recorded, 140_000);
    assert!(ledger.closes());
}
