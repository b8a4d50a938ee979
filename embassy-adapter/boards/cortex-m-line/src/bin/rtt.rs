//! By RTT, which needs nothing but the debug probe. The computer reads it and answers nothing:
//!
//! ```sh
//! probe-rs attach --chip nRF51822_xxAA target/thumbv6m-none-eabi/release/rtt > /tmp/rtt & ringstat bridge --rtt /tmp/rtt --to ADDR
//! ```
#![no_std]
#![no_main]

use cortex_m::{Peripherals, asm};
use cortex_m_line::{STATS, start_clock};
use cortex_m_rt::entry;
use panic_halt as _;
use ringstat_core::chip::{Line, LineConfig};
use ringstat_core::prelude::*;
use ringstat_core::record::NoNames;
use rtt_target::rtt_init;
use static_cell::StaticCell;

#[entry]
fn main() -> ! {
    // Frames of up to 192 bytes.
    static LINE: StaticCell<Line<'_, 32, 4, NoNames, 192>> = StaticCell::new();
    // What does not fit as a whole is not written, and the program never waits for the probe.
    let channels = rtt_init! { up: { 0: { size: 1024, name: "ringstat" } } };
    let mut up = channels.up.0;
    if let Some(mut core) = Peripherals::take() {
        start_clock(&mut core);
    }
    // BOARD: a number that only this device has, and that of its run; a board with neither says so.
    let identity = Identity::new(0xC0FFEE, Epoch::unknown());
    let config = LineConfig::new(&STATS, identity).one_way();
    let line = LINE.init_with(|| Line::new(&STATS, config));
    loop {
        while let Ok(frame) = line.next(STATS.time()) {
            if up.write(frame) < frame.len() {
                line.failed(STATS.time());
                break;
            }
            line.written(STATS.time());
        }
        // Until the next interrupt, at the latest that of the clock.
        asm::wfi();
    }
}
