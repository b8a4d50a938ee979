//! The series that were sent: family by family, with one or more samples for each series.

use std::borrow::Cow;

use ringstat_core::instrument::Unit;

use super::ladder::{Distributions, ladder};
use super::sink::{Head, MetricKind, Shown, Sink};
use crate::exposition::{Family, Kind};
use crate::series::Data;

/// Writes what precedes the samples of a family.
pub(super) fn begin(out: &mut dyn Sink, of: &Family, is_ambiguous: bool, shown: Distributions) {
    let text = of.text.as_deref().filter(|text| !text.is_empty()).unwrap_or(&of.sent);
    let help = match (of.scaled, of.is_of_sets()) {
        (false, _) => Cow::Borrowed(text),
        (true, true) => format!("{text} (some are estimates)").into(),
        (true, false) => format!("{text} (sampled, scaled up)").into(),
    };
    let kind = match (of.kind, shown) {
        (Kind::Counter, _) => MetricKind::Counter,
        (Kind::Gauge, _) => MetricKind::Gauge,
        (Kind::Distribution, Distributions::Histograms) => MetricKind::Histogram,
        (Kind::Distribution, Distributions::Summaries) => MetricKind::Summary,
    };
    out.begin(Head { name: &of.name, kind, help: &help, is_ambiguous });
}

/// Writes the samples of one series, with the time in seconds since 1970 at which it began, if that is known.
pub(super) fn samples(
    out: &mut dyn Sink,
    labels: &str,
    data: &Data,
    (unit, bounds): (Unit, Option<&[f64]>),
    shown: Distributions,
    since: Option<f64>,
) {
    let scale = match unit {
        Unit::Nanoseconds => 1e9,
        Unit::Microseconds => 1e6,
        Unit::Milliseconds => 1e3,
        _ => 1.0,
    };
    match data {
        Data::Counter(counter) => out.number(labels, counter.value() / scale, since),
        Data::Gauge(gauge) => out.number(labels, gauge.value() / scale, None),
        Data::Set(set) => out.number(labels, set.len() as f64, None),
        Data::Event { count, .. } => out.number(labels, *count as f64, None),
        // It is shown as what it is a part of.
        Data::Passed => {}
        Data::Distribution(distribution) => {
            let bounds = bounds.unwrap_or(ladder(unit));
            out.distribution(labels, Shown { distribution, as_: shown, scale, bounds }, since);
        }
    }
}
