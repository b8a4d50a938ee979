//! A million events at once, from 32 threads.

use std::net::UdpSocket;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringstat_collector::{Limits, Server, ServerConfig};
use ringstat_core::policy::Policy;
use ringstat_std::{Cause, Client, Drops, Outcome, Preset, Priority, Recorder};

const THREADS: u64 = 32;
const EVENTS: u64 = 1_000_000;
/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(60);

/// The outcomes that the recording threads received.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    recorded: u64,
    /// Accepted events for which an older one was dropped.
    evicting: u64,
    dropped: Drops,
}

impl Told {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Recorded => self.recorded += 1,
            Outcome::RecordedEvicting => self.evicting += 1,
            Outcome::Dropped(cause) => self.dropped.add(cause, 1),
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.recorded += other.recorded;
        self.evicting += other.evicting;
        self.dropped.merge(&other.dropped);
        self
    }
}

fn burst(preset: Preset, policy: Policy) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap().to_string();
    let stats = Client::builder(to).preset(preset).policy(policy).receipts(false).build().unwrap();
    let start = Barrier::new(THREADS as usize);
    let record = || {
        let mut told = Told::default();
        start.wait();
        for i in 0..EVENTS / THREADS {
            let priority = Priority::ALL[(i % 3) as usize];
            told.add(stats.distribution("burst", i).priority(priority).record());
        }
        told
    };
    let told = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(record)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).fold(Told::default(), Told::merge)
    });
    let ledger = stats.shutdown(SOON);
    println!("{preset:?} {policy:?}: {told:?} {ledger:?}");
    assert_eq!(told.recorded + told.evicting + told.dropped.total(), EVENTS);
    assert_eq!((ledger.recorded, ledger.in_flight), (EVENTS, 0));
    // Recorders learn of every fate of an event except one: that it was evicted later.
    let evicted = ledger.dropped.get(Cause::Evicted);
    let mut expected = told.dropped;
    expected.add(Cause::Evicted, evicted);
    assert_eq!(ledger.dropped, expected, "what was dropped was told, by cause");
    assert!(evicted >= told.evicting, "one or more each: {ledger:?} {told:?}");
    assert_eq!(ledger.sent, told.recorded + told.evicting - evicted, "the rest was sent");
    assert!(ledger.sent > 0);
    assert!(policy.evicts() || evicted == 0);
    assert!(policy.gates() || told.dropped.get(Cause::Sampled) == 0);
}

fn every_policy(preset: Preset) {
    for policy in Policy::ALL {
        burst(preset, policy);
    }
}

#[test]
fn into_the_smallest_preset_closes_the_ledger() {
    every_policy(Preset::LowMemory);
}

#[test]
fn into_the_default_closes_the_ledger() {
    every_policy(Preset::Default);
}

#[test]
fn into_the_largest_preset_closes_the_ledger() {
    every_policy(Preset::HighThroughput);
}

/// Most of 32 000 simultaneous critical events find no room, which their recorders are told. All others arrive, once
/// each.
#[test]
fn critical_ones_that_were_taken_arrive_once() {
    let at = ([127, 0, 0, 1], 0).into();
    let limits = Limits::default();
    let collector = Server::start(ServerConfig {
        udp: vec![at],
        http: None,
        limits,
        ..ServerConfig::default()
    })
    .unwrap();
    let stats = Client::builder(collector.udp()[0].to_string()).build().unwrap();
    let (start, next) = (Barrier::new(THREADS as usize), AtomicU64::new(1));
    let record = || {
        let (mut taken, mut sum) = (0_u64, 0);
        start.wait();
        for _ in 0..1000 {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let outcome = stats.count("critical", number).priority(Priority::Critical).record();
            match outcome {
                Outcome::Dropped(cause) => assert_eq!(cause, Cause::Full),
                Outcome::Recorded | Outcome::RecordedEvicting => {
                    (taken, sum) = (taken + 1, sum + number);
                }
            }
        }
        (taken, sum)
    };
    let (taken, sum) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(record)).collect();
        let told = threads.into_iter().map(|t| t.join().unwrap());
        told.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    });
    let done = || stats.ledger().in_flight == 0;
    assert!((0..6000).any(|_| done() || {
        std::thread::sleep(Duration::from_millis(10));
        false
    }));
    let ledger = stats.shutdown(SOON);
    println!("critical: {taken} taken, {ledger:?}");
    assert!(taken >= 1024, "there is room for so many: {taken}");
    assert_eq!((ledger.recorded, ledger.sent), (THREADS * 1000, taken));
    assert_eq!(ledger.dropped.get(Cause::Full), ledger.dropped.total());
    let report = collector.stop(100);
    let critical = report.series.iter().find(|s| s.name == "critical").unwrap();
    // A missing or duplicate event would change the sum.
    assert_eq!(critical.value, sum as f64);
}
