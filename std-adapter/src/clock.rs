//! The cheap clock: the worker reads the system's clocks and recorders read one atomic.
//!
//! A recorder's timestamp costs a relaxed load (0.3 ns, where `clock_gettime` costs 20). It is as old as the worker's
//! last round: at most [`ClientConfig::idle_sleep`](crate::ClientConfig) when the client is idle, and some ten
//! microseconds when it is busy. To record a more precise time, pass `.at(clock::exact())`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ringstat_core::send::Time;

/// Nanoseconds since the Unix epoch by the system's clock, as `.at(…)` takes them. Takes about 20 ns.
///
/// A system clock that is set before 1970 counts as 1970.
#[must_use]
pub fn exact() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Both clocks of the system, and the cached time.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Nanoseconds since the Unix epoch, as of the worker's last round.
    coarse: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), coarse: AtomicU64::new(exact()) }
    }

    /// The cached time.
    #[inline]
    pub(crate) fn coarse(&self) -> u64 {
        self.coarse.load(Ordering::Relaxed)
    }

    /// Reads the system's clocks and advances the cached one.
    pub(crate) fn advance(&self) -> Time {
        let wall = exact();
        self.coarse.store(wall, Ordering::Relaxed);
        Time { monotonic: self.monotonic(), wall }
    }

    /// Nanoseconds since the client was built.
    pub(crate) fn monotonic(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
