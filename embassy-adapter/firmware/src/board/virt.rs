//! QEMU's `virt` machine with one hart of RV32, like that of an ESP32-C3 (without atomic instructions) or C6.
//!
//! The clock is the machine timer, which needs no setting up. The serial line is a 16550, without interrupts.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};

use super::read;

/// The board's name in QEMU.
pub const NAME: &str = "virt";

/// The frequency of [`ticks`].
pub const TICKS_PER_SECOND: u32 = 10_000_000;

/// The two halves of the machine timer.
const TIME: usize = 0x0200_BFF8;
const TIME_HIGH: usize = TIME + 4;

pub(super) fn init() {}

/// Counts up at [`TICKS_PER_SECOND`], and wraps after some seven minutes.
#[must_use]
pub fn ticks() -> u32 {
    read(TIME)
}

/// The time since the start in microseconds.
#[must_use]
pub fn micros() -> u64 {
    loop {
        let (high, low) = (read(TIME_HIGH), read(TIME));
        if high == read(TIME_HIGH) {
            return (u64::from(high) << 32 | u64::from(low)) / 10;
        }
    }
}

/// The serial line. There is one.
#[derive(Debug)]
pub struct Uart(());

const UART: usize = 0x1000_0000;
/// Received bytes when read, bytes to send when written.
const DATA: *mut u8 = UART as *mut u8;
const STATUS: *const u8 = (UART + 5) as *const u8;
const RECEIVED: u8 = 1;
const SENT: u8 = 1 << 5;

impl Uart {
    /// Starts it, both ways.
    #[must_use]
    pub fn start() -> Self {
        Self(())
    }

    fn is(&self, bit: u8) -> bool {
        // SAFETY: a register of one byte, which always exists on this board.
        unsafe { STATUS.read_volatile() & bit != 0 }
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.is(RECEIVED))
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = bytes.first_mut() else { return Ok(0) };
        while !self.is(RECEIVED) {}
        // SAFETY: as above; reading takes the byte out.
        *byte = unsafe { DATA.read_volatile() };
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(byte) = bytes.first() else { return Ok(0) };
        while !self.is(SENT) {}
        // SAFETY: as above.
        unsafe { DATA.write_volatile(*byte) };
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
