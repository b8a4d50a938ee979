//! Who a sender is and how it works.

use core::time::Duration;

use crate::format::{PAYLOAD_ETHERNET, TimeUnit};
use crate::send::RetryConfig;

/// The time at a poll by two clocks, in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Time {
    /// The time of a clock that never goes back. Deadlines refer to it.
    pub monotonic: u64,
    /// The time with which events are stamped: since the Unix epoch, or since boot if the date is not known.
    pub wall: u64,
}

/// Which sender this is, and which of its runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The sender's number: unique among the senders of a collector, and unchanged by a restart.
    pub sender: u64,
    /// The number of the run. It must be new for each run, because it tells a collector that the sender has restarted; see
    /// [`Epoch`].
    pub epoch: u32,
}

impl Identity {
    /// The sender with that number, in the run that `epoch` names.
    #[must_use]
    pub const fn new(sender: u64, epoch: Epoch) -> Self {
        Self { sender, epoch: epoch.0 }
    }
}

/// What a part tells its runs apart by. A collector takes a run with the number of an earlier one for a repetition of that
/// one, so where the number comes from has to be said.
///
/// It is used up when a sender begins: who goes on in the same run keeps the sender.
///
/// ```
/// use ringstat_core::send::{Epoch, Identity};
///
/// let read_and_increment = || 41; // in flash, a backup register, FRAM
/// let identity = Identity::new(0xC0FFEE, Epoch::stored(read_and_increment()));
/// assert_eq!((identity.sender, identity.epoch), (0xC0FFEE, 41));
/// ```
#[derive(PartialEq, Eq, Debug)]
pub struct Epoch(u32);

impl Epoch {
    /// A counter in memory that survives a reset, one higher in each run, and stored before it is used here.
    #[must_use]
    pub const fn stored(count: u32) -> Self {
        // 0 is not free. A counter that has gone round comes to the number that takes its place once in 2^32 runs.
        Self(if count == 0 { u32::MAX } else { count })
    }

    /// A number from a source of random numbers. Of a thousand runs of a device, two have the same number in one case of
    /// ten thousand.
    #[must_use]
    pub const fn random(number: u32) -> Self {
        Self::stored(number)
    }

    /// Neither: all runs have number 0, and the collector finds out from sequence numbers and times that there was a restart.
    /// It takes some seconds of running to tell, so that of a run that was shorter some records may be taken for repetitions.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(0)
    }
}

/// How a [`Sender`](crate::send::Sender) works: sizes, batches and intervals.
///
/// ```
/// use core::time::Duration;
/// use ringstat_core::format::{PAYLOAD_IPV6_MIN, TimeUnit};
/// use ringstat_core::send::SenderConfig;
///
/// /// For a battery: whole datagrams, or after a minute what there is.
/// const CONFIG: SenderConfig = SenderConfig {
///     payload: PAYLOAD_IPV6_MIN,
///     batch_age: Duration::from_secs(60),
///     heartbeat_interval: Duration::from_secs(60),
///     ..SenderConfig::new(TimeUnit::Micros)
/// };
/// assert_eq!(CONFIG.flush_interval, Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderConfig {
    /// The largest datagram, in bytes of UDP payload.
    pub payload: usize,
    /// The unit of the clock for event times and deadlines.
    pub unit: TimeUnit,
    /// Whether the wall clock counts from the sender's start.
    pub since_boot: bool,
    /// The number of events that closes a batch while there is little to do.
    pub batch_least: usize,
    /// The number of events that closes a batch under any load. After each batch, the number in effect follows how full
    /// the ring was: below 25 % it shrinks, above 50 % it grows, above 75 % faster. Events beyond a full datagram are
    /// never waited for.
    pub batch_events: usize,
    /// A batch closes when its first event has waited for this long, however few events there are. It also closes when
    /// a ring is half full.
    pub batch_age: Duration,
    /// The interval at which instruments that have changed are sent.
    pub flush_interval: Duration,
    /// The interval within which every instrument is sent at least once.
    pub refresh_interval: Duration,
    /// The interval at which an otherwise idle sender sends an empty datagram, so that the loss of the last datagrams
    /// shows.
    pub heartbeat_interval: Duration,
    /// How long critical events wait for their acknowledgement, if they are kept for it.
    pub retry: RetryConfig,
    /// Whether full datagrams are padded to the limit, so that several can be sent as segments of one size.
    pub pad_full: bool,
}

impl SenderConfig {
    /// Datagrams of 1472 bytes, batches of 100 ms, changed instruments every second and all of them every 30 s, for a clock
    /// that counts `unit`s since 1970.
    #[must_use]
    pub const fn new(unit: TimeUnit) -> Self {
        Self {
            payload: PAYLOAD_ETHERNET,
            unit,
            since_boot: false,
            batch_least: usize::MAX,
            batch_events: usize::MAX,
            batch_age: Duration::from_millis(100),
            flush_interval: Duration::from_secs(1),
            refresh_interval: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(1),
            retry: RetryConfig::DEFAULT,
            pad_full: false,
        }
    }
}

/// A duration in units of the clock, at least one. (`as_micros` and the like divide 128 bits, which takes 4 kB on a
/// chip.)
#[inline(never)]
pub(super) fn units(duration: Duration, unit: TimeUnit) -> u64 {
    let (per_second, rest) = match unit {
        TimeUnit::Nanos => (1_000_000_000, duration.subsec_nanos()),
        TimeUnit::Micros => (1_000_000, duration.subsec_micros()),
        TimeUnit::Millis => (1_000, duration.subsec_millis()),
    };
    duration.as_secs().saturating_mul(per_second).saturating_add(rest.into()).max(1)
}
