//! Whole clients: what a record call costs the calling thread.

use std::hint::black_box;
use std::time::Duration;

use cadence::prelude::*;
use ringstat_benches::peers::clients::{Nobody, cadence, ours};
use ringstat_benches::threads::together;
use ringstat_std::{Client, Counter, Recorder, Tag};
use rylv_metrics::{MetricCollectorTrait, RylvStr, RylvTag, TLSCollector, TLSCollectorOptions};

use super::{Effort, Goal, Measured, Pair, Row, check, in_turns, nanos};
use crate::stats::quantile;

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

/// Events in a row: half of what a ring of the default preset holds, so that none is dropped.
const ROW: u64 = 4000;

/// Times rows of calls to `record`, which returns whether it accepted the event, in `threads` threads at once.
fn rows_of(
    threads: usize,
    row_count: u64,
    record: impl Fn(u64) -> bool + Sync,
    drain: impl Fn() -> Measured<()>,
) -> Measured<f64> {
    let row = || {
        let mut taken = 0;
        let time = nanos(ROW, || {
            taken = (0..ROW).filter(|n| record(black_box(*n))).count() as u64;
        });
        (time, taken)
    };
    let mut total = 0.0;
    for _ in 0..row_count {
        let (rows, _) = together((0..threads).map(|_| row));
        check(rows.iter().all(|(_, taken)| *taken == ROW), || format!("not all taken: {rows:?}"))?;
        total += rows.iter().map(|(time, _)| time).sum::<f64>() / threads as f64;
        drain()?;
    }
    Ok(total / row_count as f64)
}

fn events(effort: &Effort) -> Measured<Vec<Row>> {
    let stats = ours()?;
    let drain = || Ok(stats.flush(Duration::from_secs(10))?);
    let nobody = Nobody::new()?;
    let peer = cadence(nobody.address()?)?;
    let count = effort.operations(64);
    let count = (count / 8).max(1);
    let ours_static = |n: u64| stats.count("http.requests", n).tags(TAGS).record().is_recorded();
    let ours_dynamic = |n: u64| {
        let event = stats.count("http.requests", n);
        event.tag("svc", "shop").tag("rt", "/cart").tag("az", "eu").record().is_recorded()
    };
    let theirs = |n: u64| {
        let metric = peer.count_with_tags("http.requests", n);
        let metric = metric.with_tag("service", "shop").with_tag("route", "/cart");
        metric.with_tag("region", "eu-west-1").try_send().is_ok()
    };
    // It aggregates in the caller's thread, by name and tags.
    let rylv = TLSCollector::new(TLSCollectorOptions::default());
    let rylv_static = |n: u64| {
        let tags = ["service:shop", "route:/cart", "region:eu-west-1"].map(RylvTag::from_static);
        rylv.count_add(RylvStr::from_static("http.requests"), n, &mut { tags });
        true
    };
    let rylv_dynamic = |n: u64| {
        let tag = |key, value: &'static str| {
            RylvTag::Compound(RylvStr::from_static(key), black_box(value).into())
        };
        let mut tags = [tag("svc", "shop"), tag("rt", "/cart"), tag("az", "eu")];
        rylv.count_add(RylvStr::from_static("http.requests"), n, &mut tags);
        true
    };
    let nothing = || Ok(());
    let mut rows = Vec::new();
    for (threads, bound) in [(1, 11.0), (2, 20.0)] {
        let pair = in_turns(
            effort,
            || rows_of(threads, count, ours_static, drain),
            || rows_of(threads, count, theirs, nothing),
        )?;
        let what = format!("event with 3 tags, {threads} thread(s), against cadence buffered");
        let times = 1.0 / pair.ratio;
        rows.push(Row::new(
            &what,
            times,
            Goal::AtLeast(20.0),
            " times faster",
            pair.detail("cadence"),
        ));
        let what = format!("event with 3 tags, {threads} thread(s)");
        rows.push(Row::new(&what, pair.ours, Goal::AtMost(bound), " ns", String::new()));
        let pair = in_turns(
            effort,
            || rows_of(threads, count, ours_static, drain),
            || rows_of(threads, count, rylv_static, nothing),
        )?;
        let what = format!("event with 3 tags, {threads} thread(s), against rylv-metrics");
        rows.push(faster(&what, Goal::AtLeast(1.0), &pair, "rylv-metrics"));
    }
    let ours_plain = |n: u64| stats.count("http.requests", n).record().is_recorded();
    let pair = in_turns(
        effort,
        || rows_of(1, count, ours_plain, drain),
        || rows_of(1, count, ours_static, drain),
    )?;
    let what = "event without tags, 1 thread(s)";
    rows.push(Row::new(what, pair.ours, Goal::AtMost(9.0), " ns", pair.detail("with 3 tags")));
    let pair = in_turns(
        effort,
        || rows_of(1, count, ours_dynamic, drain),
        || rows_of(1, count, theirs, nothing),
    )?;
    rows.push(Row::new(
        "event with 3 dynamic tags against cadence buffered",
        1.0 / pair.ratio,
        Goal::AtLeast(8.0),
        " times faster",
        pair.detail("cadence"),
    ));
    let pair = in_turns(
        effort,
        || rows_of(1, count, ours_dynamic, drain),
        || rows_of(1, count, rylv_dynamic, nothing),
    )?;
    let what = "event with 3 dynamic tags against rylv-metrics";
    rows.push(faster(what, Goal::AtLeast(1.0), &pair, "rylv-metrics"));
    rows.push(tail(effort, &stats, &drain)?);
    rows.push(first(effort, &stats, &drain)?);
    let ledger = stats.shutdown(Duration::from_secs(10));
    check(ledger.closes() && ledger.dropped.total() == 0, || format!("{ledger:?}"))?;
    Ok(rows)
}

