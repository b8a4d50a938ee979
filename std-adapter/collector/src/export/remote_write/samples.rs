//! A page as samples.
//!
//! By construction, what is pushed is what a scrape would find at the same moment: names, labels and what is shown at all
//! are decided in one place, [`Page`](crate::metrics::Page). Prometheus' agents do the same when they scrape themselves.

use std::borrow::Cow;

use super::batch::Builder;
use super::proto::{Histogram, MetricType};
use crate::export::config::RemoteWriteHistograms;
use crate::exposition::{Number, read_labels};
use crate::metrics::{Distributions, Head, MetricKind, Native, Shown, Sink, unit_of};

/// The family to which the samples after its head belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) help: String,
    pub(super) kind: MetricType,
    /// The unit, which the name of a family ends with if it has one.
    pub(super) unit: &'static str,
}

/// What a series has at a moment.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Number(f64),
    Histogram(Histogram),
}

/// The labels of a series, but for its name.
pub(super) type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Writes a page into requests.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) builder: Builder,
    histograms: RemoteWriteHistograms,
    family: Family,
}

impl Samples {
    pub(super) fn new(builder: Builder, histograms: RemoteWriteHistograms) -> Self {
        let kind = MetricType::Unspecified;
        let family = Family { name: String::new(), help: String::new(), kind, unit: "" };
        Self { builder, histograms, family }
    }

    fn add(&mut self, ending: &str, labels: &Labels<'_>, value: f64) {
        let name = [&self.family.name, ending].concat();
        self.builder.add(&self.family, &name, labels, Value::Number(value));
    }

    /// Adds a sample with one more label.
    fn part<'a>(
        &mut self,
        ending: &str,
        labels: &mut Labels<'a>,
        of: (&'a str, String),
        value: f64,
    ) {
        labels.push((of.0, of.1.into()));
        self.add(ending, labels, value);
        labels.pop();
    }
}

impl Sink for Samples {
    fn begin(&mut self, head: Head<'_>) {
        self.family = Family {
            name: head.name.to_owned(),
            help: head.help.to_owned(),
            kind: match head.kind {
                MetricKind::Counter => MetricType::Counter,
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Histogram => MetricType::Histogram,
                MetricKind::Summary => MetricType::Summary,
            },
            unit: unit_of(head.name.strip_suffix("_total").unwrap_or(head.name)),
        };
    }

    fn number(&mut self, labels: &str, value: f64, _since: Option<f64>) {
        self.add("", &read_labels(labels).collect(), value);
    }

    fn distribution(&mut self, labels: &str, of: Shown<'_>, _since: Option<f64>) {
        let labels = &mut read_labels(labels).collect();
        match (of.as_, self.histograms) {
            (Distributions::Histograms, RemoteWriteHistograms::Native) => {
                let histogram = Histogram::new(Native::of(&of), of.sum());
                let Self { builder, family, .. } = self;
                return builder.add(family, &family.name, labels, Value::Histogram(histogram));
            }
            (Distributions::Histograms, RemoteWriteHistograms::Classic) => {
                for (bound, count) in of.buckets() {
                    let bound = ("le", Number(bound).to_string());
                    self.part("_bucket", labels, bound, count as f64);
                }
            }
            (Distributions::Summaries, _) => {
                for (share, value) in of.quantiles() {
                    self.part("", labels, ("quantile", share.to_string()), value);
                }
            }
        }
        self.add("_sum", labels, of.sum());
        self.add("_count", labels, of.distribution.count() as f64);
    }

    fn len(&self) -> usize {
        self.builder.written()
    }
}
