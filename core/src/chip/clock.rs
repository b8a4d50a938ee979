//! The clock of a chip: a function, and what it counts.

use crate::format::TimeUnit;

/// What events are stamped with, and deadlines are counted in: a function that never goes back, with its unit.
///
/// It counts from the chip's start, or [from 1970](Self::since_1970).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: fn() -> u64,
    unit: TimeUnit,
    since_boot: bool,
}

impl Clock {
    /// A clock that counts nanoseconds since the chip's start.
    #[must_use]
    pub const fn nanos(now: fn() -> u64) -> Self {
        Self { now, unit: TimeUnit::Nanos, since_boot: true }
    }

    /// A clock that counts microseconds since the chip's start.
    #[must_use]
    pub const fn micros(now: fn() -> u64) -> Self {
        Self { now, unit: TimeUnit::Micros, since_boot: true }
    }

    /// A clock that counts milliseconds since the chip's start.
    #[must_use]
    pub const fn millis(now: fn() -> u64) -> Self {
        Self { now, unit: TimeUnit::Millis, since_boot: true }
    }

    /// The same clock, which counts from 1970: there is a battery. Where somebody only learns the time later, see
    /// [`Stats::set_time`](super::Stats::set_time).
    #[must_use]
    pub const fn since_1970(self) -> Self {
        Self { since_boot: false, ..self }
    }

    /// What it says now.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.now)()
    }

    /// What it counts.
    #[must_use]
    pub const fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// Whether it counts from the chip's start.
    #[must_use]
    pub const fn is_since_boot(&self) -> bool {
        self.since_boot
    }
}
