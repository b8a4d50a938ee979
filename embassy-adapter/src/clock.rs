//! Time: embassy's clock in microseconds.

use embassy_time::Instant;
use ringstat_core::chip::Clock;

/// The time since boot in microseconds.
#[must_use]
pub fn micros() -> u64 {
    Instant::now().as_micros()
}

/// The clock that stamps events, for [`Stats::new`](ringstat_core::chip::Stats::new).
pub const CLOCK: Clock = Clock::micros(micros);
