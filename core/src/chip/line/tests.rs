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
