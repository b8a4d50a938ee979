//! The client in the text protocols of agents.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringstat_core::send::{SendError, from_fn};
use ringstat_std::{Cause, Client, Counter, Gauge, Protocol, Recorder};

const SECOND: Duration = Duration::from_secs(20); // for what takes milliseconds unless something is wrong

#[test]
fn an_agent_on_a_socket_gets_whole_lines() {
    static REQUESTS: Counter = Counter::new("requests").tags(&[("service", "shop")]);
    static LOAD: Gauge = Gauge::new("load");
    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    agent.set_read_timeout(Some(SECOND)).unwrap();
    let stats = Client::builder(agent.local_addr().unwrap().to_string())
        .protocol(Protocol::DogStatsD)
        .instruments(&[&REQUESTS, &LOAD])
        .build()
        .unwrap();
    REQUESTS.add(7);
    LOAD.set(0.25);
    stats.timing("db.query", Duration::from_micros(1250)).tag("table", "orders").record();
    assert!(stats.shutdown(SECOND).closes());
    let mut lines = Vec::new();
    let mut buf = [0; 2048];
    let expected = ["db.query:1.25|ms|#table:orders", "load:0.25|g", "requests:7|c|#service:shop"];
    while lines.len() < expected.len() {
        let length = agent.recv(&mut buf).unwrap();
        let text = std::str::from_utf8(&buf[..length]).unwrap();
        // A gauge that had not been recorded at an earlier flush is sent as zero. That does not happen here normally,
        // but it may.
        lines.extend(text.lines().filter(|l| *l != "load:0|g").map(str::to_owned));
    }
    lines.sort();
    lines.dedup();
    assert_eq!(lines, expected);
}

#[test]
fn what_statsd_has_no_line_for_is_counted_and_names_are_mended() {
    let sent = Arc::new(Mutex::new(String::new()));
    let sink = sent.clone();
    let transport = move |bytes: &[u8]| {
        sink.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
        sink.lock().unwrap().push('\n');
        Ok(())
    };
    let client = Client::builder("unused").protocol(Protocol::StatsD);
    let stats = client.build_with(from_fn(transport)).unwrap();
    stats.event("deployed").text("v2").record();
    stats.level("a:b", -3).record();
    stats.flush(SECOND).unwrap();
    assert_eq!(*sent.lock().unwrap(), "a_b:0|g\na_b:-3|g\n");
    let output = stats.snapshot().output;
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.sent, output.altered), (2, 1, 2));
    assert_eq!(ledger.dropped.get(Cause::Unsupported), 1);
    assert!(ledger.closes());
}

/// Increments that are recorded while datagrams are dropped arrive with later ones: nothing is lost, and nothing
/// arrives twice.
#[test]
fn totals_are_exact_though_every_other_datagram_is_given_up() {
    static SHARED: Counter = Counter::new("shared");
    let arrived = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let (sink, datagrams) = (arrived.clone(), AtomicU64::new(0));
    let transport = move |bytes: &[u8]| {
        // The last datagram has to arrive, so from some point on all do.
        let number = datagrams.fetch_add(1, Ordering::Relaxed);
        if number % 2 == 0 && number < 100 {
            return Err(SendError::TooLarge);
        }
        for line in std::str::from_utf8(bytes).unwrap().lines() {
            let (name, amount) = line.split_once(':').unwrap();
            let amount: u64 = amount.strip_suffix("|c").unwrap().parse().unwrap();
            *sink.lock().unwrap().entry(name.to_owned()).or_default() += amount;
        }
        Ok(())
    };
    let client = Client::builder("unused").protocol(Protocol::DogStatsD).instrument(&SHARED);
    let client = client.payload(128).flush_interval(Duration::from_millis(1));
    let stats = client.build_with(from_fn(transport)).unwrap();
    let made: Vec<_> = (0..20).map(|i| stats.counter(&format!("made.{i}"), &[])).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for i in 0..30_000 {
                    SHARED.inc();
                    made[i % made.len()].add(2);
                }
            });
        }
    });
    // It flushes until the transport no longer fails.
    for _ in 0..100 {
        stats.flush(SECOND).unwrap();
        made[0].inc();
    }
    stats.shutdown(SECOND);
    let arrived = arrived.lock().unwrap();
    assert_eq!(arrived["shared"], 90_000);
    assert_eq!(arrived["made.0"], 9_100);
    assert!((1..20).all(|i| arrived[&format!("made.{i}")] == 9_000), "{arrived:?}");
}
