//! The client with a real socket, and with transports that fail.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringstat_core::format::Header;
use ringstat_core::send::{SendError, Transport, from_fn};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_core::wire::receipt::Receipt;
use ringstat_std::{
    BreakerState, Cause, Client, ClientConfig, Counter, Ledger, Outcome, Preset, Recorder,
};

const SECOND: Duration = Duration::from_secs(10); // for what takes milliseconds unless something is wrong

/// Counts what arrives: events, and the latest totals of counters.
#[derive(Default)]
struct Received {
    events: u64,
    datagrams: u64,
    totals: HashMap<String, u64>,
    next_sequence: u32,
}

impl Received {
    fn take(&mut self, decoder: &mut Decoder, bytes: &[u8]) {
        let mut datagram = decoder.open(bytes).unwrap();
        assert_eq!(datagram.header().sequence, self.next_sequence);
        self.next_sequence += 1;
        self.datagrams += 1;
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            match record.body {
                Body::Event(_) => self.events += 1,
                Body::Total(total) => {
                    self.totals.insert(record.name.text.to_owned(), total);
                }
                _ => {}
            }
        }
    }
}

/// Builds a client whose datagrams are decoded in memory.
fn client(config: ClientConfig) -> (Client, Arc<Mutex<Received>>) {
    let received = Arc::new(Mutex::new(Received::default()));
    let sink = received.clone();
    let decoder = Mutex::new(Box::<Decoder>::default());
    let transport = move |bytes: &[u8]| {
        sink.lock().unwrap().take(&mut decoder.lock().unwrap(), bytes);
        Ok(())
    };
    // Only what the test records is sent.
    let builder = Client::builder("unused").config(config).report_interval(None);
    (builder.build_with(from_fn(transport)).unwrap(), received)
}

#[test]
fn what_is_recorded_arrives_over_a_real_socket() {
    static REQUESTS: Counter = Counter::new("requests").tags(&[("service", "shop")]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(SECOND)).unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let stats = Client::builder(to).instrument(&REQUESTS).build().unwrap();
    for i in 0..5000u32 {
        REQUESTS.inc();
        let outcome = stats
            .timing("db.query", Duration::from_micros(1000 + u64::from(i)))
            .tag("table", "orders");
        assert_eq!(outcome.record(), Outcome::Recorded);
    }
    let received = std::thread::spawn(move || {
        let (mut received, mut decoder) = (Received::default(), Box::<Decoder>::default());
        let mut buf = [0; 2000];
        while received.events < 5000 || received.totals.get("requests") != Some(&5000) {
            let length = socket.recv(&mut buf).unwrap();
            received.take(&mut decoder, &buf[..length]);
        }
        received
    });
    stats.flush(SECOND).unwrap();
    let received = received.join().unwrap();
    assert_eq!(received.events, 5000);
    // The events arrived, but no receipt confirmed it, so the ledger does not count them as sent.
    let ledger = stats.shutdown(Duration::from_millis(100));
    assert_eq!((ledger.recorded, ledger.unconfirmed, ledger.in_flight), (5000, 5000, 0));
    assert!(ledger.closes());
}

#[test]
fn where_no_receipts_are_asked_for_what_has_left_is_sent() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let stats = Client::builder(to).receipts(false).build().unwrap();
    (0..100u32).for_each(|i| _ = stats.level("g", i).record());
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.sent, ledger.unconfirmed), (100, 100, 0));
}

#[test]
fn every_preset_delivers_from_many_threads_and_closes_its_ledger() {
    for preset in Preset::ALL {
        let (stats, received) = client(preset.config());
        let (recorded, kept) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for i in 0..20_000u64 {
                        recorded.fetch_add(1, Ordering::Relaxed);
                        let outcome = stats.distribution("size", i).record();
                        kept.fetch_add(u64::from(outcome.is_recorded()), Ordering::Relaxed);
                    }
                });
            }
        });
        let handle = stats.clone();
        let ledger = stats.shutdown(SECOND);
        assert_eq!(
            ledger.recorded,
            recorded.into_inner(),
            "{preset:?}: every call is counted once"
        );
        assert!(ledger.closes(), "{preset:?}: {ledger:?}");
        assert_eq!(ledger.in_flight, 0);
        assert_eq!(ledger.sent, received.lock().unwrap().events, "{preset:?}");
        assert_eq!(ledger.sent, kept.into_inner() - ledger.dropped.get(Cause::Evicted));
        // A handle that outlives the client refuses to record, and counts that in the ledger.
        assert_eq!(handle.count("late", 1u8).record(), Outcome::Dropped(Cause::Shutdown));
        let late = handle.ledger();
        assert_eq!((late.recorded, late.dropped.get(Cause::Shutdown)), (ledger.recorded + 1, 1));
        assert!(late.closes());
    }
}

