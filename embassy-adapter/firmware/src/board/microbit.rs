//! BBC micro:bit, a Cortex-M0 at 16 MHz: no compare-and-swap, 16 kB of memory.
//!
//! UART0 is a serial line without interrupts (chapter 29).
//!
//! TIMER0 is the clock, at 16 MHz; its first compare register wakes the executor, the third one reports that the
//! counter has wrapped. TIMER1 and TIMER2 interrupt the program. For the registers, see the nRF51 Series Reference
//! Manual, chapter 19.

use core::cell::RefCell;
use core::convert::Infallible;
use core::task::Waker;

use cortex_m_rt::exception;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use portable_atomic::{AtomicU32, Ordering};

use super::{Irq, Timer, enable, read, write};

/// The board's name in QEMU.
pub const NAME: &str = "microbit";

/// The frequency of [`ticks`].
pub const TICKS_PER_SECOND: u32 = 16_000_000;
/// 16 ticks make a microsecond.
const MICRO_BITS: u32 = 4;
const ROUND_BITS: u32 = u32::BITS - MICRO_BITS;

const CLOCK_TIMER: usize = 0x4000_8000;
const PROGRAM: [usize; 2] = [0x4000_9000, 0x4000_A000];
const START: usize = 0x000;
const STOP: usize = 0x004;
const ZERO: usize = 0x00C;
const CAPTURE: usize = 0x040;
const COMPARE: usize = 0x140;
const INTERRUPTS: usize = 0x304;
const NO_INTERRUPTS: usize = 0x308;
const WIDTH: usize = 0x508;
const PRESCALER: usize = 0x510;
const VALUE: usize = 0x540;
/// Values of the width register: 32 bits, which only TIMER0 has, and 16 bits.
const WIDE: u32 = 3;
const NARROW: u32 = 0;
/// Compare registers of the clock: for waking, for reading, and at zero.
const WAKE: usize = 0;
const READ: usize = 1;
const GONE_ROUND: usize = 2;

/// The bit for the event or interrupt of a compare register.
const fn event(register: usize) -> usize {
    COMPARE + 4 * register
}

const fn bit(register: usize) -> u32 {
    1 << (16 + register)
}

pub(super) fn init() {
    write(CLOCK_TIMER + WIDTH, WIDE);
    write(CLOCK_TIMER + PRESCALER, 0);
    write(CLOCK_TIMER + VALUE + 4 * GONE_ROUND, 0);
    write(CLOCK_TIMER + START, 1);
    // The event at the start, when the counter is zero, does not mean that it has wrapped.
    write(CLOCK_TIMER + event(GONE_ROUND), 0);
    write(CLOCK_TIMER + INTERRUPTS, bit(GONE_ROUND));
    enable(Irq(8), 2);
    enable(Irq(9), 1);
    enable(Irq(10), 0);
}

/// Counts up at [`TICKS_PER_SECOND`], and wraps after some four minutes.
#[inline(always)]
#[must_use]
pub fn ticks() -> u32 {
    write(CLOCK_TIMER + CAPTURE + 4 * READ, 1);
    read(CLOCK_TIMER + VALUE + 4 * READ)
}

pub(super) fn arm(timer: Timer, after: u32) {
    let base = PROGRAM[timer as usize];
    write(base + STOP, 1);
    write(base + ZERO, 1);
    write(base + WIDTH, NARROW);
    write(base + PRESCALER, 0);
    write(base + event(0), 0);
    write(base + VALUE, after.min(0xFFFF));
    write(base + INTERRUPTS, bit(0));
    write(base + START, 1);
}

/// The serial line. There is one.
#[derive(Debug)]
pub struct Uart(());

const UART: usize = 0x4000_2000;
const START_RX: usize = 0x000;
const START_TX: usize = 0x008;
const RX_READY: usize = 0x108;
const TX_READY: usize = 0x11C;
const ENABLE: usize = 0x500;
const RXD: usize = 0x518;
const TXD: usize = 0x51C;
const ENABLED: u32 = 4;

impl Uart {
    /// Starts it, both ways.
    #[must_use]
    pub fn start() -> Self {
        write(UART + ENABLE, ENABLED);
        write(UART + START_TX, 1);
        write(UART + START_RX, 1);
        Self(())
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(read(UART + RX_READY) != 0)
    }
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let Some(byte) = bytes.first_mut() else { return Ok(0) };
        while read(UART + RX_READY) == 0 {}
        // The event first: reading moves the next byte up, which sets it again.
        write(UART + RX_READY, 0);
        *byte = read(UART + RXD) as u8;
        Ok(1)
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let Some(byte) = bytes.first() else { return Ok(0) };
        write(UART + TX_READY, 0);
        write(UART + TXD, u32::from(*byte));
        while read(UART + TX_READY) == 0 {}
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The time since the start in microseconds.
#[must_use]
pub fn micros() -> u64 {
    embassy_time::Instant::now().as_micros()
}

struct Clock {
    /// How often the counter has wrapped.
    rounds: AtomicU32,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    rounds: AtomicU32::new(0),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Clock {
    /// Sets the compare register for the earliest deadline.
    fn set_alarm(&self, cs: CriticalSection<'_>) {
        let mut queue = self.queue.borrow_ref_mut(cs);
        loop {
            let next = queue.next_expiration(self.now());
            write(CLOCK_TIMER + event(WAKE), 0);
            if next == u64::MAX {
                write(CLOCK_TIMER + NO_INTERRUPTS, bit(WAKE));
                return;
            }
            // A deadline further ahead than one wrap is set again after it.
            write(CLOCK_TIMER + VALUE + 4 * WAKE, (next << MICRO_BITS) as u32);
            write(CLOCK_TIMER + INTERRUPTS, bit(WAKE));
            // Otherwise the deadline passed while it was being set, perhaps unnoticed.
            if next > self.now() + 1 {
                return;
            }
        }
    }
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|_| {
            let mut rounds = self.rounds.load(Ordering::Relaxed);
            let mut at = ticks();
            // The counter has wrapped, and the interrupt that counts the wrap has not run yet.
            if read(CLOCK_TIMER + event(GONE_ROUND)) != 0 {
                at = ticks();
                rounds = rounds.wrapping_add(1);
            }
            u64::from(rounds) << ROUND_BITS | u64::from(at >> MICRO_BITS)
        })
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            if self.queue.borrow_ref_mut(cs).schedule_wake(at, waker) {
                self.set_alarm(cs);
            }
        });
    }
}

#[exception]
unsafe fn DefaultHandler(irq: i16) {
    match irq {
        8 => critical_section::with(|cs| {
            if read(CLOCK_TIMER + event(GONE_ROUND)) != 0 {
                write(CLOCK_TIMER + event(GONE_ROUND), 0);
                CLOCK.rounds.fetch_add(1, Ordering::Relaxed);
            }
            if read(CLOCK_TIMER + event(WAKE)) != 0 {
                CLOCK.set_alarm(cs);
            }
        }),
        9 => program(Timer::Low),
        10 => program(Timer::High),
        // A fault, after which nothing can continue.
        _ => crate::host::fail("an interrupt that nobody asked for"),
    }
}

fn program(timer: Timer) {
    let base = PROGRAM[timer as usize];
    write(base + STOP, 1);
    write(base + event(0), 0);
    super::call(timer);
}
