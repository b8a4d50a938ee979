//! The interrupts of the Cortex-M boards.

use core::sync::atomic::Ordering;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::{NVIC, Peripherals};
use portable_atomic::AtomicPtr;

use super::chip;

/// One of the two timers that the program can use. The second one may interrupt the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// The timer with the lower priority.
    Low,
    /// The timer with the higher priority.
    High,
}

/// The functions that the timers' interrupts call: an `fn()`, or null.
static HANDLERS: [AtomicPtr<()>; 2] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 2];

/// Calls `handler` once in the timer's interrupt, `after` ticks from now.
pub fn interrupt(timer: Timer, after: u32, handler: fn()) {
    if let Some(cell) = HANDLERS.get(timer as usize) {
        cell.store(handler as *mut (), Ordering::Release);
    }
    chip::arm(timer, after.max(1));
}

/// Called by the chip's interrupt handlers.
pub(super) fn call(timer: Timer) {
    let handler = HANDLERS.get(timer as usize).map(|cell| cell.load(Ordering::Acquire));
    if let Some(handler) = handler.filter(|handler| !handler.is_null()) {
        // SAFETY: only `interrupt` stores a value here, which is an `fn()`.
        let handler = unsafe { core::mem::transmute::<*mut (), fn()>(handler) };
        handler();
    }
}

/// An interrupt of the chip, by its number.
#[derive(Clone, Copy)]
pub(crate) struct Irq(pub(crate) u16);

// SAFETY: the numbers are those in the chips' manuals, and below 32 on both.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        self.0
    }
}

/// Enables an interrupt at one of four priorities, 0 being the highest.
pub(crate) fn enable(irq: Irq, priority: u8) {
    // SAFETY: the priority is set before the interrupt is enabled, and nothing here relies on an interrupt being
    // masked.
    unsafe {
        Peripherals::steal().NVIC.set_priority(irq, priority << 6);
        NVIC::unmask(irq);
    }
}
