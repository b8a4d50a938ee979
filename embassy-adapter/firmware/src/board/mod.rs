//! The boards: a clock, on those of Arm for embassy-time, with two timers whose interrupts record, and a serial line.

#[cfg(target_arch = "arm")]
mod interrupts;
#[cfg(microbit)]
mod microbit;
#[cfg(microbit)]
use microbit as chip;
#[cfg(mps2)]
mod mps2;
#[cfg(mps2)]
use mps2 as chip;
#[cfg(virt)]
mod virt;
#[cfg(virt)]
use virt as chip;

#[cfg(not(mps2))]
pub use chip::Uart;
pub use chip::{NAME, TICKS_PER_SECOND, micros, ticks};
#[cfg(target_arch = "arm")]
use interrupts::call;
#[cfg(target_arch = "arm")]
pub(crate) use interrupts::{Irq, enable};
#[cfg(target_arch = "arm")]
pub use interrupts::{Timer, interrupt};

/// Starts the clock.
pub fn init() {
    chip::init();
}

/// Reads a register.
pub(crate) fn read(address: usize) -> u32 {
    // SAFETY: callers name registers of their board's peripherals, which always exist.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a register.
#[cfg(target_arch = "arm")]
pub(crate) fn write(address: usize, value: u32) {
    // SAFETY: as in `read`; no register written here moves memory or changes what Rust may assume.
    unsafe { (address as *mut u32).write_volatile(value) }
}
