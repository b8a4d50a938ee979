//! A chip that is reset at any moment, over a network that loses datagrams both ways.

use super::*;
use crate::chip::{Clock, EventRing, Stats};
use crate::receive::{IdWindow, Seen, SequenceTracker, Verdict};
use crate::record::{Kind, Priority, Recorder};
use crate::send::{Epoch, RetainingSender, Step, Time};
use crate::sync::{AtomicU8, Ordering};
use crate::testkit::Rng;
use crate::wire::Decoder;
use crate::wire::decode::{Body, Content};
use alloc::boxed::Box;
use alloc::vec::Vec;
use proptest::prelude::*;

const ROOM: usize = 4;
type Chip = Stats<8, ROOM>;

/// A collector, which stores what it acknowledges.
struct Collector {
    decoder: Box<Decoder>,
    tracker: SequenceTracker,
    ids: IdWindow,
    stored: Vec<u64>,
}

impl Collector {
    fn new() -> Self {
        Self {
            decoder: Box::default(),
            tracker: SequenceTracker::from_zero(),
            ids: IdWindow::new(),
            stored: Vec::new(),
        }
    }

    fn take(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut open = self.decoder.open(datagram).expect("a sound datagram");
        let header = *open.header();
        match self.tracker.observe(header.epoch, header.sequence) {
            Verdict::New | Verdict::Late => {}
            Verdict::Restart => self.ids = IdWindow::new(),
            Verdict::Stranger => return None,
            other => panic!("{other:?}: {header:?}"),
        }
        let floor = open.prologue().ack_floor?;
        self.ids.advance(floor);
        while let Some(record) = open.next() {
            let record = record.expect("a sound record");
            let Body::Event(event) = record.body else { continue };
            assert_eq!((event.kind, event.priority), (Kind::Event, Priority::Critical));
            assert_eq!(record.tags.iter().collect::<Vec<_>>(), [("where", "lab"), ("door", "7")]);
            let Content::Text(text) = event.content else { panic!("a text") };
            if self.ids.insert(event.id.expect("identified")) == Seen::New {
                self.stored.push(text.parse().expect("a number"));
            }
        }
        let mut ack = [0; Ack::MAX_LEN];
        let length = self.ids.ack(header.sender, header.epoch).emit(&mut ack).expect("room");
        Some(ack[..length].to_vec())
    }
}

/// A chip after a reset, with all memory cleared but that.
fn boot(memory: &'static Retained<ROOM>) -> (Chip, RetainingSender<16, ROOM>) {
    let critical: &EventRing<ROOM> = Box::leak(Box::default());
    let stats = Stats::new(Box::leak(Box::default()), Clock::millis(|| 0)).critical(critical);
    let identity = Identity::new(7, memory.epoch(Epoch::random(100)));
    let sender = stats.retaining_sender(identity, &stats.config(), memory);
    (stats, sender)
}

fn record(stats: &Chip, number: u64) -> bool {
    let text = alloc::format!("{number}");
    let draft = stats.event("alarm").tags(&[("where", "lab")]).text(&text).tag("door", "7");
    draft.priority(Priority::Critical).record().is_recorded()
}

/// Records, polls and is reset for as many rounds, then runs until everything is acknowledged. Returns what the memory
/// held at any time, and what the collector has.
fn live(seed: u64, rounds: u32, loss_in_ten: u64) -> (Vec<u64>, Vec<u64>) {
    let memory: &'static Retained<ROOM> = Box::leak(Box::new(Retained::new()));
    let mut rng = Rng::new(seed);
    let mut collector = Collector::new();
    let (mut kept, mut number, mut now) = (Vec::new(), 0, 0);
    for round in 0..=rounds {
        let (stats, mut sender) = boot(memory);
        let mut recorded = Vec::new();
        let mut kept_now = 0;
        let steps = 1 + rng.below(40);
        for step in 0.. {
            if (round == rounds && sender.unacknowledged() == 0 && stats.waiting() == 0)
                || (round < rounds && step == steps)
            {
                break;
            }
            assert!(step < 100_000, "{:?}", sender.recovered());
            if round < rounds && rng.below(3) == 0 && record(&stats, number) {
                recorded.push(number);
                number += 1;
            }
            now += 100;
            let mut buf = [0; 256];
            let step = stats.poll(&mut sender, Time { monotonic: now, wall: now }, &mut buf);
            kept_now = recorded.len() - stats.waiting();
            let Step::Send(packed) = step else { continue };
            // It is reset before the datagram leaves, after it, or after the answer.
            if round < rounds && rng.below(20) == 0 {
                break;
            }
            let length = packed.len;
            sender.sent(packed);
            if rng.below(10) < loss_in_ten {
                continue;
            }
            let ack = collector.take(&buf[..length]);
            if let Some(ack) = ack.filter(|_| rng.below(10) >= loss_in_ten) {
                stats.acknowledged(&mut sender, &ack).expect("an acknowledgement of ours");
            }
        }
        kept.extend(&recorded[..kept_now]);
        assert_eq!(sender.recovered().damaged, 0);
        assert_eq!(sender.recovered().unretained, 0);
    }
    (kept, collector.stored)
}

