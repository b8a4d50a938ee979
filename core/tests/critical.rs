//! Critical events through the sender in simulated time: what its datagrams contain, and which acknowledgements it
//! accepts.

use std::time::Duration;

use ringstat_core::format::TimeUnit;
use ringstat_core::instrument::Instrument;
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Kind, NoNames, Priority};
use ringstat_core::ring::mpmc;
use ringstat_core::send::{
    AckError, BoxedStore, Identity, Inputs, RetryConfig, Sender, SenderConfig, Step, Time,
};
use ringstat_core::wire::ack::{Ack, ID_WINDOW};
use ringstat_core::wire::decode::Body;
use ringstat_core::wire::{Decoder, Encoder};

const NONE: &[&dyn Instrument] = &[];
const IDENTITY: Identity = Identity { sender: 7, epoch: 3 };
const RETRY: RetryConfig = RetryConfig {
    timeout: Duration::from_nanos(1_000),
    timeout_max: Duration::from_nanos(8_000),
    attempts: 5,
};
/// Only critical events are due, unless a test says otherwise.
const CONFIG: SenderConfig = SenderConfig {
    payload: 256,
    retry: RETRY,
    batch_age: Duration::from_secs(1),
    flush_interval: Duration::from_secs(1),
    heartbeat_interval: Duration::from_secs(1),
    ..SenderConfig::new(TimeUnit::Nanos)
};

type Ring = mpmc::Ring<Event, Box<[mpmc::Cell<Event>]>>;

/// A sender with its two rings.
struct Station {
    sender: Box<Sender<Encoder<64, 1024>, BoxedStore, 8>>,
    critical: Ring,
    others: Ring,
}

/// The events in a datagram: the floor, and the name, time and identifier of each.
struct Said {
    floor: Option<u64>,
    events: Vec<(String, u64, Option<u64>)>,
}

impl Said {
    fn ids(&self) -> Vec<u64> {
        self.events.iter().filter_map(|(.., id)| *id).collect()
    }
}

fn ring(room: usize) -> Ring {
    Ring::new((0..room).map(|_| mpmc::Cell::new()).collect())
}

fn event(name: &'static str, n: u64, priority: Priority) -> Event {
    let mut event = Event::new(Kind::Event, name.into(), n.into(), n).unwrap();
    event.set_priority(priority);
    event
}

impl Station {
    fn new(config: &SenderConfig, store: usize) -> Self {
        let store = BoxedStore::new(store);
        Self {
            sender: Box::new(Sender::with_parts(IDENTITY, config, Encoder::new(), store)),
            critical: ring(2048),
            others: ring(2048),
        }
    }

    fn alarm(&self, name: &'static str, n: u64) {
        self.critical.push(event(name, n, Priority::Critical)).unwrap();
    }

    /// Returns all datagrams that are due at this time. None of them may be malformed.
    fn datagrams(&mut self, now: u64) -> Vec<Said> {
        let now = Time { monotonic: now, wall: now };
        let mut decoder: Box<Decoder> = Box::default();
        let mut said = Vec::new();
        let mut buf = [0; 1472];
        loop {
            self.sender.keep(now, &mut &self.critical);
            let mut events = &self.others;
            let mut inputs =
                Inputs { events: &mut events, instruments: NONE, names: &NoNames, dropped: 0 };
            let Step::Send(packed) = self.sender.poll(now, &mut inputs, &mut buf) else {
                return said;
            };
            let mut opened = decoder.open(&buf[..packed.len]).expect("a sound datagram");
            let mut events = Vec::new();
            while let Some(record) = opened.next() {
                let record = record.expect("a sound record");
                let Body::Event(event) = record.body else { panic!("no instruments here") };
                assert_eq!(event.id.is_some(), event.priority == Priority::Critical);
                events.push((record.name.text.to_owned(), event.time_ns, event.id));
            }
            said.push(Said { floor: opened.prologue().ack_floor, events });
            self.sender.sent(packed);
        }
    }

    fn told(&mut self, base: u64, bitmap: &[u8]) -> Result<u64, AckError> {
        let mut buf = [0; Ack::MAX_LEN];
        let Identity { sender, epoch } = IDENTITY;
        let length = Ack { sender, epoch, base, bitmap }.emit(&mut buf).unwrap();
        self.sender.acknowledged(&buf[..length], &NoNames)
    }
}

