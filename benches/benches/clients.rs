//! Whole clients: what recording costs the calling thread, with 1 thread and with 2 on the same instruments.
//!
//! Four operations that every user needs, each written as that client's own users would write it: count with a handle
//! that is kept, count with three tags, set a gauge, record a value in a histogram. Kept handles exist in ringstat's
//! instruments, in ringstat and metrics-exporter-dogstatsd behind the `metrics` facade, in prometheus,
//! prometheus-client and OpenTelemetry. cadence has none and writes a line each time, into a buffer in front of a
//! socket, or into a queue in front of that. ringstat's count with three tags is an event with its own time; the others
//! add to a total.
//!
//! If a client can report its count, it must equal the number of calls.
//!
//! `cargo bench -p ringstat-benches --bench clients`

use std::hint::black_box;
use std::time::Duration;

use cadence::prelude::*;
use cadence::{QueuingMetricSink, StatsdClient};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use metrics_exporter_dogstatsd::DogStatsDBuilder;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use ringstat_benches::peers::clients::{Nobody, cadence, cadence_sink, ours};
use ringstat_benches::threads::together;
use ringstat_std::metrics::Facade;
use ringstat_std::{Counter, Gauge, Histogram, Recorder, Tag};

/// Calls of each thread in a row: half of what a ring of the default preset holds, so that none is dropped.
const ROW: u64 = 4000;
const TAGS: [Tag; 3] = [("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];
const BUCKETS: [f64; 12] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];

/// A client as its user sees it.
trait Client: Sync {
    /// Counts one, with the best handle that the client offers.
    fn count(&self);
    /// Counts one, with [`TAGS`].
    fn tagged(&self);
    fn gauge(&self, value: f64);
    fn histogram(&self, value: f64);
    /// Returns what [`count`](Self::count) has counted, if the client can report it.
    fn counted(&self) -> Option<u64>;
    /// Called between two rows, while no time is measured.
    fn settle(&self) {}
}

/// ringstat as it is meant to be used.
struct Ours(ringstat_std::Client);

static COUNTER: Counter = Counter::new("requests");
static GAUGE: Gauge = Gauge::new("level");
static HISTOGRAM: Histogram = Histogram::new("took");

impl Client for Ours {
    fn count(&self) {
        black_box(&COUNTER).inc();
    }
    fn tagged(&self) {
        assert!(self.0.count("http.requests", 1u8).tags(&TAGS).record().is_recorded());
    }
    fn gauge(&self, value: f64) {
        assert!(GAUGE.set(value));
    }
    fn histogram(&self, value: f64) {
        HISTOGRAM.record(value as u64);
    }
    fn counted(&self) -> Option<u64> {
        Some(COUNTER.total())
    }
    fn settle(&self) {
        self.0.flush(Duration::from_secs(20)).expect("its thread is there");
    }
}

/// Any recorder behind the `metrics` facade, with handles that are kept, since its macros keep none.
struct Behind {
    counter: metrics::Counter,
    tagged: metrics::Counter,
    gauge: metrics::Gauge,
    histogram: metrics::Histogram,
    /// The client, if the recorder is ringstat.
    ours: Option<ringstat_std::Client>,
}

impl Behind {
    fn new(recorder: &dyn metrics::Recorder, ours: Option<ringstat_std::Client>) -> Self {
        metrics::with_local_recorder(recorder, || Self {
            counter: metrics::counter!("facade.requests"),
            tagged: metrics::counter!("facade.http.requests", &TAGS),
            gauge: metrics::gauge!("facade.level"),
            histogram: metrics::histogram!("facade.took"),
            ours,
        })
    }
}

impl Client for Behind {
    fn count(&self) {
        self.counter.increment(1);
    }
    fn tagged(&self) {
        self.tagged.increment(1);
    }
    fn gauge(&self, value: f64) {
        self.gauge.set(value);
    }
    fn histogram(&self, value: f64) {
        self.histogram.record(value);
    }
    fn counted(&self) -> Option<u64> {
        self.ours.as_ref().map(|client| client.counter("facade.requests", &[]).total())
    }
}

impl Client for StatsdClient {
    fn count(&self) {
        Counted::count(self, "requests", 1).expect("it is taken");
    }
    fn tagged(&self) {
        let metric = self.count_with_tags("http.requests", 1);
        TAGS.iter()
            .fold(metric, |metric, (key, value)| metric.with_tag(key, value))
            .try_send()
            .expect("it is taken");
    }
    fn gauge(&self, value: f64) {
        Gauged::gauge(self, "level", value).expect("it is taken");
    }
    fn histogram(&self, value: f64) {
        Histogrammed::histogram(self, "took", value).expect("it is taken");
    }
    fn counted(&self) -> Option<u64> {
        None
    }
    fn settle(&self) {
        StatsdClient::flush(self).expect("it is sent");
    }
}

/// The `prometheus` crate.
struct Prometheus {
    counter: prometheus::IntCounter,
    tagged: prometheus::IntCounterVec,
    gauge: prometheus::Gauge,
    histogram: prometheus::Histogram,
}

impl Prometheus {
    fn new() -> prometheus::Result<Self> {
        let options = prometheus::HistogramOpts::new("took", "time").buckets(BUCKETS.into());
        Ok(Self {
            counter: prometheus::IntCounter::new("requests", "so many")?,
            tagged: prometheus::IntCounterVec::new(
                prometheus::Opts::new("http_requests", "so many"),
                &TAGS.map(|(key, _)| key),
            )?,
            gauge: prometheus::Gauge::new("level", "how high")?,
            histogram: prometheus::Histogram::with_opts(options)?,
        })
    }
}

impl Client for Prometheus {
    fn count(&self) {
        self.counter.inc();
    }
    fn tagged(&self) {
        self.tagged.with_label_values(&TAGS.map(|(_, value)| value)).inc();
    }
    fn gauge(&self, value: f64) {
        self.gauge.set(value);
    }
    fn histogram(&self, value: f64) {
        self.histogram.observe(value);
    }
    fn counted(&self) -> Option<u64> {
        Some(self.counter.get())
    }
}

/// The `prometheus-client` crate.
struct PrometheusClient {
    counter: prometheus_client::metrics::counter::Counter,
    tagged: Family<Labels, prometheus_client::metrics::counter::Counter>,
    gauge: prometheus_client::metrics::gauge::Gauge<f64, std::sync::atomic::AtomicU64>,
    histogram: prometheus_client::metrics::histogram::Histogram,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Labels {
    service: &'static str,
    route: &'static str,
    region: &'static str,
}

impl Client for PrometheusClient {
    fn count(&self) {
        self.counter.inc();
    }
    fn tagged(&self) {
        let [service, route, region] = TAGS.map(|(_, value)| value);
        self.tagged.get_or_create(&Labels { service, route, region }).inc();
    }
    fn gauge(&self, value: f64) {
        self.gauge.set(value);
    }
    fn histogram(&self, value: f64) {
        self.histogram.observe(value);
    }
    fn counted(&self) -> Option<u64> {
        Some(self.counter.get())
    }
}

/// OpenTelemetry's SDK, with an exporter that keeps metrics in memory.
struct OpenTelemetry {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
    counter: opentelemetry::metrics::Counter<u64>,
    tagged: opentelemetry::metrics::Counter<u64>,
    gauge: opentelemetry::metrics::Gauge<f64>,
    histogram: opentelemetry::metrics::Histogram<f64>,
}

impl OpenTelemetry {
    fn new() -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        let meter = provider.meter("clients");
        Self {
            counter: meter.u64_counter("requests").build(),
            tagged: meter.u64_counter("http.requests").build(),
            gauge: meter.f64_gauge("level").build(),
            histogram: meter.f64_histogram("took").with_boundaries(BUCKETS.into()).build(),
            provider,
            exporter,
        }
    }
}

impl Client for OpenTelemetry {
    fn count(&self) {
        self.counter.add(1, &[]);
    }
    fn tagged(&self) {
        self.tagged.add(1, &TAGS.map(|(key, value)| KeyValue::new(key, value)));
    }
    fn gauge(&self, value: f64) {
        self.gauge.record(value, &[]);
    }
    fn histogram(&self, value: f64) {
        self.histogram.record(value, &[]);
    }
    fn counted(&self) -> Option<u64> {
        self.exporter.reset();
        self.provider.force_flush().expect("it exports");
        let all = self.exporter.get_finished_metrics().expect("it has exported");
        let scopes = all.last().into_iter().flat_map(|all| all.scope_metrics());
        let mut named = scopes.flat_map(|scope| scope.metrics()).filter(|m| m.name() == "requests");
        Some(named.next().map_or(0, |metric| match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value()).sum()
            }
            other => panic!("a counter is a sum: {other:?}"),
        }))
    }
}