fn faster(what: &str, goal: Goal, pair: &Pair, peer: &str) -> Row {
    let (measured, unit) = pair.measured(goal);
    Row::new(what, measured, goal, unit, pair.detail(peer))
}

/// Times each record by itself, in rows that the ring has room for. Every time includes that of reading the clock.
fn tail(effort: &Effort, stats: &Client, drain: &dyn Fn() -> Measured<()>) -> Measured<Row> {
    let clock = quanta::Clock::new();
    let mut times = Vec::new();
    for _ in 0..=effort.rounds {
        for n in 0..ROW {
            let begun = clock.raw();
            let taken = stats.count("http.requests", black_box(n)).tags(TAGS).record();
            let ended = clock.raw();
            check(taken.is_recorded(), || format!("{taken}"))?;
            times.push(clock.delta_as_nanos(begun, ended) as f64);
        }
        drain()?;
    }
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| quantile(&times, q));
    let detail = format!("p50 {p50:.0} ns, p99.9 {p999:.0} ns");
    Ok(Row::new("event with 3 tags, p99", p99, Goal::AtMost(60.0), " ns", detail))
}

/// Times the first record of each of many threads, one after the other.
fn first(effort: &Effort, stats: &Client, drain: &dyn Fn() -> Measured<()>) -> Measured<Row> {
    let mut times = Vec::new();
    for _ in 0..effort.operations(2000) {
        let job = || {
            let mut taken = false;
            let time = nanos(1, || taken = stats.count("first", 1u8).record().is_recorded());
            (time, taken)
        };
        let (one, _) = together([job]);
        check(one.iter().all(|(_, taken)| *taken), || "the first record was refused".into())?;
        times.extend(one.into_iter().map(|(time, _)| time));
    }
    drain()?;
    let [p50, p99] = [0.5, 0.99].map(|q| quantile(&times, q));
    let detail = format!("p99 {p99:.0} ns");
    Ok(Row::new("first record of a thread, median", p50, Goal::AtMost(5000.0), " ns", detail))
}

/// Returns the nanoseconds per call when this many threads each make `each` calls at once.
fn calls(threads: u64, each: u64, inc: impl Fn() + Sync) -> f64 {
    let job = || nanos(each, || (0..each).for_each(|_| inc()));
    let (times, _) = together((0..threads).map(|_| job));
    times.iter().sum::<f64>() / threads as f64
}

fn counters(effort: &Effort) -> Measured<Vec<Row>> {
    static OURS: Counter = Counter::new("requests");
    let theirs = prometheus::IntCounter::new("requests", "requests")?;
    let each = effort.operations(2_000_000);
    let rylv = TLSCollector::new(TLSCollectorOptions::default());
    let rylv_counter = || {
        rylv.count_add(RylvStr::from_static("requests"), 1, &mut [] as &mut [RylvTag<'_>]);
    };
    let mut rows = Vec::new();
    let mut total = 0;
    for threads in [1, 2] {
        let pair = in_turns(
            effort,
            || {
                total += threads * each;
                Ok(calls(threads, each, || black_box(&OURS).inc()))
            },
            || Ok(calls(threads, each, || black_box(&theirs).inc())),
        )?;
        let what = format!("counter, {threads} thread(s), by a bare prometheus counter");
        rows.push(if threads == 1 {
            Row::new(&what, pair.ratio, Goal::AtMost(1.0), "", pair.detail("prometheus"))
        } else {
            let times = 1.0 / pair.ratio;
            Row::new(&what, times, Goal::AtLeast(5.0), " times faster", pair.detail("prometheus"))
        });
        let pair = in_turns(
            effort,
            || {
                total += threads * each;
                Ok(calls(threads, each, || black_box(&OURS).inc()))
            },
            || Ok(calls(threads, each / 8, rylv_counter)),
        )?;
        let what = format!("counter, {threads} thread(s), against rylv-metrics");
        rows.push(faster(&what, Goal::AtLeast(5.0), &pair, "rylv-metrics"));
    }
    let theirs = theirs.get();
    check(OURS.total() == total && 2 * theirs == total, || {
        format!("{} and {theirs} of {total}", OURS.total())
    })?;
    Ok(rows)
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    let mut rows = events(effort)?;
    rows.extend(counters(effort)?);
    Ok(rows)
}
