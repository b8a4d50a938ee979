//! OTLP to a receiver that Python's own library decodes for: over HTTP and gRPC, cumulative and as differences.

mod agent;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver as Lines, channel};
use std::time::{Duration, Instant};

use ringstat_collector::{
    DataConfig, HttpAuth, Mapping, OtlpConfig, OtlpTarget, OtlpTemporality, OutputConfig, Running,
    Server, ServerConfig,
};
use ringstat_core::record::Recorder as _;
use ringstat_tests::process::{Process, command};
use serde_json::Value;

/// The receiver, and the points that it has taken.
struct Receiver {
    _process: Process,
    http: String,
    grpc: String,
    lines: Lines<Value>,
}

impl Receiver {
    fn start() -> Self {
        let python = std::env::var("RINGSTAT_PYTHON").expect("a Python with opentelemetry-proto");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp/receiver.py");
        let mut command = command(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command).unwrap();
        let mut out = BufReader::new(process.stdout().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap();
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self {
            _process: process,
            http: format!("http://127.0.0.1:{}", ports["http"]),
            grpc: format!("grpc://127.0.0.1:{}", ports["grpc"]),
            lines,
        }
    }

    /// The points that come until one is what is waited for.
    fn until(&self, what: &str, done: impl Fn(&Value) -> bool) -> Vec<Value> {
        let end = Instant::now() + Duration::from_secs(60);
        let mut all = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("never {what}: {all:#?}") };
            let is_done = done(&line);
            all.push(line);
            if is_done {
                return all;
            }
        }
    }

    fn rest(&self) -> Vec<Value> {
        self.lines.try_iter().collect()
    }
}

fn start(url: &str, temporality: OtlpTemporality, test: &str, data: Option<DataConfig>) -> Running {
    Server::start(config(url, temporality, test, data)).unwrap()
}

fn config(
    url: &str,
    temporality: OtlpTemporality,
    test: &str,
    data: Option<DataConfig>,
) -> ServerConfig {
    let mut target = OtlpTarget::new(url);
    target.http.headers.push(("x-test".into(), test.into()));
    let otlp = OtlpConfig {
        targets: vec![target],
        interval: Duration::from_millis(200),
        temporality,
        ..OtlpConfig::default()
    };
    ServerConfig {
        udp: vec![([127, 0, 0, 1], 0).into()],
        threads: 2,
        http: None,
        data,
        outputs: OutputConfig { otlp, ..OutputConfig::default() },
        ..ServerConfig::default()
    }
}

fn client(running: &Running) -> ringstat_std::Client {
    client_of(running, 7)
}

fn client_of(running: &Running, sender: u64) -> ringstat_std::Client {
    let built = ringstat_std::Client::builder(running.udp()[0].to_string()).sender(Some(sender));
    let built = built.program(Some("shop".into())).version(Some("1.2".into()));
    built.flush_interval(Duration::from_millis(20)).build().unwrap()
}

