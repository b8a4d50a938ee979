//! Where the task sends, as which sender, and how.

use embassy_net::IpEndpoint;
use embassy_time::Duration;
use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_MIN, TimeUnit};
use ringstat_core::send::{BreakerConfig, Epoch, Identity, LivenessConfig, SenderConfig};

/// How the task works. The type also sets how much memory it takes. Start with [`TaskConfig::new`] and change what must
/// differ.
///
/// `PAYLOAD` and `NAMES` are seldom written out: [`payload`](Self::payload) and [`names`](Self::names) set them.
///
/// ```
/// use embassy_net::IpAddress;
/// use ringstat_embassy::prelude::*;
///
/// # fn random() -> u32 { 5 }
/// let to = (IpAddress::v4(192, 168, 0, 2), 8125);
/// // Datagrams of up to 1472 bytes, 16 names told apart in each: about 2 kB of buffers and tables.
/// let usual: TaskConfig = TaskConfig::new(to, 0xC0FFEE, Epoch::random(random()));
/// // A part with little memory.
/// let small: TaskConfig<256, 8> =
///     TaskConfig::new(to, 0xC0FFEE, Epoch::random(random())).payload::<256>().names::<8>();
/// ```
#[derive(Debug)]
pub struct TaskConfig<const PAYLOAD: usize = PAYLOAD_ETHERNET, const NAMES: usize = 16> {
    /// The address of the collector.
    pub to: IpEndpoint,
    /// The local port, from which datagrams are sent and to which answers return. 0 counts as 1.
    pub local_port: u16,
    /// The sender's number and its run.
    pub identity: Identity,
    /// Batches, flushes, heartbeats, and how long critical events are kept. A `payload` below `PAYLOAD` makes the datagrams
    /// smaller, but not the buffer. An event that is recorded while nothing waits does not wake the task, unless
    /// [`Stats::wake_at_first`](ringstat_core::chip::Stats::wake_at_first) says so: it is noticed at the next flush or
    /// heartbeat at the latest, and then sent at once.
    pub sender: SenderConfig,
    /// When to stop trying while the stack knows no route to the collector, or the collector is silent. Times are in
    /// microseconds.
    pub breaker: BreakerConfig,
    /// When to ask the collector for a sign of life, and how long to tolerate its silence.
    pub liveness: LivenessConfig,
    /// The interval at which the task looks for a network while there is none. The stack can wake only one task when the
    /// network changes, and that is left to the program.
    pub look: Duration,
}

impl TaskConfig {
    /// Creates the usual configuration for a collector at `to`. `sender` must be unique among the collector's senders
    /// and the same over restarts; `epoch` says where the number of this run comes from.
    #[must_use]
    pub fn new(to: impl Into<IpEndpoint>, sender: u64, epoch: Epoch) -> Self {
        Self {
            to: to.into(),
            local_port: 49_125,
            identity: Identity::new(sender, epoch),
            sender: SenderConfig { since_boot: true, ..SenderConfig::new(TimeUnit::Micros) },
            breaker: BreakerConfig::new(5, 100_000, 5_000_000),
            liveness: LivenessConfig::DEFAULT,
            look: Duration::from_millis(200),
        }
    }
}

impl<const PAYLOAD: usize, const NAMES: usize> TaskConfig<PAYLOAD, NAMES> {
    /// Little memory: datagrams of up to 256 bytes, and 8 names told apart in each.
    #[must_use]
    pub fn tiny(self) -> TaskConfig<256, 8> {
        self.payload::<256>().names::<8>()
    }

    /// Critical events are kept until they are acknowledged, as long as there is room, however long the collector is away.
    #[must_use]
    pub fn reliable(mut self) -> Self {
        self.sender.retry = self.sender.retry.without_end();
        self
    }

    /// Few wakes of the radio: heartbeats, changed instruments and questions to the collector once a minute, and batches
    /// that are a minute old or half a ring. Critical events are sent at once all the same.
    #[must_use]
    pub fn low_power(mut self) -> Self {
        let minute = core::time::Duration::from_secs(60);
        self.sender.batch_age = minute;
        self.sender.flush_interval = minute;
        self.sender.heartbeat_interval = minute;
        self.sender.refresh_interval = minute * 60;
        self.liveness.interval = minute;
        self.look = Duration::from_secs(1);
        self
    }

    /// The same configuration with datagrams of up to `BYTES` bytes, at least [`PAYLOAD_MIN`]: the socket has one buffer of that size.
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
        let Self { to, local_port, identity, sender, breaker, liveness, look } = self;
        TaskConfig { to, local_port, identity, sender, breaker, liveness, look }
    }
}