#[test]
fn while_nobody_listens_records_wait_and_they_arrive_when_somebody_does() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let builder = Client::builder(address.to_string()).backoff_max(Duration::from_millis(50));
    let stats = builder.report_interval(None).build().unwrap();
    // Each refusal answers the previous datagram, so a few are lost until it is clear that nobody listens.
    let mut recorded = 0;
    while stats.breaker().0 == BreakerState::Closed {
        recorded += 1;
        stats.level("g", recorded).record();
        let _ = stats.flush(Duration::from_millis(20));
        assert!(recorded < 100, "the breaker opens");
    }
    let before = stats.ledger();
    for i in 0..1000u32 {
        stats.level("g", i).record();
    }
    assert!(stats.flush(Duration::from_millis(200)).is_err(), "nothing can be sent");
    let waiting = stats.ledger();
    assert!(waiting.closes());
    assert_eq!((waiting.sent, waiting.in_flight), (before.sent, before.in_flight + 1000));

    let mut receiver = Answering::new(UdpSocket::bind(address).unwrap());
    while receiver.events < waiting.in_flight {
        receiver.take();
    }
    let answering = std::thread::spawn(move || while receiver.take() {});
    let ledger = stats.shutdown(SECOND);
    answering.join().unwrap();
    assert!(ledger.closes());
    // These are the few from before the breaker opened. Their fate is unknown, and they are not reported as delivered.
    assert_eq!(ledger.sent, waiting.in_flight);
    assert_eq!((ledger.unconfirmed, ledger.in_flight), (before.unconfirmed, 0));
}

/// A receiver that counts events and answers with receipts.
struct Answering {
    socket: UdpSocket,
    decoder: Box<Decoder>,
    first: Option<u32>,
    datagrams: u64,
    events: u64,
}

impl Answering {
    fn new(socket: UdpSocket) -> Self {
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        Self { socket, decoder: Box::default(), first: None, datagrams: 0, events: 0 }
    }

    /// Receives the next datagram, and answers if it asks for a receipt. Returns whether one came within half a second.
    fn take(&mut self) -> bool {
        let mut buf = [0; 2000];
        let Ok((length, from)) = self.socket.recv_from(&mut buf) else { return false };
        let mut datagram = self.decoder.open(&buf[..length]).unwrap();
        let Header { sender, epoch, sequence, .. } = *datagram.header();
        let asks = datagram.prologue().wants_receipt;
        self.datagrams += 1;
        while let Some(record) = datagram.next() {
            self.events += u64::from(matches!(record.unwrap().body, Body::Event(_)));
        }
        let first = *self.first.get_or_insert(sequence);
        let (datagrams, events) = (self.datagrams, self.events);
        if asks {
            let receipt =
                Receipt { sender, epoch, sequence, instance: 1, first, datagrams, events };
            self.socket.send_to(&receipt.emit(), from).unwrap();
        }
        true
    }
}

#[test]
fn backpressure_holds_and_drops_by_policy_and_shutdown_reports_the_rest() {
    let blocked = Arc::new(AtomicBool::new(true));
    let gate = blocked.clone();
    let transport = move |_: &[u8]| {
        if gate.load(Ordering::Relaxed) { Err(SendError::WouldBlock) } else { Ok(()) }
    };
    let config = ClientConfig { shards: 1, shard_events: 100, ..ClientConfig::default() };
    let stats =
        Client::builder("unused").config(config.clone()).build_with(from_fn(transport)).unwrap();
    assert!(stats.flush(Duration::from_millis(20)).is_err(), "nothing gets out");
    for i in 0..5000u32 {
        stats.level("g", i).record();
    }
    let ledger = stats.ledger();
    assert_eq!(ledger.sent, 0);
    assert!(ledger.dropped.get(Cause::Full) > 4000, "{ledger:?}");
    blocked.store(false, Ordering::Relaxed);
    stats.flush(SECOND).unwrap();
    let ledger = stats.ledger();
    assert!(ledger.closes() && ledger.sent > 0 && ledger.in_flight == 0, "{ledger:?}");
    blocked.store(true, Ordering::Relaxed);
    for i in 0..50u32 {
        stats.level("g", i).record();
    }
    let ledger = stats.shutdown(Duration::from_millis(50));
    assert_eq!(ledger.dropped.get(Cause::Shutdown), 50);
    assert!(ledger.closes());
}

