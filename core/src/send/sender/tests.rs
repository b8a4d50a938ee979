//! The sender in fake time, against the decoder.

use super::*;
use crate::instrument::{Counter, Histogram, Instrument, Mark, State};
use crate::ledger::Cause;
use crate::record::{Event, Kind, NoNames, Tag};
use crate::ring::{Slot, overwrite};
use crate::sync::{AtomicU32, Ordering};
use crate::wire::decode::Body;
use crate::wire::{Decoder, Encoder};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;

type Ring = overwrite::Ring<Event, [Slot<Event>; 64]>;

fn ring() -> Box<Ring> {
    Box::new(Ring::new(core::array::from_fn(|_| Slot::new())))
}

const IDENTITY: Identity = Identity { sender: 7, epoch: 3 };
/// Times in nanoseconds: batches of 100, flushes of 1000, heartbeats of 500.
const CONFIG: SenderConfig = SenderConfig {
    payload: 256,
    batch_age: Duration::from_nanos(100),
    flush_interval: Duration::from_nanos(1000),
    refresh_interval: Duration::from_nanos(4000),
    heartbeat_interval: Duration::from_nanos(500),
    ..SenderConfig::new(TimeUnit::Nanos)
};
const NONE: &[&dyn Instrument] = &[];

fn event(value: u64) -> Event {
    Event::new(Kind::Counter, "events".into(), value.into(), 0).unwrap()
}

fn at(t: u64) -> Time {
    Time { monotonic: t, wall: t }
}

/// Sequence number and values of the events of a datagram.
fn read(bytes: &[u8]) -> (u32, Vec<f64>) {
    let mut decoder: Box<Decoder> = Box::default();
    let mut datagram = decoder.open(bytes).unwrap();
    let sequence = datagram.header().sequence;
    let mut values = Vec::new();
    while let Some(record) = datagram.next() {
        values.push(match record.unwrap().body {
            Body::Event(e) => match e.content {
                crate::wire::decode::Content::Number(v) => v.as_f64(),
                other => panic!("{other:?}"),
            },
            Body::Total(total) => total as f64,
            Body::Level(v) => v.as_f64(),
            Body::Buckets(b) => b.iter().map(|(_, n)| n as f64).sum(),
            Body::Info(info) => info.heartbeat_ms as f64,
            Body::Description(meaning) => f64::from(meaning.unit as u8),
        });
    }
    (sequence, values)
}

macro_rules! poll {
    ($sender:expr, $t:expr, $events:expr, $instruments:expr, $buf:expr) => {
        $sender.poll(
            at($t),
            &mut Inputs { events: $events, instruments: $instruments, names: &NoNames, dropped: 0 },
            &mut $buf,
        )
    };
}

fn sends(poll: Step) -> Packed {
    match poll {
        Step::Send(packed) => packed,
        Step::Wait(until) => panic!("waits until {until}"),
    }
}

fn waits(poll: Step) -> u64 {
    match poll {
        Step::Wait(until) => until,
        Step::Send(packed) => panic!("sends {packed:?}"),
    }
}

#[test]
fn a_batch_goes_out_by_age_and_silence_by_heartbeat() {
    let mut ring = ring();
    let (mut producer, mut consumer) = ring.split();
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &CONFIG);
    let mut buf = [0; 256];

    let hello = sends(poll!(sender, 0, &mut consumer, NONE, buf));
    assert_eq!(read(&buf[..hello.len]), (0, Vec::new()), "says at once that it is there");
    sender.sent(hello);
    assert_eq!(waits(poll!(sender, 0, &mut consumer, NONE, buf)), 500);

    producer.push(event(5)).unwrap();
    assert_eq!(waits(poll!(sender, 10, &mut consumer, NONE, buf)), 100);
    producer.push(event(6)).unwrap();
    let packed = sends(poll!(sender, 110, &mut consumer, NONE, buf));
    assert_eq!(read(&buf[..packed.len]), (1, alloc::vec![5.0, 6.0]));
    assert_eq!(sender.totals().in_flight(), 2);
    sender.sent(packed);
    assert_eq!((sender.totals().sent, sender.totals().in_flight()), (2, 0));

    assert_eq!(waits(poll!(sender, 111, &mut consumer, NONE, buf)), 610);
    let heartbeat = sends(poll!(sender, 610, &mut consumer, NONE, buf));
    assert_eq!(read(&buf[..heartbeat.len]), (2, Vec::new()));
    sender.sent(heartbeat);
}

