//! A 64-bit atomic for parts whose widest atomic has 32 bits.
//!
//! `portable-atomic` would use a spin lock on parts with compare-and-swap (thumbv7m), and an interrupt that arrives
//! while a task holds the lock would spin for ever. A critical section cannot be interrupted, and needs no table of
//! locks.

use core::cell::Cell;

use critical_section::Mutex;

use super::Ordering;

/// The operations that [`Gauge`](crate::instrument::Gauge) needs of an atomic. Every call is a critical section of a
/// few instructions, so the orderings have no effect.
#[derive(Debug)]
pub(crate) struct AtomicU64(Mutex<Cell<u64>>);

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(Mutex::new(Cell::new(value)))
    }

    pub(crate) fn load(&self, _order: Ordering) -> u64 {
        critical_section::with(|cs| self.0.borrow(cs).get())
    }

    pub(crate) fn store(&self, value: u64, _order: Ordering) {
        critical_section::with(|cs| self.0.borrow(cs).set(value));
    }

    /// Calls `f` outside the critical section, because it may be long, and repeats it if somebody else stored a value
    /// meanwhile.
    pub(crate) fn fetch_update(
        &self,
        _set: Ordering,
        fetch: Ordering,
        mut f: impl FnMut(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let mut before = self.load(fetch);
        loop {
            let after = f(before).ok_or(before)?;
            let found = critical_section::with(|cs| {
                let cell = self.0.borrow(cs);
                let found = cell.get();
                if found == before {
                    cell.set(after);
                }
                found
            });
            if found == before {
                return Ok(before);
            }
            before = found;
        }
    }
}
