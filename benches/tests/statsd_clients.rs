//! The StatsD clients of other crates send to the collector, and its sums are exactly what they recorded.

use std::time::{Duration, Instant};

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, StatsdClient};
use metrics_exporter_dogstatsd::DogStatsDBuilder;
use ringstat_collector::{Class, Report, Running, Server, ServerConfig};
use rylv_metrics::{
    DEFAULT_STATS_WRITER_TYPE, MetricCollector, MetricCollectorOptions, MetricCollectorTrait,
    RylvStr, RylvTag, SharedCollector,
};

const COUNT: u64 = 1000;

fn collector() -> Running {
    let config = ServerConfig {
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        http: None,
        ..ServerConfig::default()
    };
    Server::start(config).unwrap()
}

/// Returns the sum of all series of that name, and of how many.
fn sum(report: &Report, name: &str, class: Class) -> (f64, usize) {
    let of = report.series.iter().filter(|s| s.name == name && s.class == class);
    of.fold((0.0, 0), |(sum, n), s| (sum + s.value, n + 1))
}

/// Waits until the collector has these sums, and ends it.
fn expect(running: Running, expected: &[(&str, Class, f64, usize)]) -> Report {
    let begun = Instant::now();
    loop {
        let report = running.report(1000);
        let found: Vec<_> =
            expected.iter().map(|(name, class, ..)| sum(&report, name, *class)).collect();
        if found.iter().zip(expected).all(|(found, of)| *found == (of.2, of.3)) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{found:?} of {expected:?}: {:?}",
            report.refused_lines
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let report = running.stop(1000);
    assert!(report.closes && report.malformed.is_empty());
    assert!(report.refused_lines.is_empty(), "{:?}", report.refused_lines);
    report
}

#[test]
fn cadence() {
    let running = collector();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let sink = BufferedUdpMetricSink::from(running.udp()[0], socket).unwrap();
    let client = StatsdClient::builder("app", sink).with_tag("lang", "rust").build();
    for n in 0..COUNT {
        let route = if n % 4 == 0 { "/a" } else { "/b" };
        client.count_with_tags("requests", 3).with_tag("route", route).send();
        client.time("took", n).unwrap();
        client.gauge("level", n).unwrap();
        client.distribution("size", 2.5).unwrap();
        client.histogram("old", n).unwrap();
        client.set("users", i64::try_from(n % 10).unwrap()).unwrap();
    }
    client.flush().unwrap();
    let each = COUNT as f64;
    let report = expect(
        running,
        &[
            ("app.requests", Class::Counter, 3.0 * each, 2),
            ("app.took", Class::Timing, each, 1),
            ("app.level", Class::Gauge, each - 1.0, 1),
            ("app.size", Class::Distribution, each, 1),
            ("app.old", Class::Distribution, each, 1),
            ("app.users", Class::Set, 10.0, 1),
        ],
    );
    let tags = &report.series.iter().find(|s| s.name == "app.requests").unwrap().tags;
    assert!(tags.contains(&("lang".into(), "rust".into())), "{tags:?}");
}

#[test]
fn metrics_exporter_dogstatsd() {
    let running = collector();
    let builder = DogStatsDBuilder::default().with_remote_address(running.udp()[0].to_string());
    let builder =
        builder.unwrap().with_flush_interval(Duration::from_millis(100)).with_telemetry(false);
    let recorder = builder.with_synchronous_backend().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        for n in 0..COUNT {
            metrics::counter!("requests", "route" => "/a").increment(2);
            metrics::gauge!("level").set(n as f64);
            metrics::histogram!("took").record(0.5);
        }
    });
    let each = COUNT as f64;
    expect(
        running,
        &[
            ("requests", Class::Counter, 2.0 * each, 1),
            ("level", Class::Gauge, each - 1.0, 1),
            ("took", Class::Distribution, each, 1),
        ],
    );
}

#[test]
fn rylv_metrics() {
    let running = collector();
    let options = MetricCollectorOptions {
        max_udp_packet_size: 1432,
        max_udp_batch_size: 10,
        flush_interval: Duration::from_millis(50),
        writer_type: DEFAULT_STATS_WRITER_TYPE,
    };
    let from = "127.0.0.1:0".parse().unwrap();
    let client =
        MetricCollector::new(from, running.udp()[0], options, SharedCollector::default()).unwrap();
    for n in 0..COUNT {
        let route = if n % 4 == 0 { "route:/a" } else { "route:/b" };
        client.count_add(RylvStr::from_static("requests"), 3, &mut [RylvTag::from_static(route)]);
    }
    drop(client);
    expect(running, &[("requests", Class::Counter, 3.0 * COUNT as f64, 2)]);
}
