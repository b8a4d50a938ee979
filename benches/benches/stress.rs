//! Overload: 1, 4, 8 and 16 threads record as fast as they can, into two rings of 256 events and a shared one, far more
//! than the sender can drain. Measures the time per record call.
//!
//! ringstat with each of its policies is compared with cadence's queue of the same capacity.
//!
//! The ledger must balance: every record was sent, or dropped for a counted cause, none is in flight at the end, and
//! the outcomes that the threads saw match the ledger.
//!
//! `cargo bench -p ringstat-benches --bench stress`

use std::time::Duration;

use cadence::prelude::*;
use cadence::{NopMetricSink, QueuingMetricSink, StatsdClient};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use ringstat_benches::path::TAGS;
use ringstat_benches::threads::together;
use ringstat_core::send::from_fn;
use ringstat_std::{Client, Policy, Preset, Recorder};

const THREADS: [u64; 4] = [1, 4, 8, 16];
/// Records of each thread at a time: enough to fill several rings.
const ROW: u64 = 5000;

const POLICIES: [(&str, Policy); 5] = [
    ("drop newest", Policy::DropNewest),
    ("drop oldest", Policy::DropOldest),
    ("by priority", Policy::ByPriority),
    ("sampled", Policy::Sampled(10)),
    ("graded", Policy::Graded(10)),
];

/// Returns how long this many threads take to record `each` events each, and checks that every event is accounted for.
fn ours(policy: Policy, threads: u64, each: u64) -> Duration {
    let builder = Client::builder("nowhere:1").preset(Preset::LowMemory).policy(policy);
    let client = builder.report_interval(None).build_with(from_fn(|_| Ok(())));
    let client = client.expect("a client");
    let record = || {
        let one = |n| client.count("http.requests", n).tags(TAGS).record();
        (0..each).filter(|n| !one(*n).is_recorded()).count() as u64
    };
    let (refused, taken) = together((0..threads).map(|_| record));
    let ledger = client.shutdown(Duration::from_secs(20));
    assert!(ledger.closes() && ledger.in_flight == 0, "{policy:?}, {threads}: {ledger:?}");
    assert_eq!(ledger.recorded, threads * each, "{policy:?}, {threads}");
    // Events that were overwritten later had been accepted at first.
    assert!(refused.iter().sum::<u64>() <= ledger.dropped.total(), "{refused:?}: {ledger:?}");
    assert!(ledger.sent > 0, "{policy:?}, {threads}: {ledger:?}");
    taken
}

/// The counterpart of `ours` for cadence.
fn cadence(threads: u64, each: u64) -> Duration {
    let sink = QueuingMetricSink::with_capacity(NopMetricSink, 256);
    let client = StatsdClient::from_sink("", sink.clone());
    let record = || {
        let one = |n| {
            let metric = client.count_with_tags("http.requests", n);
            TAGS.iter().fold(metric, |m, (key, value)| m.with_tag(key, value)).try_send()
        };
        (0..each).filter(|n| one(*n).is_ok()).count() as u64
    };
    let (taken, time) = together((0..threads).map(|_| record));
    assert_eq!(sink.submitted(), taken.iter().sum::<u64>(), "{threads}");
    time
}

fn stress(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stress");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for threads in THREADS {
        group.throughput(Throughput::Elements(threads * ROW));
        for (name, policy) in POLICIES {
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter_custom(|times| ours(policy, threads, times * ROW));
            });
        }
        group.bench_function(BenchmarkId::new("cadence queue", threads), |b| {
            b.iter_custom(|times| cadence(threads, times * ROW));
        });
    }
}

criterion_group!(benches, stress);
criterion_main!(benches);
