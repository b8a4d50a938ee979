//! The page in the forms that a scraper can ask for, as read by others: OpenMetrics by the parser of Prometheus' Python
//! client, which is stricter than Prometheus, and native histograms by a Prometheus.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use ringstat_collector::{Distributions, Running, Server, ServerConfig};
use ringstat_core::record::Kind;
use ringstat_tests::prometheus::Prometheus;

use crate::HONEST;
use crate::hostile::{self, Record, datagrams};
use crate::prometheus::send;

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";

fn collector(distributions: Distributions) -> Running {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config =
        ServerConfig { udp: vec![any], http: Some(any), distributions, ..ServerConfig::default() };
    Server::start(config).unwrap()
}

/// The head and the body of the page, for who accepts that.
fn page(of: &Running, accept: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(of.http().unwrap()).unwrap();
    let head = format!("GET /metrics HTTP/1.0\r\nHost: x\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer.split_off(end + 4))
}

/// Waits until a collector has stored so many records.
fn until_stored(of: &Running, records: u64) {
    while of.report(0).stored < records {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The families and samples that the strict parser finds, a line each; what it says if it refuses the page.
fn parsed(page: &[u8]) -> Result<String, String> {
    const PROGRAM: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.buffer.read().decode()):
    print('family', family.name, family.type, family.unit or '-', family.documentation)
    for s in family.samples:
        print('sample', s.name, ' '.join(f'{k}={v!r}' for k, v in sorted(s.labels.items())), float(s.value))
";
    let python = std::env::var("RINGSTAT_PYTHON").expect("a Python with prometheus_client");
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(page));
        child.wait_with_output().unwrap()
    });
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_strict_parser_takes_open_metrics_whatever_was_sent() {
    for shown in [Distributions::Histograms, Distributions::Summaries] {
        let running = collector(shown);
        let honest = [
            Record::counter("honest.requests", 7.0),
            // Names that only OpenMetrics takes for one.
            Record::new(Kind::Gauge, "honest.requests", &[], 1.0),
            Record::new(Kind::Timing, "honest.requests", &[], 5.0),
            Record::new(Kind::Timing, "wait", &[("a", "\"\\\n")], 5.0),
            Record::new(Kind::Gauge, "wait_created", &[], 1.0),
            Record::counter("wait_count", 1.0),
            Record::new(Kind::Distribution, "below", &[], -5.0),
        ];
        send(&running, &datagrams(HONEST, 0, &honest));
        until_stored(&running, honest.len() as u64);
        for sender in [1, 2] {
            send(&running, &datagrams(sender, 0, &hostile::tricks()));
        }
        until_stored(&running, honest.len() as u64 + 2 * hostile::tricks().len() as u64 / 2);
        let (head, page) = page(&running, OPEN_METRICS);
        assert!(
            head.contains("content-type: application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        assert!(head.contains("vary: "), "{head}");
        let text = String::from_utf8_lossy(&page);
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        let parsed = parsed(&page).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let id = format!("sender='{HONEST:016x}'");
        let has = |line: &str| parsed.lines().any(|of| of == line);
        assert!(has(&format!("sample honest_requests_total {id} 7.0")), "{parsed}");
        // As the gauge has the name without the ending, it is no counter here.
        assert!(parsed.contains("family honest_requests_total unknown "), "{parsed}");
        assert!(has(&format!("sample wait_seconds_count a='\"\\\\\\n' {id} 1.0")), "{parsed}");
        assert!(
            parsed.contains("family wait_seconds ") && parsed.contains(" seconds wait"),
            "{parsed}"
        );
        assert!(parsed.contains("family ringstat_collector_datagrams counter "), "{parsed}");
        assert!(!parsed.contains("sample below_sum"), "a sum that can fall is no counter");
        let _ = running.stop(0);
    }
}

/// What a run has stated has counted since the run began, which its sender says.
#[test]
fn counters_say_since_when_they_count() {
    let running = collector(Distributions::Histograms);
    let stats = ringstat_std::Client::builder(running.udp()[0].to_string());
    let stats = stats.sender(Some(7)).flush_interval(Duration::from_millis(20)).build().unwrap();
    stats.describe("work", ringstat_std::Unit::Bytes, "What was \"done\".");
    stats.counter("work", &[]).add(5);
    stats.histogram("wait", &[]).record(1_000_000);
    stats.flush(Duration::from_secs(10)).unwrap();
    let page = loop {
        let (_, page) = page(&running, OPEN_METRICS);
        let text = String::from_utf8_lossy(&page).into_owned();
        if text.contains("work_bytes_created") && text.contains("wait_seconds_created") {
            break page;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let parsed = parsed(&page).unwrap();
    assert!(parsed.contains("family work_bytes counter bytes What was \"done\"."), "{parsed}");
    let created = parsed.lines().find_map(|line| {
        line.strip_prefix("sample work_bytes_created sender='0000000000000007' ")?
            .parse::<f64>()
            .ok()
    });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() - created.unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");
    stats.shutdown(Duration::from_secs(5));
    let _ = running.stop(0);
}

/// By protobuf Prometheus gets native histograms, from which it computes quantiles over both senders.
#[test]
fn native_histograms_give_quantiles_within_their_error() {
    let running = collector(Distributions::Histograms);
    // From 1 ms to 1 s, with the lower half from one sender and the upper half from the other.
    for (sender, millis) in [(1, 1..=500u32), (2, 501..=1000)] {
        let records: Vec<_> =
            millis.map(|ms| Record::new(Kind::Timing, "job", &[], ms.into())).collect();
        send(&running, &datagrams(sender, 0, &records));
    }
    // A distribution on both sides of zero, and so many series that the family comes in several messages.
    let both: Vec<_> =
        (-100..=100).map(|n| Record::new(Kind::Distribution, "both", &[], n.into())).collect();
    send(&running, &datagrams(3, 0, &both));
    let many: Vec<_> = (0..2000)
        .map(|n: u32| Record::new(Kind::Counter, "many", &[("id", &n.to_string())], f64::from(n)))
        .collect();
    for (sequence, some) in (0..).zip(many.chunks(100)) {
        send(&running, &datagrams(4, 100 * sequence, some));
    }
    until_stored(&running, 1000 + 201 + 2000);
    let features = ["--enable-feature=native-histograms"];
    let prometheus = Prometheus::scraping_with(running.http().unwrap(), &features);
    prometheus.eventually("sum(histogram_count(job_seconds))", |count| count == 1000.0);
    assert_eq!(prometheus.value("sum(many_total)"), Some(1999.0 * 1000.0));
    assert_eq!(prometheus.value("count(many_total)"), Some(2000.0));
    assert_eq!(prometheus.value("min(up)"), Some(1.0));
    for share in [0.01, 0.1, 0.25, 0.5, 0.75, 0.95, 0.99] {
        let query = format!("histogram_quantile({share}, sum(job_seconds))");
        let value = prometheus.value(&query).unwrap();
        // Half a bucket of the collector's, 3.1 %, and one of these, 2.2 %.
        assert!((value / share - 1.0f64).abs() < 0.054, "{query} is {value}, not {share}");
    }
    let sum = prometheus.value("histogram_sum(sum(job_seconds))").unwrap();
    assert!((sum - 500.5).abs() < 1e-6, "{sum}");
    assert_eq!(prometheus.value("histogram_count(both)"), Some(201.0));
    for (share, right) in [(0.25, -50.0), (0.75, 50.0)] {
        let value = prometheus.value(&format!("histogram_quantile({share}, both)")).unwrap();
        assert!((value / right - 1.0f64).abs() < 0.075, "{share} is {value}, not {right}");
    }
    let middle = prometheus.value("histogram_quantile(0.5, both)").unwrap();
    assert!(middle.abs() < 1.1, "{middle}");
    let _ = running.stop(0);
}