#[test]
fn one_that_never_fits_does_not_spoil_the_datagram_for_the_others() {
    let long: &'static str = "é".repeat(125).leak();
    let mut station = Station::new(&CONFIG, 16);
    for (n, name) in [long, "door", "door", long, "window", "door"].into_iter().enumerate() {
        station.alarm(name, n as u64);
    }
    let said = station.datagrams(100);
    let names: Vec<_> =
        said.iter().flat_map(|s| &s.events).map(|(name, n, _)| (&**name, *n)).collect();
    assert_eq!(names, [("door", 1), ("door", 2), ("window", 4), ("door", 5)]);
    assert_eq!(station.sender.totals().dropped.get(Cause::TooLarge), 2);
    assert_eq!((station.sender.totals().in_flight(), station.sender.unacknowledged()), (4, 4));
}

#[test]
fn they_go_before_all_others_and_only_they_are_kept() {
    let mut station = Station::new(&CONFIG, 16);
    (0..500).for_each(|n| station.others.push(event("other", n, Priority::High)).unwrap());
    (0..3).for_each(|n| station.alarm("alarm", n));
    station.sender.flush();
    let said = station.datagrams(100);
    let all: Vec<_> = said.iter().flat_map(|s| &s.events).collect();
    assert_eq!(all.len(), 503);
    assert!(all[..3].iter().all(|(name, ..)| name == "alarm"));
    assert!(said.len() > 1 && said.iter().all(|s| s.floor == Some(0)), "each datagram asks");
    assert_eq!((station.sender.totals().sent, station.sender.totals().in_flight()), (500, 3));
    assert_eq!(station.told(0, &[0b111]), Ok(3));
    station.others.push(event("other", 1, Priority::High)).unwrap();
    station.sender.flush();
    let said = station.datagrams(200);
    assert!(said.iter().all(|s| s.floor.is_none()), "nothing is outstanding, so nothing is asked");
}

#[test]
fn a_clock_that_goes_back_delays_none_for_longer_than_the_longest_pause() {
    let mut station = Station::new(&CONFIG, 4);
    station.alarm("alarm", 1);
    assert_eq!(station.datagrams(1_000_000_000)[0].ids(), [0]);
    let again: Vec<_> = station.datagrams(5).iter().flat_map(Said::ids).collect();
    assert_eq!(again, [0], "its pause is over, for all that anybody knows");
    assert!(station.datagrams(6).is_empty(), "and the next one has begun");
}

#[test]
fn identifiers_under_way_never_span_more_than_the_window() {
    let retry = RetryConfig { attempts: 200, ..RETRY };
    let mut station = Station::new(&SenderConfig { payload: 1472, retry, ..CONFIG }, 2 * ID_WINDOW);
    (0..2048).for_each(|n| station.alarm("alarm", n));
    let mut now = 0;
    let mut settled = 0;
    // Everything but the lowest event is acknowledged: no identifier beyond its window may appear.
    for _ in 0..50 {
        now += 10_000;
        for said in station.datagrams(now) {
            let floor = said.floor.unwrap();
            assert!(said.ids().iter().all(|id| (floor..floor + 1024).contains(id)), "{floor}");
        }
        assert_eq!(station.sender.unacknowledged() as u64 + settled, 1024);
        let mut bitmap = [0xFF; ID_WINDOW / 8];
        bitmap[0] = 0xFE;
        settled += station.told(0, &bitmap).unwrap();
    }
    assert_eq!((settled, station.critical.len()), (1023, 1024));
    assert_eq!(station.told(0, &[1]), Ok(1));
    let said = station.datagrams(now + 1);
    assert_eq!((said[0].floor, said[0].ids()[0]), (Some(1024), 1024));
}

#[test]
fn what_no_receiver_can_say_settles_nothing() {
    let mut station = Station::new(&CONFIG, 8);
    (0..4).for_each(|n| station.alarm("alarm", n));
    station.datagrams(100);
    // A floor above the sender's own, or an event that it has not sent, cannot be acknowledged.
    assert_eq!(station.told(1, &[]), Err(AckError::Impossible));
    assert_eq!(station.told(u64::MAX, &[]), Err(AckError::Impossible));
    assert_eq!(station.told(0, &[0b0001_0001]), Err(AckError::Impossible));
    assert_eq!(station.sender.unacknowledged(), 4);
    assert_eq!(station.told(0, &[0b0000_0011]), Ok(2));
    assert_eq!(station.told(0, &[0b0000_0011]), Ok(0), "an old one that was late");
    assert_eq!(station.told(2, &[0b10]), Ok(1));
    assert_eq!(station.told(2, &[0b11]), Ok(1));
    assert_eq!(station.told(0, &[]), Ok(0), "and a very old one");
    assert_eq!((station.sender.totals().sent, station.sender.totals().in_flight()), (4, 0));
}
