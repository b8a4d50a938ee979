//! The account of arrivals compared with a simulated network and receiver that know the truth.

use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

const CONFIG: LivenessConfig = LivenessConfig {
    interval: Duration::from_millis(1000),
    retry: Duration::from_millis(250),
    silence: Duration::from_millis(3000),
};

/// A receiver that behaves as the specification requires.
struct Receiver {
    instance: u32,
    first: Option<u32>,
    datagrams: u64,
    events: u64,
}

impl Receiver {
    fn new(instance: u32) -> Self {
        Self { instance, first: None, datagrams: 0, events: 0 }
    }

    fn take(&mut self, packed: &Packed) -> Option<Receipt> {
        let first = *self.first.get_or_insert(packed.sequence);
        self.datagrams += 1;
        self.events += u64::from(packed.events);
        packed.asks.then_some(Receipt {
            sender: 1,
            epoch: 1,
            sequence: packed.sequence,
            instance: self.instance,
            first,
            datagrams: self.datagrams,
            events: self.events,
        })
    }
}

struct Sender {
    liveness: Liveness,
    next: u32,
    handed: u64,
}

impl Sender {
    fn new() -> Self {
        Self { liveness: Liveness::new(&CONFIG, TimeUnit::Millis), next: 0, handed: 0 }
    }

    /// Hands over a datagram, which asks if it is time to.
    fn send(&mut self, events: u16, now: u64) -> Packed {
        let asks = self.liveness.is_due(now);
        let packed = Packed { len: 100, sequence: self.next, asks, events, recorded: None };
        self.next += 1;
        self.handed += u64::from(events);
        self.liveness.handed(&packed, now);
        packed
    }

    /// Arrived, lost, unconfirmed; they add up.
    fn account(&self) -> (u64, u64, u64) {
        let account = (self.liveness.arrived(), self.liveness.lost(), self.liveness.unconfirmed());
        assert_eq!(account.0 + account.1 + account.2, self.handed);
        account
    }
}

#[test]
fn what_is_answered_has_arrived_and_nothing_else() {
    let (mut sender, mut receiver) = (Sender::new(), Receiver::new(9));
    let receipt = receiver.take(&sender.send(10, 0)).expect("the first datagram asks");
    assert_eq!(sender.account(), (0, 0, 10), "nobody knows yet");
    sender.liveness.answered(&receipt, 5).unwrap();
    assert_eq!(sender.account(), (10, 0, 0));
    assert!(sender.liveness.is_confirmed());
    assert!(receiver.take(&sender.send(10, 500)).is_none(), "once a second is enough");
    assert_eq!(sender.account(), (10, 0, 10));
    let _ = sender.send(3, 600); // lost
    let receipt = receiver.take(&sender.send(10, 1000)).unwrap();
    sender.liveness.answered(&receipt, 1001).unwrap();
    assert_eq!(sender.account(), (30, 0, 3), "it may only be late");
    let receipt = receiver.take(&sender.send(0, 2000)).unwrap();
    sender.liveness.answered(&receipt, 2001).unwrap();
    assert_eq!(sender.account(), (30, 3, 0));
    assert_eq!(sender.liveness.lost_datagrams(), 1);
    assert_eq!(sender.liveness.answered(&receipt, 2002), Err(ReceiptError::Unasked));
}

#[test]
fn silence_counts_from_the_question_that_is_owed_an_answer() {
    let mut sender = Sender::new();
    let _ = sender.send(1, 0);
    assert!(!sender.liveness.is_silent(2999));
    assert!(sender.liveness.is_silent(3000));
    assert_eq!(sender.liveness.overdue_at(), 250, "to ask again");
    // Asked repeatedly in the meantime; only the last question is answered.
    let mut receiver = Receiver::new(1);
    let asked: Vec<Packed> = (1..30).map(|i| sender.send(0, i * 100)).filter(|p| p.asks).collect();
    assert_eq!(asked.len(), 9, "each quarter of a second");
    let receipt = receiver.take(asked.last().unwrap()).unwrap();
    sender.liveness.answered(&receipt, 2950).unwrap();
    assert!(!sender.liveness.is_silent(10_000), "nothing is owed");
    let _ = sender.send(1, 10_000);
    assert!(!sender.liveness.is_silent(12_999) && sender.liveness.is_silent(13_000));
}

