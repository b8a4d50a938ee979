//! Where the task sends, as which sender, and how.

use embassy_net::IpEndpoint;
use embassy_time::Duration;
use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_MIN, TimeUnit};
use ringstat_core::send::{BreakerConfig, Identity, LivenessConfig, SenderConfig};

use crate::clock::micros;

/// How the task works. The type also sets how much memory it takes. Start with [`TaskConfig::new`] and change what must
/// differ.
///
/// `PAYLOAD` and `NAMES` are seldom written out: [`payload`](Self::payload) and [`names`](Self::names) set them.
///
/// ```
/// use embassy_net::IpAddress;
/// use ringstat_embassy::TaskConfig;
///
/// let to = (IpAddress::v4(192, 168, 0, 2), 8125);
/// // Datagrams of up to 1472 bytes, 16 names told apart in each: about 3.5 kB of buffers and tables.
/// let usual: TaskConfig = TaskConfig::new(to, 0xC0FFEE, 1);
/// // A part with little memory.
/// let small: TaskConfig<256, 8> = TaskConfig::new(to, 0xC0FFEE, 1).payload::<256>().names::<8>();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TaskConfig<const PAYLOAD: usize = PAYLOAD_ETHERNET, const NAMES: usize = 16> {
    /// The address of the collector.
    pub to: IpEndpoint,
    /// The local port, from which datagrams are sent and to which acknowledgements return.
    pub local_port: u16,
    /// The sender's number and its run.
    pub identity: Identity,
    /// Batches, flushes, heartbeats and patience. The unit must be microseconds; a `payload` below `PAYLOAD` makes the
    /// datagrams smaller, but not the buffers.
    pub sender: SenderConfig,
    /// When to stop trying while the stack knows no route to the collector, or the collector is silent. Times are in
    /// microseconds.
    pub breaker: BreakerConfig,
    /// When to ask the collector for a sign of life, and how long to tolerate its silence.
    pub liveness: LivenessConfig,
    /// The clock that stamps events, in microseconds: since boot, or since the Unix epoch if the date is known. In the
    /// latter case set `since_boot` of `sender` to `false`, and pass the same clock to `Stats::new`.
    pub wall: fn() -> u64,
    /// The longest interval at which the ring is checked while events wait.
    pub look: Duration,
}

impl TaskConfig {
    /// Creates the usual configuration for a collector at `to`. `sender` must be unique among the collector's senders
    /// and the same over restarts; `epoch` must be new for each run: from a random source, or a counter in memory that
    /// survives a restart.
    #[must_use]
    pub fn new(to: impl Into<IpEndpoint>, sender: u64, epoch: u32) -> Self {
        Self {
            to: to.into(),
            local_port: 49_125,
            identity: Identity { sender, epoch },
            sender: SenderConfig {
                unit: TimeUnit::Micros,
                since_boot: true,
                ..SenderConfig::DEFAULT
            },
            breaker: BreakerConfig::new(5, 100_000, 5_000_000),
            liveness: LivenessConfig::DEFAULT,
            wall: micros,
            look: Duration::from_millis(100),
        }
    }
}

impl<const PAYLOAD: usize, const NAMES: usize> TaskConfig<PAYLOAD, NAMES> {
    /// The same configuration with datagrams of up to `BYTES` bytes, at least [`PAYLOAD_MIN`]: the task has two buffers of that size.
    #[must_use]
    pub fn payload<const BYTES: usize>(self) -> TaskConfig<BYTES, NAMES> {
        const { assert!(BYTES >= PAYLOAD_MIN, "no datagram is that small") };
        let mut resized = self.resized();
        resized.sender.payload = BYTES;
        resized
    }

    /// The same configuration with tables for `COUNT` names and tag sets of a datagram, a power of two, of 12 bytes
    /// each. Names that do not fit are spelled out again, which takes more bytes.
    #[must_use]
    pub fn names<const COUNT: usize>(self) -> TaskConfig<PAYLOAD, COUNT> {
        self.resized()
    }

    fn resized<const P: usize, const S: usize>(self) -> TaskConfig<P, S> {
        let Self { to, local_port, identity, sender, breaker, liveness, wall, look } = self;
        TaskConfig { to, local_port, identity, sender, breaker, liveness, wall, look }
    }
}
