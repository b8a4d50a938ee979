//! What recording with the client costs the caller.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringstat_core::send::from_fn;
use ringstat_std::{Client, Counter, Histogram, Recorder, Tag};

use super::{Effort, PERCENTILES, Wrong, check, time};
use crate::results::Metric;
use crate::stats::{median, quantile};

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

/// Events recorded in a row: fewer than the ring holds, so that none is dropped.
const ROW: u64 = 1000;
/// Calls timed one by one for each sample of the percentiles: five of them are above the highest percentile.
const CALLS: usize = 5000;

/// A client with a transport that discards the datagrams and counts them.
struct Nowhere {
    client: Client,
    datagrams: Arc<AtomicU64>,
}

impl Nowhere {
    fn new() -> Result<Self, Wrong> {
        let datagrams = Arc::new(AtomicU64::new(0));
        let count = datagrams.clone();
        let client = Client::builder("nowhere:1")
            .shards(1)
            .shard_events(8192)
            .idle_sleep(Duration::from_millis(1))
            .build_with(from_fn(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }))?;
        Ok(Self { client, datagrams })
    }

    fn record(&self, i: u64) -> bool {
        let took = Duration::from_micros(black_box(i) & 0xffff);
        self.client.timing("http.request.duration", took).tags(TAGS).record().is_recorded()
    }

    fn drain(&self) -> Result<(), Wrong> {
        Ok(self.client.flush(Duration::from_secs(5))?)
    }

    /// Checks that each of `events` was sent.
    fn finish(self, events: u64) -> Result<(), Wrong> {
        let ledger = self.client.shutdown(Duration::from_secs(5));
        check(ledger.closes() && ledger.sent == events, || {
            format!("{events} recorded: {ledger:?}")
        })?;
        check(self.datagrams.load(Ordering::Relaxed) > 0, || "no datagram was sent".into())
    }
}

/// Measures `record.ns` in a row, with the worker draining at the same time, and `record.p50` and so on one by one,
/// without the clock's own time.
pub(super) fn record(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let nowhere = Nowhere::new()?;
    let (mut events, mut in_a_row) = (0, Vec::new());
    let rows = (effort.sample_time.as_nanos() / 50_000).clamp(1, 1000);
    for sample in 0..=effort.samples {
        let mut taken = Duration::ZERO;
        for _ in 0..rows {
            let begun = Instant::now();
            let recorded = (0..ROW).filter(|i| nowhere.record(*i)).count() as u64;
            taken += begun.elapsed();
            check(recorded == ROW, || format!("{recorded} of {ROW} were recorded"))?;
            events += ROW;
            nowhere.drain()?;
        }
        if sample > 0 {
            in_a_row.push(taken.as_nanos() as f64 / (rows as u64 * ROW) as f64);
        }
    }
    let between: Vec<f64> = (0..CALLS).map(|_| once(|| ())).collect();
    let clock = median(&between);
    let mut blocks = [const { Vec::new() }; PERCENTILES.len()];
    for _ in 0..effort.samples {
        let mut calls = Vec::with_capacity(CALLS);
        for i in 0..CALLS {
            if i % ROW as usize == 0 {
                nowhere.drain()?;
            }
            let mut recorded = false;
            calls.push((once(|| recorded = nowhere.record(i as u64)) - clock).max(0.0));
            check(recorded, || "a call was not recorded".into())?;
        }
        events += CALLS as u64;
        for ((_, q), block) in PERCENTILES.iter().zip(&mut blocks) {
            block.push(quantile(&calls, *q));
        }
    }
    nowhere.finish(events)?;
    let mut metrics = vec![Metric::new("record.ns", "ns", in_a_row)];
    for ((name, _), block) in PERCENTILES.iter().zip(blocks) {
        metrics.push(Metric::new(format!("record.{name}"), "ns", block));
    }
    Ok(metrics)
}

/// Returns the nanoseconds of one call, including those of reading the clock.
#[inline]
fn once(call: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    call();
    begun.elapsed().as_nanos() as f64
}

/// Measures `counter.ns`.
pub(super) fn counter(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    static REQUESTS: Counter = Counter::new("http.requests").tags(TAGS);
    let before = REQUESTS.total();
    let mut rows = 0;
    let samples = time(effort, ROW, || {
        (0..ROW).for_each(|_| black_box(&REQUESTS).inc());
        rows += 1;
    });
    let counted = REQUESTS.total() - before;
    // In tests, the same benchmark may run in other threads at the same time.
    check(counted >= rows * ROW, || format!("{counted} of {}", rows * ROW))?;
    Ok(vec![Metric::new("counter.ns", "ns", samples)])
}

/// Measures `histogram.ns`.
pub(super) fn histogram(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    static LATENCY: Histogram = Histogram::new("http.latency").tags(TAGS);
    let before = LATENCY.count();
    let mut rows = 0;
    let samples = time(effort, ROW, || {
        (0..ROW).for_each(|i| LATENCY.record(black_box(i) * 977));
        rows += 1;
    });
    let counted = LATENCY.count() - before;
    check(counted >= rows * ROW, || format!("{counted} of {}", rows * ROW))?;
    Ok(vec![Metric::new("histogram.ns", "ns", samples)])
}
