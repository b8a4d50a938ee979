//! Deliberate degradation: the client aggregates, throttles, sends redundantly, and reports its health.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringstat_core::send::{SendError, from_fn};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{
    BreakerState, Builder, Cause, Client, Grade, Outcome, Policy, Preset, Priority, Reason,
    Recorder,
};

const SECOND: Duration = Duration::from_secs(10); // for what takes milliseconds unless something is wrong

/// What arrived.
#[derive(Default)]
struct Received {
    datagrams: u64,
    /// Events, and the number of events that they represent.
    events: u64,
    stand_for: u64,
    totals: HashMap<String, u64>,
    levels: HashMap<String, f64>,
    /// The buckets of each histogram: a datagram that is nearly full contains only the first of them.
    buckets: HashMap<String, HashMap<u16, u64>>,
}

impl Received {
    /// Returns the number of values in a histogram.
    fn count(&self, name: &str) -> u64 {
        self.buckets[name].values().sum()
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut decoder: Box<Decoder> = Box::default();
        let mut datagram = decoder.open(bytes).unwrap();
        self.datagrams += 1;
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            let mut name = record.name.text.to_owned();
            for (key, value) in record.tags.iter() {
                name = format!("{name},{key}={value}");
            }
            match record.body {
                Body::Event(event) => {
                    self.events += 1;
                    self.stand_for += u64::from(event.rate);
                }
                Body::Total(total) => _ = self.totals.insert(name, total),
                Body::Level(level) => _ = self.levels.insert(name, level.as_f64()),
                Body::Info(_) | Body::Description(_) => {}
                Body::Buckets(buckets) => {
                    self.buckets.entry(name).or_default().extend(buckets.iter());
                }
            }
        }
    }
}

/// The transport of a client under test.
#[derive(Clone, Default)]
struct Link {
    received: Arc<Mutex<Received>>,
    full: Arc<AtomicBool>,
    cut: Arc<AtomicBool>,
}

impl Link {
    fn client(&self, builder: Builder) -> Client {
        let link = self.clone();
        let transport = move |bytes: &[u8]| {
            if link.full.load(Ordering::Relaxed) {
                return Err(SendError::WouldBlock);
            }
            if link.cut.load(Ordering::Relaxed) {
                return Err(SendError::Unreachable);
            }
            link.received.lock().unwrap().take(bytes);
            Ok(())
        };
        builder.build_with(from_fn(transport)).unwrap()
    }
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + SECOND;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn repeated_events_become_state_and_cost_no_datagrams() {
    let link = Link::default();
    let stats = link.client(Client::builder("unused").aggregate(true));
    for i in 0..10_000u64 {
        assert_eq!(stats.count("hits", 2u8).tag("shard", "a").record(), Outcome::Recorded);
        stats.timing("took", Duration::from_micros(i)).record();
        stats.level("latest", i).record();
        stats.event("once in a while").record();
        if i % 1000 == 0 {
            stats.flush(SECOND).unwrap();
        }
    }
    let ledger = stats.shutdown(SECOND);
    assert!(ledger.closes());
    assert_eq!((ledger.recorded, ledger.aggregated, ledger.sent), (40_000, 30_000, 10_000));
    let received = link.received.lock().unwrap();
    assert_eq!(received.events, 10_000, "happenings stay events");
    assert_eq!(received.totals["hits,shard=a"], 20_000);
    assert_eq!(received.levels["latest"], 9999.0);
    assert_eq!(received.count("took"), 10_000);
}

/// An event that waits in its ring when the flush begins changes an instrument only after the walk has passed it.
#[test]
fn what_is_merged_during_the_last_flush_is_sent() {
    for at_the_end in [false, true] {
        let link = Link::default();
        let entered = Arc::new(AtomicBool::new(false));
        let (received, entering) = (link.received.clone(), entered.clone());
        let builder = Client::builder("unused").aggregate(true);
        let transport = from_fn(move |bytes: &[u8]| {
            entering.store(true, Ordering::SeqCst);
            received.lock().unwrap().take(bytes);
            Ok(())
        });
        let stats = builder.batch_age(Duration::from_millis(1)).build_with(transport).unwrap();
        stats.count("hits", 1u8).record();
        stats.flush(SECOND).unwrap();
        // Each walk also sends a share of the unchanged instruments: some walks later, that is another one.
        (0..50).for_each(|n| stats.counter("others", &[("n", &n.to_string())]).inc());
        (0..4).for_each(|_| stats.flush(SECOND).unwrap());
        // The worker is held up in the transport.
        let held = link.received.lock().unwrap();
        entered.store(false, Ordering::SeqCst);
        stats.event("once").record();
        wait_for("it sends", || entered.load(Ordering::SeqCst));
        stats.count("hits", 1u8).record();
        std::thread::scope(|scope| {
            let end = scope.spawn(|| match at_the_end {
                true => assert!(stats.shutdown(SECOND).closes()),
                false => stats.flush(SECOND).unwrap(),
            });
            // Asked for while the worker is held up, or at least not before.
            std::thread::sleep(Duration::from_millis(20));
            drop(held);
            end.join().unwrap();
        });
        assert_eq!(link.received.lock().unwrap().totals["hits"], 2, "at the end: {at_the_end}");
    }
}

#[test]
fn merged_events_alone_send_no_empty_datagrams() {
    let link = Link::default();
    let builder = Client::builder("unused").aggregate(true).flush_interval(SECOND);
    let stats = link.client(builder.heartbeat_interval(SECOND).batch_age(Duration::from_millis(1)));
    for _ in 0..200 {
        stats.count("hits", 1u8).record();
        std::thread::sleep(Duration::from_micros(500));
    }
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.aggregated), (200, 200));
    let received = link.received.lock().unwrap();
    assert_eq!(received.totals["hits"], 200);
    assert!(received.datagrams <= 4, "{} datagrams", received.datagrams);
}

