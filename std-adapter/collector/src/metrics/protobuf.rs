//! Prometheus' exposition in protobuf: the only one that has native histograms.
//!
//! A message `io.prometheus.client.MetricFamily` is preceded by its length. A family with many series comes in several
//! messages of the same name, so that none has to be held in memory as a whole.

use prost::Message;

use super::ladder::Distributions;
use super::native::{Native, Span};
use super::sink::{Document, Head, MetricKind, Shown, Sink, unit_of};
use crate::exposition::read_labels;

/// The approximate length of a message, in bytes.
const MESSAGE: usize = 32 << 10;

/// A page as protobuf.
#[derive(Default, Debug)]
pub(crate) struct Protobuf {
    out: Vec<u8>,
    /// The family under way, and the approximate length of its metrics.
    family: Family,
    bytes: usize,
}

impl Protobuf {
    fn add(&mut self, metric: Metric) {
        self.bytes += metric.encoded_len();
        self.family.metric.push(metric);
        if self.bytes >= MESSAGE {
            self.flush();
        }
    }

    /// Writes what there is of the family.
    fn flush(&mut self) {
        if !self.family.metric.is_empty() {
            // There is no end to a vector's room.
            let _ = self.family.encode_length_delimited(&mut self.out);
            self.family.metric.clear();
            self.bytes = 0;
        }
    }
}

impl Sink for Protobuf {
    fn begin(&mut self, head: Head<'_>) {
        self.flush();
        let kind = match head.kind {
            MetricKind::Counter => Type::Counter,
            MetricKind::Gauge => Type::Gauge,
            MetricKind::Summary => Type::Summary,
            MetricKind::Histogram => Type::Histogram,
        };
        let unit = unit_of(head.name.strip_suffix("_total").unwrap_or(head.name));
        self.family = Family {
            name: Some(head.name.to_owned()),
            help: Some(head.help.to_owned()),
            kind: Some(kind.into()),
            metric: Vec::new(),
            unit: Some(unit.to_owned()).filter(|unit| !unit.is_empty()),
        };
    }

    fn number(&mut self, labels: &str, value: f64, since: Option<f64>) {
        let mut metric = Metric::new(labels);
        match self.family.kind() {
            Type::Counter => {
                metric.counter = Some(Counter { value: Some(value), created: since.map(time) });
            }
            _ => metric.gauge = Some(Gauge { value: Some(value) }),
        }
        self.add(metric);
    }

    fn distribution(&mut self, labels: &str, of: Shown<'_>, since: Option<f64>) {
        let mut metric = Metric::new(labels);
        let (count, sum) = (Some(of.distribution.count()), Some(of.sum()));
        let created = since.map(time);
        match of.as_ {
            Distributions::Histograms => {
                let bucket = of.buckets().map(|(bound, count)| Bucket {
                    cumulative_count: Some(count),
                    upper_bound: Some(bound),
                });
                let mut native = Native::of(&of);
                // Prometheus takes a histogram without any bucket for one of the other kind.
                if native.positive.spans.is_empty() && native.negative.spans.is_empty() {
                    native.positive.spans.push(Span { offset: Some(0), length: Some(0) });
                }
                metric.histogram = Some(Histogram {
                    sample_count: Some(native.count),
                    sample_sum: sum,
                    bucket: bucket.collect(),
                    schema: Some(native.schema),
                    zero_threshold: Some(native.zero_threshold),
                    zero_count: Some(native.zero_count),
                    negative_span: native.negative.spans,
                    negative_delta: native.negative.deltas,
                    positive_span: native.positive.spans,
                    positive_delta: native.positive.deltas,
                    created,
                });
            }
            Distributions::Summaries => {
                let quantile = of
                    .quantiles()
                    .map(|(share, value)| Quantile { quantile: Some(share), value: Some(value) });
                let quantile = quantile.collect();
                metric.summary =
                    Some(Summary { sample_count: count, sample_sum: sum, quantile, created });
            }
        }
        self.add(metric);
    }

    fn len(&self) -> usize {
        self.out.len() + self.bytes
    }
}

impl Document for Protobuf {
    fn take(&mut self) -> Vec<u8> {
        self.flush();
        std::mem::take(&mut self.out)
    }
}

/// A time in seconds since 1970.
fn time(seconds: f64) -> Timestamp {
    Timestamp { seconds: seconds as i64, nanos: (seconds.fract() * 1e9) as i32 }
}

impl Metric {
    fn new(labels: &str) -> Self {
        let label = |(name, value): (&str, std::borrow::Cow<'_, str>)| LabelPair {
            name: Some(name.to_owned()),
            value: Some(value.into_owned()),
        };
        Self { label: read_labels(labels).map(label).collect(), ..Self::default() }
    }
}

// Fields have the numbers of the published definitions; those that are never written are left out.

#[derive(Clone, PartialEq, Message)]
struct Family {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(enumeration = "Type", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
    #[prost(string, optional, tag = "5")]
    unit: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
enum Type {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Gauge {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Counter {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    quantile: Vec<Quantile>,
    #[prost(message, optional, tag = "4")]
    created: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Quantile {
    #[prost(double, optional, tag = "1")]
    quantile: Option<f64>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    created: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_comes_in_messages_of_a_bounded_size_and_none_is_lost() {
        let mut page = Protobuf::default();
        let head = |name| Head { name, kind: MetricKind::Counter, help: "x", is_ambiguous: false };
        page.begin(head("none_total"));
        page.begin(head("many_bytes_total"));
        for n in 0..5000 {
            page.number(&format!("id=\"{n}\",text=\"a\\\"\\\\\\nb\""), f64::from(n), Some(1.5));
            assert!(page.bytes < MESSAGE);
        }
        let bytes = page.take();
        let (mut rest, mut messages, mut seen) = (&bytes[..], 0, 0);
        while !rest.is_empty() {
            let family = Family::decode_length_delimited(&mut rest).unwrap();
            assert_eq!((family.name(), family.unit()), ("many_bytes_total", "bytes"));
            for metric in family.metric {
                assert_eq!(metric.label[0].value(), seen.to_string());
                assert_eq!(metric.label[1].value(), "a\"\\\nb");
                let counter = metric.counter.unwrap();
                assert_eq!(counter.value(), f64::from(seen));
                assert_eq!(counter.created, Some(Timestamp { seconds: 1, nanos: 500_000_000 }));
                seen += 1;
            }
            messages += 1;
        }
        assert_eq!(seen, 5000);
        assert!(messages > 3, "{messages}");
    }
}
