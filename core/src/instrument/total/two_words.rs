//! The total on parts without 64-bit atomics (Cortex-M): two words, of which an addition changes only one, except once
//! in 2^31.

use crate::sync::{AtomicU32, Ordering, const_fn, mutant};

/// A sum of 63 bits that readers never see decrease.
///
/// The low word is incremented and wraps; the high word counts how often the low one has passed a multiple of 2^31. The
/// parity of that count is also the low word's topmost bit, so a reader that comes between the two operations of an
/// addition notices that the high word is one behind.
#[derive(Debug)]
pub(crate) struct Total {
    low: AtomicU32,
    high: AtomicU32,
}

/// The number of bits in the low word below the parity bit.
const BITS: u32 = 31;
const HALF: u64 = 1 << BITS;

/// The ordering with which the high word is incremented: a reader that sees it sees a low word at least as recent.
#[inline(always)]
fn carried() -> Ordering {
    if mutant("total_carry") { Ordering::Relaxed } else { Ordering::Release }
}
#[inline(always)]
fn high_first() -> Ordering {
    if mutant("total_high") { Ordering::Relaxed } else { Ordering::Acquire }
}

impl Total {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self { low: AtomicU32::new(0), high: AtomicU32::new(0) }
        }
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        if n < HALF { self.add_less_than_half(n as u32) } else { self.add_much(n) }
    }

    #[inline]
    fn add_less_than_half(&self, n: u32) {
        let before = self.low.fetch_add(n, Ordering::Relaxed);
        if (before ^ before.wrapping_add(n)) >> BITS != 0 {
            self.high.fetch_add(1, carried());
        }
    }

    /// Adds in steps, so that the sum passes only through values at which it could have stopped.
    #[cold]
    fn add_much(&self, n: u64) {
        // An even number of halves leaves the low word unchanged.
        self.high.fetch_add(((n >> (BITS + 1)) as u32) << 1, carried());
        let mut rest = n as u32;
        while rest > 0 {
            let step = rest.min(HALF as u32 - 1);
            self.add_less_than_half(step);
            rest -= step;
        }
    }

    #[cfg_attr(loom, allow(dead_code, reason = "the whole total is used"))]
    #[inline]
    pub(crate) fn raise_to(&self, total: u64) {
        self.add(total.saturating_sub(self.get()));
    }

    #[cfg_attr(test, allow(dead_code, reason = "the whole total is used"))]
    #[inline]
    pub(crate) fn add_alone(&self, n: u64) {
        self.add(n);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // The high word is read first, so it may be one behind the low word but never ahead of it.
        let high = self.high.load(high_first());
        let low = self.low.load(Ordering::Relaxed);
        let behind = if mutant("total_behind") { 0 } else { (high ^ low >> BITS) & 1 };
        (u64::from(high.wrapping_add(behind)) << BITS) | u64::from(low) & (HALF - 1)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn adds_up(amounts in proptest::collection::vec(prop_oneof![
            0u64..10, HALF - 2..HALF + 2, 2 * HALF - 2..2 * HALF + 2, 0..HALF * 9,
        ], 0..30)) {
            let total = Total::new();
            let mut sum = 0;
            for n in amounts {
                total.add(n);
                sum += n;
                prop_assert_eq!(total.get(), sum);
            }
            total.raise_to(sum + HALF);
            prop_assert_eq!(total.get(), sum + HALF);
            total.raise_to(sum);
            prop_assert_eq!(total.get(), sum + HALF);
        }
    }
}