#[test]
fn a_datagram_given_up_keeps_its_number_and_shows_in_the_next() {
    let mut ring = ring();
    let (mut producer, mut consumer) = ring.split();
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &CONFIG);
    let mut buf = [0; 256];
    producer.push(event(1)).unwrap();
    sender.flush();
    let packed = sends(poll!(sender, 0, &mut consumer, NONE, buf));
    sender.gave_up(packed, Cause::SendError);
    producer.push(event(2)).unwrap();
    sender.flush();
    let packed = sends(poll!(sender, 1, &mut consumer, NONE, buf));
    let mut decoder: Box<Decoder> = Box::default();
    let datagram = decoder.open(&buf[..packed.len]).unwrap();
    assert_eq!(datagram.header().sequence, 1);
    assert_eq!(datagram.prologue().failed, 1);
    assert_eq!(datagram.prologue().dropped, 1);
    sender.sent(packed);
    assert_eq!(sender.totals().dropped.get(Cause::SendError), 1);
    assert_eq!(sender.totals().sent, 1);
}

#[test]
fn instruments_go_out_when_changed_and_again_after_a_failure() {
    static REQUESTS: Counter = Counter::new("requests");
    static LATENCY: Histogram<64> = Histogram::new("latency");
    static ALL: &[&dyn Instrument] = &[&REQUESTS, &LATENCY];
    let mut ring = ring();
    let (_, mut consumer) = ring.split();
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &CONFIG);
    let mut buf = [0; 256];
    REQUESTS.add(3);
    LATENCY.record(9);
    let packed = sends(poll!(sender, 0, &mut consumer, ALL, buf));
    assert_eq!(read(&buf[..packed.len]), (0, alloc::vec![3.0, 1.0]));
    sender.gave_up(packed, Cause::SendError);
    assert_eq!(waits(poll!(sender, 1, &mut consumer, ALL, buf)), 500);
    REQUESTS.inc();
    let packed = sends(poll!(sender, 1000, &mut consumer, ALL, buf));
    assert_eq!(read(&buf[..packed.len]), (1, alloc::vec![4.0, 1.0]), "both again, with new totals");
    sender.sent(packed);
}

/// A counter that somebody increments just after its total was read.
struct Overtaken {
    total: AtomicU32,
    mark: Mark,
}

impl Instrument for Overtaken {
    fn name(&self) -> &str {
        "overtaken"
    }
    fn tag(&self, _: usize) -> Option<(&str, &str)> {
        None
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }
    fn state(&self) -> State<'_> {
        let total = self.total.load(Ordering::Relaxed);
        self.total.store(2, Ordering::Relaxed);
        State::Total(total.into())
    }
    fn version(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}

#[test]
fn what_is_recorded_while_an_instrument_is_packed_is_sent_the_next_time() {
    static OVERTAKEN: Overtaken = Overtaken { total: AtomicU32::new(1), mark: Mark::new() };
    // Idle instruments before it, so that its turn to be sent unchanged does not come.
    static IDLE: Counter = Counter::new("idle");
    static ALL: &[&dyn Instrument] = &[&IDLE, &IDLE, &IDLE, &IDLE, &OVERTAKEN];
    let mut ring = ring();
    let (_, mut consumer) = ring.split();
    let config = SenderConfig { refresh_interval: Duration::from_nanos(1_000_000), ..CONFIG };
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &config);
    let mut buf = [0; 256];
    let mut sent = Vec::new();
    for t in [0, 1000, 2000] {
        if let Step::Send(packed) = poll!(sender, t, &mut consumer, ALL, buf) {
            sent.extend(read(&buf[..packed.len]).1.into_iter().filter(|total| *total > 0.0));
            sender.sent(packed);
        }
    }
    assert_eq!(sent, [1.0, 2.0], "the total of the end, once");
}

