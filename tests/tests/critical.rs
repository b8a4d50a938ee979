//! Critical events are delivered once each, over networks that lose, duplicate and reorder datagrams in both
//! directions.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringstat_collector::{Collector, Io, Limits, Report, Running, Server, ServerConfig};
use ringstat_core::format::TimeUnit;
use ringstat_core::instrument::Instrument;
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Kind, NoNames, Priority};
use ringstat_core::ring::mpmc;
use ringstat_core::send::{
    ArrayStore, Identity, Inputs, RetryConfig, SendError, Sender, SenderConfig, Step, Time,
    Transport,
};
use ringstat_core::testkit::{FaultTransport, Faults, LinkReceiver, LinkSender, link};
use ringstat_core::wire::Encoder;
use ringstat_core::wire::ack::Ack;
use ringstat_std::{Client, Outcome, Recorder};

const SECOND: Duration = Duration::from_secs(20); // for what takes milliseconds unless something is wrong

/// Returns the total of a counter according to a collector.
fn seen(report: &Report, name: &str) -> f64 {
    report.series.iter().filter(|s| s.name == name).map(|s| s.value).sum()
}

/// A sender and a collector in simulated time, with a bad network between them.
struct Simulation {
    ring: mpmc::Ring<Event, [mpmc::Cell<Event>; 64]>,
    sender: Box<Sender<Encoder<64, 1024>, ArrayStore<32>, 8>>,
    there: FaultTransport<LinkSender>,
    arriving: LinkReceiver,
    back: FaultTransport<LinkSender>,
    answers: LinkReceiver,
    collector: Collector,
    now: u64,
    recorded: u64,
    refused: u64,
    /// The sum of all events that were not refused.
    sum: u64,
}

impl Simulation {
    fn new(faults: Faults, attempts: u8, seed: u64) -> Self {
        let ((there, arriving), (back, answers)) = (link(64), link(64));
        let config = SenderConfig {
            retry: RetryConfig { attempts, ..RetryConfig::DEFAULT },
            ..SenderConfig::new(TimeUnit::Nanos)
        };
        let identity = Identity { sender: 7, epoch: 1 };
        Self {
            ring: mpmc::Ring::new(std::array::from_fn(|_| mpmc::Cell::new())),
            sender: Box::new(Sender::new(identity, &config)),
            there: FaultTransport::new(there, faults, seed),
            arriving,
            back: FaultTransport::new(back, faults, seed + 1),
            answers,
            collector: Collector::new(Limits::default()),
            now: 0,
            recorded: 0,
            refused: 0,
            sum: 0,
        }
    }

    fn record(&mut self, n: u64) {
        let mut event = Event::new(Kind::Counter, "alarms".into(), n.into(), self.now).unwrap();
        event.set_priority(Priority::Critical);
        self.recorded += 1;
        match self.ring.push(event) {
            Ok(()) => self.sum += n,
            Err(_) => self.refused += 1,
        }
    }

