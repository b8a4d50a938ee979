//! A chip's static with its sender: rings, lanes, policies and the ledger.

use super::*;
use crate::event_ring;
use crate::format::TimeUnit;
use crate::instrument::{Counter, Marked};
use crate::policy::Policy;
use crate::record::{Interner, Outcome, Priority, Recorder};
use crate::send::{AckError, ArrayStore, Identity, LeanSender, Sender, SenderConfig, Step};
use crate::wire::Encoder;
use crate::wire::ack::Ack;
use crate::wire::decode::Body;

static FRAMES: Counter = Counter::new("frames");

fn now() -> u64 {
    7
}

#[test]
fn critical_events_are_kept_until_they_are_acknowledged() {
    static STATS: Stats<8, 2> =
        Stats::new(event_ring!(8), Clock::nanos(now)).critical(event_ring!(2));
    let identity = Identity { sender: 1, epoch: 1 };
    let config = SenderConfig { payload: 256, ..SenderConfig::new(TimeUnit::Nanos) };
    let mut sender: Sender<Encoder<16, 0>, ArrayStore<2>, 2> = Sender::new(identity, &config);
    let alarm = |n: u32| STATS.event("alarm").at(n.into()).priority(Priority::Critical).record();
    assert_eq!([0, 1].map(alarm), [Outcome::Recorded; 2]);
    assert_eq!(alarm(2), Outcome::Dropped(Cause::Full));
    let mut buf = [0; 256];
    let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) else {
        panic!("they are sent at once");
    };
    sender.sent(packed);
    let ledger = STATS.ledger(&sender);
    assert!(ledger.closes());
    assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (3, 0, 2));
    let mut ack = [0; Ack::MAX_LEN];
    let length = Ack { sender: 1, epoch: 1, base: 0, bitmap: &[0b11] }.emit(&mut ack).unwrap();
    assert_eq!(sender.acknowledged(&ack[..length], &NoNames), Ok(2));
    let foreign = Ack { sender: 1, epoch: 2, base: 9, bitmap: &[] }.emit(&mut ack).unwrap();
    assert_eq!(sender.acknowledged(&ack[..foreign], &NoNames), Err(AckError::Foreign));
    assert!(sender.acknowledged(b"no", &NoNames).is_err());
    let ledger = STATS.ledger(&sender);
    assert!(ledger.closes());
    assert_eq!((ledger.sent, ledger.in_flight, sender.unacknowledged()), (2, 0, 0));
}

#[test]
fn what_two_senders_send_each_of_them_is_told_of() {
    static SHARED: Counter = Counter::new("shared");
    static AGAIN: Marked = Marked::new(&SHARED);
    static IDLE: Counter = Counter::new("idle");
    static IDLE_AGAIN: Marked = Marked::new(&IDLE);
    // Idle ones before it, so that its turn to be sent unchanged does not come.
    static ONE: Stats<4> =
        Stats::new(event_ring!(4), Clock::nanos(now)).instruments(&[&IDLE, &IDLE, &SHARED]);
    static OTHER: Stats<4> = Stats::new(event_ring!(4), Clock::nanos(now)).instruments(&[
        &IDLE_AGAIN,
        &IDLE_AGAIN,
        &AGAIN,
    ]);
    let mut senders = [1, 2].map(|sender| -> LeanSender {
        Sender::new(
            Identity { sender, epoch: 1 },
            &SenderConfig { payload: 512, ..SenderConfig::new(TimeUnit::Nanos) },
        )
    });
    let mut told = [[0; 2]; 2];
    for (flush, total) in [1, 10].into_iter().enumerate() {
        SHARED.raise_to(total);
        for (i, (stats, sender)) in [&ONE, &OTHER].into_iter().zip(&mut senders).enumerate() {
            let mut buf = [0; 512];
            sender.flush();
            let Step::Send(packed) = stats.poll(sender, Time::default(), &mut buf) else {
                panic!("there is something to send");
            };
            let mut decoder = alloc::boxed::Box::<crate::wire::Decoder>::default();
            let mut datagram = decoder.open(&buf[..packed.len]).unwrap();
            while let Some(record) = datagram.next() {
                let record = record.unwrap();
                if let ("shared", Body::Total(total)) = (record.name.text, record.body) {
                    told[i][flush] = total;
                }
            }
            sender.sent(packed);
        }
    }
    assert_eq!(told, [[1, 10]; 2]);
}