fn nanos(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

/// The values of a sum.
fn values(points: &[Value], name: &str) -> Vec<f64> {
    let of = points.iter().filter(|line| line["name"] == name);
    of.map(|line| line["point"]["as_double"].as_f64().unwrap()).collect()
}

#[test]
fn both_transports_carry_every_kind_of_series() {
    let receiver = Receiver::start();
    for (url, via) in [(&receiver.http, "http"), (&receiver.grpc, "grpc")] {
        let running = start(url, OtlpTemporality::Cumulative, "unavailable", None);
        let stats = client(&running);
        stats.counter("work", &[("kind", "real")]).add(41);
        stats.gauge("level", &[]).set(-2.5);
        for ms in 1..=1000 {
            let _ = stats.timing("took", Duration::from_millis(ms)).record();
        }
        let _ = stats.set("who", 5u64).record();
        stats.shutdown(Duration::from_secs(5));
        let is_whole = |line: &Value| line["name"] == "took" && line["point"]["count"] == "1000";
        receiver.until("all timings", is_whole);
        let report = running.stop(0);
        let output = &report.outputs[0];
        assert!(output.closes() && output.counts.dropped() == 0, "{output:?}");
        // The first request was not taken at once.
        assert!(output.counts.failures >= u64::from(via == "http"), "{output:?}");
        // The last round is there: each kind once.
        std::thread::sleep(Duration::from_millis(100));
        let rest = receiver.rest();
        let last = |name: &str| {
            let line = rest.iter().rfind(|line| line["name"] == name && line["via"] == via);
            line.unwrap_or_else(|| panic!("no {name} in {rest:#?}"))
        };
        let work = last("work");
        assert_eq!((&work["kind"], &work["monotonic"]), (&"sum".into(), &true.into()));
        assert_eq!(work["temporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
        assert_eq!(
            (&work["point"]["as_double"], &work["attributes"]["kind"]),
            (&41.0.into(), &"real".into())
        );
        let resource = &work["resource"];
        assert_eq!(
            [
                &resource["service.name"],
                &resource["service.version"],
                &resource["service.instance.id"]
            ],
            ["shop", "1.2", "0000000000000007"]
        );
        assert_eq!(work["scope"], "ringstat");
        let (begun, at) = (
            nanos(&work["point"]["start_time_unix_nano"]),
            nanos(&work["point"]["time_unix_nano"]),
        );
        assert!(begun < at, "{work}");
        assert_eq!(last("level")["point"]["as_double"], -2.5);
        assert_eq!(last("who.distinct")["point"]["as_double"], 1.0);
        let took = last("took");
        assert_eq!((&took["kind"], &took["unit"]), (&"exponential_histogram".into(), &"ms".into()));
        let point = &took["point"];
        assert_eq!((&point["count"], point["sum"].as_f64()), (&"1000".into(), Some(500_500.0)));
        quantiles_are_right(point);
    }
}

/// Of the numbers from 1 to 1000: each lies within the bounds of its bucket, give or take the collector's own error.
fn quantiles_are_right(point: &Value) {
    let base = 2f64.powf(2f64.powi(-(point["scale"].as_i64().unwrap() as i32)));
    let buckets = &point["positive"];
    let offset = buckets["offset"].as_i64().unwrap_or(0) as i32;
    let mut below = 0;
    for (index, count) in (offset..).zip(buckets["bucket_counts"].as_array().unwrap()) {
        below += nanos(count);
        let (bound, exact) = (base.powi(index + 1), below as f64);
        assert!(
            bound <= 1.035 || (exact / bound - 1.0).abs() < 0.035 + 1.0 / bound,
            "{exact} below {bound}"
        );
    }
    assert_eq!(below, 1000);
}

#[test]
fn differences_add_up_over_restarts_of_sender_and_collector() {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let data = || Some(DataConfig::new(dir.path()));
    let mut sum = 0.0;
    let mut counts = BTreeMap::<u64, u64>::new();
    let mut expected = 0.0;
    for life in 1..=3u64 {
        let running = start(&receiver.http, OtlpTemporality::Delta, "", data());
        let stats = client(&running);
        let (work, size) = (stats.counter("work", &[]), stats.histogram("size", &[]));
        for n in 1..=20u64 {
            work.add(n);
            size.record(n * life * 1000);
            expected += n as f64;
            std::thread::sleep(Duration::from_millis(20));
        }
        stats.shutdown(Duration::from_secs(5));
        let report = running.stop(0);
        let output = &report.outputs[0];
        assert_eq!((output.pending_samples, output.counts.dropped()), (0, 0), "{output:?}");
        std::thread::sleep(Duration::from_millis(200));
        let points = receiver.rest();
        assert!(
            points
                .iter()
                .filter(|l| l["kind"] != "gauge")
                .all(|l| { l["temporality"] == "AGGREGATION_TEMPORALITY_DELTA" })
        );
        let of = values(&points, "work");
        assert!(of.len() > 1 && of.iter().all(|v| *v > 0.0), "{of:?}");
        sum += of.iter().sum::<f64>();
        for line in points.iter().filter(|line| line["name"] == "size") {
            let buckets = line["point"]["positive"]["bucket_counts"].as_array().unwrap();
            let in_buckets: u64 = buckets.iter().map(nanos).sum();
            assert_eq!(in_buckets, nanos(&line["point"]["count"]));
            *counts.entry(life).or_default() += in_buckets;
        }
    }
    assert_eq!(sum, expected);
    assert_eq!(counts, BTreeMap::from([(1, 20), (2, 20), (3, 20)]));
}

/// Rules that add up what all senders have.
const SUMMED: &str = "[[rule]]\nmatch = \"**\"\nwithout = [\"sender\"]\n";

#[test]
fn what_rules_add_up_is_one_point_over_all_shards_and_senders() {
    let receiver = Receiver::start();
    for temporality in [OtlpTemporality::Cumulative, OtlpTemporality::Delta] {
        let mapping = Some(Mapping::parse(SUMMED).unwrap());
        let config = config(&receiver.http, temporality, "", None);
        let running = Server::start(ServerConfig { mapping, threads: 4, ..config }).unwrap();
        // Sixteen senders, spread over four shards.
        let mut clients: Vec<_> = (1..=16u64).map(|n| client_of(&running, n * 0x1_0001)).collect();
        let mut expected = 0;
        for (client, n) in clients.iter().zip(1u64..) {
            client.counter("work", &[]).add(n);
            client.gauge("level", &[]).set(n as f64);
            client.histogram("size", &[]).record(n);
            let _ = client.timing("took", Duration::from_millis(n)).record();
            let _ = client.set("who", n % 5).record();
            expected += n;
        }
        let mut points = Vec::new();
        while !adds_up_to(&points, temporality, expected as f64) {
            points.extend(receiver.until("a sum", |l| l["name"] == "work"));
        }
        // One of them starts again, which takes nothing off.
        clients.remove(0).shutdown(Duration::from_secs(5));
        let again = client_of(&running, 0x1_0001);
        again.counter("work", &[]).add(1000);
        expected += 1000;
        clients.into_iter().for_each(|client| _ = client.shutdown(Duration::from_secs(5)));
        again.shutdown(Duration::from_secs(5));
        let report = running.stop(0);
        let output = &report.outputs[0];
        assert!(output.closes() && output.counts.dropped() == 0, "{output:?}");
        assert_eq!(output.pending_samples, 0);
        points.extend(receiver.until("the last round", |_| true));
        std::thread::sleep(Duration::from_millis(200));
        points.extend(receiver.rest());
        let of = |name: &str| -> Vec<&Value> {
            points.iter().filter(|line| line["name"] == name).collect()
        };
        for name in ["work", "level", "size", "took", "who.distinct"] {
            let mut times: Vec<_> =
                of(name).iter().map(|l| &l["point"]["time_unix_nano"]).collect();
            assert!(of(name).iter().all(|l| l["resource"].get("service.instance.id").is_none()));
            let all = times.len();
            times.dedup();
            assert_eq!((times.len(), times.is_empty()), (all, false), "{name} once in a round");
        }
        let last = |name: &str| of(name).pop().unwrap();
        assert_eq!(last("who.distinct")["point"]["as_double"], 5.0);
        let levels: Vec<_> = values(&points, "level");
        assert!(levels.contains(&136.0), "{levels:?}");
        for (name, sum) in [("size", 136.0), ("took", 136.0)] {
            let (counts, sums): (Vec<_>, Vec<_>) = of(name)
                .iter()
                .map(|l| (nanos(&l["point"]["count"]), l["point"]["sum"].as_f64().unwrap()))
                .unzip();
            let found = match temporality {
                OtlpTemporality::Cumulative => (*counts.last().unwrap(), *sums.last().unwrap()),
                OtlpTemporality::Delta => (counts.iter().sum(), sums.iter().sum::<f64>()),
            };
            assert_eq!(found, (16, sum), "{name}");
        }
        assert!(adds_up_to(&points, temporality, expected as f64), "{:?}", values(&points, "work"));
    }
}

/// Whether the points of the sum say that it is so much.
fn adds_up_to(points: &[Value], temporality: OtlpTemporality, expected: f64) -> bool {
    let values = values(points, "work");
    match temporality {
        OtlpTemporality::Cumulative => values.is_sorted() && values.last() == Some(&expected),
        OtlpTemporality::Delta => values.iter().sum::<f64>() == expected,
    }
}

#[test]
fn what_a_receiver_rejects_is_counted() {
    let receiver = Receiver::start();
    for (url, test) in [
        (&receiver.http, "reject"),
        (&receiver.grpc, "reject"),
        (&receiver.http, "bad"),
        (&receiver.grpc, "bad"),
    ] {
        let running = start(url, OtlpTemporality::Cumulative, test, None);
        let stats = client(&running);
        for kind in ["a", "b", "c"] {
            stats.counter("work", &[("kind", kind)]).add(1);
        }
        let end = Instant::now() + Duration::from_secs(60);
        while running.report(0).outputs[0].counts.dropped() == 0 {
            assert!(Instant::now() < end, "{:?}", running.report(0).outputs);
            std::thread::sleep(Duration::from_millis(20));
        }
        stats.shutdown(Duration::from_secs(5));
        let report = running.stop(0);
        let (output, counts) = (&report.outputs[0], &report.outputs[0].counts);
        assert!(output.closes(), "{output:?}");
        assert_eq!(counts.sent > 0, test == "reject", "{output:?}");
    }
}

#[test]
fn secrets_reach_both_transports() {
    let receiver = Receiver::start();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "sesame\n").unwrap();
    for url in [&receiver.http, &receiver.grpc] {
        let mut target = OtlpTarget::new(url);
        target.http.auth = HttpAuth::BearerFile(token.clone());
        let otlp = OtlpConfig {
            targets: vec![target],
            interval: Duration::from_millis(100),
            ..OtlpConfig::default()
        };
        let config = ServerConfig {
            udp: vec![([127, 0, 0, 1], 0).into()],
            http: None,
            outputs: OutputConfig { otlp, ..OutputConfig::default() },
            ..ServerConfig::default()
        };
        let running = Server::start(config).unwrap();
        let stats = client(&running);
        stats.counter("work", &[]).add(1);
        receiver.until("a point", |l| l["headers"]["authorization"] == "Bearer sesame");
        stats.shutdown(Duration::from_secs(5));
        let _ = running.stop(0);
        receiver.rest();
    }
}
