//! The Prometheus text format 0.0.4, and OpenMetrics 1.0, which came from it.

use std::fmt::Write as _;

use super::ladder::Distributions;
use super::sink::{Document, Head, MetricKind, Shown, Sink, unit_of};
use crate::exposition::{Canonical, Number, escaped_help, quoted};

/// A page as text.
#[derive(Default, Debug)]
pub(crate) struct Text {
    is_open_metrics: bool,
    out: String,
    /// The name of the family, and that of its samples.
    family: String,
    name: String,
    /// Whether it is a counter to OpenMetrics.
    is_counter: bool,
}

impl Text {
    /// A page in the format of Prometheus.
    pub(crate) fn prometheus() -> Self {
        Self::default()
    }

    /// A page in that of OpenMetrics.
    pub(crate) fn open_metrics() -> Self {
        Self { is_open_metrics: true, ..Self::default() }
    }

    pub(crate) fn into_string(self) -> String {
        self.out
    }

    fn line(&mut self, ending: &str, labels: &str, more: Option<(&str, &str)>, value: f64) {
        let Self { out, name, .. } = self;
        // Writing to a String does not fail.
        let _ = write!(out, "{name}{ending}");
        if let Some((key, value)) = more {
            let comma = if labels.is_empty() { "" } else { "," };
            let _ = write!(out, "{{{labels}{comma}{key}=\"{value}\"}}");
        } else if !labels.is_empty() {
            let _ = write!(out, "{{{labels}}}");
        }
        let _ = writeln!(out, " {}", Number(value));
    }

    fn created(&mut self, labels: &str, since: Option<f64>) {
        if let Some(since) = since.filter(|_| self.is_open_metrics) {
            std::mem::swap(&mut self.name, &mut self.family);
            self.line("_created", labels, None, since);
            std::mem::swap(&mut self.name, &mut self.family);
        }
    }

    /// The bound of a bucket: two scrapers must not take the same one for two.
    fn bound(&self, bound: f64) -> String {
        if self.is_open_metrics { Canonical(bound).to_string() } else { Number(bound).to_string() }
    }
}

impl Sink for Text {
    fn begin(&mut self, head: Head<'_>) {
        let Head { name, kind, help, is_ambiguous } = head;
        let is_open = self.is_open_metrics;
        self.is_counter = kind == MetricKind::Counter && !is_ambiguous;
        let stem = Some(name).filter(|_| is_open && self.is_counter);
        let family = stem.and_then(|name| name.strip_suffix("_total")).unwrap_or(name);
        family.clone_into(&mut self.family);
        name.clone_into(&mut self.name);
        let mut escaped = String::new();
        let help = if is_open {
            quoted(&mut escaped, help);
            escaped
        } else {
            escaped_help(help)
        };
        let kind = if is_open && is_ambiguous { "unknown" } else { kind.as_str() };
        let _ = writeln!(self.out, "# HELP {family} {help}\n# TYPE {family} {kind}");
        let unit = unit_of(family);
        if is_open && !unit.is_empty() {
            let _ = writeln!(self.out, "# UNIT {family} {unit}");
        }
    }

    fn number(&mut self, labels: &str, value: f64, since: Option<f64>) {
        self.line("", labels, None, value);
        self.created(labels, since.filter(|_| self.is_counter));
    }

    fn distribution(&mut self, labels: &str, of: Shown<'_>, since: Option<f64>) {
        match of.as_ {
            Distributions::Histograms => {
                for (bound, count) in of.buckets() {
                    let bound = self.bound(bound);
                    self.line("_bucket", labels, Some(("le", &bound)), count as f64);
                }
            }
            Distributions::Summaries => {
                // To OpenMetrics there are none below 0.
                let is_open = self.is_open_metrics;
                for (share, value) in of.quantiles().filter(|(_, v)| *v >= 0.0 || !is_open) {
                    self.line("", labels, Some(("quantile", &share.to_string())), value);
                }
            }
        }
        // To OpenMetrics a sum only rises, so where values are negative there is none, and then no count either.
        let falls = of.sum() < 0.0 || of.bounds.first().is_some_and(|bound| *bound < 0.0);
        if !(self.is_open_metrics && falls) {
            self.line("_sum", labels, None, of.sum());
            self.line("_count", labels, None, of.distribution.count() as f64);
        }
        self.created(labels, since);
    }

    fn len(&self) -> usize {
        self.out.len()
    }
}

impl Document for Text {
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into_bytes()
    }

    fn end(&mut self) {
        if self.is_open_metrics {
            self.out.push_str("# EOF\n");
        }
    }
}
