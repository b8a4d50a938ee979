//! A collector with a data directory, killed again and again: critical events once each, states of instruments exact, and
//! whatever else came after the last commit lost and counted. `.ci/restarts` does so for longer.

mod common;

use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::collector::Collector;
use common::{json, run, stderr, stdout};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames, Priority, Recorder as _};
use ringstat_core::testkit::Rng;
use ringstat_core::wire::Encoder;
use ringstat_std::Client;
use serde_json::Value;

/// Starts a collector with a data directory.
fn start(dir: &Path, udp: &str, threads: u64) -> Collector {
    Collector::start_at(udp, |command| {
        command.arg("--data").arg(dir).args(["--threads", &threads.to_string()]);
    })
}

/// What is in a data directory.
struct Shown(Value);

impl Shown {
    fn of(dir: &Path) -> Self {
        let shown = run(&["data", "show", dir.to_str().unwrap(), "--json"], "");
        assert!(shown.status.success(), "{}", stderr(&shown));
        Self(json(stdout(&shown)))
    }

    fn series(&self, name: &str) -> u64 {
        let all = self.0["state"]["series"].as_array().expect("series");
        let of_name = all.iter().filter(|s| s["name"] == name);
        of_name.map(|s| s["value"].as_f64().expect("a number") as u64).sum()
    }

    fn sender(&self, number: u64, field: &str) -> u64 {
        let id = format!("{number:016x}");
        let all = self.0["state"]["senders"].as_array().expect("senders");
        let sender = all.iter().find(|s| s["id"] == id.as_str()).expect("the sender is known");
        sender[field].as_u64().expect("a number")
    }
}

/// Sends a datagram with one event.
fn send_one(socket: &UdpSocket, to: &str, sequence: u32) {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = [0; 200];
    let header = Header { sender: PLAIN, epoch: 1, sequence, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    let event: Event = Event::new(Kind::Counter, "plain".into(), 1u8.into(), 0).unwrap();
    open.event(&event, &NoNames).unwrap();
    let length = open.finish(false);
    // Refused or not: its number is used up.
    let _ = socket.send_to(&buf[..length], to);
}

/// Sends datagrams with one event each, as fast as every half millisecond; returns how many there were.
fn send_plain(to: &str, ends: &AtomicBool, sent: &AtomicU64) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sequence = 0;
    while !ends.load(Ordering::Acquire) {
        send_one(&socket, to, sequence);
        sequence += 1;
        sent.store(sequence.into(), Ordering::Release);
        std::thread::sleep(Duration::from_micros(500));
    }
}

const PLAIN: u64 = 0x706c_6169;

#[test]
fn a_collector_that_is_killed_again_and_again_keeps_its_account() {
    let lives = std::env::var("RINGSTAT_LIVES").map_or(8, |n| n.parse().expect("a number"));
    let seed = std::env::var("RINGSTAT_SEED").map_or(1, |n| n.parse().expect("a number"));
    println!("{lives} lives, seed {seed}");
    let mut rng = Rng::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path(), "127.0.0.1:0", 1);
    let udp = first.udp.clone();
    let mut collector = Some(first);
    let stats = Client::builder(&udp)
        .report_interval(None)
        .critical_events(1024)
        .ack_timeout(Duration::from_millis(50))
        .ack_timeout_max(Duration::from_millis(500))
        .ack_attempts(255)
        .flush_interval(Duration::from_millis(50))
        .build()
        .unwrap();
    let counter = stats.counter("total", &[]);
    let histogram = stats.histogram("sizes", &[]);
    let (mut counted, mut recorded, mut critical) = (0, 0, 0);
    let (ends, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| send_plain(&udp, &ends, &sent));
        for life in 0..lives {
            let until = Instant::now() + Duration::from_millis(200 + rng.below(2000));
            while Instant::now() < until {
                counter.add(3);
                counted += 3;
                histogram.record(rng.below(1000));
                recorded += 1;
                // No more than are acknowledged within the longest outage.
                if critical < (life + 1) * 300
                    && stats.event("alarm").priority(Priority::Critical).record().is_recorded()
                {
                    critical += 1;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            collector.take().expect("it runs").kill();
            collector = Some(start(dir.path(), &udp, 1 + life % 3));
        }
        stats.flush(Duration::from_secs(20)).expect("everything is acknowledged");
        // What comes last has to arrive, so that all that is missing before it shows.
        let last = sent.load(Ordering::Acquire) + 100;
        while sent.load(Ordering::Acquire) < last {
            std::thread::sleep(Duration::from_millis(1));
        }
        ends.store(true, Ordering::Release);
    });
    let ledger = stats.shutdown(Duration::from_secs(20));
    assert!(ledger.closes(), "{ledger:?}");
    collector.take().expect("it runs").end();
    let shown = Shown::of(dir.path());
    assert_eq!(shown.series("alarm"), critical, "each once over all lives");
    assert_eq!(shown.series("total"), counted);
    assert_eq!(shown.series("sizes"), recorded);
    let of = |field| shown.sender(PLAIN, field);
    let plain = shown.series("plain");
    let missing = of("lost") + of("outstanding") + of("missed_before_start");
    println!("{critical} critical events; {plain} plain ones and {missing} lost");
    assert_eq!(of("received"), plain, "one in each datagram");
    assert_eq!(plain + missing, sent.load(Ordering::Acquire));
    assert!(missing > 0, "what came after a commit is lost");
    let check = run(&["data", "check", dir.path().to_str().unwrap()], "");
    assert!(check.status.success(), "{}", stderr(&check));
}

