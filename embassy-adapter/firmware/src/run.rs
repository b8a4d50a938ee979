//! An executor that sleeps with WFI.
//!
//! Embassy's own executor waits with WFE, at which the emulator spins.

use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::asm;
use embassy_executor::{Spawner, raw};
use static_cell::StaticCell;

/// Whether a task is ready.
static PENDING: AtomicBool = AtomicBool::new(true);

#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    PENDING.store(true, Ordering::Release);
}

/// Starts the board's clock, calls `spawn` to start the tasks, and runs them for ever.
pub fn run(spawn: impl FnOnce(Spawner)) -> ! {
    static EXECUTOR: StaticCell<raw::Executor> = StaticCell::new();
    crate::board::init();
    let executor = EXECUTOR.init(raw::Executor::new(core::ptr::null_mut()));
    spawn(executor.spawner());
    loop {
        while PENDING.load(Ordering::Acquire) {
            PENDING.store(false, Ordering::Release);
            // SAFETY: this is the only place that polls, and the pender above does not poll.
            unsafe { executor.poll() };
        }
        // With interrupts masked, WFI returns when one is pending, so that none is missed between the check and the
        // sleep.
        cortex_m::interrupt::free(|_| {
            if !PENDING.load(Ordering::Acquire) {
                asm::wfi();
            }
        });
    }
}
