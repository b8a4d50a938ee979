//! A hint to the processor's caches.

#![allow(unsafe_code)] // One instruction.

/// Asks for the cache line at an address, which will soon be written: a recorder that writes lines which another core has
/// just read would else wait for each. A hint; any address will do.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(address: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: this faults nowhere, changes nothing, and does nothing on processors that do not know it. (The intrinsic of
    // the standard library asks for a line to read, unless the whole program is built for newer processors.)
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    let _ = address;
}
