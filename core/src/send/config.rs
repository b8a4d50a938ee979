//! Who a sender is and how it works.

use core::time::Duration;

use crate::format::{PAYLOAD_ETHERNET, TimeUnit};
use crate::send::Patience;

/// The time at a poll, in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Time {
    /// From a clock that never goes back: deadlines are counted in it.
    pub monotonic: u64,
    /// What events are stamped with: since 1970, or since boot where nobody knows better.
    pub wall: u64,
}

/// Who the sender is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Unique among the senders of a collector, the same over restarts.
    pub sender: u64,
    /// Another number for each run: a collector takes a new one for a restart.
    pub epoch: u32,
}

/// How the sender works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderConfig {
    /// The largest datagram, in bytes of UDP payload.
    pub payload: usize,
    /// The unit of the clock.
    pub unit: TimeUnit,
    /// Whether the wall clock counts from the sender's start.
    pub since_boot: bool,
    /// A batch closes with so many events while the ring is nearly empty,
    pub batch_least: usize,
    /// and with so many when it is half full, between the two with a number in between,
    pub batch_events: usize,
    /// or when its first event has waited for so long. (Or when a datagram is full.)
    pub batch_age: Duration,
    /// Instruments that have changed are sent so often.
    pub flush_interval: Duration,
    /// Every instrument is sent at least so often.
    pub refresh_interval: Duration,
    /// A sender with nothing to say sends an empty datagram so often, so that a lost tail shows.
    pub heartbeat_interval: Duration,
    /// How long critical events wait for their acknowledgement, where they are kept for it.
    pub patience: Patience,
    /// Fill up datagrams that were closed because they are full, so that they can go out as segments of one size.
    pub pad_full: bool,
}

impl SenderConfig {
    /// 1472-byte datagrams, batches of 100 ms, instruments every second and all of them every 30 s.
    pub const DEFAULT: Self = Self {
        payload: PAYLOAD_ETHERNET,
        unit: TimeUnit::Nanos,
        since_boot: false,
        batch_least: usize::MAX,
        batch_events: usize::MAX,
        batch_age: Duration::from_millis(100),
        flush_interval: Duration::from_secs(1),
        refresh_interval: Duration::from_secs(30),
        heartbeat_interval: Duration::from_secs(1),
        patience: Patience::DEFAULT,
        pad_full: false,
    };
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A duration in units of the clock, at least one. (`as_micros` and the like divide 128 bits: 4 kB on a chip.)
#[inline(never)]
pub(super) fn units(duration: Duration, unit: TimeUnit) -> u64 {
    let (per_second, rest) = match unit {
        TimeUnit::Nanos => (1_000_000_000, duration.subsec_nanos()),
        TimeUnit::Micros => (1_000_000, duration.subsec_micros()),
        TimeUnit::Millis => (1_000, duration.subsec_millis()),
    };
    duration.as_secs().saturating_mul(per_second).saturating_add(rest.into()).max(1)
}
