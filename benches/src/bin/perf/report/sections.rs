//! The contents of the report, section by section. Sections without data are left out.

use super::chart::{Axis, Chart, Line};
use super::{Latest, Section, load};
use crate::results::{Insight, Run, show};
use crate::{compare, gate};

/// Assembles all sections; `targets` are the rows that [`gate::targets`] returns.
pub(super) fn all(latest: &Latest, targets: Vec<Vec<String>>) -> Vec<Section> {
    let mut sections = vec![self::targets(targets), recommendations(latest)];
    for (run, before, what) in [
        (&latest.bench, &latest.bench_before, "Benchmarks"),
        (&latest.load, &latest.load_before, "Load"),
    ] {
        if let (Some(run), Some(before)) = (run, before) {
            sections.push(compared(before, run, what));
        }
    }
    if let Some(run) = &latest.load {
        sections.extend(load::all(run));
        sections.push(timelines(run, "Load over time"));
    }
    if let Some(run) = &latest.chaos {
        sections.extend([chaos(run), timelines(run, "Faults over time")]);
    }
    if let Some(run) = &latest.scan {
        sections.push(hot_paths(run));
    }
    if let Some(run) = &latest.profile {
        sections.push(timelines(run, "Heap over time"));
    }
    if let Some(run) = &latest.bench {
        sections.push(benchmarks(run));
    }
    sections.retain(|s| !s.rows.is_empty() || !s.charts.is_empty());
    sections
}

fn targets(rows: Vec<Vec<String>>) -> Section {
    Section {
        title: "Targets".into(),
        note: "The worst number for each rule, with its limits.".into(),
        columns: gate::COLUMNS.to_vec(),
        rows,
        ..Section::default()
    }
}

fn recommendations(latest: &Latest) -> Section {
    let mut insights: Vec<&Insight> =
        latest.scan.iter().chain(&latest.profile).flat_map(|r| &r.insights).collect();
    insights.sort_by_key(|i| i.severity);
    let row = |i: &&Insight| {
        let name = if i.place.is_empty() {
            i.subject.clone()
        } else {
            format!("{} ({})", i.subject, i.place)
        };
        vec![
            name,
            i.severity.as_str().to_owned(),
            i.meaning.clone(),
            i.advice.clone(),
            i.gain.clone(),
            i.effort.clone(),
        ]
    };
    Section {
        title: "Recommendations".into(),
        note: "What `perf scan` and `perf profile` found, the most severe first.".into(),
        columns: vec!["where", "severity", "what it means", "what to try", "gain", "effort"],
        rows: insights.iter().map(row).collect(),
        words: true,
        ..Section::default()
    }
}

/// A chart for each unit, so that lines can be compared.
fn timelines(run: &Run, title: &str) -> Section {
    let mut units: Vec<&str> = run.timelines.iter().map(|t| t.unit.as_str()).collect();
    units.sort_unstable();
    units.dedup();
    let chart = |unit: &&str| {
        let of_unit = run.timelines.iter().filter(|t| t.unit == **unit);
        let line = |t: &crate::results::Timeline| {
            let points = t.seconds.iter().copied().zip(t.values.iter().copied());
            Line { marks: t.marks.clone(), ..Line::new(&t.name, points) }
        };
        Chart::new(unit, Axis::Seconds, unit, of_unit.map(line).collect())
    };
    Section {
        title: title.into(),
        charts: units.iter().filter_map(chart).collect(),
        ..Section::default()
    }
}

fn benchmarks(run: &Run) -> Section {
    let row = |m: &crate::results::Metric| {
        vec![m.name.clone(), show(m.value, &m.unit), m.samples.len().to_string()]
    };
    Section {
        title: "Benchmarks".into(),
        columns: vec!["", "median", "samples"],
        rows: run.metrics.iter().map(row).collect(),
        shown: Some(0),
        ..Section::default()
    }
}

/// What changed comes first; the page folds the rest away.
fn compared(before: &Run, run: &Run, what: &str) -> Section {
    let mut compared = compare::of_runs(before, run, &[]);
    compared.sort_by_key(|c| !c.is_change());
    Section {
        title: format!("{what}: run {} against run {}", run.id, before.id),
        note: format!(
            "{} against {}: {}",
            run.environment.short(),
            before.environment.short(),
            compare::summary(&compared),
        ),
        columns: compare::COLUMNS.to_vec(),
        rows: compared.iter().map(compare::row).collect(),
        shown: Some(compared.iter().filter(|c| c.is_change()).count()),
        ..Section::default()
    }
}

