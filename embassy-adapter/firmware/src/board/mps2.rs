//! Arm MPS2 with the AN385 image, Cortex-M3 at 25 MHz.
//!
//! The clock is the first half of the CMSDK dual timer, which counts down in rounds of 2^27 microseconds; the second
//! half wakes the executor. (SysTick would lose time whenever the emulator is not scheduled.) The two simple timers
//! interrupt the program. For the registers, see Arm DUI 0479, "Cortex-M System Design Kit", chapters 4.2 and 4.3.

use core::cell::RefCell;
use core::task::Waker;

use cortex_m_rt::exception;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;
use portable_atomic::{AtomicU32, Ordering};

use super::{Irq, Timer, enable, read, write};

/// The board's name in QEMU.
pub const NAME: &str = "mps2-an385";

/// The frequency of [`ticks`].
pub const TICKS_PER_SECOND: u32 = 25_000_000;
const TICKS_PER_MICRO: u32 = TICKS_PER_SECOND / 1_000_000;

/// The clock wraps after 2^27 microseconds, a number of ticks that just fits into 32 bits.
const ROUND_BITS: u32 = 27;
const ROUND: u32 = TICKS_PER_MICRO << ROUND_BITS;

const DUAL: usize = 0x4000_2000;
const DUAL_IRQ: Irq = Irq(10);
/// The address of the dual timer's second half.
const WAKE: usize = DUAL + 0x20;
/// Offsets within each half.
const LOAD: usize = 0x00;
const VALUE: usize = 0x04;
const CONTROL: usize = 0x08;
const CLEAR: usize = 0x0C;
const RAW: usize = 0x10;
/// Bits of the control register: 32 bits wide; one shot; interrupt; periodic; enabled.
const WIDE: u32 = 1 << 1;
const ONCE: u32 = 1;
const INTERRUPT: u32 = 1 << 5;
const PERIODIC: u32 = 1 << 6;
const ENABLE: u32 = 1 << 7;

/// The simple timers, their interrupts and offsets.
const SIMPLE: [usize; 2] = [0x4000_0000, 0x4000_1000];
const SIMPLE_IRQ: [Irq; 2] = [Irq(8), Irq(9)];
const SIMPLE_CONTROL: usize = 0x0;
const SIMPLE_VALUE: usize = 0x4;
const SIMPLE_RELOAD: usize = 0x8;
const SIMPLE_CLEAR: usize = 0xC;

pub(super) fn init() {
    write(DUAL + LOAD, ROUND - 1);
    write(DUAL + CONTROL, WIDE | INTERRUPT | PERIODIC | ENABLE);
    enable(DUAL_IRQ, 2);
    enable(SIMPLE_IRQ[0], 1);
    enable(SIMPLE_IRQ[1], 0);
}

/// Counts up at [`TICKS_PER_SECOND`], and wraps after some two minutes.
#[inline(always)]
#[must_use]
pub fn ticks() -> u32 {
    (ROUND - 1).wrapping_sub(read(DUAL + VALUE))
}

pub(super) fn arm(timer: Timer, after: u32) {
    let base = SIMPLE[timer as usize];
    write(base + SIMPLE_CONTROL, 0);
    write(base + SIMPLE_RELOAD, after);
    write(base + SIMPLE_VALUE, after);
    // Enabled, with its interrupt.
    write(base + SIMPLE_CONTROL, 0b1001);
}

/// The time since the start in microseconds.
#[must_use]
pub fn micros() -> u64 {
    embassy_time::Instant::now().as_micros()
}

struct Clock {
    /// How often the first half has wrapped.
    rounds: AtomicU32,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    rounds: AtomicU32::new(0),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Clock {
    /// Sets the second half for the earliest deadline.
    fn set_alarm(&self, cs: CriticalSection<'_>) {
        let mut queue = self.queue.borrow_ref_mut(cs);
        loop {
            let now = self.now();
            let next = queue.next_expiration(now);
            write(WAKE + CONTROL, 0);
            if next == u64::MAX {
                return;
            }
            // A deadline further ahead than one wrap is set again after it.
            let wait = next.saturating_sub(now).min((1 << ROUND_BITS) - 1) as u32;
            if wait > 0 {
                write(WAKE + LOAD, wait * TICKS_PER_MICRO);
                write(WAKE + CONTROL, WIDE | ONCE | INTERRUPT | ENABLE);
                return;
            }
        }
    }
}

impl Driver for Clock {
    /// In microseconds, without a 64-bit division.
    fn now(&self) -> u64 {
        critical_section::with(|_| {
            let mut rounds = self.rounds.load(Ordering::Relaxed);
            let mut at = ticks();
            // The counter has wrapped, and the interrupt that counts the wrap has not run yet.
            if read(DUAL + RAW) & 1 != 0 {
                at = ticks();
                rounds = rounds.wrapping_add(1);
            }
            u64::from(rounds) << ROUND_BITS | u64::from(at / TICKS_PER_MICRO)
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
        8 => simple(Timer::Low),
        9 => simple(Timer::High),
        10 => critical_section::with(|cs| {
            if read(DUAL + RAW) & 1 != 0 {
                write(DUAL + CLEAR, 1);
                CLOCK.rounds.fetch_add(1, Ordering::Relaxed);
            }
            if read(WAKE + RAW) & 1 != 0 {
                write(WAKE + CLEAR, 1);
                CLOCK.set_alarm(cs);
            }
        }),
        13 => crate::lan9118::on_interrupt(),
        // A fault, after which nothing can continue.
        _ => crate::host::fail("an interrupt that nobody asked for"),
    }
}

fn simple(timer: Timer) {
    let base = SIMPLE[timer as usize];
    write(base + SIMPLE_CONTROL, 0);
    write(base + SIMPLE_CLEAR, 1);
    super::call(timer);
}