#[test]
fn a_lost_datagram_heals_for_instruments() {
    static LOST: Counter = Counter::new("lost");
    let fail = Arc::new(AtomicBool::new(true));
    let (gate, received) = (fail.clone(), Arc::new(Mutex::new(HashMap::new())));
    let sink = received.clone();
    let transport = move |bytes: &[u8]| {
        if gate.load(Ordering::Relaxed) {
            return Err(SendError::TooLarge);
        }
        let mut decoder: Box<Decoder> = Box::default();
        let mut datagram = decoder.open(bytes).unwrap();
        while let Some(record) = datagram.next() {
            if let Ok(record) = record
                && let Body::Total(total) = record.body
            {
                sink.lock().unwrap().insert(record.name.text.to_owned(), total);
            }
        }
        Ok(())
    };
    let stats = Client::builder("unused").instrument(&LOST).build_with(from_fn(transport)).unwrap();
    let made = stats.counter("made", &[("k", "v")]);
    LOST.add(7);
    made.add(5);
    stats.flush(SECOND).unwrap();
    assert!(received.lock().unwrap().is_empty());
    fail.store(false, Ordering::Relaxed);
    stats.flush(SECOND).unwrap();
    let expected = [("lost", 7), ("made", 5)].map(|(n, t)| (n.to_owned(), t));
    assert_eq!(*received.lock().unwrap(), HashMap::from(expected));
}

#[test]
fn dropping_the_last_handle_sends_what_is_left() {
    let (stats, received) = client(ClientConfig::default());
    let other = stats.clone();
    stats.count("a", 1u8).record();
    drop(stats);
    other.count("b", 1u8).record();
    drop(other);
    assert_eq!(received.lock().unwrap().events, 2);
}

#[test]
fn rejected_records_are_in_the_ledger() {
    let (stats, _) = client(ClientConfig::default());
    assert_eq!(stats.level("", 1u8).record(), Outcome::Dropped(Cause::Invalid));
    assert_eq!(stats.level("g", f64::NAN).record(), Outcome::Dropped(Cause::Invalid));
    let long = "x".repeat(256);
    assert_eq!(stats.level("g", 1u8).tag("k", &long).record(), Outcome::Dropped(Cause::TagTooLong));
    // An event that fits into no datagram is only noticed when it is packed.
    let tags: &'static str = Box::leak("t".repeat(200).into_boxed_str());
    let tags: &'static [_] = Box::leak(vec![(tags, "1"); 200].into_boxed_slice());
    assert_eq!(stats.level("g", 1u8).tags(tags).record(), Outcome::Recorded);
    let distinct: Vec<_> = (0..20)
        .map(|i| (&*Box::leak(format!("{i}{}", "y".repeat(200)).into_boxed_str()), "v"))
        .collect();
    let _ = stats.level("g", 1u8).tags(Box::leak(distinct.into_boxed_slice())).record();
    let ledger = stats.shutdown(SECOND);
    assert_eq!(ledger.dropped.get(Cause::Invalid), 2);
    assert_eq!(ledger.dropped.get(Cause::TagTooLong), 1);
    assert_eq!(ledger.dropped.get(Cause::TooLarge), 1);
    assert_eq!((ledger.recorded, ledger.sent), (5, 1));
    assert!(ledger.closes());
}

#[test]
fn names_made_at_run_time_arrive_as_strings() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let sink = names.clone();
    let transport = move |bytes: &[u8]| {
        let mut decoder: Box<Decoder> = Box::default();
        let mut datagram = decoder.open(bytes).unwrap();
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            if !matches!(record.body, Body::Info(_)) {
                sink.lock().unwrap().push(record.name.text.to_owned());
            }
        }
        Ok(())
    };
    let stats =
        Client::builder("unused").report_interval(None).build_with(from_fn(transport)).unwrap();
    for i in 0..3 {
        let name = stats.intern(&format!("shard.{i}.size")).unwrap();
        assert_eq!(stats.level(name, 1u8).record(), Outcome::Recorded);
    }
    let too_long = stats.intern(&"x".repeat(300)).unwrap_err();
    assert_eq!(stats.refuse(too_long.cause()), Outcome::Dropped(Cause::Invalid));
    let ledger = stats.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.sent), (4, 3));
    assert_eq!(*names.lock().unwrap(), ["shard.0.size", "shard.1.size", "shard.2.size"]);
}