#[test]
fn a_probe_is_asked_for_anew() {
    let (mut sender, mut receiver) = (Sender::new(), Receiver::new(1));
    let old = receiver.take(&sender.send(1, 0)).unwrap();
    sender.liveness.ask_anew();
    assert_eq!(sender.liveness.answered(&old, 1), Err(ReceiptError::Unasked));
    let probe = sender.send(1, 2);
    assert!(probe.asks);
    sender.liveness.answered(&receiver.take(&probe).unwrap(), 3).unwrap();
    assert_eq!(sender.account(), (2, 0, 0), "the count covers what was before, too");
}

#[test]
fn what_was_under_way_when_a_receiver_died_stays_unconfirmed() {
    let mut sender = Sender::new();
    let mut receiver = Receiver::new(1);
    for now in 0..3 {
        if let Some(receipt) = receiver.take(&sender.send(10, now * 1000)) {
            sender.liveness.answered(&receipt, now * 1000).unwrap();
        }
    }
    let _ = sender.send(7, 3000); // it dies with this one, or just before
    let mut receiver = Receiver::new(2);
    for now in 4..7 {
        if let Some(receipt) = receiver.take(&sender.send(10, now * 1000)) {
            sender.liveness.answered(&receipt, now * 1000).unwrap();
        }
    }
    assert_eq!(sender.account(), (60, 0, 7));
    let _ = sender.send(5, 6500); // lost in the second life
    for now in 7..10 {
        if let Some(receipt) = receiver.take(&sender.send(10, now * 1000)) {
            sender.liveness.answered(&receipt, now * 1000).unwrap();
        }
    }
    assert_eq!(sender.account(), (90, 5, 7));
}

#[test]
fn a_receipt_cannot_say_more_than_was_handed_over() {
    let (mut sender, mut receiver) = (Sender::new(), Receiver::new(1));
    let receipt = receiver.take(&sender.send(10, 0)).unwrap();
    let boast = Receipt { events: u64::MAX, datagrams: u64::MAX, ..receipt };
    assert_eq!(sender.liveness.answered(&boast, 1), Err(ReceiptError::Impossible));
    assert_eq!(sender.account(), (0, 0, 10));
    sender.liveness.answered(&receipt, 1).unwrap();
    let _ = sender.send(10, 1000);
    let less = Receipt { sequence: 1, events: 5, ..receipt };
    assert_eq!(sender.liveness.answered(&less, 1001), Err(ReceiptError::Stale));
    assert_eq!(sender.account(), (10, 0, 10));
}

proptest! {
    /// Datagrams and receipts are lost, and the receiver dies. Nothing is reported as arrived or lost that is not, and
    /// at a quiet end without a death everything is known.
    #[test]
    fn it_never_says_what_is_not_so(
        steps in proptest::collection::vec((0u16..50, 0u8..100, 1u64..400), 1..300),
        loss in 0u8..60, deaths in 0u8..3,
    ) {
        let mut sender = Sender::new();
        let mut receiver = Receiver::new(1);
        let (mut arrived, mut lost, mut died, mut now) = (0, 0, 0, 0);
        for (events, dice, pause) in steps {
            now += pause;
            let packed = sender.send(events, now);
            if dice < loss {
                lost += u64::from(events);
            } else {
                arrived += u64::from(events);
                if let Some(receipt) = receiver.take(&packed) && dice >= loss / 2 + 30 {
                    let taken = sender.liveness.answered(&receipt, now);
                    prop_assert_eq!(taken, Ok(()));
                }
            }
            if dice >= 100 - deaths {
                receiver = Receiver::new(receiver.instance + 1);
                died += 1;
            }
            let account = sender.account();
            prop_assert!(account.0 <= arrived && account.1 <= lost, "{account:?}: {arrived}, {lost}");
        }
        for _ in 0..3 {
            now += 1000;
            let receipt = receiver.take(&sender.send(0, now)).unwrap();
            sender.liveness.answered(&receipt, now).unwrap();
        }
        let account = sender.account();
        if died == 0 && receiver.first == Some(0) {
            prop_assert_eq!(account, (arrived, lost, 0));
        }
        prop_assert!(account.0 <= arrived && account.1 <= lost);
    }
}
