//! Over a UART, to `ringstat collect --serial /dev/ttyACM0` on the computer, which answers.
#![no_std]
#![no_main]

use core::convert::Infallible;

use cortex_m::{Peripherals, asm};
use cortex_m_line::{STATS, start_clock};
use cortex_m_rt::entry;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use panic_halt as _;
use ringstat_core::chip::{Line, LineConfig};
use ringstat_core::prelude::*;
use ringstat_core::record::NoNames;
use static_cell::StaticCell;

#[entry]
fn main() -> ! {
    // Frames of up to 192 bytes.
    static LINE: StaticCell<Line<'_, 32, 4, NoNames, 192>> = StaticCell::new();
    if let Some(mut core) = Peripherals::take() {
        start_clock(&mut core);
    }
    // BOARD: a number that only this device has, and that of its run; a board with neither says so.
    let identity = Identity::new(0xC0FFEE, Epoch::unknown());
    let line = LINE.init_with(|| Line::new(&STATS, LineConfig::new(&STATS, identity)));
    let mut uart = Uart::start();
    STATS.event("board.started").priority(Priority::Critical).record();
    loop {
        line.serve(&mut uart);
        // Until the next interrupt, at the latest that of the clock.
        asm::wfi();
    }
}

/// BOARD: the serial line of a micro:bit, which its debug probe shows as a serial port. With a HAL, its blocking UART
/// takes the place of all this.
struct Uart;

const CLOCK_START: u32 = 0x4000_0000;
const PINS_OUTPUT: u32 = 0x5000_0518;
const UART: u32 = 0x4000_2000;
const START_RX: u32 = UART;
const START_TX: u32 = UART + 0x008;
const RECEIVED: u32 = UART + 0x108;
const SENT: u32 = UART + 0x11C;
const ENABLE: u32 = UART + 0x500;
const PIN_TX: u32 = UART + 0x50C;
const PIN_RX: u32 = UART + 0x514;
const RXD: u32 = UART + 0x518;
const TXD: u32 = UART + 0x51C;
const BAUD: u32 = UART + 0x524;
/// nRF51 Series Reference Manual, 29.10: 115 200 baud.
const BAUD_115200: u32 = 0x01D7_E000;

fn write(register: u32, value: u32) {
    // SAFETY: the registers above exist on this chip, and none moves memory.
    unsafe { (register as *mut u32).write_volatile(value) }
}

fn read(register: u32) -> u32 {
    // SAFETY: as above.
    unsafe { (register as *const u32).read_volatile() }
}

impl Uart {
    fn start() -> Self {
        write(CLOCK_START, 1);
        write(PINS_OUTPUT, 1 << 24);
        for (register, value) in [
            (PIN_TX, 24),
            (PIN_RX, 25),
            (BAUD, BAUD_115200),
            (ENABLE, 4),
            (START_TX, 1),
            (START_RX, 1),
        ] {
            write(register, value);
        }
        Self
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(read(RECEIVED) != 0)
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = bytes.first_mut() else { return Ok(0) };
        while read(RECEIVED) == 0 {}
        write(RECEIVED, 0);
        *byte = read(RXD) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(byte) = bytes.first() else { return Ok(0) };
        write(SENT, 0);
        write(TXD, (*byte).into());
        while read(SENT) == 0 {}
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
