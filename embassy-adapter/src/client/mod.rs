//! A client: core's sender over an embassy-net UDP socket.

mod send;

use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, with_timeout};
use ringstat_core::chip::Stats;
use ringstat_core::format::TimeUnit;
use ringstat_core::ledger::Ledger;
use ringstat_core::record::{Event, Resolve};
use ringstat_core::send::{ArrayStore, Path, Recovered, Retained, RetainedStore, Sender, Store};
use ringstat_core::wire::LeanEncoder;
use ringstat_core::wire::ack::Ack;

use crate::config::TaskConfig;
use crate::route::Route;
use crate::socket::{renew, zeroed};

/// The sender with all of its state: sequence numbers, critical events that wait for their acknowledgement, the account.
///
/// [`run`](Self::run) can be cancelled at any time, for example to let a radio sleep, and called again: the sender
/// continues in the same epoch. Only a datagram that the stack had not sent yet is lost by it, and counted as lost.
///
/// ```
/// use embassy_net::{IpAddress, Stack};
/// use embassy_time::{Duration, with_timeout};
/// use ringstat_embassy::Client;
/// use ringstat_embassy::prelude::*;
///
/// static STATS: Stats<64> = ringstat_embassy::stats(event_ring!(64));
///
/// async fn report_and_sleep(stack: Stack<'static>, epoch: Epoch) {
///     let collector = (IpAddress::v4(192, 168, 0, 2), 8125);
///     let mut client = Client::new(&STATS, TaskConfig::new(collector, 0xC0FFEE, epoch));
///     // Send for a minute, then say goodbye.
///     let _ = with_timeout(Duration::from_secs(60), client.run(stack)).await;
///     let ledger = client.shutdown(stack, Duration::from_secs(2)).await;
///     assert!(ledger.closes());
/// }
/// ```
///
/// `K` says where critical events wait for their acknowledgement: in memory that a reset clears, or
/// [that it does not](Self::retaining). `R` says how it finds out whether the collector is there.
pub struct Client<
    'a,
    const N: usize,
    const C: usize,
    M,
    const PAYLOAD: usize,
    const NAMES: usize,
    K: Store = ArrayStore<C>,
    R: Route = Path,
> {
    stats: &'a Stats<N, C, M>,
    to: IpEndpoint,
    local_port: u16,
    look: Duration,
    sender: Sender<LeanEncoder<NAMES>, K, 4>,
    route: R,
}

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, R>
    Client<'a, N, C, M, PAYLOAD, NAMES, ArrayStore<C>, R>
where
    M: Resolve,
    R: Route,
{
    /// Creates a sender of what `stats` records, which has sent nothing yet.
    ///
    /// # Panics
    /// When the clock of `stats` does not count microseconds, as [`CLOCK`](crate::CLOCK) does.
    #[must_use]
    pub fn new(stats: &'a Stats<N, C, M>, config: TaskConfig<PAYLOAD, NAMES, R>) -> Self {
        Self::with_store(stats, config, ArrayStore::new())
    }
}

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, R>
    Client<'a, N, C, M, PAYLOAD, NAMES, RetainedStore<C>, R>
where
    M: Resolve,
    R: Route,
{
    /// Creates a sender whose critical events outlive a reset of the chip, in `memory`.
    ///
    /// What an earlier run has left there is sent first, in that run's name, and nothing else until it is acknowledged;
    /// events wait in their rings meanwhile. From then on a critical event outlives a reset as soon as the task has taken
    /// it out of its ring. Each is stored once by the collector.
    ///
    /// ```
    /// use embassy_net::{IpAddress, Stack};
    /// use ringstat_core::send::Retained;
    /// use ringstat_embassy::{Client, prelude::*};
    ///
    /// # fn random() -> u32 { 5 }
    /// // On a chip: #[unsafe(link_section = ".uninit.ringstat")]
    /// static RETAINED: Retained<8> = Retained::new();
    /// static STATS: Stats<64, 8> =
    ///     ringstat_embassy::stats(event_ring!(64)).critical(event_ring!(8));
    ///
    /// // #[embassy_executor::task]
    /// async fn metrics(stack: Stack<'static>) -> ! {
    ///     let collector = (IpAddress::v4(192, 168, 0, 2), 8125);
    ///     // One higher after each reset, and random when the power was gone.
    ///     let epoch = RETAINED.epoch(Epoch::random(random()));
    ///     let config = TaskConfig::new(collector, 0xC0FFEE, epoch);
    ///     Client::retaining(&STATS, config, &RETAINED).run(stack).await
    /// }
    /// ```
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub fn retaining<const BYTES: usize>(
        stats: &'a Stats<N, C, M>,
        config: TaskConfig<PAYLOAD, NAMES, R>,
        memory: &'static Retained<C, BYTES>,
    ) -> Self {
        Self::with_store(stats, config, RetainedStore::new(memory))
    }

    /// What became of the events that a reset left behind.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.sender.recovered()
    }
}

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, K, R>
    Client<'a, N, C, M, PAYLOAD, NAMES, K, R>