/// A named operation on a client.
type Operation<C> = (&'static str, fn(&C, u64));

fn run<C: Client>(criterion: &mut Criterion, name: &str, client: &C) {
    let operations: [Operation<C>; 4] = [
        ("counter", |client, _| client.count()),
        ("counter with 3 tags", |client, _| client.tagged()),
        ("gauge", |client, n| client.gauge(black_box(n as f64))),
        ("histogram", |client, n| client.histogram(black_box(n as f64))),
    ];
    for (what, operation) in operations {
        for threads in [1, 2] {
            let mut group = criterion.benchmark_group(format!("{what}, {threads} thread(s)"));
            group.sample_size(20).throughput(Throughput::Elements(threads * ROW));
            let (before, mut rows) = (client.counted(), 0);
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter_custom(|times| {
                    rows += times;
                    let job = || (0..ROW).for_each(|n| operation(client, n));
                    let row = |_| {
                        let (_, taken) = together((0..threads).map(|_| job));
                        client.settle();
                        taken
                    };
                    (0..times).map(row).sum()
                });
            });
            if let (Some(before), Some(now)) = (before, client.counted()) {
                let calls = if what == "counter" { rows * threads * ROW } else { 0 };
                assert_eq!(now - before, calls, "{name}: {what}");
            }
        }
    }
}

