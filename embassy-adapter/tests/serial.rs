//! The task over a serial line in memory, which takes nothing for a while.

mod common;

use std::cell::{Cell, RefCell};

use embassy_futures::select::{Either, select, select3};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::pipe::Pipe;
use embassy_time::Timer;
use ringstat_core::chip::{Line, LineConfig};
use ringstat_core::wire::frame::{self, Deframer};
use ringstat_embassy::prelude::*;
use ringstat_embassy::{run_serial, stats, totals};

use common::Collected;

#[test]
fn a_line_carries_both_ways_and_keeps_what_it_could_not_take() {
    static STATS: Stats<32, 4> = stats(event_ring!(32)).critical(event_ring!(4));
    let seen: RefCell<Collected> = RefCell::default();
    let (out, back): (Pipe<NoopRawMutex, 64>, Pipe<NoopRawMutex, 64>) = (Pipe::new(), Pipe::new());
    let stuck = Cell::new(true);
    let other = async {
        let mut deframer: Deframer<256> = Deframer::new();
        let mut bytes = [0; 16];
        loop {
            while stuck.get() {
                Timer::after_millis(5).await;
            }
            let read = out.read(&mut bytes).await;
            for byte in &bytes[..read] {
                let Some(datagram) = deframer.feed(*byte) else { continue };
                let answers = seen.borrow_mut().take(datagram);
                for answer in answers {
                    let mut framed = vec![0; frame::len(answer.len())];
                    let length = frame::write(&answer, &mut framed).expect("room");
                    back.write_all(&framed[..length]).await;
                }
            }
        }
    };
    let script = async {
        for n in 0..32u8 {
            assert!(STATS.level("board.celsius", n).record().is_recorded());
        }
        // Longer than the line may take for a frame.
        Timer::after_millis(1300).await;
        assert_eq!((totals().sent, totals().failed), (0, 0));
        stuck.set(false);
        for _ in 0..4 {
            assert!(STATS.event("door").priority(Priority::Critical).record().is_recorded());
        }
        let ledger = loop {
            let ledger = STATS.account(&totals());
            if ledger.sent == 36 {
                break ledger;
            }
            Timer::after_millis(5).await;
        };
        assert!(ledger.closes());
        assert_eq!((ledger.lost, ledger.dropped.total(), ledger.in_flight), (0, 0, 0));
        assert_eq!((seen.borrow().events, seen.borrow().alarms), (32, 4));
    };
    let config = LineConfig::new(&STATS, Identity::new(7, Epoch::stored(1)));
    let mut line: Line<'_, 32, 4, _, 128> = Line::new(&STATS, config);
    let running = select3(run_serial(&back, &out, &mut line), other, Timer::after_secs(20));
    let done = futures_executor::block_on(select(script, running));
    assert!(matches!(done, Either::First(())), "{:?}", totals());
}
