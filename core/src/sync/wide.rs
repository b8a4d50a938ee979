//! A 64-bit atomic for parts whose widest has 32 bits.
//!
//! `portable-atomic` would take a spin lock where there is compare-and-swap (thumbv7m), and an interrupt that came
//! while a task holds it would spin for ever. A critical section cannot be interrupted, and takes no table of locks.

use core::cell::Cell;

use critical_section::Mutex;

use super::Ordering;

/// What [`Gauge`](crate::instrument::Gauge) needs of an atomic. Every call is a critical section of a few
/// instructions, so that the orderings have nothing to add.
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

    /// `f` runs outside of the critical section, again if somebody came in between: it may be long.
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
