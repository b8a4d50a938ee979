//! Prometheus' exposition in protobuf: the only one that has native histograms.
//!
//! A message `io.prometheus.client.MetricFamily` is preceded by its length. A family with many series comes in several
//! messages of the same name, so that none has to be held in memory as a whole.

use prost::Message;

use super::exponential::{Exponential, Side};
use super::ladder::Distributions;
use super::sink::{Head, MetricKind, Shown, Sink, unit_of};
use crate::exposition::read_labels;

/// The schema of native histograms: 32 buckets an octave, each 2.2 % wide.
pub(crate) const SCHEMA: i32 = 5;
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
                let native = Native::of(&of);
                metric.histogram = Some(Histogram {
                    sample_count: count,
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

    fn take(&mut self) -> Vec<u8> {
        self.flush();
        std::mem::take(&mut self.out)
    }
}

/// A distribution in exponential buckets, as Prometheus writes them: only those with values, and each by its difference to
/// the one before.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Native {
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
}

/// The buckets on one side of zero.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Buckets {
    pub(crate) spans: Vec<Span>,
    pub(crate) deltas: Vec<i64>,
}

impl Native {
    pub(crate) fn of(shown: &Shown<'_>) -> Self {
        let all = Exponential::of(shown.distribution, shown.scale, SCHEMA);
        let mut native = Self {
            schema: SCHEMA,
            zero_threshold: shown.distribution.least() / shown.scale,
            zero_count: all.zero,
            positive: Buckets::of(&all.positive),
            negative: Buckets::of(&all.negative),
        };
        // Prometheus takes a histogram without any bucket for one of the other kind.
        if native.positive.spans.is_empty() && native.negative.spans.is_empty() {
            native.positive.spans.push(Span { offset: Some(0), length: Some(0) });
        }
        native
    }
}

impl Buckets {
    fn of(side: &Side) -> Self {
        let mut all = Self::default();
        let (mut next, mut before) = (None, 0);
        for (index, count) in side {
            // Here a bucket has the index of its upper bound, there that of its lower one.
            let index = index + 1;
            match all.spans.last_mut().zip(next).filter(|(_, next)| *next == index) {
                Some((span, _)) => span.length = span.length.map(|length| length + 1),
                None => {
                    let offset = index - next.unwrap_or(0);
                    all.spans.push(Span { offset: Some(offset), length: Some(1) });
                }
            }
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            all.deltas.push(count - before);
            (next, before) = (Some(index + 1), count);
        }
        all
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

/// So many buckets in a row, and how many empty ones lie before them.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Span {
    #[prost(sint32, optional, tag = "1")]
    pub(crate) offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) length: Option<u32>,
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

    /// The index and count of each bucket that the spans and differences say.
    fn read(side: &Buckets) -> Vec<(i32, i64)> {
        let (mut index, mut count, mut deltas) = (0, 0, side.deltas.iter());
        let mut all = Vec::new();
        for span in &side.spans {
            index += span.offset.unwrap();
            for _ in 0..span.length.unwrap() {
                count += deltas.next().unwrap();
                all.push((index, count));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        all
    }

    #[test]
    fn buckets_are_numbered_by_their_upper_bounds_and_written_as_differences() {
        // A bucket with the index 0 of OpenTelemetry ends at 2^(1/32), which has the index 1 of Prometheus.
        let side = [(-33, 7), (-32, 9), (-1, 2), (0, 2), (40, 1)].into_iter().collect();
        let buckets = Buckets::of(&side);
        assert_eq!(read(&buckets), [(-32, 7), (-31, 9), (0, 2), (1, 2), (41, 1)]);
        assert_eq!(buckets.deltas, [7, 2, -7, 0, -1]);
        let spans = [(-32, 2), (30, 2), (39, 1)];
        let spans = spans.map(|(o, l)| Span { offset: Some(o), length: Some(l) });
        assert_eq!(buckets.spans, spans);
    }

    #[test]
    fn each_sample_lies_in_the_bucket_that_has_the_middle_of_its_own() {
        let mut room = crate::memory::Room::new(1 << 20);
        let mut distribution = crate::series::Distribution::of_events();
        let samples: Vec<f64> = (1..2000).map(|n| f64::from(n) * 0.37).collect();
        samples.iter().for_each(|sample| assert!(distribution.add(-sample, 1, &mut room)));
        assert!(distribution.add(0.0, 3, &mut room));
        let as_ = Distributions::Histograms;
        let shown = Shown { distribution: &distribution, as_, scale: 1e3, bounds: &[] };
        let native = Native::of(&shown);
        assert_eq!((native.schema, native.zero_count), (5, 3));
        assert_eq!(native.zero_threshold, (-20f64).exp2() / 1e3);
        assert_eq!(read(&native.positive), [], "a span of no length");
        let buckets = read(&native.negative);
        assert_eq!(buckets.iter().map(|(_, n)| n).sum::<i64>(), 1999);
        // In order, each sample is within the bounds of its bucket but for half a bucket of ours.
        let mut sorted = samples.iter();
        for (index, count) in buckets {
            let upper = (f64::from(index) / 32.0).exp2() * 1e3;
            let lower = (f64::from(index - 1) / 32.0).exp2() * 1e3;
            for sample in sorted.by_ref().take(count as usize) {
                assert!(
                    (lower * 0.969..=upper * 1.032).contains(sample),
                    "{sample} {lower} {upper}"
                );
            }
        }
        assert_eq!(
            Native::of(&Shown { distribution: &crate::series::Distribution::of_events(), ..shown })
                .positive
                .spans
                .len(),
            1
        );
    }

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