#[test]
fn a_second_receiver_gets_everything_and_stands_in_for_the_first() {
    let receiver = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket
    };
    let (first, second) = (receiver(), receiver());
    let address = |socket: &UdpSocket| socket.local_addr().unwrap().to_string();
    let stats = Client::builder(address(&first))
        .redundant(Some(address(&second)))
        .report_interval(None)
        .build()
        .unwrap();
    let drain = |socket: &UdpSocket| {
        let mut received = Received::default();
        let mut buf = [0; 2000];
        while let Ok(length) = socket.recv(&mut buf) {
            received.take(&buf[..length]);
        }
        received
    };
    let record = || {
        for _ in 0..50 {
            stats.count("hits", 1u8).record();
        }
        stats.flush(SECOND).unwrap();
    };
    record();
    assert_eq!((drain(&first).events, drain(&second).events), (50, 50));
    drop(first);
    for _ in 0..20 {
        record();
    }
    assert_eq!(drain(&second).events, 20 * 50);
    let snapshot = stats.snapshot();
    assert_eq!(snapshot.breaker.state, BreakerState::Closed, "one way is open");
    assert!(snapshot.output.send_errors > 0, "{:?}", snapshot.output);
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.left()), (21 * 50, 21 * 50));
}

#[test]
fn a_source_that_is_too_fast_is_throttled_and_let_go_again() {
    let link = Link::default();
    link.full.store(true, Ordering::Relaxed);
    let config = Preset::LowMemory.config();
    let stats = link.client(Client::builder("unused").config(config).throttle(true));
    wait_for("the throttle rises to its highest level", || {
        (0..50).for_each(|_| _ = stats.count("hits", 1u8).record());
        stats.snapshot().degradation.throttle == 3
    });
    let high = stats.count("hits", 1u8).priority(Priority::High).record();
    assert_ne!(high, Outcome::Dropped(Cause::Throttled));
    let before = stats.ledger().dropped.get(Cause::Throttled);
    (0..3200).for_each(|_| _ = stats.count("hits", 1u8).record());
    let throttled = stats.ledger().dropped.get(Cause::Throttled) - before;
    assert!((3090..=3110).contains(&throttled), "31 of 32: {throttled}");
    link.full.store(false, Ordering::Relaxed);
    stats.flush(SECOND).unwrap();
    (0..640).for_each(|_| _ = stats.count("hits", 1u8).record());
    wait_for("the throttle falls to nothing", || stats.snapshot().degradation.throttle == 0);
    assert_eq!(stats.count("hits", 1u8).record(), Outcome::Recorded);
    let ledger = stats.shutdown(SECOND);
    assert!(ledger.closes());
    // Events that were kept under throttling represent those that were not.
    let received = link.received.lock().unwrap();
    let sent_for = received.stand_for;
    let crowded_out = ledger.dropped.get(Cause::Full);
    assert!(sent_for > received.events, "{sent_for} for {}", received.events);
    assert!(sent_for + crowded_out <= ledger.recorded + 64, "and for no more");
}

