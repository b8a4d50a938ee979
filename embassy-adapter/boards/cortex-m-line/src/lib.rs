//! What both programs have in common: a clock that every Cortex-M has, and what is recorded.
//!
//! What belongs to the board is marked BOARD. `src/bin/uart.rs` sends over a UART and hears the answers, `src/bin/rtt.rs`
//! through the debug probe.
#![no_std]

use core::cell::Cell;

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;
use ringstat_core::prelude::*;

/// BOARD: the frequency of the core after a reset.
const CORE_HZ: u32 = 16_000_000;

static MILLIS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// The time since the start in milliseconds.
#[must_use]
pub fn millis() -> u64 {
    critical_section::with(|cs| MILLIS.borrow(cs).get())
}

/// Starts the clock: SysTick, a thousand times a second.
pub fn start_clock(core: &mut Peripherals) {
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.set_reload(CORE_HZ / 1000 - 1);
    core.SYST.clear_current();
    core.SYST.enable_counter();
    core.SYST.enable_interrupt();
}

/// The interrupt of the clock, which records as well.
#[exception]
fn SysTick() {
    let now = critical_section::with(|cs| {
        let millis = MILLIS.borrow(cs);
        millis.set(millis.get() + 1);
        millis.get()
    });
    TICKS.inc();
    if now % 1000 == 0 {
        STATS.level("board.seconds", now / 1000).record();
    }
}

static TICKS: Counter = Counter::new("interrupt.ticks");
/// Room for 32 events, and for 4 critical ones that wait for their acknowledgement.
pub static STATS: Stats<32, 4> = Stats::new(event_ring!(32), Clock::millis(millis))
    .critical(event_ring!(4))
    .instruments(&[&TICKS]);
