//! A line that damages bytes, with a collector at its other end.

use super::*;
use crate::chip::Clock;
use crate::event_ring;
use crate::receive::{IdWindow, Seen};
use crate::record::{Priority, Recorder};
use crate::send::Epoch;
use crate::sync::{AtomicU64, Ordering};
use crate::testkit::Rng;
use crate::wire::Decoder;
use crate::wire::decode::Body;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

static NOW: AtomicU64 = AtomicU64::new(0);

fn now() -> u64 {
    NOW.load(Ordering::Relaxed)
}

/// The other end of the line: a collector, and the bytes that it writes back.
struct Other {
    frames: Deframer<256>,
    decoder: Box<Decoder>,
    ids: IdWindow,
    seen: BTreeSet<u32>,
    events: u64,
    alarms: u64,
}

impl Other {
    fn read(&mut self, line: &[u8]) -> Vec<u8> {
        let mut back = Vec::new();
        for byte in line {
            let Some(datagram) = self.frames.feed(*byte) else { continue };
            let Ok(mut open) = self.decoder.open(datagram) else { continue };
            let header = *open.header();
            let (floor, asks) = (open.prologue().ack_floor, open.prologue().wants_receipt);
            if !self.seen.insert(header.sequence) {
                continue;
            }
            floor.inspect(|floor| self.ids.advance(*floor));
            while let Some(record) = open.next() {
                let Body::Event(event) = record.unwrap().body else { continue };
                match event.id.map(|id| self.ids.insert(id)) {
                    None => self.events += 1,
                    Some(Seen::New) => self.alarms += 1,
                    Some(_) => {}
                }
            }
            let mut put = |answer: &[u8]| {
                let mut framed = vec![0; frame::len(answer.len())];
                let length = frame::write(answer, &mut framed).unwrap();
                back.extend(&framed[..length]);
            };
            if floor.is_some() {
                let mut buf = [0; Ack::MAX_LEN];
                let length = self.ids.ack(header.sender, header.epoch).emit(&mut buf).unwrap();
                put(&buf[..length]);
            }
            if asks {
                put(&Receipt {
                    sender: header.sender,
                    epoch: header.epoch,
                    sequence: header.sequence,
                    instance: 1,
                    first: 0,
                    datagrams: self.seen.len() as u64,
                    events: self.events,
                }
                .emit());
            }
        }
        back
    }
}

/// Flips, drops and duplicates bytes, one in `one_in`.
fn spoil(bytes: &[u8], one_in: u64, rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in bytes {
        match rng.below(one_in * 3) {
            0 => out.push(byte ^ 1 << rng.below(8)),
            1 => {}
            2 => out.extend([*byte; 2]),
            _ => out.push(*byte),
        }
    }
    out
}

fn run(one_in: u64) -> (Ledger, Other) {
    let stats: &Stats<32, 4> = Box::leak(Box::new(
        Stats::new(Box::leak(Box::default()), Clock::micros(now))
            .critical(Box::leak(Box::new(crate::chip::EventRing::<4>::new()))),
    ));
    let config = LineConfig::new(stats, Identity::new(7, Epoch::stored(1)));
    let mut line: Line<'_, 32, 4, _, 128> = Line::new(stats, config);
    let mut other = Other {
        frames: Deframer::new(),
        decoder: Box::default(),
        ids: IdWindow::new(),
        seen: BTreeSet::new(),
        events: 0,
        alarms: 0,
    };
    let mut rng = Rng::new(3);
    let (mut alarms, mut step) = (0, 0u32);
    while alarms < 100 || line.ledger().in_flight > 0 || line.ledger().unconfirmed > 0 {
        step += 1;
        assert!(step < 2_000_000, "{:?}", line.ledger());
        if step < 100_000 && step % 10 == 0 {
            stats.level("a", step).record();
        }
        if alarms < 100 && step % 50 == 0 {
            alarms +=
                u32::from(stats.event("b").priority(Priority::Critical).record().is_recorded());
        }
        NOW.fetch_add(1000, Ordering::Relaxed);
        while let Ok(frame) = line.next(stats.time()) {
            let heard = spoil(frame, one_in, &mut rng);
            let back = other.read(&heard);
            line.written(stats.time());
            line.receive(&spoil(&back, one_in, &mut rng), stats.time());
        }
    }
    (line.ledger(), other)
}

#[test]
fn all_of_it_arrives_and_over_a_bad_line_the_account_is_exact() {
    let (ledger, other) = run(u64::MAX / 3);
    assert_eq!((ledger.lost, ledger.sent), (0, other.events + 100));
    assert_eq!(other.alarms, 100);
    // One byte in a thousand is damaged, in both directions.
    let (ledger, other) = run(1000);
    assert!(ledger.closes() && ledger.lost > 0);
    assert_eq!((ledger.sent, other.alarms), (other.events + 100, 100), "each alarm once");
}

