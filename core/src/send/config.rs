//! Who a sender is and how it works.

use core::time::Duration;

use crate::format::{PAYLOAD_ETHERNET, TimeUnit};
use crate::send::Patience;

/// The time at a poll, by two clocks, in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Time {
    /// The time of a clock that never goes back. Deadlines are counted in it.
    pub monotonic: u64,
    /// The time that events are stamped with: since 1970, or since boot where nobody knows better.
    pub wall: u64,
}

/// Which sender this is, and which of its runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The sender's number: unique among the senders of a collector, and the same over restarts.
    pub sender: u64,
    /// The run's number: another one for each run, since a collector takes a new one for a restart.
    pub epoch: u32,
}

/// How a [`Sender`](crate::send::Sender) works: sizes, batches and intervals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderConfig {
    /// The largest datagram, in bytes of UDP payload.
    pub payload: usize,
    /// The unit of the clock that events are stamped with and deadlines are counted in.
    pub unit: TimeUnit,
    /// Whether the wall clock counts from the sender's start.
    pub since_boot: bool,
    /// A batch of so many events closes while there is little to do.
    pub batch_least: usize,
    /// A batch of so many events closes under any load. After each batch the number follows how full the ring was:
    /// below 25 % it shrinks, above 50 % it grows, above 75 % faster. More than fill a datagram are never waited for.
    pub batch_events: usize,
    /// A batch closes when its first event has waited for so long, however few there are.
    pub batch_age: Duration,
    /// Instruments that have changed are sent so often.
    pub flush_interval: Duration,
    /// Every instrument is sent at least so often.
    pub refresh_interval: Duration,
    /// A sender with nothing to say sends an empty datagram so often, so that a lost tail shows.
    pub heartbeat_interval: Duration,
    /// How long critical events wait for their acknowledgement, where they are kept for it.
    pub patience: Patience,
    /// Whether datagrams that are full are padded to the limit, so that they can leave as segments of one size.
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