#[test]
fn with_no_way_to_the_receiver_it_stops_trying_and_comes_back_by_itself() {
    let (down, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (gate, counted) = (down.clone(), tries.clone());
    let transport = move |_: &[u8]| {
        counted.fetch_add(1, Ordering::Relaxed);
        if gate.load(Ordering::Relaxed) { Err(SendError::Unreachable) } else { Ok(()) }
    };
    let config = ClientConfig {
        batch_age: Duration::from_millis(1),
        backoff: Duration::from_millis(50),
        backoff_max: Duration::from_millis(100),
        idle_sleep: Duration::from_millis(1),
        ..ClientConfig::default()
    };
    let stats = Client::builder("unused").config(config).build_with(from_fn(transport)).unwrap();
    let until = |what: &str, done: &dyn Fn() -> bool| {
        for _ in 0..5000 {
            if done() {
                return;
            }
            stats.level("g", 1u8).record();
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("never {what}");
    };
    until("opened", &|| stats.breaker().1 >= 3);
    // Five failures open the breaker, then there is one probe per further opening, so there is no storm.
    assert!(tries.load(Ordering::Relaxed) <= stats.breaker().1 + 5);
    down.store(false, Ordering::Relaxed);
    until("recovered", &|| stats.ledger().sent > 0 && stats.breaker().0 == BreakerState::Closed);
    let ledger = stats.shutdown(SECOND);
    assert!(ledger.closes());
    assert_eq!((ledger.sent, ledger.dropped.total()), (ledger.recorded, 0), "what waited was sent");
}

/// A transport whose receiver is reachable only at the second of two addresses.
struct TwoAddresses {
    moved: Arc<AtomicU64>,
}

impl Transport for TwoAddresses {
    fn send(&mut self, _: &[u8]) -> Result<(), SendError> {
        match self.moved.load(Ordering::Relaxed) {
            0 => Err(SendError::Unreachable),
            _ => Ok(()),
        }
    }

    fn reconnect(&mut self) {
        self.moved.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn when_the_breaker_opens_the_next_address_is_tried() {
    let moved = Arc::new(AtomicU64::new(0));
    let builder = Client::builder("unused").backoff(Duration::from_millis(1));
    let stats = builder.build_with(TwoAddresses { moved: moved.clone() }).unwrap();
    assert!(stats.level("g", 1u8).record().is_recorded());
    stats.flush(SECOND).unwrap();
    let ledger = stats.ledger();
    assert_eq!((ledger.sent, ledger.in_flight), (1, 0), "{ledger}");
    assert_eq!(moved.load(Ordering::Relaxed), 1, "once it has one that works, it stays");
}

/// A transport to a receiver with two addresses.
struct Either {
    sockets: [UdpSocket; 2],
    current: usize,
}

impl Transport for Either {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.sockets[self.current].send(datagram).map(|_| ()).map_err(|_| SendError::Refused)
    }

    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        self.sockets[self.current].recv(buf).map_err(|e| match e.kind() {
            ErrorKind::WouldBlock => SendError::WouldBlock,
            _ => SendError::Refused,
        })
    }

    fn hears(&self) -> bool {
        true
    }

    fn reconnect(&mut self) {
        self.current = 1 - self.current;
    }

    fn alternatives(&self) -> usize {
        1
    }
}

/// Records one event, ends at once, and returns the ledger, and how many events arrived at the second address.
fn with_two_addresses(first: SocketAddr, second: UdpSocket) -> (Ledger, u64) {
    let sockets = [first, second.local_addr().unwrap()].map(|receiver| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(receiver).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    });
    let mut receiver = Answering::new(second);
    let receives = std::thread::spawn(move || {
        let deadline = Instant::now() + SECOND;
        while receiver.take() || (receiver.events == 0 && Instant::now() < deadline) {}
        receiver.events
    });
    let builder = Client::builder("unused").report_interval(None);
    let stats = builder.build_with(Either { sockets, current: 0 }).unwrap();
    stats.count("n", 1u8).record();
    let ledger = stats.shutdown(SECOND);
    (ledger, receives.join().unwrap())
}

#[test]
fn no_event_is_risked_to_find_out_which_address_is_served() {
    let here = || UdpSocket::bind("127.0.0.1:0").unwrap();
    // One that receives and says nothing, and one that is gone by the time it is sent to.
    let silent = here();
    let gone = here().local_addr().unwrap();
    for first in [silent.local_addr().unwrap(), gone] {
        let (ledger, arrived) = with_two_addresses(first, here());
        let fates = (ledger.sent, ledger.unconfirmed, ledger.lost, arrived);
        assert_eq!(fates, (1, 0, 0, 1), "{ledger}");
    }
}

#[test]
fn a_breaker_that_is_off_never_opens() {
    let tries = Arc::new(AtomicU64::new(0));
    let counted = tries.clone();
    let transport = from_fn(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0..20 => Err(SendError::Unreachable),
        _ => Ok(()),
    });
    let stats = Client::builder("unused").breaker_failures(0).build_with(transport).unwrap();
    assert!(stats.level("g", 1u8).record().is_recorded());
    stats.flush(SECOND).unwrap();
    assert_eq!((stats.breaker(), stats.ledger().sent), ((BreakerState::Closed, 0), 1));
}
