//! The same pages as read by their real consumers: `promtool check metrics`, and a Prometheus that scrapes a collector.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use ringstat_collector::{Limits, Running, Server, ServerConfig};
use ringstat_core::record::Kind;
use ringstat_tests::prometheus::Prometheus;

use crate::hostile::{self, Record, datagrams};
use crate::{HONEST, page};

/// Returns promtool's exit code, which is 3 if it only objects to names, and its output.
fn promtool(page: &str) -> (Option<i32>, String) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(page.as_bytes()));
        child.wait_with_output().unwrap()
    });
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn promtool_finds_no_fault_with_what_is_ours() {
    let (_, page) = page(&[], Limits::default());
    assert_eq!(promtool(&page), (Some(0), String::new()));
}

#[test]
fn promtool_can_read_the_known_tricks() {
    let (_, page) = page(&hostile::tricks(), Limits::default());
    let (code, said) = promtool(&page);
    assert!(matches!(code, Some(0 | 3)), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn promtool_can_read_whatever_was_sent(records in hostile::records()) {
        let (_, page) = page(&records, Limits::default());
        let (code, said) = promtool(&page);
        prop_assert!(matches!(code, Some(0 | 3)), "{said}\n{page}");
    }
}

pub(crate) fn send(to: &Running, datagrams: &[Vec<u8>]) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, to.udp()[0]).unwrap();
    }
}

#[test]
fn prometheus_scrapes_what_is_honest_beside_what_is_not() {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = ServerConfig { udp: vec![any], http: Some(any), ..ServerConfig::default() };
    let running = Server::start(config).unwrap();
    send(&running, &datagrams(HONEST, 0, &[Record::counter("honest.requests", 7.0)]));
    for sender in [1, 2] {
        send(&running, &datagrams(sender, 0, &hostile::tricks()));
    }
    let prometheus = Prometheus::scraping(running.http().unwrap());
    let honest = format!("honest_requests_total{{sender=\"{HONEST:016x}\"}}");
    prometheus.eventually(&honest, |value| value == 7.0);
    assert_eq!(prometheus.value("min(up)"), Some(1.0));
    // Nothing was dropped on ingestion: no sample came twice or out of order.
    let dropped = "prometheus_target_scrapes_sample_duplicate_timestamp_total";
    assert_eq!(prometheus.value(dropped), None, "it does not scrape itself");
    let kept = prometheus.value("scrape_samples_post_metric_relabeling").unwrap();
    let page = running.metrics();
    let sent = page.lines().filter(|l| !l.starts_with('#')).count();
    assert_eq!(kept, sent as f64);
    let added = prometheus.value("count({job=\"ringstat\"})").unwrap();
    // Prometheus itself adds five series for each scrape.
    assert_eq!(added, sent as f64 + 5.0);
}

/// A client's counter over restarts of the client, of the collector and of both, while Prometheus scrapes: what
/// Prometheus adds up is what was counted.
#[test]
fn prometheus_adds_up_truly_over_restarts_of_sender_and_collector() {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let begin = |udp, http| {
        let config = ServerConfig { udp: vec![udp], http: Some(http), ..ServerConfig::default() };
        Server::start(config).unwrap()
    };
    let mut collector = begin(any, any);
    let (udp, http) = (collector.udp()[0], collector.http().unwrap());
    let client = || {
        let built = ringstat_std::Client::builder(udp.to_string()).sender(Some(7));
        built.flush_interval(Duration::from_millis(20)).build().unwrap()
    };
    let prometheus = Prometheus::scraping(http);
    let resets = || prometheus.value("sum(resets(work_total[10m]))").unwrap_or(0.0);
    let seen = |value: f64| {
        let query = "work_total{sender=\"0000000000000007\"}";
        prometheus.eventually(query, |now| now == value);
    };
    let mut stats = client();
    let mut work = stats.counter("work", &[]);
    work.add(1_000_000);
    seen(1e6);
    // The sender alone.
    stats.shutdown(Duration::from_secs(5));
    stats = client();
    work = stats.counter("work", &[]);
    work.add(10);
    seen(10.0);
    assert_eq!(resets(), 1.0);
    // The collector alone: it learns the total anew, and nothing seems to have happened.
    let _ = collector.stop(0);
    collector = begin(udp, http);
    work.add(5);
    seen(15.0);
    assert_eq!(resets(), 1.0);
    // Both.
    stats.shutdown(Duration::from_secs(5));
    let _ = collector.stop(0);
    collector = begin(udp, http);
    stats = client();
    work = stats.counter("work", &[]);
    work.add(7);
    seen(7.0);
    assert_eq!(resets(), 2.0);
    let most = prometheus.value("max(max_over_time(work_total[10m]))");
    assert_eq!(most, Some(1e6), "1 000 010 stood nowhere");
    let rise = prometheus.value("sum(increase(work_total[10m]))").unwrap();
    // The first million was the first value that it saw. 10 + 5 + 7 came since; the function extrapolates a little.
    assert!((22.0..22.0 * 1.6).contains(&rise), "{rise}");
    let process = std::process::id();
    let info = format!("count(ringstat_sender_info{{process=\"{process}\"}})");
    assert_eq!(prometheus.value(&info), Some(1.0));
    stats.shutdown(Duration::from_secs(5));
    let _ = collector.stop(0);
}

/// Timings of two senders, from whose buckets Prometheus computes quantiles over both.
#[test]
fn prometheus_finds_quantiles_over_all_senders() {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = ServerConfig { udp: vec![any], http: Some(any), ..ServerConfig::default() };
    let running = Server::start(config).unwrap();
    // The timings are spread evenly from 1 ms to 1 s, with the lower half from one sender and the upper half from the
    // other.
    for (sender, millis) in [(1, 1..=500u32), (2, 501..=1000)] {
        let timing = |ms: u32| Record::new(Kind::Timing, "job", &[], ms.into());
        let records: Vec<_> = millis.map(timing).collect();
        send(&running, &datagrams(sender, 0, &records));
    }
    let prometheus = Prometheus::scraping(running.http().unwrap());
    prometheus.eventually("sum(job_seconds_count)", |count| count == 1000.0);
    for (share, exact) in [(0.1, 0.1), (0.25, 0.25), (0.5, 0.5), (0.95, 0.95)] {
        let query = format!("histogram_quantile({share}, sum by (le) (job_seconds_bucket))");
        let value = prometheus.value(&query).unwrap();
        // The bound of a bucket may be off by the collector's own error of 3.2 %; between bounds the samples are spread
        // evenly.
        assert!((value / exact - 1.0f64).abs() < 0.04, "{query} is {value}, not {exact}");
    }
    let sum = prometheus.value("sum(job_seconds_sum)").unwrap();
    assert!((sum - 500.5).abs() < 1e-6, "{sum}");
}