    /// Simulates ten milliseconds.
    fn step(&mut self) {
        self.now += 10_000_000;
        let now = Time { monotonic: self.now, wall: self.now };
        while let Some(answer) = self.answers.receive() {
            self.sender.acknowledged(&answer, &NoNames).unwrap();
        }
        self.sender.keep(now, &mut &self.ring);
        let none: &[&'static dyn Instrument] = &[];
        let mut events = &mpmc::Ring::<Event, [mpmc::Cell<Event>; 1]>::new([mpmc::Cell::new()]);
        let mut buf = [0; 1472];
        loop {
            let mut inputs =
                Inputs { events: &mut events, instruments: none, names: &NoNames, dropped: 0 };
            let Step::Send(packed) = self.sender.poll(now, &mut inputs, &mut buf) else { break };
            self.there.send(&buf[..packed.len]).unwrap();
            self.sender.sent(packed);
        }
        let mut asked = None;
        while let Some(datagram) = self.arriving.receive() {
            let asks = self.collector.receive(&datagram, self.now / 1_000_000);
            asked = asks.ack.map(|sender| (sender, datagram.len())).or(asked);
        }
        if let Some((sender, length)) = asked {
            let mut ack = [0; Ack::MAX_LEN];
            if let Some(written) = self.collector.ack(sender, length, &mut ack) {
                assert!(written <= 3 * length, "an answer stays in proportion to what it answers");
                self.back.send(&ack[..written]).unwrap();
            }
        }
        let totals = self.sender.totals();
        let waiting = self.ring.len() as u64;
        assert_eq!(self.recorded - self.refused, totals.taken + waiting);
        assert_eq!(totals.in_flight(), self.sender.unacknowledged() as u64, "the ledger closes");
        assert!(self.collector.counts().closes());
    }

    fn delivered(&self) -> f64 {
        seen(&Report::of(&self.collector, &Io::default(), 0, 100), "alarms")
    }
}

#[test]
fn each_arrives_once_over_bad_networks() {
    let bad = Faults { loss: 0.3, ..Faults::NONE };
    let worse = Faults { loss: 0.3, duplicate: 0.1, reorder: 0.1, ..Faults::NONE };
    let dreadful = Faults { loss: 0.6, duplicate: 0.3, reorder: 0.3, ..Faults::NONE };
    for (faults, seed) in [(bad, 1), (worse, 2), (dreadful, 3), (Faults::NONE, 4)] {
        // This is more attempts than any event needs.
        let mut network = Simulation::new(faults, 100, seed);
        for n in 1..=1000 {
            network.record(n);
            network.step();
        }
        for _ in 0..100_000 {
            if network.sender.unacknowledged() == 0 && network.ring.is_empty() {
                break;
            }
            network.step();
        }
        let totals = *network.sender.totals();
        assert_eq!(totals.sent, network.recorded - network.refused, "{faults:?}: {totals:?}");
        assert_eq!(totals.dropped.total(), 0);
        assert_eq!(network.delivered(), network.sum as f64, "{faults:?}: each exactly once");
        let counts = network.collector.counts();
        assert_eq!(counts.records, counts.stored + counts.repeated);
        assert_eq!(counts.stored, totals.sent, "and none twice");
        if faults != Faults::NONE {
            assert!(counts.repeated > 0 && totals.repeated > 0, "it was put to the test");
        }
    }
}

#[test]
fn what_nobody_acknowledges_is_given_up_and_counted() {
    let mut network = Simulation::new(Faults { loss: 1.0, ..Faults::NONE }, 4, 1);
    (0..20).for_each(|n| network.record(n));
    for _ in 0..400 {
        network.step();
    }
    let totals = network.sender.totals();
    assert_eq!((totals.sent, totals.dropped.get(Cause::Unacknowledged)), (0, 20));
    assert_eq!(totals.repeated, 20 * 3);
    assert_eq!(network.sender.unacknowledged(), 0);
}

#[test]
fn a_store_that_is_full_leaves_the_rest_in_the_ring_and_that_refuses() {
    let mut network = Simulation::new(Faults { loss: 1.0, ..Faults::NONE }, 200, 1);
    for n in 0..200 {
        network.record(n);
        network.step();
    }
    assert_eq!((network.sender.unacknowledged(), network.ring.len()), (32, 64));
    assert_eq!(network.refused, 200 - 32 - 64);
}

fn collector(at: &str) -> Running {
    let udp = vec![at.parse().unwrap()];
    Server::start(ServerConfig { udp, http: None, ..ServerConfig::default() }).unwrap()
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + SECOND;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_collector_that_restarts_gets_what_the_first_had_not_and_each_has_them_once() {
    let first = collector("127.0.0.1:0");
    let address = first.udp()[0];
    let stats = Client::builder(address.to_string())
        .report_interval(Some(Duration::from_millis(10)))
        .ack_timeout(Duration::from_millis(20))
        .ack_timeout_max(Duration::from_millis(100))
        .ack_attempts(200)
        .backoff_max(Duration::from_millis(50))
        .build()
        .unwrap();
    let record = |count: u64| {
        for _ in 0..count {
            let alarm = stats.event("alarm").priority(Priority::Critical).record();
            assert_eq!(alarm, Outcome::Recorded);
        }
    };
    record(500);
    stats.flush(SECOND).unwrap();
    let report = first.stop(100);
    assert_eq!((seen(&report, "alarm"), report.repeated), (500.0, 0));
    assert!(report.acknowledgements > 0 && report.closes);

    record(300);
    wait_for("they are tried again", || stats.snapshot().breaker.opened > 0);
    let snapshot = stats.snapshot();
    assert_eq!(snapshot.ledger.in_flight, 300, "they wait");

    let second = collector(&address.to_string());
    record(200);
    stats.flush(SECOND).unwrap();
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.sent), (1000, 1000));
    let report = second.stop(100);
    assert_eq!(seen(&report, "alarm"), 500.0, "those that the first did not have, once each");
    let told = |name: &str| seen(&report, &format!("ringstat.client.{name}"));
    assert_eq!((told("acknowledged"), told("unacknowledged")), (1000.0, 0.0), "as it says itself");
    assert!(report.closes);
}

