//! The clock of a chip: a function, and the unit that it counts.

use crate::format::TimeUnit;

/// The clock for the times of events and for deadlines: a function that never goes back, with its unit.
///
/// It counts from the chip's start, or [from 1970](Self::since_1970).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: fn() -> u64,
    unit: TimeUnit,
    since_boot: bool,
}

impl Clock {
    /// Creates a clock that counts nanoseconds since the chip's start.
    #[must_use]
    pub const fn nanos(now: fn() -> u64) -> Self {
        Self { now, unit: TimeUnit::Nanos, since_boot: true }
    }

    /// Creates a clock that counts microseconds since the chip's start.
    #[must_use]
    pub const fn micros(now: fn() -> u64) -> Self {
        Self { now, unit: TimeUnit::Micros, since_boot: true }
    }

    /// Creates a clock that counts milliseconds since the chip's start.
    #[must_use]
    pub const fn millis(now: fn() -> u64) -> Self {
        Self { now, unit: TimeUnit::Millis, since_boot: true }
    }

    /// Makes the clock count from 1970, for a chip with a battery-backed clock. A chip that learns the time only later
    /// calls [`Stats::set_time`](super::Stats::set_time).
    #[must_use]
    pub const fn since_1970(self) -> Self {
        Self { since_boot: false, ..self }
    }

    /// Returns the current time.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.now)()
    }

    /// Returns the unit that it counts.
    #[must_use]
    pub const fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// Returns whether it counts from the chip's start.
    #[must_use]
    pub const fn is_since_boot(&self) -> bool {
        self.since_boot
    }
}
