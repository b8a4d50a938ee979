//! Series become data points, and these become requests of a bounded size.

use std::collections::HashMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use ringstat_core::instrument::Unit;

use super::exponential;
use crate::intake::SenderInfo;
use crate::metrics::Exponential;
use crate::outbox::Batch;
use crate::series::Class;
use crate::store::{Series, Store};

/// The largest number of points in a request.
const POINTS: u64 = 2000;

/// The value of a data point.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Said {
    /// A sum since the start.
    Sum { start_ms: u64, value: f64 },
    /// A value.
    Level(f64),
    /// A distribution since the start.
    Histogram { start_ms: u64, sum: f64, buckets: Exponential },
}

impl Said {
    /// Adds what has come since. What is of another kind is left out.
    pub(super) fn add(&mut self, more: Self) {
        match (self, more) {
            (Self::Sum { value, .. }, Self::Sum { value: more, .. }) => *value += more,
            (
                Self::Histogram { sum, buckets, .. },
                Self::Histogram { sum: more, buckets: other, .. },
            ) => {
                *sum += more;
                buckets.add(&other);
            }
            _ => debug_assert!(false, "a point of another kind"),
        }
    }
}

/// What a data point is of.
#[derive(Debug)]
pub(super) struct Named {
    /// The sender, unless there may be several.
    sender: Option<u64>,
    name: String,
    class: Class,
    unit: Unit,
    description: String,
    attributes: Vec<KeyValue>,
}

impl Named {
    /// What the points of a series are called.
    pub(super) fn of(store: &Store, series: &Series) -> Self {
        Self {
            sender: series.shown_sender(),
            name: store.shown_name(series).to_owned(),
            class: series.class,
            unit: series.shown_unit(),
            description: store.description(series).unwrap_or_default().to_owned(),
            attributes: store.shown_tags(series).map(|(key, value)| pair(key, value)).collect(),
        }
    }
}

/// Requests of one moment.
#[derive(Debug)]
pub(super) struct Requests {
    time_ms: u64,
    temporality: AggregationTemporality,
    request: ExportMetricsServiceRequest,
    points: u64,
    /// The place of each sender's resource, and in it that of each metric, by name, class and unit.
    resources: HashMap<Option<u64>, usize>,
    metrics: HashMap<(usize, Class, u8, String), usize>,
}

impl Requests {
    pub(super) fn new(time_ms: u64, temporality: AggregationTemporality) -> Self {
        Self {
            time_ms,
            temporality,
            request: ExportMetricsServiceRequest::default(),
            points: 0,
            resources: HashMap::new(),
            metrics: HashMap::new(),
        }
    }

    /// Adds a point. `info` is what its sender says of itself.
    pub(super) fn add<'i>(
        &mut self,
        of: Named,
        info: impl FnOnce() -> Option<&'i SenderInfo>,
        said: Said,
    ) {
        let resource = *self.resources.entry(of.sender).or_insert_with(|| {
            self.request.resource_metrics.push(resource(of.sender, info()));
            self.request.resource_metrics.len() - 1
        });
        let metrics = &mut self.request.resource_metrics[resource].scope_metrics[0].metrics;
        let key = (resource, of.class, of.unit as u8, of.name.clone());
        let metric = *self.metrics.entry(key).or_insert_with(|| {
            metrics.push(metric(of.name, of.class, of.unit, of.description, self.temporality));
            metrics.len() - 1
        });
        push(&mut metrics[metric], of.attributes, self.time_ms, said);
        self.points += 1;
    }

    /// Takes the request if it has reached its largest size, or whatever its size is on demand.
    pub(super) fn take(&mut self, as_it_is: bool) -> Option<Batch> {
        let samples = self.points;
        if samples == 0 || !(samples >= POINTS || as_it_is) {
            return None;
        }
        let message = std::mem::take(&mut self.request).encode_to_vec();
        *self = Self::new(self.time_ms, self.temporality);
        Some(Batch { time_ms: self.time_ms, samples, body: compress(&message).into() })
    }
}