fn clients(criterion: &mut Criterion) {
    let ours = || ours().expect("a thread for it");
    run(criterion, "ringstat", &Ours(ours()));
    let client = ours();
    let facade = Facade::new(&client);
    run(criterion, "ringstat behind the facade", &Behind::new(&facade, Some(client)));

    let nobody = Nobody::new().expect("a port");
    let nowhere = nobody.address().expect("it is bound");
    let builder = DogStatsDBuilder::default().with_remote_address(nowhere.to_string());
    let builder = builder.expect("an address").with_synchronous_backend();
    let exporter = builder.build().expect("settings that are sound");
    run(criterion, "metrics-exporter-dogstatsd", &Behind::new(&exporter, None));

    run(criterion, "cadence, buffered", &cadence(nowhere).expect("a port"));
    let queue = QueuingMetricSink::from(cadence_sink(nowhere).expect("a port"));
    run(criterion, "cadence, queued", &StatsdClient::from_sink("app", queue));

    run(criterion, "prometheus", &Prometheus::new().expect("names that are sound"));
    let prometheus_client = PrometheusClient {
        counter: Default::default(),
        tagged: Family::default(),
        gauge: Default::default(),
        histogram: prometheus_client::metrics::histogram::Histogram::new(BUCKETS),
    };
    run(criterion, "prometheus-client", &prometheus_client);
    run(criterion, "opentelemetry", &OpenTelemetry::new());
}

criterion_group!(benches, clients);
criterion_main!(benches);
