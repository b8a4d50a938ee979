//! The `metrics` facade: the same macros and handles with ringstat and with another exporter as the recorder.

use std::hint::black_box;

use metrics_exporter_dogstatsd::DogStatsDBuilder;
use ringstat_benches::peers::clients;
use ringstat_std::Histogram;
use ringstat_std::metrics::Facade;

use super::{Effort, Goal, Measured, Row, check, in_turns, nanos};

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    let stats = clients::ours()?;
    let ours = Facade::new(&stats);
    let nobody = clients::Nobody::new()?;
    let builder = DogStatsDBuilder::default().with_remote_address(nobody.address()?.to_string());
    let theirs = builder?.with_synchronous_backend().build()?;
    let each = effort.operations(1_000_000);

    let labels = |recorder: &dyn metrics::Recorder| {
        metrics::with_local_recorder(recorder, || {
            nanos(each, || {
                for n in 0..each {
                    metrics::counter!("requests", "service" => "shop", "region" => "eu")
                        .increment(black_box(n & 1));
                }
            })
        })
    };
    let counter = |recorder: &dyn metrics::Recorder| {
        let handle = metrics::with_local_recorder(recorder, || metrics::counter!("handle"));
        nanos(each, || (0..each).for_each(|n| handle.increment(black_box(n & 1))))
    };
    let histogram = |recorder: &dyn metrics::Recorder| {
        let handle = metrics::with_local_recorder(recorder, || metrics::histogram!("took"));
        nanos(each, || (0..each).for_each(|n| handle.record(black_box(n as f64))))
    };
    let by_the_exporter = "the exporter";
    let mut rows = Vec::new();
    let mut measure = |what: &str, run: &dyn Fn(&dyn metrics::Recorder) -> f64, goal| {
        let pair = in_turns(effort, || Ok(run(&ours)), || Ok(run(&theirs)))?;
        let (measured, unit) = pair.measured(goal);
        rows.push(Row::new(what, measured, goal, unit, pair.detail(by_the_exporter)));
        Ok::<(), super::Wrong>(())
    };
    let as_fast = Goal::AtMost(1.0);
    measure("facade counter, static labels, by metrics-exporter-dogstatsd", &labels, as_fast)?;
    measure("facade counter, kept handle, by metrics-exporter-dogstatsd", &counter, as_fast)?;
    let twice = Goal::AtLeast(2.0);
    measure(
        "facade histogram, kept handle, against metrics-exporter-dogstatsd",
        &histogram,
        twice,
    )?;

    // Compares what a user of ringstat writes with what a user of the exporter writes.
    static LATENCY: Histogram = Histogram::new("latency");
    let before = LATENCY.count();
    let handle = metrics::with_local_recorder(&theirs, || metrics::histogram!("latency"));
    let mut rounds = 0;
    let pair = in_turns(
        effort,
        || {
            rounds += 1;
            Ok(nanos(each, || (0..each).for_each(|n| LATENCY.record(black_box(n)))))
        },
        || Ok(nanos(each, || (0..each).for_each(|n| handle.record(black_box(n as f64))))),
    )?;
    check(LATENCY.count() - before == rounds * each, || "values are missing".into())?;
    rows.push(Row::new(
        "histogram against metrics-exporter-dogstatsd's kept handle",
        1.0 / pair.ratio,
        twice,
        " times faster",
        pair.detail(by_the_exporter),
    ));

    // Everything that went through the facade must have arrived.
    let key = [("service", "shop"), ("region", "eu")];
    let counted = stats.counter("requests", &key).total();
    let passes = effort.rounds as u64 + 1;
    check(counted == passes * (each / 2), || format!("{counted} of {}", passes * (each / 2)))?;
    check(stats.counter("handle", &[]).total() == counted, || "a handle lost counts".into())?;
    Ok(rows)
}