/// Compresses a message by gzip, which every receiver supports.
fn compress(message: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = out.write_all(message);
    out.finish().unwrap_or_default()
}

fn push(metric: &mut Metric, attributes: Vec<KeyValue>, time_ms: u64, said: Said) {
    let nanos = |ms: u64| ms.saturating_mul(1_000_000);
    let time_unix_nano = nanos(time_ms);
    let number = |start_ms, value, attributes| NumberDataPoint {
        attributes,
        start_time_unix_nano: nanos(start_ms),
        time_unix_nano,
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    match (&mut metric.data, said) {
        (Some(Data::Sum(sum)), Said::Sum { start_ms, value }) => {
            sum.data_points.push(number(start_ms, value, attributes));
        }
        (Some(Data::Gauge(gauge)), Said::Level(value)) => {
            gauge.data_points.push(number(0, value, attributes));
        }
        (Some(Data::ExponentialHistogram(all)), Said::Histogram { start_ms, sum, buckets }) => {
            let (scale, positive, negative) = exponential::buckets(&buckets);
            all.data_points.push(ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano: nanos(start_ms),
                time_unix_nano,
                count: buckets.count(),
                sum: Some(sum),
                scale,
                zero_count: buckets.zero,
                positive,
                negative,
                ..ExponentialHistogramDataPoint::default()
            });
        }
        // The class decides both.
        _ => debug_assert!(false, "a point of another kind"),
    }
}

/// An empty metric.
fn metric(
    name: String,
    class: Class,
    unit: Unit,
    description: String,
    temporality: AggregationTemporality,
) -> Metric {
    let aggregation_temporality = temporality.into();
    let (name, data) = match class {
        Class::Counter | Class::Event => {
            let data_points = Vec::new();
            let sum = Sum { data_points, aggregation_temporality, is_monotonic: true };
            (name, Data::Sum(sum))
        }
        Class::Gauge => (name, Data::Gauge(Gauge::default())),
        Class::Set => (format!("{name}.distinct"), Data::Gauge(Gauge::default())),
        Class::Timing | Class::Distribution | Class::Histogram => {
            let data_points = Vec::new();
            let all = ExponentialHistogram { data_points, aggregation_temporality };
            (name, Data::ExponentialHistogram(all))
        }
    };
    let unit = ucum(unit).to_owned();
    Metric { name, description, unit, data: Some(data), ..Metric::default() }
}

/// Returns a sender's resource: its description of itself, in OpenTelemetry's names. What is of several senders has one
/// without an instance.
fn resource(id: Option<u64>, said: Option<&SenderInfo>) -> ResourceMetrics {
    let texts = said.map(|info| {
        let process = (info.process > 0).then(|| info.process.to_string());
        let own = [
            ("service.name", info.program.to_string()),
            ("service.version", info.version.to_string()),
            ("host.name", info.host.to_string()),
            ("process.pid", process.unwrap_or_default()),
        ];
        let free = info.labels.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        own.into_iter().map(|(k, v)| (k.to_owned(), v)).chain(free).collect::<Vec<_>>()
    });
    let instance = id.map(|id| pair("service.instance.id", &format!("{id:016x}")));
    let mut attributes: Vec<_> = instance.into_iter().collect();
    for (key, value) in texts.into_iter().flatten().filter(|(_, value)| !value.is_empty()) {
        // No key may come twice.
        if attributes.iter().all(|of| of.key != key) {
            attributes.push(pair(&key, &value));
        }
    }
    if attributes.iter().all(|of| of.key != "service.name") {
        attributes.push(pair("service.name", "unknown_service"));
    }
    let scope = InstrumentationScope {
        name: "ringstat".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

fn pair(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A unit's name in UCUM.
const fn ucum(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "1",
        Unit::Nanoseconds => "ns",
        Unit::Microseconds => "us",
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
        Unit::Bytes => "By",
        Unit::Percent => "%",
    }
}
