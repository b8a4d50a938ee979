//! Writing and reading bytes that start uninitialized. These are the standard library's `write_copy_of_slice` and
//! `assume_init_ref`, which the oldest compiler that this crate supports does not have yet.

#![allow(unsafe_code)] // Two casts that the standard library does in the methods above.

use core::mem::MaybeUninit;

/// Copies `bytes` to `to`. Where the caller has cut `to` to the same length, the compiler sees it and emits no panic.
///
/// # Panics
/// When the lengths differ.
#[inline(always)]
pub(super) fn write(to: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    // SAFETY: the layouts are the same, and initialized bytes are valid where uninitialized ones are allowed.
    let bytes: &[MaybeUninit<u8>] = unsafe { &*(core::ptr::from_ref(bytes) as *const _) };
    to.copy_from_slice(bytes);
}

/// Returns bytes that have been written as such.
///
/// # Safety
/// Every byte has been initialized.
#[inline(always)]
pub(super) const unsafe fn written(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the layouts are the same, and the caller promises that every byte is initialized.
    unsafe { &*(core::ptr::from_ref(bytes) as *const _) }
}
