//! Overflow: what a record call costs when the rings are full and stay full, and what a datagram costs when the
//! collector's store is full.
//!
//! ringstat with policies that refuse and that overwrite is compared with cadence's queue in front of a sink that is
//! stuck, and a store with room for a few series with one that has room for all.
//!
//! Every outcome must be in the ledger, and every record in the collector's account. Record calls must not allocate a
//! single byte, whether they are accepted or not; other allocations are printed.
//!
//! `cargo bench -p ringstat-benches --bench memory_pressure`

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use cadence::prelude::*;
use cadence::{MetricSink, QueuingMetricSink, StatsdClient};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use ringstat_benches::corpus;
use ringstat_benches::path::TAGS;
use ringstat_collector::{Collector, Limits};
use ringstat_core::format::PAYLOAD_ETHERNET;
use ringstat_core::send::{SendError, from_fn};
use ringstat_std::{Cause, Client, Outcome, Policy, Preset, Recorder};

/// The number of record kinds in the corpus.
const KINDS: usize = 4;
/// The number of calls whose allocations are counted.
const ROW: u64 = 1000;

fn report(name: &str, counted: &AllocationInfo) {
    let each = |n: u64| n as f64 / ROW as f64;
    let (count, bytes) = (each(counted.count_total), each(counted.bytes_total));
    eprintln!("{name}: {count} allocations of {bytes} bytes a call");
}

/// Measures record calls to a client that cannot send anything.
fn full_rings(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, policy: Policy) {
    let builder = Client::builder("nowhere:1").preset(Preset::LowMemory).policy(policy);
    let client = builder.report_interval(None).build_with(from_fn(|_| Err(SendError::WouldBlock)));
    let client = client.expect("a client");
    let mut recorded = 0;
    // Returns how many events were dropped, whether the new ones or others to make room for them.
    let mut record = |times: u64| {
        recorded += times;
        let one = |n| client.count("http.requests", n).tags(TAGS).tag("user", "alice").record();
        (0..times).filter(|n| one(*n) != Outcome::Recorded).count() as u64
    };
    // This fills the sender, and then the rings behind it.
    while record(ROW) < ROW {
        std::thread::yield_now();
    }
    let counted = measure(|| _ = record(ROW));
    report(name, &counted);
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0), "{name} asks the heap");
    let before = client.ledger().dropped.total();
    let mut refused = 0;
    group.bench_function(name, |b| b.iter(|| refused += record(1)));
    let ledger = client.ledger();
    assert_eq!(ledger.dropped.total() - before, refused, "{name}: {ledger:?}");
    assert!(ledger.closes() && ledger.recorded == recorded, "{name}: {ledger:?}");
    let ledger = client.shutdown(Duration::from_millis(1));
    assert!(ledger.closes() && ledger.in_flight == 0, "{name}: {ledger:?}");
    assert!(ledger.dropped.get(Cause::Shutdown) > 0, "what was left: {ledger:?}");
}

/// A sink that does not return as long as the lock is held.
struct Stuck(Arc<RwLock<()>>);

impl MetricSink for Stuck {
    fn emit(&self, metric: &str) -> io::Result<usize> {
        let _until_it_is_free = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(metric.len())
    }
}

fn full_queue(group: &mut BenchmarkGroup<'_, WallTime>) {
    let lock = Arc::new(RwLock::new(()));
    let held = lock.write().unwrap_or_else(PoisonError::into_inner);
    let sink = QueuingMetricSink::with_capacity(Stuck(lock.clone()), 256);
    let client = StatsdClient::from_sink("", sink);
    let refused = |times: u64| {
        let one = |n| {
            let metric = client.count_with_tags("http.requests", n).with_tag("user", "alice");
            TAGS.iter().fold(metric, |m, (key, value)| m.with_tag(key, value)).try_send()
        };
        (0..times).filter(|n| one(*n).is_err()).count() as u64
    };
    while refused(ROW) < ROW {
        std::thread::yield_now();
    }
    report("cadence queue", &measure(|| _ = refused(ROW)));
    group.bench_function("cadence queue", |b| b.iter(|| assert_eq!(refused(1), 1)));
    drop(held);
}

/// Measures datagrams of a thousand series to a collector with room for `series`.
fn store(group: &mut BenchmarkGroup<'_, WallTime>, series: usize) {
    let events = corpus::events(6000).expect("the corpus is sound");
    let mut datagrams = corpus::datagrams(&events, PAYLOAD_ETHERNET);
    let mut next = 0;
    let mut collector = Collector::new(Limits { series, ..Limits::default() });
    let mut passes = 0;
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function(BenchmarkId::new("collector, room for series", series), |b| {
        b.iter_batched(
            || {
                corpus::renumber(&mut datagrams, &mut next);
                datagrams.clone()
            },
            |fresh| {
                fresh.iter().for_each(|datagram| _ = collector.receive(datagram, 0));
                passes += 1;
            },
            BatchSize::PerIteration,
        );
    });
    let counts = collector.counts();
    assert!(counts.closes() && counts.accepted == u64::from(next), "{counts:?}");
    assert_eq!(counts.stored, passes * events.len() as u64, "overflow keeps the totals");
    // There is one more series of each kind for what overflows.
    assert!(collector.store().len() <= series + KINDS, "{} series", collector.store().len());
}

fn memory_pressure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("memory pressure/full rings");
    full_rings(&mut group, "drop newest", Policy::DropNewest);
    full_rings(&mut group, "drop oldest", Policy::DropOldest);
    full_rings(&mut group, "by priority", Policy::ByPriority);
    full_rings(&mut group, "graded", Policy::Graded(10));
    full_queue(&mut group);
    group.finish();
    let mut group = criterion.benchmark_group("memory pressure/full store");
    group.sample_size(20);
    store(&mut group, 64);
    store(&mut group, 100_000);
    group.finish();
}

criterion_group!(benches, memory_pressure);
criterion_main!(benches);