#[test]
fn health_says_what_is_wrong_and_recovers() {
    let link = Link::default();
    let builder = Client::builder("unused").preset(Preset::LowMemory).policy(Policy::Graded(10));
    let stats = link.client(builder.backoff_max(Duration::from_millis(100)));
    stats.flush(SECOND).unwrap();
    assert_eq!(stats.snapshot().health.grade(), Grade::Healthy);
    link.cut.store(true, Ordering::Relaxed);
    wait_for("it is unhealthy", || {
        (0..500).for_each(|_| _ = stats.count("hits", 1u8).record());
        let health = stats.snapshot().health;
        health.grade() == Grade::Unhealthy
            && health.has(Reason::Unreachable)
            && health.has(Reason::Drops)
            && health.has(Reason::Buffer) == (stats.snapshot().buffer.fullest_percent > 90)
    });
    let snapshot = stats.snapshot();
    assert_eq!(snapshot.degradation.level, 2, "shedding");
    assert!(snapshot.breaker.opened > 0 && snapshot.output.send_errors >= 5);
    assert!(snapshot.ledger.dropped.get(Cause::Sampled) == 0, "no low ones were recorded");
    link.cut.store(false, Ordering::Relaxed);
    wait_for("there is a way again", || !stats.snapshot().health.has(Reason::Unreachable));
    let ledger = stats.shutdown(SECOND);
    assert!(ledger.closes());
    assert_eq!(ledger.in_flight, 0);
}

#[test]
fn the_client_reports_on_itself_over_the_wire() {
    let link = Link::default();
    let soon = Duration::from_millis(20);
    let builder = Client::builder("unused").report_interval(Some(soon)).flush_interval(soon);
    let stats = link.client(builder);
    for _ in 0..5000 {
        stats.count("hits", 1u8).record();
    }
    stats.refuse(Cause::Invalid);
    stats.flush(SECOND).unwrap();
    wait_for("a report", || {
        link.received.lock().unwrap().totals.contains_key("ringstat.client.recorded")
    });
    let snapshot = stats.snapshot();
    assert!(snapshot.ledger.closes());
    assert!(snapshot.latency.in_buffer.count >= 5);
    assert!(snapshot.latency.total.p50 >= snapshot.latency.in_buffer.p50 / 2);
    assert!(snapshot.memory.used <= snapshot.memory.budget);
    assert_eq!((snapshot.buffer.capacity, snapshot.pool.used), (16 * 8192 + 4096, 0));
    assert!(snapshot.buffer.peak > 0 && snapshot.pool.hits > 0);
    let ledger = stats.shutdown(SECOND);
    let received = link.received.lock().unwrap();
    assert_eq!(received.totals["ringstat.client.recorded"], ledger.recorded);
    assert_eq!(received.totals["ringstat.client.dropped,cause=invalid"], 1);
    assert!(!received.totals.contains_key("ringstat.client.dropped,cause=full"));
    assert_eq!(received.levels["ringstat.client.buffer_capacity"], 135_168.0);
    assert!(received.count("ringstat.client.latency,stage=total") >= 5);
}
