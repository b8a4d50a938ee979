//! A 64-bit total that only grows, on targets with and without 64-bit atomics.

#[cfg(any(not(any(target_has_atomic = "64", loom)), test))]
mod halves;
#[cfg(any(target_has_atomic = "64", loom))]
mod whole;

#[cfg(not(any(target_has_atomic = "64", loom)))]
pub(crate) use halves::Total;
#[cfg(any(target_has_atomic = "64", loom))]
pub(crate) use whole::Total;

#[cfg(all(test, loom))]
pub(super) use halves::Total as Halves;