/// The value of the counter `plain` on a page.
fn plain(page: &str) -> f64 {
    value(page, "plain_total{")
}

/// The value on the first line of a page that begins so; 0 without one.
fn value(page: &str, begin: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(begin));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
}

/// Prometheus takes a counter that went back for one that began anew. Nobody sends the events a second time.
#[test]
fn what_was_scraped_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut scraped = 0.0;
    for sequence in 0..6 {
        let collector = start(dir.path(), "127.0.0.1:0", 1);
        assert_eq!(plain(&collector.scrape()), scraped, "life {sequence}");
        send_one(&socket, &collector.udp, sequence);
        let deadline = Instant::now() + Duration::from_secs(20);
        while plain(&collector.scrape()) == scraped {
            assert!(Instant::now() < deadline, "it arrives");
        }
        scraped += 1.0;
        collector.kill();
    }
}

#[test]
fn what_rules_add_up_over_senders_is_exact_over_kills() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.toml");
    let all = "[[rule]]\nmatch = \"shop.*\"\nwithout = [\"sender\"]\n";
    std::fs::write(&rules, all).unwrap();
    let data = dir.path().join("data");
    let start = |udp: &str, life: u64| {
        Collector::start_at(udp, |command| {
            command.arg("--data").arg(&data).arg("--map").arg(&rules);
            command.args(["--threads", &(1 + life % 3).to_string()]);
        })
    };
    let mut collector = start("127.0.0.1:0", 0);
    let udp = collector.udp.clone();
    let clients = [1, 2, 3].map(|sender| {
        let client = Client::builder(&udp).sender(Some(sender)).report_interval(None);
        client.flush_interval(Duration::from_millis(50)).build().unwrap()
    });
    let counters = clients.each_ref().map(|client| client.counter("shop.orders", &[]));
    let sizes = clients.each_ref().map(|client| client.histogram("shop.sizes", &[]));
    let (mut orders, mut parcels) = (0u64, 0u64);
    for life in 1..=6 {
        // What is recorded now is in part committed, in part only received and in part not sent when it is killed.
        for n in 0..200 {
            for (sender, (counter, sizes)) in (1..).zip(counters.iter().zip(&sizes)) {
                counter.add(sender);
                sizes.record(n * sender);
                (orders, parcels) = (orders + sender, parcels + 1);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        collector.kill();
        collector = start(&udp, life);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let page = collector.scrape();
            let sums =
                (value(&page, "shop_orders_total "), value(&page, "shop_sizes_seconds_count "));
            if sums == (orders as f64, parcels as f64) {
                break;
            }
            assert!(sums.0 <= orders as f64 && sums.1 <= parcels as f64, "life {life}: {sums:?}");
            let expected = (orders, parcels);
            assert!(Instant::now() < deadline, "life {life}: {sums:?} of {expected:?}\n{page}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    for client in clients {
        assert!(client.shutdown(Duration::from_secs(5)).closes());
    }
    let page = collector.scrape();
    assert_eq!(value(&page, "shop_orders_total "), orders as f64);
    collector.end();
}

#[test]
fn a_directory_that_cannot_be_used_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let none = run(&["data", "check", path], "");
    assert_eq!(none.status.code(), Some(3), "{}", stderr(&none));
    let collector = start(dir.path(), "127.0.0.1:0", 1);
    for args in [
        &["data", "check", path][..],
        &["collect", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", path],
    ] {
        let used = run(args, "");
        assert_eq!(used.status.code(), Some(3), "{args:?}");
        assert!(stderr(&used).contains("another process uses"), "{}", stderr(&used));
    }
    collector.end();
    std::fs::write(dir.path().join("state.redb"), "not what it was").unwrap();
    let damaged = run(&["data", "check", path], "");
    assert_eq!(damaged.status.code(), Some(1));
    assert!(stderr(&damaged).contains("--recover"), "{}", stderr(&damaged));
    let refused =
        run(&["collect", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", path], "");
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    let needless = run(&["collect", "--recover"], "");
    assert_eq!(needless.status.code(), Some(2), "{}", stderr(&needless));
}