#[test]
fn a_lane_holds_its_own_and_lends_from_the_ring_for_all() {
    static STATS: Stats<4> =
        Stats::new(event_ring!(4), Clock::nanos(now)).lanes(&[event_ring!(2), event_ring!(3)]);
    let mut sender: LeanSender = Sender::new(
        Identity { sender: 1, epoch: 1 },
        &SenderConfig { payload: 512, ..SenderConfig::new(TimeUnit::Nanos) },
    );
    let record = |lane: usize, times: usize| -> usize {
        (0..times).filter(|_| STATS.lane(lane).count("c", 1u8).record().is_recorded()).count()
    };
    // Two in the lane and four in the ring for all, which has none left for others; they have their own.
    assert_eq!(record(0, 10), 6);
    assert_eq!(STATS.count("c", 1u8).record(), Outcome::Dropped(Cause::Full));
    assert_eq!((record(1, 10), record(2, 1)), (3, 0));
    assert_eq!(STATS.lane(1).count("", 1u8).record(), Outcome::Dropped(Cause::Invalid));
    assert!(STATS.ledger(&sender).closes());
    sender.flush();
    let mut buf = [0; 512];
    while let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) {
        sender.sent(packed);
    }
    let ledger = STATS.ledger(&sender);
    assert!(ledger.closes());
    assert_eq!((ledger.sent, ledger.in_flight, ledger.recorded), (9, 0, 9 + 4 + 1 + 7 + 1 + 1));
}

#[test]
fn a_chip_sends_with_small_tables_and_its_ledger_closes() {
    static STATS: Stats<8> = Stats::new(event_ring!(8), Clock::nanos(now))
        .instruments(&[&FRAMES])
        .policy(Policy::DropOldest);
    let mut sender: LeanSender = Sender::new(
        Identity { sender: 1, epoch: 1 },
        &SenderConfig { payload: 256, ..SenderConfig::new(TimeUnit::Nanos) },
    );
    for i in 0..20u32 {
        assert!(STATS.level("g", i).record().is_recorded());
    }
    assert_eq!(STATS.level("", 0u8).record(), Outcome::Dropped(Cause::Invalid));
    FRAMES.inc();
    assert!(STATS.ledger(&sender).closes());
    sender.flush();
    let mut buf = [0; 256];
    while let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) {
        sender.sent(packed);
    }
    let ledger = STATS.ledger(&sender);
    assert!(ledger.closes());
    assert_eq!((ledger.recorded, ledger.sent), (21, 8));
    assert_eq!(ledger.dropped.get(Cause::Evicted), 12);
}

#[test]
fn names_made_at_run_time_are_spelled_out() {
    static NAMES: Interner<2, 32> = Interner::new();
    static STATS: Stats<4, 0, &Interner<2, 32>> =
        Stats::new(event_ring!(4), Clock::nanos(now)).names(&NAMES);
    let identity = Identity { sender: 1, epoch: 1 };
    let mut sender = STATS.sender(identity, &STATS.config());
    let name = NAMES.intern("door.3").unwrap();
    assert!(STATS.count(name, 5u8).tag("side", "left").record().is_recorded());
    sender.flush();
    let mut buf = [0; 256];
    let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) else {
        panic!("it waits");
    };
    let mut decoder: alloc::boxed::Box<crate::wire::Decoder> = alloc::boxed::Box::default();
    let mut datagram = decoder.open(&buf[..packed.len]).unwrap();
    let record = datagram.next().unwrap().unwrap();
    assert_eq!(record.name.text, "door.3");
    sender.sent(packed);
    assert!(STATS.ledger(&sender).closes());
}
