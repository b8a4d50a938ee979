//! The dashboards: each of their queries returns data from a Prometheus that scrapes a collector with real clients.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringstat_collector::{Server, ServerConfig};
use ringstat_std::{Client, Counter, Gauge, Histogram, Recorder, Unit};
use ringstat_tests::prometheus::Prometheus;
use serde_json::Value;

static REQUESTS: Counter =
    Counter::new("http.requests").tags(&[("service", "shop"), ("route", "/orders")]);
static ERRORS: Counter =
    Counter::new("http.errors").tags(&[("service", "shop"), ("route", "/orders")]);
static DURATION: Histogram = Histogram::new("http.duration")
    .unit(Unit::Nanoseconds)
    .tags(&[("service", "shop"), ("route", "/orders")]);
static QUEUE: Gauge = Gauge::new("queue.depth").tags(&[("service", "shop")]);

/// Ends the recording even if a query finds nothing.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the queries of a dashboard, with all variables set to everything and a short range.
fn queries(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana").join(name);
    let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let targets = |panel: &Value| panel["targets"].as_array().unwrap().clone();
    let targets = json["panels"].as_array().unwrap().iter().flat_map(targets);
    let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let plain = |query: String| {
        let query = query.replace("$sender", ".*").replace("$service", ".*");
        query.replace("$__rate_interval", "10s")
    };
    queries.map(plain).collect()
}

#[test]
fn each_query_of_the_dashboards_finds_something() {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = ServerConfig { udp: vec![any], http: Some(any), ..ServerConfig::default() };
    let running = Server::start(config).unwrap();
    let to = running.udp()[0];
    let client = Client::builder(running.udp()[0].to_string())
        .report_interval(Some(Duration::from_millis(500)))
        .flush_interval(Duration::from_millis(200))
        .instrument(&REQUESTS)
        .instrument(&ERRORS)
        .instrument(&DURATION)
        .instrument(&QUEUE)
        .build()
        .unwrap();
    let prometheus = Prometheus::scraping(running.http().unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (recording, stop) = (client.clone(), &stop);
        let _stop = Stop(stop);
        scope.spawn(move || {
            let lines = UdpSocket::bind(any).unwrap();
            while !stop.load(Ordering::Relaxed) {
                for line in ["a.line:1|c", "no line at all"] {
                    lines.send_to(line.as_bytes(), to).unwrap();
                }
                REQUESTS.inc();
                ERRORS.inc();
                DURATION.record(1_000_000);
                QUEUE.set(3.0);
                recording.count("events", 1u8).record();
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let all = ["ringstat.json", "service.json"].into_iter().flat_map(queries);
        let found: Vec<_> = all
            .inspect(|query| {
                // NaN, the quantile of no values, does not count as an answer.
                prometheus.eventually(query, |value| !value.is_nan());
                // There are lines, and some of them are refused.
                if query.contains("lines_total") {
                    prometheus.eventually(&format!("max({query})"), |value| value > 0.0);
                }
            })
            .collect();
        assert!(found.len() > 20, "{found:?}");
        let of_lines = found.iter().filter(|query| query.contains("lines_total")).count();
        assert!(of_lines >= 2, "{found:?}");
    });
    let _ = client.shutdown(Duration::from_secs(5));
}

#[test]
fn the_rules_are_valid_and_fire_when_they_should() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("prometheus");
    for args in
        [["check", "rules", "ringstat.rules.yml"], ["test", "rules", "ringstat.rules.test.yml"]]
    {
        let output = Command::new("promtool").current_dir(&dir).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
    }
}
