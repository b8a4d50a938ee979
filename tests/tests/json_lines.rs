//! The collector's file of JSON lines.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use ringstat_collector::{
    JsonLinesConfig, OutputCause, OutputConfig, OutputReport, Running, Server, ServerConfig,
};
use ringstat_core::record::Recorder as _;
use serde_json::Value;

fn start(file: &Path) -> Running {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let lines =
        JsonLinesConfig { interval: Duration::from_millis(100), ..JsonLinesConfig::to(file) };
    let config = ServerConfig {
        udp: vec![any],
        threads: 2,
        http: None,
        outputs: OutputConfig { json_lines: Some(lines), ..OutputConfig::default() },
        ..ServerConfig::default()
    };
    Server::start(config).unwrap()
}

fn until(running: &Running, what: &str, done: impl Fn(&OutputReport) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let report = running.report(0);
        let output = &report.outputs[0];
        assert!(output.closes(), "{output:?}");
        if done(output) {
            return;
        }
        assert!(Instant::now() < end, "never {what}: {output:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn each_line_is_a_series_at_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("series.jsonl");
    let running = start(&file);
    let built = ringstat_std::Client::builder(running.udp()[0].to_string()).sender(Some(7));
    let stats = built.flush_interval(Duration::from_millis(10)).build().unwrap();
    stats.counter("work", &[("kind", "\"real\"\n")]).add(3);
    stats.gauge("level", &[]).set(-1.5);
    let _ = stats.timing("took", Duration::from_millis(12)).record();
    stats.shutdown(Duration::from_secs(5));
    until(&running, "six lines", |output| output.counts.sent >= 6);
    let report = running.stop(0);
    let counts = &report.outputs[0].counts;
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count() as u64, counts.sent);
    assert_eq!((counts.queued, counts.dropped()), (counts.sent, 0));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.is_sorted_by_key(|line| line["time_ms"].as_u64().unwrap()));
    let last = |name: &str| lines.iter().rfind(|line| line["name"] == name).unwrap();
    let work = last("work");
    assert_eq!(work["value"], 3.0);
    assert_eq!((&work["class"], &work["sender"]), (&"counter".into(), &"0000000000000007".into()));
    assert_eq!(work["tags"], serde_json::json!([["kind", "\"real\"\n"]]));
    assert_eq!(last("level")["value"], -1.5);
    let took = last("took");
    assert_eq!((&took["count"], &took["unit"]), (&1.into(), &"milliseconds".into()));
    assert!((took["p50"].as_f64().unwrap() / 12.0 - 1.0).abs() < 0.04, "{took}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_full_disk_does_not_take_is_counted_and_told() {
    let running = start(Path::new("/dev/full"));
    let stats = ringstat_std::Client::builder(running.udp()[0].to_string()).build().unwrap();
    stats.counter("work", &[]).add(1);
    stats.shutdown(Duration::from_secs(5));
    until(&running, "a loss", |output| output.counts.dropped[OutputCause::Disk as usize] > 0);
    let reasons = running.report(0).health.reasons;
    assert!(reasons.iter().any(|reason| reason.contains("/dev/full")), "{reasons:?}");
    let report = running.stop(0);
    let counts = &report.outputs[0].counts;
    assert_eq!((counts.sent, counts.dropped()), (0, counts.queued));
}

#[test]
fn a_file_that_cannot_be_opened_is_told_at_the_start() {
    let config = ServerConfig {
        udp: vec![([127, 0, 0, 1], 0).into()],
        http: None,
        outputs: OutputConfig {
            json_lines: Some(JsonLinesConfig::to("/no/such/directory/file")),
            ..OutputConfig::default()
        },
        ..ServerConfig::default()
    };
    let error = Server::start(config).unwrap_err();
    assert!(error.to_string().contains("/no/such/directory/file"), "{error}");
}
