//! Results: numbers with their names and samples, and where and when they were measured.
//!
//! Every subcommand that measures creates a [`Run`] and stores it ([`store`]); the others read runs. A run can also be
//! written as JSON, and as Prometheus text ([`prometheus`]) for a text-file collector.

pub(crate) mod criterion;
mod database;
mod environment;
mod insight;
#[cfg(feature = "postgres")]
mod postgres;
mod prometheus;
mod rows;
mod schema;
mod sqlite;
mod store;
mod timeline;

use serde::{Deserialize, Serialize};

pub(crate) use environment::Environment;
pub(crate) use insight::{Insight, Severity};
pub(crate) use prometheus::{escape, exposition};
pub(crate) use store::Results;
pub(crate) use timeline::Timeline;

use crate::stats::{Better, median};

/// A named number with its samples.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Metric {
    /// Words separated by dots, from general to specific: `load.baseline.record.p99`.
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    /// Whether the number is the same from run to run: bytes, allocations, instructions.
    #[serde(default)]
    pub(crate) exact: bool,
    /// The median of the samples.
    pub(crate) value: f64,
    /// The measured values, in order.
    pub(crate) samples: Vec<f64>,
}

impl Metric {
    pub(crate) fn new(name: impl Into<String>, unit: &str, samples: Vec<f64>) -> Self {
        let value = median(&samples);
        let better = if unit.ends_with("/s") { Better::Higher } else { Better::Lower };
        Self { name: name.into(), unit: unit.into(), better, exact: false, value, samples }
    }

    /// Creates a number that is the same from run to run and so is measured only once.
    pub(crate) fn exact(name: impl Into<String>, unit: &str, value: f64) -> Self {
        Self { exact: true, ..Self::one(name, unit, value) }
    }

    /// Creates a number that was measured only once.
    pub(crate) fn one(name: impl Into<String>, unit: &str, value: f64) -> Self {
        Self::new(name, unit, vec![value])
    }
}

/// Numbers that were measured together.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The run's number in the database, or 0 if it is not stored.
    pub(crate) id: i64,
    /// The time of the run, in seconds since 1970.
    pub(crate) at: i64,
    /// The subcommand that measured it.
    pub(crate) kind: String,
    pub(crate) environment: Environment,
    pub(crate) metrics: Vec<Metric>,
    /// What follows from the numbers, the most severe first.
    #[serde(default)]
    pub(crate) insights: Vec<Insight>,
    #[serde(default)]
    pub(crate) timelines: Vec<Timeline>,
}

impl Run {
    /// Creates a run that was measured here and now.
    pub(crate) fn now(kind: &str, metrics: Vec<Metric>) -> Self {
        Self {
            id: 0,
            at: now(),
            kind: kind.into(),
            environment: Environment::here(),
            metrics,
            ..Self::default()
        }
    }

    /// Merges consecutive rounds that measured the same: every number gets the samples of all rounds.
    pub(crate) fn merged(rounds: Vec<Vec<Metric>>) -> Vec<Metric> {
        let mut all: Vec<Metric> = Vec::new();
        for metric in rounds.into_iter().flatten() {
            match all.iter_mut().find(|known| known.name == metric.name) {
                Some(known) => known.samples.extend(metric.samples),
                None => all.push(metric),
            }
        }
        all.iter_mut().for_each(|m| m.value = median(&m.samples));
        all
    }

    pub(crate) fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|m| m.name == name)
    }
}

/// Returns the seconds since 1970.
pub(crate) fn now() -> i64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() as i64
}

/// Formats a time, in seconds since 1970, as in `2026-03-01 12:00 UTC`.
pub(crate) fn date(at: i64) -> String {
    let (days, seconds) = (at.div_euclid(86_400), at.rem_euclid(86_400));
    // Days are counted from 1 March of the year 0, so that leap days come last (Hinnant's algorithm).
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// Formats a number with its unit for people, with three significant digits.
pub(crate) fn show(value: f64, unit: &str) -> String {
    let (value, unit) = match (unit, value.abs()) {
        ("ns", v) if v >= 1e9 => (value / 1e9, "s"),
        ("ns", v) if v >= 1e6 => (value / 1e6, "ms"),
        ("ns", v) if v >= 1e3 => (value / 1e3, "µs"),
        ("B", v) if v >= 1024.0 * 1024.0 => (value / (1024.0 * 1024.0), "MiB"),
        ("B", v) if v >= 1024.0 => (value / 1024.0, "KiB"),
        ("/s", v) if v >= 1e6 => (value / 1e6, "M/s"),
        ("/s", v) if v >= 1e4 => (value / 1e3, "k/s"),
        _ => (value, unit),
    };
    let number = match value.abs() {
        _ if value.fract() == 0.0 && value.abs() < 1e6 => format!("{value}"),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    format!("{number} {unit}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_knows_its_median_and_which_way_is_good() {
        let metric = Metric::new("a.b", "ns", vec![3.0, 1.0, 2.0]);
        assert_eq!((metric.value, metric.better), (2.0, Better::Lower));
        assert_eq!(Metric::one("a", "/s", 5.0).better, Better::Higher);
    }

    #[test]
    fn rounds_are_merged_with_every_sample() {
        let round = |n| vec![Metric::one("a", "ns", n), Metric::one("b", "/s", 10.0 * n)];
        let mut last = round(9.0);
        last.push(Metric::exact("c", "B", 5.0));
        let merged = Run::merged(vec![round(1.0), round(2.0), last]);
        assert_eq!(merged[0], Metric::new("a", "ns", vec![1.0, 2.0, 9.0]));
        assert_eq!((merged[1].value, merged[2].samples.len()), (20.0, 1));
    }

    #[test]
    fn a_time_is_a_date() {
        let dates = [0, 951_782_400, 1_709_251_199, 1_790_000_000].map(date);
        let expected =
            ["1970-01-01 00:00", "2000-02-29 00:00", "2024-02-29 23:59", "2026-09-21 14:13"];
        assert_eq!(dates, expected.map(|d| format!("{d} UTC")));
    }

    #[test]
    fn numbers_are_shown_with_units_that_fit() {
        let shown =
            [(12.34, "ns"), (12_345.0, "ns"), (3.5e6, "/s"), (3_145_728.0, "B"), (0.0, "%")];
        let shown = shown.map(|(value, unit)| show(value, unit));
        assert_eq!(shown, ["12.3 ns", "12.3 µs", "3.50 M/s", "3 MiB", "0 %"]);
    }
}
