//! A 64-bit total that only grows, on targets with and without 64-bit atomics.

#[cfg(any(target_has_atomic = "64", loom))]
mod one_word;
#[cfg(any(not(any(target_has_atomic = "64", loom)), test))]
mod two_words;

#[cfg(any(target_has_atomic = "64", loom))]
pub(crate) use one_word::Total;
#[cfg(not(any(target_has_atomic = "64", loom)))]
pub(crate) use two_words::Total;

#[cfg(all(test, loom))]
pub(super) use two_words::Total as TwoWords;