#[test]
fn what_was_kept_arrives_once_however_often_the_chip_is_reset() {
    let mut all = 0;
    for seed in 0..40 {
        let (kept, mut stored) = live(seed, 30, seed % 7);
        all += kept.len();
        stored.sort_unstable();
        assert_eq!(stored, kept, "seed {seed}");
    }
    assert!(all > 2000, "{all} events in 1200 lives");
}

#[test]
fn the_run_goes_on_in_the_same_numbers_until_the_next_one_begins() {
    let memory: &'static Retained<ROOM> = Box::leak(Box::new(Retained::new()));
    let mut buf = [0; 256];
    let at = |now| Time { monotonic: now, wall: now };
    let (stats, mut sender) = boot(memory);
    assert!(record(&stats, 1));
    let Step::Send(packed) = stats.poll(&mut sender, at(0), &mut buf) else { panic!("at once") };
    assert_eq!(packed.sequence, 0);
    drop(packed);

    let (stats, mut sender) = boot(memory);
    assert!(sender.is_recovering());
    assert_eq!((sender.recovered().found, sender.unacknowledged()), (1, 1));
    assert!(record(&stats, 2));
    for (sequence, now) in [(1, 0), (2, 1000)] {
        let Step::Send(packed) = stats.poll(&mut sender, at(now), &mut buf) else {
            panic!("due at {now}")
        };
        let header = Header::parse(&buf[..packed.len]).unwrap();
        assert_eq!((header.epoch, header.sequence, packed.asks), (100, sequence, false));
        sender.sent(packed);
        assert!(matches!(stats.poll(&mut sender, at(now), &mut buf), Step::Wait(_)));
        assert!(stats.probe(&mut sender, at(now), &mut buf).is_none(), "it would end the run");
        assert_eq!(stats.waiting(), 1, "the new run has not begun");
    }
    let mut ack = [0; Ack::MAX_LEN];
    let length = Ack { sender: 7, epoch: 100, base: 0, bitmap: &[1] }.emit(&mut ack).unwrap();
    assert_eq!(stats.acknowledged(&mut sender, &ack[..length]), Ok(1));
    assert!(!sender.is_recovering());
    let Step::Send(packed) = stats.poll(&mut sender, at(1001), &mut buf) else { panic!("2") };
    let header = Header::parse(&buf[..packed.len]).unwrap();
    assert_eq!((header.epoch, header.sequence), (101, 0));
    sender.sent(packed);
    assert!(stats.ledger(&sender).closes());
}

#[test]
fn what_is_too_large_for_its_place_is_sent_but_not_retained() {
    let memory: &'static Retained<ROOM, 16> = Box::leak(Box::new(Retained::new()));
    let critical: &EventRing<ROOM> = Box::leak(Box::default());
    let stats: Chip = Stats::new(Box::leak(Box::default()), Clock::millis(|| 0)).critical(critical);
    let mut sender =
        stats.retaining_sender(Identity::new(7, Epoch::stored(1)), &stats.config(), memory);
    assert!(record(&stats, 1));
    let mut buf = [0; 256];
    assert!(matches!(stats.poll(&mut sender, Time::default(), &mut buf), Step::Send(_)));
    assert_eq!(sender.recovered().unretained, 1);
    assert_eq!(memory.erased().read(0, &mut [0; RECORD_MAX]), Place::Free);
}

/// All bytes of the memory as they are, to be spoiled.
fn cells<const N: usize, const BYTES: usize>(memory: &Retained<N, BYTES>) -> Vec<&AtomicU8> {
    memory.records().collect()
}

proptest! {
    /// Damage costs the events that it hits, and no more; noise is no run.
    #[test]
    fn damaged_records_are_found(hits in proptest::collection::vec((0..ROOM * 96, 1..=255u8), 1..20)) {
        let memory: &'static Retained<ROOM> = Box::leak(Box::new(Retained::new()));
        let (stats, mut sender) = boot(memory);
        let mut buf = [0; 256];
        for number in 0..ROOM as u64 {
            assert!(record(&stats, number));
        }
        let _ = stats.poll(&mut sender, Time::default(), &mut buf);
        let Place::Taken(Saved { length, .. }) = memory.erased().read(0, &mut [0; RECORD_MAX]) else {
            panic!("it is kept")
        };
        let before: Vec<u8> = cells(memory).iter().map(|c| c.load(Ordering::Relaxed)).collect();
        for (at, flip) in hits {
            cells(memory)[at].fetch_xor(flip, Ordering::Relaxed);
        }
        let hit = |place: usize| {
            let place = place * 96..place * 96 + length;
            place.into_iter().any(|at| cells(memory)[at].load(Ordering::Relaxed) != before[at])
        };
        let damaged = (0..ROOM).filter(|place| hit(*place)).count();
        let (_, sender) = boot(memory);
        let recovered = sender.recovered();
        prop_assert_eq!((usize::from(recovered.found), usize::from(recovered.damaged)), (ROOM - damaged, damaged));
    }
}