#[test]
fn a_large_histogram_takes_several_datagrams() {
    static LATENCY: Histogram = Histogram::new("latency");
    static ALL: &[&dyn Instrument] = &[&LATENCY];
    (0..40).for_each(|e| (0..8).for_each(|m| LATENCY.record((1 << e) + (m << e) / 8)));
    let mut ring = ring();
    let (_, mut consumer) = ring.split();
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &CONFIG);
    let mut buf = [0; 256];
    let (mut datagrams, mut counted) = (0, 0.0);
    while let Step::Send(packed) = poll!(sender, 0, &mut consumer, ALL, buf) {
        assert!(packed.len <= 256);
        counted += read(&buf[..packed.len]).1.iter().sum::<f64>();
        sender.sent(packed);
        datagrams += 1;
    }
    assert!(datagrams >= 3, "{datagrams}");
    assert_eq!(counted, 320.0);
}

#[test]
fn what_is_recorded_between_the_datagrams_of_a_histogram_is_sent_the_next_time() {
    static LATENCY: Histogram = Histogram::new("latency");
    static IDLE: Counter = Counter::new("idle");
    // Idle ones before it, so that its turn to be sent unchanged does not come.
    static ALL: &[&dyn Instrument] = &[&IDLE, &IDLE, &IDLE, &IDLE, &LATENCY];
    (0..40).for_each(|e| (0..8).for_each(|m| LATENCY.record((1 << e) + (m << e) / 8)));
    let mut ring = ring();
    let (_, mut consumer) = ring.split();
    let config = SenderConfig { refresh_interval: Duration::from_nanos(1_000_000), ..CONFIG };
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &config);
    let mut buf = [0; 256];
    let mut sent = [0.0; 2];
    for (t, sent) in [0, 1000].into_iter().zip(&mut sent) {
        let mut datagrams = 0;
        while let Step::Send(packed) = poll!(sender, t, &mut consumer, ALL, buf) {
            *sent += read(&buf[..packed.len]).1.iter().sum::<f64>();
            sender.sent(packed);
            datagrams += 1;
            if t == 0 && datagrams == 1 {
                // Into a bucket that has gone out already.
                LATENCY.record(1);
            }
        }
    }
    assert_eq!(sent, [320.0, 321.0]);
}

#[test]
fn what_can_never_be_sent_is_counted_and_does_not_stop_the_rest() {
    let long: &'static str = Box::leak("X".repeat(250).into_boxed_str());
    let mut ring = ring();
    let (mut producer, mut consumer) = ring.split();
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &CONFIG);
    let mut buf = [0; 256];
    let too_large = Event::new(Kind::Gauge, long.into(), 1u8.into(), 0).unwrap();
    let unknown = Event::new(Kind::Gauge, crate::record::Symbol(9).into(), 1u8.into(), 0).unwrap();
    for e in [event(1), too_large, unknown, event(2)] {
        producer.push(e).unwrap();
    }
    sender.flush();
    let mut values = Vec::new();
    while let Step::Send(packed) = poll!(sender, 0, &mut consumer, NONE, buf) {
        values.extend(read(&buf[..packed.len]).1);
        sender.sent(packed);
    }
    assert_eq!(values, [1.0, 2.0]);
    assert_eq!(sender.totals().dropped.get(Cause::TooLarge), 1);
    assert_eq!(sender.totals().dropped.get(Cause::Encode), 1);
    assert_eq!(sender.totals().in_flight(), 0);
}

