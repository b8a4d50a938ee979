//! Time: embassy's clock in microseconds.

use embassy_time::Instant;
use ringstat_core::send::Time;

/// The time since boot in microseconds: the clock for [`Stats::new`](ringstat_core::chip::Stats::new).
#[must_use]
pub fn micros() -> u64 {
    Instant::now().as_micros()
}

/// The present time by both of the sender's clocks.
pub(crate) fn now(wall: fn() -> u64) -> Time {
    Time { monotonic: micros(), wall: wall() }
}
