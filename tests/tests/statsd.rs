//! The client's lines as Etsy's original StatsD server understands them: version 0.9.0 from npm, on 127.0.0.1, queried
//! over its management port. `.ci/statsd` installs it and runs this.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ringstat_collector::{Running, Server as CollectorServer, ServerConfig};
use ringstat_std::{Cause, Client, Counter, Histogram, Protocol, Recorder, Unit};
use ringstat_tests::process::{self, Process};

const TIMEOUT: Duration = Duration::from_secs(30); // for what takes milliseconds unless something is wrong

/// The running server.
struct Statsd {
    _process: Process,
    directory: PathBuf,
    port: u16,
    management: u16,
}

impl Drop for Statsd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Statsd {
    fn start(name: &str) -> Self {
        let program = std::env::var("RINGSTAT_STATSD")
            .expect("RINGSTAT_STATSD names the server's stats.js; .ci/statsd installs it");
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (port, management) =
            (udp.local_addr().unwrap().port(), tcp.local_addr().unwrap().port());
        drop((udp, tcp));
        let directory =
            std::env::temp_dir().join(format!("ringstat-statsd-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let config = directory.join("config.js");
        // There is no backend, and no flush during the test, so counters keep their sums.
        let text = format!(
            "{{ address: '127.0.0.1', port: {port}, mgmt_address: '127.0.0.1', mgmt_port: {management}, \
             backends: [], flushInterval: 3600000 }}"
        );
        std::fs::write(&config, text).unwrap();
        let mut command = process::command("node");
        command.arg(program).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(command).expect("node starts");
        let server = Self { _process: process, directory, port, management };
        let begun = Instant::now();
        while server.try_ask("health").is_none() {
            assert!(begun.elapsed() < TIMEOUT, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn client(&self) -> ringstat_std::Client {
        let client = Client::builder(format!("127.0.0.1:{}", self.port)).protocol(Protocol::StatsD);
        client.build().unwrap()
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.management)).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        writeln!(stream, "{command}").ok()?;
        // The server closes the connection when we do, after its answer.
        stream.shutdown(Shutdown::Write).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Returns what follows `key` in the answer to `command`, a number or an array.
    fn value(&self, command: &str, key: &str) -> Option<String> {
        let answer = self.try_ask(command)?;
        let (_, rest) = answer.split_once(&format!("'{key}': "))?;
        let end =
            if rest.starts_with('[') { rest.find(']')? + 1 } else { rest.find([',', '\n', ' '])? };
        Some(rest[..end].split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Waits until the server has received everything that was sent to it.
    fn wait_for(&self, command: &str, key: &str, expected: &str) {
        let begun = Instant::now();
        loop {
            let value = self.value(command, key);
            if value.as_deref() == Some(expected) {
                return;
            }
            assert!(begun.elapsed() < TIMEOUT, "{key} is {value:?}, not {expected}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Checks that no line was refused.
    fn took_every_line(&self) {
        self.wait_for("counters", "statsd.bad_lines_seen", "0");
    }
}

#[test]
fn counters_are_exact() {
    static REQUESTS: Counter = Counter::new("shop.requests").tags(&[("zone", "a")]);
    let server = Statsd::start("counters");
    let stats = server.client();
    stats.register(&REQUESTS);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25_000).for_each(|_| REQUESTS.inc()));
        }
    });
    let made = stats.counter("made.at:run|time", &[("a;b", "c=d")]);
    for i in 0..1000u32 {
        made.add(3);
        stats.count("events.plain", 2u8).record();
        stats.count("events.sampled", 1u8).sampled(if i % 2 == 0 { 7 } else { 50 }).record();
        if i % 100 == 99 {
            stats.flush(TIMEOUT).unwrap();
        }
    }
    let totals = stats.totals();
    let ledger = stats.shutdown(TIMEOUT);
    assert_eq!((ledger.recorded, ledger.sent), (2000, 2000));
    assert!(totals.altered > 0, "the made counter's name and tag");
    server.wait_for("counters", "shop.requests;zone=a", "100000");
    server.wait_for("counters", "made.at_run_time;a_b=c_d", "3000");
    server.wait_for("counters", "events.plain", "2000");
    // 500 × 7 + 500 × 50.
    server.wait_for("counters", "events.sampled", "28500");
    server.took_every_line();
}

#[test]
fn gauges_have_the_latest_value_whatever_its_sign() {
    let server = Statsd::start("gauges");
    let stats = server.client();
    let made = stats.gauge("queue.depth", &[]);
    for value in [5.0, -3.5, -1.25, 2.0, -7.5] {
        made.set(value);
        stats.level("events.level", value).tag("zone", "a").record();
        stats.flush(TIMEOUT).unwrap();
        server.wait_for("gauges", "queue.depth", &value.to_string());
        server.wait_for("gauges", "events.level;zone=a", &value.to_string());
    }
    assert!(stats.shutdown(TIMEOUT).closes());
    server.took_every_line();
}

#[test]
fn timings_samples_and_sets_are_taken_and_events_are_not_sent() {
    static SIZES: Histogram = Histogram::new("upload.size").unit(Unit::Bytes);
    let server = Statsd::start("timers");
    let stats = server.client();
    stats.register(&SIZES);
    (0..5).for_each(|_| SIZES.record(1000));
    let middle = SIZES.percentile(0.5).unwrap().to_string();
    stats.timing("db.query", Duration::from_micros(1250)).record();
    stats.timing("db.query", Duration::from_nanos(1)).record();
    stats.distribution("samples.one", 17u8).record();
    stats.distribution("samples.negative", -17).record();
    stats.set("users.seen", 0u8).text("some:body").record();
    stats.event("deployed").record();
    let ledger = stats.shutdown(TIMEOUT);
    assert_eq!((ledger.sent, ledger.dropped.get(Cause::Unsupported)), (4, 2));
    server.wait_for("timers", "upload.size", &format!("[ {middle} ]"));
    server.wait_for("timers", "db.query", "[ 1.25, 0.000001 ]");
    server.wait_for("timers", "samples.one", "[ 17 ]");
    assert_eq!(server.value("timers", "samples.negative"), None);
    server.wait_for("counters", "statsd.metrics_received", "5");
    server.took_every_line();
}

/// A collector that relays to the server.
fn relaying(server: &Statsd, query: &str) -> Running {
    let target = format!("statsd://127.0.0.1:{}{query}", server.port);
    let mut config = ServerConfig {
        udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        http: None,
        ..ServerConfig::default()
    };
    config.outputs.relay.targets = vec![target.parse().unwrap()];
    CollectorServer::start(config).unwrap()
}

#[test]
fn a_collector_passes_on_lines_as_they_came() {
    let server = Statsd::start("relay");
    let collector = relaying(&server, "");
    let stats = Client::builder(collector.udp()[0].to_string()).protocol(Protocol::StatsD);
    let stats = stats.build().unwrap();
    for n in 0..5000u32 {
        stats.count("orders", 3u8).tag("paid", "yes").record();
        stats.set("users", 0u8).text(if n % 2 == 0 { "ann" } else { "bob" }).record();
        if n % 500 == 0 {
            stats.flush(TIMEOUT).unwrap();
        }
    }
    assert!(stats.shutdown(TIMEOUT).closes());
    server.wait_for("counters", "orders;paid=yes", "15000");
    server.took_every_line();
    let report = collector.stop(0);
    let [output] = &report.outputs[..] else { panic!("{:?}", report.outputs) };
    assert_eq!((output.counts.sent, output.counts.dropped()), (report.line_datagrams, 0));
}

#[test]
fn a_collector_makes_lines_of_what_came_in_its_own_format() {
    static TOOK: Histogram = Histogram::new("orders.took").unit(Unit::Milliseconds);
    let server = Statsd::start("aggregate");
    let collector = relaying(&server, "?aggregate=1h");
    let stats = Client::builder(collector.udp()[0].to_string()).instrument(&TOOK);
    let stats = stats.build().unwrap();
    for n in 0..5000u32 {
        stats.count("orders", 3u8).tag("paid", "yes").record();
        stats.level("room.celsius", -f64::from(n)).record();
        TOOK.record(u64::from(n % 4));
        if n % 500 == 0 {
            stats.flush(TIMEOUT).unwrap();
        }
    }
    assert!(stats.shutdown(TIMEOUT).closes());
    // The end takes a last round.
    let report = collector.stop(0);
    let [output] = &report.outputs[..] else { panic!("{:?}", report.outputs) };
    assert_eq!((output.counts.sent, output.counts.dropped()), (output.counts.queued, 0));
    server.wait_for("counters", "orders;paid=yes", "15000");
    server.wait_for("gauges", "room.celsius", "-4999");
    // One line for each bucket, at its middle, whose rate says how many samples it has.
    server.wait_for("timers", "orders.took", "[ 0.5, 1.0625, 2.125, 3.125 ]");
    server.took_every_line();
}
