//! The series that were sent: family by family, with one or more samples for each series.

use std::fmt::Write as _;

use ringstat_core::instrument::Unit;

use super::family;
use super::ladder::{Distributions, ladder};
use crate::exposition::{Family, Kind, Number, escaped_help};
use crate::series::{Data, Distribution};

/// Writes what precedes the samples of a family.
pub(super) fn begin(out: &mut String, of: &Family, shown: Distributions) {
    let mut help = escaped_help(of.text.as_ref().filter(|t| !t.is_empty()).unwrap_or(&of.sent));
    if of.scaled {
        help.push_str(if of.is_of_sets() {
            " (some are estimates)"
        } else {
            " (sampled, scaled up)"
        });
    }
    let kind = match (of.kind, shown) {
        (Kind::Counter, _) => "counter",
        (Kind::Gauge, _) => "gauge",
        (Kind::Distribution, Distributions::Histograms) => "histogram",
        (Kind::Distribution, Distributions::Summaries) => "summary",
    };
    family(out, &of.name, kind, &help);
}

/// Writes the samples of one series. `labels` are its own; they are the same afterwards.
pub(super) fn samples(
    out: &mut String,
    name: &str,
    labels: &mut String,
    data: &Data,
    (unit, bounds): (Unit, Option<&[f64]>),
    shown: Distributions,
) {
    let scale = match unit {
        Unit::Nanoseconds => 1e9,
        Unit::Microseconds => 1e6,
        Unit::Milliseconds => 1e3,
        _ => 1.0,
    };
    match data {
        Data::Counter(counter) => line(out, name, "", labels, counter.value() / scale),
        Data::Gauge(gauge) => line(out, name, "", labels, gauge.value() / scale),
        Data::Set(set) => line(out, name, "", labels, set.len() as f64),
        Data::Event { count, .. } => line(out, name, "", labels, *count as f64),
        // It is shown as what it is a part of.
        Data::Passed => {}
        Data::Distribution(d) => {
            match shown {
                Distributions::Histograms => {
                    let bounds = bounds.unwrap_or(ladder(unit));
                    buckets(out, name, d, (bounds, scale), labels);
                }
                Distributions::Summaries => quantiles(out, name, d, scale, labels),
            }
            line(out, name, "_sum", labels, d.sum() / scale);
            line(out, name, "_count", labels, d.count() as f64);
        }
    }
}

fn buckets(
    out: &mut String,
    name: &str,
    of: &Distribution,
    (bounds, scale): (&[f64], f64),
    labels: &mut String,
) {
    let (length, mut below) = (labels.len(), 0u64);
    let counts = of.between(bounds, scale);
    for (bound, count) in bounds.iter().chain([&f64::INFINITY]).zip(counts) {
        below = below.saturating_add(count);
        let _ = write!(labels, "{}le=\"{}\"", comma(length), Number(*bound));
        line(out, name, "_bucket", labels, below as f64);
        labels.truncate(length);
    }
}

fn quantiles(out: &mut String, name: &str, of: &Distribution, scale: f64, labels: &mut String) {
    const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
    let length = labels.len();
    for (share, value) in SHARES.iter().zip(of.quantiles(SHARES).into_iter().flatten()) {
        let _ = write!(labels, "{}quantile=\"{share}\"", comma(length));
        line(out, name, "", labels, value / scale);
        labels.truncate(length);
    }
}

/// What stands before a label behind so many characters of others.
const fn comma(length: usize) -> &'static str {
    if length > 0 { "," } else { "" }
}

fn line(out: &mut String, name: &str, ending: &str, labels: &str, value: f64) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{name}{ending}{{{labels}}} {}", Number(value));
}
