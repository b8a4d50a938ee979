//! Measures how deep the stack went, by painting it.

use core::ptr;

const PAINT: u32 = 0xDEAD_57AC;
/// The stack that the painter itself and its callees may use, in bytes.
const MARGIN: usize = 128;

unsafe extern "C" {
    /// The end of the static memory, down to which the stack may grow.
    static __sheap: u32;
    static _stack_start: u32;
}

fn top() -> usize {
    (&raw const _stack_start).addr()
}

/// The address of the lowest word that is painted.
fn lowest(limit: usize) -> usize {
    (top() - limit).max((&raw const __sheap).addr()).next_multiple_of(4)
}

/// Paints the free part of the stack, up to `limit` bytes below its top.
#[inline(never)]
pub fn paint(limit: usize) {
    let here = cortex_m::register::msp::read() as usize - MARGIN;
    let mut at = lowest(limit);
    while at < here {
        // SAFETY: between the end of the static memory and the stack pointer nothing is live; interrupts push below the
        // stack pointer and have finished when they return.
        unsafe { ptr::write_volatile(at as *mut u32, PAINT) };
        at += 4;
    }
}

/// How many bytes below the top were used since [`paint`] was called with the same limit.
#[inline(never)]
pub fn deepest(limit: usize) -> usize {
    let here = cortex_m::register::msp::read() as usize;
    let mut at = lowest(limit);
    // SAFETY: memory of the chip to which nothing else writes while this reads.
    while at < here && unsafe { ptr::read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    top() - at
}
