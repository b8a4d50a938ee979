//! Time that moves only when told to.

use alloc::sync::Arc;
// Not imported through `sync`: loom does not explore this clock.
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

/// A clock in nanoseconds that a test sets and moves, forwards or backwards. Clones show the same time.
///
/// ```
/// use core::time::Duration;
/// use ringstat_core::testkit::FakeClock;
///
/// let clock = FakeClock::at(1_000);
/// let seen_by_the_sender = clock.clone();
/// clock.advance(Duration::from_nanos(500));
/// assert_eq!(seen_by_the_sender.now(), 1_500);
/// clock.step_back(Duration::from_secs(1)); // Somebody set the wall clock.
/// assert_eq!(seen_by_the_sender.now(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    /// Creates a clock that shows 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a clock that shows `nanos`.
    #[must_use]
    pub fn at(nanos: u64) -> Self {
        Self(Arc::new(AtomicU64::new(nanos)))
    }

    /// The time, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the time, in nanoseconds, in either direction.
    pub fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Relaxed);
    }

    /// Advances the clock and returns the new time, which saturates at the largest possible one.
    pub fn advance(&self, by: Duration) -> u64 {
        self.change(|now| now.saturating_add(nanos(by)))
    }

    /// Turns the clock back and returns the new time, which saturates at 0.
    pub fn step_back(&self, by: Duration) -> u64 {
        self.change(|now| now.saturating_sub(nanos(by)))
    }

    fn change(&self, to: impl Fn(u64) -> u64) -> u64 {
        // One atomic step, so that threads that share the clock never undo each other's.
        let step = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(to(now)));
        let (Ok(before) | Err(before)) = step;
        to(before)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_both_ways_and_stops_at_both_ends() {
        let clock = FakeClock::new();
        assert_eq!(clock.advance(Duration::from_micros(3)), 3_000);
        assert_eq!(clock.step_back(Duration::from_nanos(1)), 2_999);
        assert_eq!(clock.step_back(Duration::MAX), 0);
        assert_eq!(clock.advance(Duration::MAX), u64::MAX);
        clock.set(7);
        assert_eq!(clock.now(), 7);
    }
}
