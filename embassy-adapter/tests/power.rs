//! How often the task wakes by itself, and how much it sends, in an hour of virtual time: the figures of README.
//!
//! The round is that of `Client::run`, over the same state machines, with a collector that answers at once.

use std::sync::atomic::{AtomicU64, Ordering};

use ringstat_core::chip::Clock;
use ringstat_core::send::{LeanSender, Path, Sender, Time, Way};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_core::wire::receipt::Receipt;
use ringstat_embassy::prelude::*;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

/// What happened in an hour.
#[derive(Debug)]
struct Hour {
    /// How often a deadline, or the ring, woke the task; answers come on top.
    wakes: u64,
    answers: u64,
    datagrams: u64,
    /// Payloads, to which UDP and IP add 28 bytes each.
    bytes: u64,
    events: u64,
}

/// Runs a task with that configuration for an hour, in which an event is recorded every `every` microseconds, and a
/// counter is incremented with it.
fn hour(
    stats: &Stats<64>,
    counter: &Counter,
    now: &AtomicU64,
    config: TaskConfig,
    every: Option<u64>,
) -> Hour {
    let TaskConfig { identity, sender, route, .. } = config;
    let mut path = Path::new(route.breaker, Some(&route.liveness), sender.unit, identity.seed());
    let mut sender: LeanSender = Sender::new(identity, &sender);
    let mut decoder: Box<Decoder> = Box::default();
    let mut hour = Hour { wakes: 0, answers: 0, datagrams: 0, bytes: 0, events: 0 };
    let mut next = every.unwrap_or(u64::MAX);
    let mut buf = [0; 1472];
    while now.load(Ordering::Relaxed) < HOUR {
        let at = now.load(Ordering::Relaxed);
        let time = Time { monotonic: at, wall: at };
        let due = match path.way(at) {
            Way::Clear => {
                if path.asks(at) {
                    sender.ask();
                }
                stats.due(&mut sender, time).map_err(|until| until.min(path.deadline()))
            }
            other => panic!("the collector answers: {other:?}"),
        };
        let Err(until) = due else {
            let packed = stats.pack(&mut sender, time, &mut buf).expect("a datagram");
            (hour.datagrams, hour.bytes) = (hour.datagrams + 1, hour.bytes + packed.len as u64);
            let mut open = decoder.open(&buf[..packed.len]).expect("a sound datagram");
            let header = *open.header();
            while let Some(record) = open.next() {
                hour.events += u64::from(matches!(record.expect("sound").body, Body::Event(_)));
            }
            let asks = packed.asks;
            path.handed(&packed, at);
            sender.sent(packed);
            if asks {
                hour.answers += 1;
                let (sender, epoch, sequence) = (header.sender, header.epoch, header.sequence);
                let (datagrams, events) = (hour.datagrams, hour.events);
                let receipt =
                    Receipt { sender, epoch, sequence, instance: 1, first: 0, datagrams, events };
                path.answered(&receipt, at).expect("an answer");
            }
            continue;
        };
        // It sleeps until its deadline, or until the ring is half full.
        let mut woken = false;
        while next <= until && !woken {
            now.store(next, Ordering::Relaxed);
            next += every.unwrap_or(0);
            counter.inc();
            assert!(stats.level("board.celsius", 21i32).record().is_recorded());
            woken = stats.waiting() >= 32;
        }
        if !woken {
            now.store(until.max(at + 1000), Ordering::Relaxed);
        }
        hour.wakes += 1;
    }
    assert_eq!(stats.ledger(&sender).dropped.total(), 0);
    hour
}

/// One hour per test, as the clock is a static.
macro_rules! hour {
    ($config:expr, $every:expr) => {{
        static NOW: AtomicU64 = AtomicU64::new(0);
        static COUNTER: Counter = Counter::new("radio.frames");
        static STATS: Stats<64> =
            Stats::new(event_ring!(64), Clock::micros(|| NOW.load(Ordering::Relaxed)))
                .instruments(&[&COUNTER]);
        let hour = hour(&STATS, &COUNTER, &NOW, $config, $every);
        println!("{hour:?}");
        hour
    }};
}

fn usual() -> TaskConfig {
    TaskConfig::new((core::net::Ipv4Addr::LOCALHOST, 8125), 7, Epoch::stored(1))
}

#[test]
fn an_idle_task_wakes_once_a_second_and_with_low_power_once_a_minute() {
    let idle = hour!(usual(), None);
    assert!(idle.wakes <= 3600 && idle.datagrams <= 3601, "{idle:?}");
    let idle = hour!(usual().low_power(), None);
    assert!(idle.wakes <= 60 && idle.datagrams <= 61 && idle.bytes <= 61 * 64, "{idle:?}");
}

#[test]
fn low_power_sends_batches_that_are_as_full_as_their_age_allows() {
    // Ten events a minute wait for the minute to end; a hundred for half a ring.
    let slow = hour!(usual().low_power(), Some(6 * SECOND));
    assert!(slow.events >= 590 && slow.datagrams <= 122 && slow.wakes <= 122, "{slow:?}");
    let fast = hour!(usual().low_power(), Some(600_000));
    assert!(fast.events >= 5960 && fast.wakes <= 6000 / 32 + 61, "{fast:?}");
}
