//! Where the task sends, as which sender, and how.

use embassy_net::IpEndpoint;
use embassy_time::Duration;
use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_MIN, TimeUnit};
use ringstat_core::send::{BreakerConfig, Epoch, Identity, LivenessConfig, Path, SenderConfig};

use crate::route::{NoReceipts, PathConfig, Route};

/// How the task works. The type also sets how much memory it takes. Start with [`TaskConfig::new`] and change what must
/// differ.
///
/// `PAYLOAD`, `NAMES` and `R` are seldom written out: [`payload`](Self::payload), [`names`](Self::names) and
/// [`without_receipts`](Self::without_receipts) set them.
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
pub struct TaskConfig<
    const PAYLOAD: usize = PAYLOAD_ETHERNET,
    const NAMES: usize = 16,
    R: Route = Path,
> {
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
    /// When to stop trying, and how often to try again: a [`PathConfig`], or with [`NoReceipts`] the pause between two
    /// attempts.
    pub route: R::Config,
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
            route: PathConfig {
                breaker: BreakerConfig::new(5, 100_000, 5_000_000),
                liveness: LivenessConfig::DEFAULT,
            },
            look: Duration::from_millis(200),
        }
    }
}

impl<const PAYLOAD: usize, const NAMES: usize, R: Route> TaskConfig<PAYLOAD, NAMES, R> {
    /// Asks the collector for no receipts, and contains no code for them: what the network stack takes counts as sent. While
    /// the stack knows no route to the collector, it is asked again every 100 ms.
    ///
    /// The silence of a collector that is away is not noticed then: events are sent all the same, and critical ones use up
    /// their attempts. The collector still knows what is missing.
    #[must_use]
    pub fn without_receipts(self) -> TaskConfig<PAYLOAD, NAMES, NoReceipts> {
        let Self { to, local_port, identity, sender, look, .. } = self;
        let route = Duration::from_millis(100);
        TaskConfig { to, local_port, identity, sender, route, look }
    }

    /// Little memory: datagrams of up to 256 bytes, and 8 names told apart in each.
    #[must_use]
    pub fn tiny(self) -> TaskConfig<256, 8, R> {
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
        R::ask_every(&mut self.route, Duration::from_secs(60));
        self.sender.batch_age = minute;
        self.sender.flush_interval = minute;
        self.sender.heartbeat_interval = minute;
        self.sender.refresh_interval = minute * 60;
        self.look = Duration::from_secs(1);
        self
    }

    /// The same configuration with datagrams of up to `BYTES` bytes, at least [`PAYLOAD_MIN`]: the socket has one buffer of that size.
    #[must_use]
    pub fn payload<const BYTES: usize>(self) -> TaskConfig<BYTES, NAMES, R> {
        const { assert!(BYTES >= PAYLOAD_MIN, "no datagram is that small") };
        let mut resized = self.resized();
        resized.sender.payload = BYTES;
        resized
    }

    /// The same configuration with tables for `COUNT` names and tag sets of a datagram, a power of two, of 12 bytes
    /// each. Names that do not fit are spelled out again, which takes more bytes.
    #[must_use]
    pub fn names<const COUNT: usize>(self) -> TaskConfig<PAYLOAD, COUNT, R> {
        self.resized()
    }

    fn resized<const P: usize, const S: usize>(self) -> TaskConfig<P, S, R> {
        let Self { to, local_port, identity, sender, route, look } = self;
        TaskConfig { to, local_port, identity, sender, route, look }
    }
}
