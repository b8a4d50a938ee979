//! How often a critical event is sent, and how long each attempt waits.

use core::time::Duration;

/// How often a critical event is sent, and how long each attempt waits for its acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryConfig {
    /// How long to wait for an acknowledgement before the event is sent again, plus or minus a quarter. Each further
    /// attempt waits twice as long.
    pub timeout: Duration,
    /// The longest time that any attempt waits for its acknowledgement.
    pub timeout_max: Duration,
    /// The number of attempts after which the event is given up, or 0 to keep it as long as there is room. While the
    /// circuit breaker is open no attempt is made, and none is counted.
    pub attempts: u8,
}

impl RetryConfig {
    /// 200 ms, up to 5 s, ten attempts: about half a minute in all.
    pub const DEFAULT: Self = Self {
        timeout: Duration::from_millis(200),
        timeout_max: Duration::from_secs(5),
        attempts: 10,
    };

    /// Keeps the pauses, but never gives an event up. When the store is full, events wait in their ring; when that is
    /// full as well, new ones are refused and counted.
    #[must_use]
    pub const fn without_end(self) -> Self {
        Self { attempts: 0, ..self }
    }
}