fn chaos(run: &Run) -> Section {
    let mut faults: Vec<&str> = run
        .metrics
        .iter()
        .filter_map(|m| m.name.strip_prefix("chaos.")?.split('.').next())
        .collect();
    faults.dedup();
    let row = |fault: &str| {
        let of = |what: &str| run.metric(&format!("chaos.{fault}.{what}"));
        let shown = ["before", "during", "degraded", "recovery", "dropped", "lost_on_the_way"]
            .map(|what| of(what).map_or_else(String::new, |m| show(m.value, &m.unit)));
        std::iter::once(fault.to_owned()).chain(shown).collect()
    };
    Section {
        title: "Faults".into(),
        note: "Throughput before and during a fault, and the time until throughput recovered."
            .into(),
        columns: vec!["fault", "before", "during", "degraded", "recovered", "dropped", "lost"],
        rows: faults.into_iter().map(row).collect(),
        ..Section::default()
    }
}

fn hot_paths(run: &Run) -> Section {
    let row = |m: &crate::results::Metric| {
        let mut words = m.name.splitn(4, '.').skip(1);
        let (name, what, place) = (words.next()?, words.next()?, words.next()?);
        let what = if what == "hot" { "instructions" } else { "allocated" };
        Some(vec![name.to_owned(), what.to_owned(), place.to_owned(), show(m.value, &m.unit)])
    };
    let mut rows: Vec<_> = run.metrics.iter().collect();
    rows.sort_by(|a, b| b.value.total_cmp(&a.value));
    rows.sort_by_key(|m| m.name.splitn(4, '.').take(3).collect::<Vec<_>>().join("."));
    Section {
        title: "Hot paths".into(),
        note: "Share of all instructions, excluding called functions; total bytes allocated."
            .into(),
        columns: vec!["benchmark", "", "where", "how much"],
        rows: rows.into_iter().filter_map(row).collect(),
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::PERCENTILES;
    use super::*;
    use crate::results::{Metric, Timeline};

    #[test]
    fn every_part_is_there_when_there_is_something_to_say() {
        let load = |id| {
            let mut metrics = vec![
                Metric::one("load.high.generated", "/s", 1e5),
                Metric::one("load.high.delivered", "/s", 1e5),
                Metric::one("load.high.drop_rate", "%", 0.5),
                Metric::one("load.high.lost.ring", "events", 5.0),
                Metric::one("load.high.memory.growth", "B", 5e6),
            ];
            for p in PERCENTILES {
                metrics.push(Metric::one(format!("load.high.end_to_end.{p}"), "ns", 1e6));
            }
            Some(Run { id, ..Run::now("load", metrics) })
        };
        let chaos = vec![Metric::one("chaos.loss.before", "/s", 100.0)];
        let insights = vec![Insight { subject: "a::b".into(), ..Insight::default() }];
        let (seconds, values) = (vec![0.0, 1.0], vec![5.0, 6.0]);
        let timelines = vec![Timeline { seconds, values, ..Timeline::default() }];
        let scan = vec![Metric::one("scan.encode.hot.a::b", "%", 50.0)];
        let latest = Latest {
            count: None,
            bench: Some(Run::now("bench", vec![Metric::one("encode.ns", "ns", 40.0)])),
            load: load(2),
            chaos: Some(Run { timelines, ..Run::now("chaos", chaos) }),
            scan: Some(Run { insights, ..Run::now("scan", scan) }),
            profile: None,
            bench_before: None,
            load_before: load(1),
        };
        let rules = vec![gate::COLUMNS.map(str::to_owned).to_vec()];
        let sections = all(&latest, rules);
        let titles: Vec<_> = sections.iter().map(|s| s.title.as_str()).collect();
        let expected = [
            "Targets",
            "Recommendations",
            "Load: run 2 against run 1",
            "Latency",
            "Throughput",
            "Memory",
            "Drops",
            "Faults",
            "Faults over time",
            "Hot paths",
            "Benchmarks",
        ];
        assert_eq!(titles, expected);
        for section in &sections {
            assert!(section.rows.iter().all(|r| r.len() == section.columns.len()), "{section:?}");
        }
        for with_chart in sections[3..7].iter().chain([&sections[8]]) {
            assert_eq!(with_chart.charts.len(), 1, "{}", with_chart.title);
        }
        // Numbers that the load tester does not know are shown as such.
        assert!(sections[3].rows[0].contains(&"not known".to_owned()));
    }

    #[test]
    fn what_nothing_is_known_of_is_left_out() {
        let latest = Latest {
            bench: None,
            count: None,
            load: None,
            chaos: None,
            scan: None,
            profile: None,
            bench_before: None,
            load_before: None,
        };
        assert_eq!(all(&latest, Vec::new()), []);
    }
}
