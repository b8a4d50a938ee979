//! What a page is written to: text, OpenMetrics, protobuf or samples of remote write, which differ in how they say the
//! same.

use super::ladder::Distributions;
use crate::series::Distribution;

/// What precedes the samples of a family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The name; that of a counter ends in `_total`.
    pub(crate) name: &'a str,
    pub(crate) kind: MetricKind,
    /// What it means, as it is.
    pub(crate) help: &'a str,
    /// Whether the name of a counter without its ending is that of another family, too.
    pub(crate) is_ambiguous: bool,
}

/// The type of a family, as Prometheus knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

impl MetricKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// The unit that the name of a family ends with, if it does.
pub(crate) fn unit_of(family: &str) -> &'static str {
    const UNITS: [&str; 3] = ["seconds", "bytes", "percent"];
    let is = |unit: &&str| family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
    UNITS.into_iter().find(is).unwrap_or("")
}

/// A distribution, and how it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) distribution: &'a Distribution,
    pub(crate) as_: Distributions,
    /// What its values are divided by.
    pub(crate) scale: f64,
    /// The upper bounds of its buckets, but for the last.
    pub(crate) bounds: &'a [f64],
}

impl Shown<'_> {
    /// The sum of all values.
    pub(crate) fn sum(&self) -> f64 {
        self.distribution.sum() / self.scale
    }

    /// The upper bounds of all buckets, with how many values are not above them.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.distribution.between(self.bounds, self.scale);
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(counts).scan(0u64, |below, (bound, count)| {
            *below = below.saturating_add(count);
            Some((bound, *below))
        })
    }

    /// Some shares, and the values below which they lie: of a window, if one is kept.
    pub(crate) fn quantiles(&self) -> impl Iterator<Item = (f64, f64)> {
        const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
        let values = self.distribution.recent_quantiles(SHARES).into_iter().flatten();
        SHARES.into_iter().zip(values.map(|value| value / self.scale))
    }
}

/// What a page is written to. Labels are written out, as [`labels`](crate::exposition::labels) does it.
pub(crate) trait Sink: Send + std::fmt::Debug {
    /// Begins a family.
    fn begin(&mut self, head: Head<'_>);

    /// Adds a sample of a counter or gauge; of a counter with the time in seconds since 1970 at which it was 0, if that is
    /// known.
    fn number(&mut self, labels: &str, value: f64, since: Option<f64>);

    /// Adds a distribution, likewise.
    fn distribution(&mut self, labels: &str, of: Shown<'_>, since: Option<f64>);

    /// How many bytes have been written, or have been since they were last taken.
    fn len(&self) -> usize;
}

/// A page that leaves as bytes.
pub(crate) trait Document: Sink {
    /// Takes what has been written.
    fn take(&mut self) -> Vec<u8>;

    /// Ends the page.
    fn end(&mut self) {}
}