#[test]
fn full_datagrams_are_padded_to_one_size_on_request() {
    let mut ring = ring();
    let (mut producer, mut consumer) = ring.split();
    let mut sender: Sender<Encoder> =
        Sender::new(IDENTITY, &SenderConfig { pad_full: true, ..CONFIG });
    let mut buf = [0; 256];
    (0..60).for_each(|i| producer.push(event(i * 1_000_000)).unwrap());
    sender.flush();
    let mut lengths = Vec::new();
    while let Step::Send(packed) = poll!(sender, 0, &mut consumer, NONE, buf) {
        read(&buf[..packed.len]);
        lengths.push(packed.len);
        sender.sent(packed);
    }
    let (last, full) = lengths.split_last().unwrap();
    assert!(!full.is_empty() && full.iter().all(|l| *l == 256) && *last < 256, "{lengths:?}");
}

#[test]
fn a_buffer_too_short_for_anything_packs_nothing() {
    let mut ring = ring();
    let (mut producer, mut consumer) = ring.split();
    producer.push(event(1)).unwrap();
    let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &CONFIG);
    sender.flush();
    let mut buf = [0; 20];
    let _ = waits(poll!(sender, 0, &mut consumer, NONE, buf));
    assert_eq!(sender.abandon(&mut consumer, Cause::Shutdown, &NoNames), 1);
    assert_eq!(sender.totals().dropped.get(Cause::Shutdown), 1);
}

proptest! {
    /// The ledger closes after every step, whatever the order of recording, polling, failing and shutting down.
    #[test]
    fn the_ledger_closes_under_any_interleaving(
        steps in proptest::collection::vec((0u8..6, 1u64..200), 0..300),
        payload in 128usize..600,
    ) {
        let mut ring = ring();
        let (mut producer, mut consumer) = ring.split();
        let mut sender: Sender<Encoder> = Sender::new(IDENTITY, &SenderConfig { payload, ..CONFIG });
        let mut buf = [0; 600];
        let (mut recorded, mut refused, mut evicted, mut received) = (0u64, 0u64, 0u64, 0u64);
        let mut held: Vec<Packed> = Vec::new();
        let mut now = 0;
        for (step, n) in steps {
            match step {
                0 | 1 => for _ in 0..n % 20 {
                    recorded += 1;
                    if step == 0 {
                        refused += u64::from(producer.push(event(n)).is_err());
                    } else if let Ok(crate::ring::Pushed::Evicted(_)) = producer.push_evicting(event(n)) {
                        evicted += 1;
                    }
                },
                2 => {
                    now += n;
                    if let Step::Send(packed) = poll!(sender, now, &mut consumer, NONE, buf) {
                        prop_assert!(packed.len <= payload);
                        received += read(&buf[..packed.len]).1.len() as u64;
                        held.push(packed);
                    }
                }
                3 => held.drain(..).for_each(|p| sender.sent(p)),
                4 => held.drain(..).for_each(|p| {
                    received -= u64::from(p.events);
                    sender.gave_up(p, Cause::SendError);
                }),
                _ => sender.flush(),
            }
            let totals = sender.totals();
            let in_ring = Source::len(&consumer) as u64;
            let in_datagrams: u64 = held.iter().map(|p| u64::from(p.events)).sum();
            prop_assert_eq!(recorded, refused + evicted + in_ring + totals.taken);
            prop_assert_eq!(totals.taken, totals.sent + totals.dropped.total() + totals.in_flight());
            prop_assert!(totals.in_flight() >= in_datagrams);
            prop_assert_eq!(received, totals.sent + in_datagrams);
        }
        held.drain(..).for_each(|p| sender.sent(p));
        sender.abandon(&mut consumer, Cause::Shutdown, &NoNames);
        prop_assert_eq!(sender.totals().in_flight(), 0);
        prop_assert_eq!(recorded, refused + evicted + sender.totals().sent + sender.totals().dropped.total());
    }
}
