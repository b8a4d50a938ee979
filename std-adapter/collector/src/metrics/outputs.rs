//! The families about each output, each in a line of a table.

use super::{MetricKind, Sink, counter, family};
use crate::exposition::{RESERVED, quoted};
use crate::report::{OutputCause, OutputReport};

/// The rest of the name, the type, what it counts, and how to read it.
type Reading = (&'static str, &'static str, &'static str, fn(&OutputReport) -> f64);

const READINGS: [Reading; 11] = [
    (
        "restored_samples_total",
        "counter",
        "Samples that an earlier life of the collector left to be sent.",
        |o| o.counts.restored as f64,
    ),
    ("queued_samples_total", "counter", "Samples taken to be sent.", |o| o.counts.queued as f64),
    ("sent_samples_total", "counter", "Samples that the target has taken.", |o| {
        o.counts.sent as f64
    }),
    ("requests_total", "counter", "Requests that the target has decided.", |o| {
        o.counts.requests as f64
    }),
    ("failures_total", "counter", "Requests that failed, to be sent again.", |o| {
        o.counts.failures as f64
    }),
    (
        "skipped_intervals_total",
        "counter",
        "Moments at which no samples were taken: it took too long before, or the clock was set back.",
        |o| o.counts.skipped as f64,
    ),
    ("pending_samples", "gauge", "Samples that wait to be sent.", |o| o.pending_samples as f64),
    ("pending_bytes", "gauge", "Their size, compressed.", |o| o.pending_bytes as f64),
    (
        "oldest_pending_seconds",
        "gauge",
        "The age of the oldest of them; 0 if there is none.",
        |o| o.oldest_pending.as_secs_f64(),
    ),
    ("failing", "gauge", "1 while the target does not take samples, otherwise 0.", |o| {
        f64::from(o.failing.is_some())
    }),
    (
        "disk_failing",
        "gauge",
        "1 while what waits cannot be written to the data directory, otherwise 0.",
        |o| f64::from(o.disk_failing.is_some()),
    ),
];

pub(super) fn write(out: &mut dyn Sink, outputs: &[OutputReport]) {
    if outputs.is_empty() {
        return;
    }
    let prefix = format!("{}output_", RESERVED[0]);
    let labels: Vec<_> = outputs
        .iter()
        .map(|o| {
            let mut labels = format!("output=\"{}\",target=\"", o.kind);
            quoted(&mut labels, &o.target);
            labels + "\""
        })
        .collect();
    for (name, kind, help, read) in READINGS {
        let name = format!("{prefix}{name}");
        let kind = if kind == "counter" { MetricKind::Counter } else { MetricKind::Gauge };
        family(out, &name, kind, help);
        for (output, labels) in outputs.iter().zip(&labels) {
            out.number(labels, read(output), None);
        }
    }
    let name = format!("{prefix}dropped_samples_total");
    counter(out, &name, "Samples dropped, by cause.");
    for (output, labels) in outputs.iter().zip(&labels) {
        for cause in OutputCause::ALL {
            let (reason, n) = (cause.as_str(), output.counts.dropped[cause as usize]);
            out.number(&format!("{labels},reason=\"{reason}\""), n as f64, None);
        }
    }
}
