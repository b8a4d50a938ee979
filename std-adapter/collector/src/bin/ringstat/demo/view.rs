//! What the demo shows of the collector: each series with its value, its rate and its percentiles.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ringstat_collector::{Class, Report, Running, SeriesReport};
use ringstat_std::Client;

use super::screen::Frame;

/// Remembers what was there a moment ago, for rates.
pub(crate) struct View {
    before: HashMap<(Class, String), f64>,
    at: Instant,
}

impl View {
    pub(crate) fn new() -> Self {
        Self { before: HashMap::new(), at: Instant::now() }
    }

    /// The state of both sides, `since` the beginning.
    pub(crate) fn frame(&mut self, since: Duration, client: &Client, running: &Running) -> Frame {
        let report = running.report(usize::MAX);
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        self.at = Instant::now();
        let mut rows: Vec<_> = report.series.iter().map(|s| self.row(s, seconds)).collect();
        // In one order from frame to frame, whatever was heard of last.
        rows.sort_unstable();
        let ledger = client.ledger();
        let sent = format!(
            "client:    {:>9} events recorded  {:>9} sent      {:>5} dropped",
            ledger.recorded,
            ledger.sent,
            ledger.dropped.total()
        );
        let received = format!(
            "collector: {:>9} datagrams        {:>9} records   {:>5} lost",
            report.datagrams, report.records, report.lost
        );
        Frame {
            line: line(since, &ledger, &report),
            title: vec![String::new(), sent, received],
            columns: &["series", "kind", "value", "a second", "median", "99 %"],
            texts: 2,
            rows,
        }
    }

    fn row(&mut self, series: &SeriesReport, seconds: f64) -> Vec<String> {
        let tags: Vec<_> = series.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let name = format!("{} {}", series.name, tags.join(" "));
        let bytes = series.name.ends_with("bytes");
        let number = |v: f64| if bytes { show_bytes(v) } else { show(v) };
        let before = self.before.insert((series.class, name.clone()), series.value);
        let rate = match (series.class, before) {
            (Class::Gauge | Class::Set, _) | (_, None) => String::new(),
            (_, Some(before)) => number((series.value - before) / seconds),
        };
        let quantile = |i: usize| match (series.quantiles, series.unit) {
            (Some(q), "ns") => format!("{} ms", show(q[i] / 1e6)),
            (Some(q), unit) => format!("{} {unit}", show(q[i])).trim_end().to_owned(),
            (None, _) => String::new(),
        };
        let class = format!("{:?}", series.class).to_lowercase();
        vec![
            name.trim_end().to_owned(),
            class,
            number(series.value),
            rate,
            quantile(0),
            quantile(1),
        ]
    }
}

fn line(since: Duration, ledger: &ringstat_std::Ledger, report: &Report) -> String {
    format!(
        "{:3} s  client: {} events recorded, {} sent, {} dropped  \
         collector: {} datagrams, {} records, {} lost, {} series",
        since.as_secs(),
        ledger.recorded,
        ledger.sent,
        ledger.dropped.total(),
        report.datagrams,
        report.records,
        report.lost,
        report.series_count,
    )
}

/// Whole numbers whole, others with three digits that say something.
fn show(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value}");
    }
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn show_bytes(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1024.0 {
            return format!("{} {unit}", show(value));
        }
        value /= 1024.0;
    }
    format!("{} TiB", show(value))
}

/// How many events a series was made of; instruments' states are none.
pub(crate) fn events(series: &SeriesReport) -> u64 {
    match series.class {
        Class::Timing | Class::Distribution => series.value as u64,
        _ => 0,
    }
}
