//! An executor that sleeps with WFI.
//!
//! Embassy's own waits with WFE, at which the emulator spins.

use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::asm;
use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

/// A task is ready.
static PENDING: AtomicBool = AtomicBool::new(true);

#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    PENDING.store(true, Ordering::Release);
}

/// Starts the board's clock, lets `spawn` start the tasks, and runs them for ever.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    crate::board::init();
    let executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        while PENDING.load(Ordering::Acquire) {
            PENDING.store(false, Ordering::Release);
            // SAFETY: this is the only place that polls, and the pender above does not.
            unsafe { executor.poll() };
        }
        // With interrupts masked, WFI ends when one is pending, so that none slips in between the look and the sleep.
        cortex_m::interrupt::free(|_| {
            if !PENDING.load(Ordering::Acquire) {
                asm::wfi();
            }
        });
    }
}