/// A proxy between a client and a collector that loses, duplicates and reorders datagrams in both directions.
struct BadNetwork {
    address: SocketAddr,
    lost: [Arc<AtomicU64>; 2],
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// The destination of datagrams that leave the bad network.
struct Onward(UdpSocket, SocketAddr);

impl Transport for Onward {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.0.send_to(datagram, self.1).map(|_| ()).map_err(|_| SendError::Other)
    }
}

impl BadNetwork {
    fn before(collector: SocketAddr, faults: Faults) -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            socket
        };
        let (near, far) = (socket(), socket());
        let address = near.local_addr().unwrap();
        let lost: [Arc<AtomicU64>; 2] = Default::default();
        let stop = Arc::new(AtomicBool::new(false));
        // The client's address is known once it has sent something; nothing is sent back before that.
        let client = Arc::new(OnceLock::new());
        let run = |from: &UdpSocket, to: &UdpSocket, seed, there: bool| {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let (stop, lost, client) = (stop.clone(), lost[seed as usize].clone(), client.clone());
            std::thread::spawn(move || {
                let onward = Onward(to, collector);
                let mut network = FaultTransport::new(onward, faults, seed);
                let mut buf = [0; 2048];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, origin)) = from.recv_from(&mut buf) else { continue };
                    if there {
                        let _ = client.set(origin);
                    } else if let Some(client) = client.get() {
                        network.inner_mut().1 = *client;
                    }
                    let _ = network.send(&buf[..length]);
                    lost.store(network.report().lost, Ordering::Relaxed);
                }
            })
        };
        let threads = vec![run(&near, &far, 0, true), run(&far, &near, 1, false)];
        Self { address, lost, stop, threads }
    }

    fn end(self) -> [u64; 2] {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.lost.map(|lost| lost.load(Ordering::Relaxed))
    }
}

#[test]
fn over_sockets_that_lose_a_third_both_ways_each_arrives_once() {
    let running = collector("127.0.0.1:0");
    let faults = Faults { loss: 0.3, duplicate: 0.1, reorder: 0.1, ..Faults::NONE };
    let network = BadNetwork::before(running.udp()[0], faults);
    let stats = Client::builder(network.address.to_string())
        .report_interval(None)
        .ack_timeout(Duration::from_millis(5))
        .ack_timeout_max(Duration::from_millis(20))
        .ack_attempts(255)
        .build()
        .unwrap();
    let mut sum = 0;
    for round in 0..20 {
        for n in 0..50 {
            sum += round * n;
            let alarm = stats.count("alarms", round * n).priority(Priority::Critical).record();
            assert_eq!(alarm, Outcome::Recorded);
        }
        stats.flush(SECOND).unwrap();
    }
    let snapshot = stats.snapshot();
    assert_eq!((snapshot.output.acknowledged, snapshot.output.unacknowledged), (1000, 0));
    assert!(snapshot.output.repeated > 0);
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.sent, ledger.dropped.total()), (1000, 1000, 0));
    let lost = network.end();
    assert!(lost.iter().all(|lost| *lost > 0), "{lost:?}: it was put to the test");
    let report = running.stop(100);
    assert_eq!(seen(&report, "alarms"), f64::from(sum));
    assert!(report.closes && report.repeated > 0);
}

#[test]
fn two_receivers_of_one_collector_store_each_once_and_either_may_answer() {
    let udp = ["127.0.0.1:0"; 2].map(|a| a.parse().unwrap()).to_vec();
    let running =
        Server::start(ServerConfig { udp, http: None, ..ServerConfig::default() }).unwrap();
    let stats = Client::builder(running.udp()[0].to_string())
        .redundant(Some(running.udp()[1].to_string()))
        .report_interval(None)
        .build()
        .unwrap();
    for _ in 0..300 {
        stats.event("alarm").priority(Priority::Critical).record();
        stats.event("event").record();
    }
    stats.flush(SECOND).unwrap();
    assert!(stats.shutdown(SECOND).closes());
    wait_for("both sockets are read", || {
        let report = running.report(0);
        report.duplicates == report.accepted
    });
    let report = running.stop(100);
    assert_eq!((seen(&report, "alarm"), seen(&report, "event")), (300.0, 300.0));
}

#[test]
fn without_an_answer_shutdown_says_what_was_not_acknowledged() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = deaf.local_addr().unwrap().to_string();
    let stats = Client::builder(to).report_interval(None).build().unwrap();
    (0..10).for_each(|_| _ = stats.event("alarm").priority(Priority::Critical).record());
    stats.event("event").record();
    assert!(stats.flush(Duration::from_millis(100)).is_err());
    let ledger = stats.shutdown(Duration::from_millis(100));
    assert!(ledger.closes());
    assert_eq!((ledger.unconfirmed, ledger.dropped.get(Cause::Unacknowledged)), (1, 10));
}