where
    M: Resolve,
    K: Store<Event = Event>,
    R: Route,
{
    fn with_store(
        stats: &'a Stats<N, C, M>,
        config: TaskConfig<PAYLOAD, NAMES, R>,
        store: K,
    ) -> Self {
        assert!(stats.clock().unit() as u8 == TimeUnit::Micros as u8, "the clock is not embassy's");
        let TaskConfig { to, local_port, identity, sender, route, look } = config;
        let route = R::new(route, identity.seed());
        let sender = Sender::with_parts(identity, &sender, LeanEncoder::new(), store);
        Self { stats, to, local_port, look, sender, route }
    }

    /// What became of every record so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.stats.ledger(&self.sender)
    }

    /// Sends, for ever.
    pub async fn run(&mut self, stack: Stack<'_>) -> ! {
        let mut buffers = Buffers::<PAYLOAD>::new();
        let mut socket = self.open(stack, &mut buffers);
        loop {
            self.send_until(&mut socket, stack, |_| false).await;
        }
    }

    /// Sends what waits, for `limit` at most, and tells the collector that nothing follows: before a reset or a long sleep,
    /// so that silence is not taken for a failure. Returns what became of every record. What is sent later takes the goodbye
    /// back.
    ///
    /// A program that never calls it does not contain it.
    pub async fn shutdown(&mut self, stack: Stack<'_>, limit: Duration) -> Ledger {
        self.sender.flush();
        // What has not left by then stays where it is, and is in the ledger.
        let _ = with_timeout(limit, self.finish(stack)).await;
        self.ledger()
    }

    async fn finish(&mut self, stack: Stack<'_>) {
        let mut buffers = Buffers::<PAYLOAD>::new();
        let mut socket = self.open(stack, &mut buffers);
        let has_sent_all =
            |this: &Self| this.sender.unacknowledged() == 0 && this.stats.waiting() == 0;
        self.send_until(&mut socket, stack, has_sent_all).await;
        socket.flush().await;
        renew(&mut socket, self.local_port);
        let now = self.now();
        let Self { stats, sender, to, .. } = self;
        let pack = |buf: &mut [u8]| {
            let packed = stats.goodbye(sender, now, buf);
            (packed.as_ref().map_or(0, |packed| packed.len), packed)
        };
        if let Ok(Some(packed)) = socket.send_to_with(PAYLOAD, *to, pack).await {
            self.route.handed(&packed, now.monotonic);
            self.sender.sent(packed);
        }
        // A socket that is gone sends nothing more. A receipt is not waited for, but taken where it comes.
        socket.flush().await;
        self.hear(&mut socket);
    }

    /// Opens the socket, which may be another one than before.
    fn open<'s>(&mut self, stack: Stack<'s>, buffers: &'s mut Buffers<PAYLOAD>) -> UdpSocket<'s> {
        let Buffers { rx_meta, rx, tx_meta, tx } = buffers;
        let mut socket = UdpSocket::new(stack, rx_meta, rx, tx_meta, tx);
        renew(&mut socket, self.local_port);
        self.route.changed();
        socket
    }
}

/// The memory of the socket: one datagram on its way out, and replies of the collector.
struct Buffers<const PAYLOAD: usize> {
    rx_meta: [PacketMetadata; 2],
    rx: [u8; 2 * Ack::MAX_LEN],
    tx_meta: [PacketMetadata; 1],
    tx: [u8; PAYLOAD],
}

impl<const PAYLOAD: usize> Buffers<PAYLOAD> {
    fn new() -> Self {
        let (rx_meta, tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 1]);
        Self { rx_meta, rx: zeroed(), tx_meta, tx: zeroed() }
    }
}