#[test]
fn a_frame_that_was_not_written_comes_again() {
    static STATS: Stats<8> = Stats::new(event_ring!(8), Clock::micros(|| 5));
    let config = LineConfig::new(&STATS, Identity::new(7, Epoch::unknown())).one_way();
    let mut line: Line<'_, 8, 0, _, 128> = Line::new(&STATS, config);
    STATS.level("a", 1u8).record();
    let at = |monotonic| Time { monotonic, wall: monotonic };
    let first = line.next(at(2_000_000)).unwrap().to_vec();
    let retry = line.failed(at(2_000_000));
    assert_eq!(line.next(at(retry)).unwrap(), first);
    line.written(at(retry));
    assert_eq!((line.totals().datagrams, line.ledger().dropped.total()), (1, 0));
}

/// A chip that is reset again and again, on a line that damages bytes: what was in its memory arrives once, in the run
/// in which it was recorded.
#[test]
fn critical_events_outlive_a_reset() {
    const RUNS: u32 = 20;
    let memory: &'static Retained<4> = Box::leak(Box::new(Retained::new()));
    let mut rng = Rng::new(11);
    let (mut stored, mut recorded) = (BTreeSet::new(), BTreeSet::new());
    let mut windows: alloc::collections::BTreeMap<u32, IdWindow> = Default::default();
    let mut decoder: Box<Decoder> = Box::default();
    let mut time = 0;
    for run in 0..=RUNS {
        let stats: &Stats<32, 4> = Box::leak(Box::new(
            Stats::new(Box::leak(Box::default()), Clock::micros(|| 0))
                .critical(Box::leak(Box::new(crate::chip::EventRing::<4>::new()))),
        ));
        let identity = Identity::new(7, memory.epoch(Epoch::stored(100)));
        let mut line: Line<'_, 32, 4, _, 128, 8, RetainedStore<4>> =
            Line::retaining(stats, LineConfig::new(stats, identity), memory);
        let mut frames = Deframer::<256>::new();
        // The last run is left alone until all is settled.
        let steps = if run == RUNS { 3000 } else { 1 + rng.below(40) };
        for step in 0..steps {
            time += 20_000;
            let now = Time { monotonic: time, wall: time };
            if run < RUNS && step % 5 == 0 {
                let n = run * 1000 + step as u32;
                let text = alloc::format!("{n}");
                let event = stats.event("b").tag("n", &text).priority(Priority::Critical);
                if event.record().is_recorded() {
                    let _ = line.next(now);
                    // It is safe once it has left its ring.
                    if stats.waiting() == 0 {
                        recorded.insert(n);
                    }
                }
            }
            let Ok(frame) = line.next(now) else { continue };
            let frame = spoil(frame, 200, &mut rng);
            line.written(now);
            for byte in frame {
                let Some(datagram) = frames.feed(byte) else { continue };
                let Ok(mut open) = decoder.open(datagram) else { continue };
                let header = *open.header();
                let Some(floor) = open.prologue().ack_floor else { continue };
                let ids = windows.entry(header.epoch).or_default();
                ids.advance(floor);
                while let Some(record) = open.next() {
                    let record = record.unwrap();
                    let Body::Event(event) = record.body else { continue };
                    if event.id.is_some_and(|id| ids.insert(id) == Seen::New) {
                        let (_, n) = record.tags.iter().next().unwrap();
                        let n: u32 = n.parse().unwrap();
                        assert!(stored.insert(n), "{n} twice");
                    }
                }
                let mut ack = [0; Ack::MAX_LEN];
                let length = ids.ack(header.sender, header.epoch).emit(&mut ack).unwrap();
                let mut framed = [0; 256];
                let length = frame::write(&ack[..length], &mut framed).unwrap();
                line.receive(&spoil(&framed[..length], 200, &mut rng), now);
            }
        }
        if run == RUNS {
            assert_eq!(line.recovered().found, line.recovered().acknowledged);
        }
    }
    assert!(recorded.is_subset(&stored), "{:?} are missing", recorded.difference(&stored));
    assert!(recorded.len() > 30, "{} events in {RUNS} runs", recorded.len());
}

#[test]
#[should_panic = "one-way"]
fn nothing_outlives_a_reset_on_a_line_that_acknowledges_nothing() {
    static MEMORY: Retained<4> = Retained::new();
    static STATS: Stats<8, 4> =
        Stats::new(event_ring!(8), Clock::micros(now)).critical(event_ring!(4));
    let config = LineConfig::new(&STATS, Identity::new(7, Epoch::stored(1))).one_way();
    let _: Line<'_, 8, 4, _, 128, 8, _> = Line::retaining(&STATS, config, &MEMORY);
}
