//! What the demo shows about the collector: each series with its value, its rate and its percentiles.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ringstat_collector::{Class, Report, Running, SeriesReport};
use ringstat_std::{Client, Snapshot};

use crate::common::screen::Frame;

/// Remembers the previous values, to compute rates.
pub(crate) struct View {
    before: HashMap<(Class, String), f64>,
    at: Instant,
}

impl View {
    pub(crate) fn new() -> Self {
        Self { before: HashMap::new(), at: Instant::now() }
    }

    /// The state of both sides at the time `since` the start.
    pub(crate) fn frame(
        &mut self,
        since: Duration,
        client: &Client,
        running: Option<&Running>,
    ) -> Frame {
        let report = running.map(|running| running.report(usize::MAX));
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        self.at = Instant::now();
        // What the client reports about itself is shown above the table.
        let series = report.iter().flat_map(|report| &report.series);
        let series = series.filter(|s| !s.name.starts_with("ringstat.client."));
        let mut rows: Vec<_> = series.map(|s| self.row(s, seconds)).collect();
        // In a fixed order from frame to frame, whichever was heard from last.
        rows.sort_unstable();
        let snapshot = client.snapshot();
        let ledger = snapshot.ledger;
        let sent = format!(
            "client:    {:>9} events recorded  {:>9} sent      {:>5} dropped",
            ledger.recorded,
            ledger.sent,
            ledger.dropped.total()
        );
        let received = report.as_ref().map_or("collector: gone".to_owned(), |report| {
            format!(
                "collector: {:>9} datagrams        {:>9} records   {:>5} lost",
                report.datagrams, report.records, report.lost
            )
        });
        let mut title = vec![String::new(), sent];
        title.extend(state(&snapshot));
        title.push(received);
        Frame {
            line: line(since, &snapshot, report.as_ref()),
            title,
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

/// The state of the client on three lines.
fn state(snapshot: &Snapshot) -> [String; 3] {
    let Snapshot { buffer, degradation, output, breaker, health, ledger, .. } = snapshot;
    let dropped: Vec<_> = ledger
        .dropped
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(cause, n)| format!("{n} {}", cause.as_str().replace('_', " ")))
        .collect();
    [
        format!(
            "           {health}; breaker {}, opened {} times; level {}, throttle {}",
            breaker.state, breaker.opened, degradation.level, degradation.throttle
        ),
        format!(
            "           rings: {} of {} used, {} at most; critical: {} acknowledged, {} waiting, {} sent again",
            buffer.used,
            buffer.capacity,
            buffer.peak,
            output.acknowledged,
            output.unacknowledged,
            output.repeated
        ),
        format!(
            "           dropped: {}",
            if dropped.is_empty() { "nothing".into() } else { dropped.join(", ") }
        ),
    ]
}

fn line(since: Duration, snapshot: &Snapshot, report: Option<&Report>) -> String {
    let Snapshot { ledger, health, breaker, output, .. } = snapshot;
    let collector = report.map_or("gone".to_owned(), |report| {
        format!(
            "{} datagrams, {} records, {} lost, {} series",
            report.datagrams, report.records, report.lost, report.series_count
        )
    });
    format!(
        "{:3} s  client: {} events recorded, {} sent, {} dropped, {} waiting, {} critical acknowledged, \
         breaker {}, {health}  collector: {collector}",
        since.as_secs(),
        ledger.recorded,
        ledger.sent,
        ledger.dropped.total(),
        ledger.in_flight,
        output.acknowledged,
        breaker.state,
    )
}

/// Formats whole numbers as such, and others with three significant digits.
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

/// The number of events in a series; 0 for the state of an instrument.
pub(crate) fn events(series: &SeriesReport) -> u64 {
    match series.class {
        Class::Timing | Class::Distribution => series.value as u64,
        _ => 0,
    }
}
