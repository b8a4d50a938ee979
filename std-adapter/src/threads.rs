//! A small number for each thread, so that threads can own cells of a sharded instrument.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many threads own a cell; the others share one more.
pub(crate) const OWNERS: usize = 8;

/// Which numbers are taken, a bit each.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A thread's number, given back when the thread ends.
struct Number(usize);

impl Number {
    fn take() -> Self {
        let taken = TAKEN.fetch_update(Ordering::Acquire, Ordering::Relaxed, |taken| {
            let free = (!taken).trailing_zeros();
            ((free as usize) < OWNERS).then_some(taken | 1 << free)
        });
        Self(taken.map_or(OWNERS, |taken| (!taken).trailing_zeros() as usize))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        if self.0 < OWNERS {
            // Release: what this thread wrote to its cells comes before what the next owner writes.
            TAKEN.fetch_and(!(1 << self.0), Ordering::Release);
        }
    }
}

thread_local! {
    static NUMBER: Number = Number::take();
}

/// The calling thread's number below [`OWNERS`], or `OWNERS` for one that shares.
#[inline]
pub(crate) fn number() -> usize {
    NUMBER.try_with(|n| n.0).unwrap_or(OWNERS)
}
