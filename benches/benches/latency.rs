//! Latency: how long single record calls take, each timed by itself. After Criterion's mean, p50, p95, p99 and p99.9 of
//! all calls are printed.
//!
//! ringstat's events and instruments are compared with cadence (buffered, and behind its queue) and prometheus. Every
//! number includes the time of reading the clock, which is also measured alone and printed first. Reading the clock
//! does not wait until a call has ended, so calls of a few nanoseconds show as less.
//!
//! Every call must be accepted, and counted where it ends up.
//!
//! `cargo bench -p ringstat-benches --bench latency`

use std::hint::black_box;
use std::net::UdpSocket;
use std::time::Duration;

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, NopMetricSink, QueuingMetricSink, StatsdClient};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use hdrhistogram::Histogram as Hdr;
use prometheus::{HistogramOpts, IntCounter};
use quanta::Clock;
use ringstat_benches::path::TAGS;
use ringstat_core::send::from_fn;
use ringstat_std::{Client, Counter, Histogram, Preset, Recorder};

/// Calls in a row: fewer than a ring or a queue holds. Then it is emptied while no time is measured.
const ROW: u64 = 4000;

/// Times each call of `call`, which returns whether it was accepted, and returns the number of calls.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    mut call: impl FnMut(u64) -> bool,
    mut drain: impl FnMut(),
) -> u64 {
    let clock = Clock::new();
    let mut times = Hdr::<u64>::new_with_bounds(1, 10_000_000_000, 3).expect("sound bounds");
    let mut calls = 0;
    group.bench_function(name, |b| {
        b.iter_custom(|rows| {
            let mut all = Duration::ZERO;
            for _ in 0..rows {
                for _ in 0..ROW {
                    let begun = clock.raw();
                    let taken = call(black_box(calls));
                    let ended = clock.raw();
                    assert!(taken, "{name}: call {calls} was not taken");
                    calls += 1;
                    let nanos = clock.delta_as_nanos(begun, ended);
                    times.saturating_record(nanos.max(1));
                    all += Duration::from_nanos(nanos);
                }
                drain();
            }
            all
        });
    });
    assert_eq!(times.len(), calls, "{name}");
    if calls > 0 {
        let [p50, p95, p99, p999] = [0.5, 0.95, 0.99, 0.999].map(|q| times.value_at_quantile(q));
        eprintln!("{name:24} p50 {p50:6}  p95 {p95:6}  p99 {p99:6}  p99.9 {p999:6} ns  of {calls}");
    }
    calls
}

fn ringstat(group: &mut BenchmarkGroup<'_, WallTime>) {
    static COUNTER: Counter = Counter::new("requests");
    static HISTOGRAM: Histogram = Histogram::new("took");
    let builder = Client::builder("nowhere:1").preset(Preset::HighThroughput).report_interval(None);
    let client = builder.build_with(from_fn(|_| Ok(()))).expect("a client");
    let drain = || client.flush(Duration::from_secs(20)).expect("nothing is in its way");
    let event = |n| client.count("http.requests", n).tags(TAGS);
    let fixed = |n| event(n).record().is_recorded();
    let dynamic = |n| event(n).tag("user", "alice").record().is_recorded();
    let mut recorded = bench(group, "ringstat event", fixed, drain);
    recorded += bench(group, "ringstat event, own tag", dynamic, drain);
    let ledger = client.shutdown(Duration::from_secs(20));
    assert_eq!((ledger.recorded, ledger.sent), (recorded, recorded), "{ledger:?}");

    let add = |_| {
        COUNTER.inc();
        true
    };
    assert_eq!(bench(group, "ringstat counter", add, || ()), COUNTER.total());
    let observe = |n| {
        HISTOGRAM.record(n);
        true
    };
    assert_eq!(bench(group, "ringstat histogram", observe, || ()), HISTOGRAM.count());
}

fn cadence(group: &mut BenchmarkGroup<'_, WallTime>) {
    let record = |client: &StatsdClient, n| {
        let metric = client.count_with_tags("http.requests", n);
        TAGS.iter().fold(metric, |m, (key, value)| m.with_tag(key, value)).try_send().is_ok()
    };
    // Nobody reads from this socket; the kernel drops what does not fit.
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let to = nobody.local_addr().expect("its address");
    let sink = BufferedUdpMetricSink::from(to, socket).expect("an address");
    let buffered = StatsdClient::from_sink("", sink);
    bench(group, "cadence buffered", |n| record(&buffered, n), || ());

    let sink = QueuingMetricSink::with_capacity(NopMetricSink, 2 * ROW as usize);
    let queued = StatsdClient::from_sink("", sink.clone());
    let drain = || {
        while sink.queued() > 0 {
            std::thread::yield_now();
        }
    };
    let recorded = bench(group, "cadence queue", |n| record(&queued, n), drain);
    assert_eq!(sink.submitted(), recorded);
}

fn prometheus(group: &mut BenchmarkGroup<'_, WallTime>) {
    let counter = IntCounter::new("requests", "requests").expect("a sound name");
    let add = |_| {
        counter.inc();
        true
    };
    assert_eq!(bench(group, "prometheus counter", add, || ()), counter.get());
    let options = HistogramOpts::new("took", "took");
    let histogram = prometheus::Histogram::with_opts(options).expect("a sound name");
    let observe = |n| {
        histogram.observe(n as f64);
        true
    };
    assert_eq!(bench(group, "prometheus histogram", observe, || ()), histogram.get_sample_count());
}

fn latency(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("latency of 4000 calls");
    group.sample_size(20);
    bench(&mut group, "the clock alone", |_| true, || ());
    ringstat(&mut group);
    cadence(&mut group);
    prometheus(&mut group);
}

criterion_group!(benches, latency);
criterion_main!(benches);
