//! Without 64-bit atomics (Cortex-M): two words, so that adding is one 32-bit operation but for each 2^31 counted.

use crate::sync::{AtomicU32, Ordering, const_fn, mutant};

/// A sum of 63 bits that nobody sees go back.
///
/// The low word counts on by itself and wraps; the high word counts how often the low one has passed a multiple of
/// 2^31. Whether that was an even or an odd number of times shows in the low word's topmost bit as well, so that a
/// reader who comes between the two operations of an addition sees that the high word is one behind.
#[derive(Debug)]
pub(crate) struct Total {
    low: AtomicU32,
    high: AtomicU32,
}

/// Bits of the low word below the one that tells even from odd.
const BITS: u32 = 31;
const HALF: u64 = 1 << BITS;

/// When the high word becomes visible: whoever sees it sees a low word that is as far.
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

    /// In steps, each of which leaves a sum that it might have stopped at.
    #[cold]
    fn add_much(&self, n: u64) {
        // An even number of halves changes nothing in the low word.
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
        // The high word first: it may be behind the low one, by one, and never ahead.
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
