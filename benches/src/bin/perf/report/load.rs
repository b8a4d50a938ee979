//! What the report says of loads: latency, throughput, memory and drops, by scenario.

use super::Section;
use super::chart::{Axis, Chart, Line};
use crate::results::{Run, show};

pub(super) const PERCENTILES: [&str; 4] = ["p50", "p95", "p99", "p999"];
const STAGES: [&str; 6] = ["record", "ring", "send", "network", "kernel", "collector"];

/// Assembles the sections of a run.
pub(super) fn all(run: &Run) -> [Section; 4] {
    [latency(run), throughput(run), memory(run), drops(run)]
}

/// Returns the scenarios of a run, from the lowest load to the highest.
fn scenarios(run: &Run) -> Vec<String> {
    const ORDER: [&str; 6] = ["baseline", "high", "stress", "burst", "stages", "ladder"];
    let second = |name: &str| name.strip_prefix("load.")?.split('.').next().map(str::to_owned);
    let mut names: Vec<_> = run.metrics.iter().filter_map(|m| second(&m.name)).collect();
    names.sort_unstable();
    names.dedup();
    names.sort_by_key(|name| ORDER.iter().position(|known| known == name));
    names
}

fn value(run: &Run, scenario: &str, name: &str) -> Option<f64> {
    run.metric(&format!("load.{scenario}.{name}")).map(|m| m.value)
}

fn cell(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(|| "not known".into(), |v| show(v, unit))
}

fn latency(run: &Run) -> Section {
    let mut section = Section {
        title: "Latency".into(),
        note: "End to end is from the time an event was due to its arrival at the collector."
            .into(),
        columns: vec!["scenario", "p50", "p95", "p99", "p999"],
        ..Section::default()
    };
    let mut series = Vec::new();
    for scenario in scenarios(run) {
        for (what, name) in [("record", "record call"), ("end_to_end", "end to end")] {
            let values = PERCENTILES.map(|p| value(run, &scenario, &format!("{what}.{p}")));
            let title = format!("{scenario}, {name}");
            let cells = values.iter().map(|v| cell(*v, "ns"));
            section.rows.push(std::iter::once(title.clone()).chain(cells).collect());
            let known: Option<Vec<f64>> = values.into_iter().collect();
            let points = known.into_iter().flatten().enumerate().map(|(i, v)| (i as f64, v));
            series.push(Line::new(&title, points));
        }
    }
    let names = Axis::Names(PERCENTILES.map(str::to_owned).to_vec());
    let chart = Chart::new("Percentiles", names, "ns", series);
    section.charts.extend(chart.map(|chart| Chart { log: true, ..chart }));
    section
}

fn throughput(run: &Run) -> Section {
    let mut section = Section {
        title: "Throughput".into(),
        columns: vec!["scenario", "generated", "delivered"],
        ..Section::default()
    };
    let mut bars = Vec::new();
    for scenario in scenarios(run) {
        let of = |what| value(run, &scenario, what);
        let (generated, delivered) = (of("generated"), of("delivered"));
        bars.extend(delivered.map(|v| (scenario.clone(), v)));
        section.rows.push(vec![scenario.clone(), cell(generated, "/s"), cell(delivered, "/s")]);
    }
    section.charts.extend(Chart::of_names("Delivered", "/s", &bars));
    section
}

fn memory(run: &Run) -> Section {
    let mut section = Section {
        title: "Memory".into(),
        note: "What a run added to the process: client, recording threads, and what the collector grew by.".into(),
        columns: vec!["scenario", "added", "buffer, at most"],
        ..Section::default()
    };
    let mut bars = Vec::new();
    for scenario in scenarios(run) {
        let of = |what| value(run, &scenario, what);
        bars.extend(of("memory.growth").map(|v| (scenario.clone(), v)));
        let row = [cell(of("memory.growth"), "B"), cell(of("buffer.peak"), "%")];
        section.rows.push(std::iter::once(scenario.clone()).chain(row).collect());
    }
    section.charts.extend(Chart::of_names("Memory added", "B", &bars));
    section
}

fn drops(run: &Run) -> Section {
    let mut section = Section {
        title: "Drops".into(),
        note: "Events lost, by the stage that lost them.".into(),
        columns: vec![
            "scenario",
            "rate",
            "record",
            "ring",
            "send",
            "network",
            "kernel",
            "collector",
        ],
        ..Section::default()
    };
    let mut bars = Vec::new();
    for scenario in scenarios(run) {
        let rate = value(run, &scenario, "drop_rate");
        bars.extend(rate.map(|v| (scenario.clone(), v)));
        let stages = STAGES.map(|s| cell(value(run, &scenario, &format!("lost.{s}")), ""));
        let row = [scenario.clone(), cell(rate, "%")].into_iter().chain(stages);
        section.rows.push(row.collect());
    }
    section.charts.extend(Chart::of_names("Events lost", "%", &bars));
    section
}
