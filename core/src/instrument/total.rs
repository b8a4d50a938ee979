//! A total of 64 bits that grows, also where the widest atomic has 32.

use crate::sync::{Ordering, const_fn};

#[cfg(any(target_has_atomic = "64", loom))]
mod cells {
    pub(super) use crate::sync::AtomicU64;
}

/// A relaxed 64-bit sum.
///
/// With 64-bit atomics: one of them. Without (Cortex-M): two 32-bit words, so that adding is one 32-bit operation
/// unless the low word overflows. A reader that comes between the two operations of an overflow sees a total that is
/// 2^32 too low, once; receivers keep the larger of two totals of one epoch.
#[derive(Debug)]
pub(crate) struct Total {
    #[cfg(any(target_has_atomic = "64", loom))]
    sum: cells::AtomicU64,
    #[cfg(not(any(target_has_atomic = "64", loom)))]
    low: crate::sync::AtomicU32,
    #[cfg(not(any(target_has_atomic = "64", loom)))]
    high: crate::sync::AtomicU32,
}

#[cfg(any(target_has_atomic = "64", loom))]
impl Total {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self { sum: cells::AtomicU64::new(0) }
        }
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.sum.fetch_add(n, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn raise_to(&self, total: u64) {
        self.sum.fetch_max(total, Ordering::Relaxed);
    }

    /// Adds where nobody else adds at the same time: no read-modify-write.
    #[inline]
    pub(crate) fn add_alone(&self, n: u64) {
        self.sum.store(self.sum.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

#[cfg(not(any(target_has_atomic = "64", loom)))]
impl Total {
    const_fn! {
        pub(crate) const fn new() -> Self {
            use crate::sync::AtomicU32;
            Self { low: AtomicU32::new(0), high: AtomicU32::new(0) }
        }
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        let low = n as u32;
        let carry = self.low.fetch_add(low, Ordering::Relaxed).checked_add(low).is_none();
        let high = (n >> 32) as u32;
        if carry || high != 0 {
            self.high.fetch_add(high.wrapping_add(u32::from(carry)), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn raise_to(&self, total: u64) {
        self.add(total.saturating_sub(self.get()));
    }

    #[inline]
    pub(crate) fn add_alone(&self, n: u64) {
        self.add(n);
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        loop {
            let high = self.high.load(Ordering::Acquire);
            let low = self.low.load(Ordering::Acquire);
            if self.high.load(Ordering::Relaxed) == high {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }
}
