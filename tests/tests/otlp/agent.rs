//! Points through Rotel, an OpenTelemetry collector that others wrote: what it has taken from us, it passes on.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use ringstat_collector::OtlpTemporality;
use ringstat_core::record::Recorder as _;
use ringstat_tests::process::{Process, command};

use super::{Receiver, client, nanos, quantiles_are_right, start};

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An agent that takes points over HTTP and gRPC, and passes them on to a receiver.
fn agent(http: SocketAddr, grpc: SocketAddr, to: &Receiver, dir: &std::path::Path) -> Process {
    let program = std::env::var("RINGSTAT_ROTEL").expect("the path of rotel-agent");
    let mut command = command(program);
    command
        .args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "http"])
        .args(["--otlp-exporter-endpoint", &to.http])
        .args(["--batch-timeout", "50ms"])
        .args(["--otlp-http-endpoint", &http.to_string()])
        .args(["--otlp-grpc-endpoint", &grpc.to_string()])
        .arg("--pid-file")
        .arg(dir.join("pid"));
    let process = Process::start(command).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while [http, grpc].iter().any(|at| TcpStream::connect(at).is_err()) {
        assert!(Instant::now() < end, "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

#[test]
fn a_collector_of_others_takes_and_passes_on_what_was_sent() {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let (http, grpc) = (free(), free());
    let _agent = agent(http, grpc, &receiver, dir.path());
    for url in [format!("http://{http}"), format!("grpc://{grpc}")] {
        let running = start(&url, OtlpTemporality::Cumulative, "", None);
        let stats = client(&running);
        stats.counter("work", &[("kind", "real")]).add(41);
        stats.gauge("level", &[]).set(-2.5);
        for ms in 1..=1000 {
            let _ = stats.timing("took", Duration::from_millis(ms)).record();
        }
        stats.shutdown(Duration::from_secs(5));
        let is_whole = |name: &str, l: &serde_json::Value| {
            l["name"] == name && (name != "took" || l["point"]["count"] == "1000")
        };
        let points = receiver.until("all timings", |line| is_whole("took", line));
        let point = &points.last().unwrap()["point"];
        assert_eq!(point["sum"].as_f64(), Some(500_500.0), "{url}");
        quantiles_are_right(point);
        assert!(nanos(&point["start_time_unix_nano"]) < nanos(&point["time_unix_nano"]));
        for (name, expected) in [("work", 41.0), ("level", -2.5)] {
            let points = receiver.until(name, |line| is_whole(name, line));
            let line = points.last().unwrap();
            assert_eq!(line["point"]["as_double"], expected, "{url}");
            assert_eq!(line["resource"]["service.name"], "shop");
        }
        let report = running.stop(0);
        let output = &report.outputs[0];
        assert!(output.closes() && output.counts.dropped() == 0, "{output:?}");
        assert_eq!((output.counts.failures, output.pending_samples), (0, 0), "{output:?}");
        // What is under way belongs to this one.
        let mut quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(500) {
            if !receiver.rest().is_empty() {
                quiet = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
