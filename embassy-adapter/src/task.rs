//! The task: core's sender over an embassy-net UDP socket.

use core::cell::Cell;
use core::future::poll_fn;
use core::task::Poll as Ready;

use embassy_futures::select::{select, select3};
use embassy_net::udp::{self, PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer, with_timeout};
use ringstat_core::chip::{EventRing, Stats};
use ringstat_core::format::TimeUnit;
use ringstat_core::ledger::{Cause, Ledger};
use ringstat_core::record::Event;
use ringstat_core::record::Resolve;
use ringstat_core::send::{
    ArrayStore, Path, Recovered, Retained, RetainedStore, Sender, Store, Time, Totals, Way,
};
use ringstat_core::wire::LeanEncoder;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;

use crate::clock::{self, CLOCK};
use crate::config::TaskConfig;
use crate::mutant;
use crate::socket::{BUSY, is_empty, renew};

/// Signals that a batch waits. There is one task per program, and so one signal.
pub(crate) static WAKE: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Sends everything that waits at once, and waits until all of it has arrived, but no longer than `within`: before a
/// sleep or a reset. Returns whether it has. The task must be running.
pub async fn flush<const N: usize, const C: usize, M: Resolve>(
    stats: &Stats<N, C, M>,
    within: Duration,
) -> bool {
    stats.flush();
    let arrived = async {
        while stats.waiting() > 0 || totals().in_flight() + totals().unconfirmed > 0 {
            Timer::after(LOOK).await;
        }
    };
    with_timeout(within, arrived).await.is_ok()
}

/// How often [`flush`] looks.
const LOOK: Duration = Duration::from_millis(5);

/// The sender's account as of the task's last round.
static TOTALS: Mutex<CriticalSectionRawMutex, Cell<Totals>> = Mutex::new(Cell::new(Totals::NONE));

/// Creates a [`Stats`] over `ring`, for a `static`, with this chip's clock. The task is woken when the ring is half full.
#[must_use]
pub const fn stats<const N: usize>(ring: &'static EventRing<N>) -> Stats<N> {
    Stats::new(ring, CLOCK).wake(N.div_ceil(2), wake)
}

/// Wakes the task; for use with [`Stats::wake`]. Safe to call from interrupts; masks them for a few instructions.
pub fn wake() {
    WAKE.signal(());
}

/// The sender's account as of the task's last round. [`Stats::account`] turns it into the ledger of the whole client.
#[must_use]
pub fn totals() -> Totals {
    TOTALS.lock(Cell::get)
}

/// Shows the account to [`totals`].
pub(crate) fn publish(now: &Totals) {
    TOTALS.lock(|totals| totals.set(*now));
}

/// The shortest pause between two rounds.
const LEAST: Duration = Duration::from_millis(1);
/// How many replies are read in a row.
const REPLIES: usize = 8;

/// Sends what `stats` records, for ever. A program can run one such task. To stop it for a while, use a [`Client`].
///
/// The types of `stats` and `config` determine all sizes: one buffer of a datagram, the tables of names, and room for as
/// many critical events as their ring holds. All of that is part of the future, and so of the task's static memory.
///
/// ```
/// use embassy_net::{IpAddress, Stack};
/// use ringstat_embassy::prelude::*;
///
/// static STATS: Stats<64> = ringstat_embassy::stats(event_ring!(64));
///
/// // #[embassy_executor::task]
/// async fn metrics(stack: Stack<'static>, epoch: Epoch) -> ! {
///     let collector = (IpAddress::v4(192, 168, 0, 2), 8125);
///     ringstat_embassy::run(stack, &STATS, TaskConfig::new(collector, 0xC0FFEE, epoch)).await
/// }
/// ```
pub async fn run<const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize>(
    stack: Stack<'_>,
    stats: &Stats<N, C, M>,
    config: TaskConfig<PAYLOAD, NAMES>,
) -> !
where
    M: Resolve,
{
    Client::new(stats, config).run(stack).await
}

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
/// [that it does not](Self::retaining).
pub struct Client<
    'a,
    const N: usize,
    const C: usize,
    M,
    const PAYLOAD: usize,
    const NAMES: usize,
    K: Store = ArrayStore<C>,
> {
    stats: &'a Stats<N, C, M>,
    to: IpEndpoint,
    local_port: u16,
    look: Duration,
    sender: Sender<LeanEncoder<NAMES>, K, 4>,
    path: Path,
}

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize>
    Client<'a, N, C, M, PAYLOAD, NAMES>
where
    M: Resolve,
{
    /// Creates a sender of what `stats` records, which has sent nothing yet.
    ///
    /// # Panics
    /// When the clock of `stats` does not count microseconds, as [`CLOCK`] does.
    #[must_use]
    pub fn new(stats: &'a Stats<N, C, M>, config: TaskConfig<PAYLOAD, NAMES>) -> Self {
        Self::with_store(stats, config, ArrayStore::new())
    }
}

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize>
    Client<'a, N, C, M, PAYLOAD, NAMES, RetainedStore<C>>
where
    M: Resolve,
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
        config: TaskConfig<PAYLOAD, NAMES>,
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

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, K>
    Client<'a, N, C, M, PAYLOAD, NAMES, K>
where
    M: Resolve,
    K: Store<Event = Event>,
{
    fn with_store(stats: &'a Stats<N, C, M>, config: TaskConfig<PAYLOAD, NAMES>, store: K) -> Self {
        assert!(stats.clock().unit() as u8 == TimeUnit::Micros as u8, "the clock is not embassy's");
        let TaskConfig { to, local_port, identity, sender, breaker, liveness, look } = config;
        let path = Path::new(breaker, Some(&liveness), TimeUnit::Micros, identity.seed());
        let sender = Sender::with_parts(identity, &sender, LeanEncoder::new(), store);
        Self { stats, to, local_port, look, sender, path }
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
        while !is_empty(&mut socket).await {}
        renew(&mut socket, self.local_port);
        let now = self.now();
        let Self { stats, sender, to, .. } = self;
        let pack = |buf: &mut [u8]| {
            let packed = stats.goodbye(sender, now, buf);
            (packed.as_ref().map_or(0, |packed| packed.len), packed)
        };
        if let Ok(Some(packed)) = socket.send_to_with(PAYLOAD, *to, pack).await {
            self.path.handed(&packed, now.monotonic);
            self.sender.sent(packed);
        }
        // A socket that is gone sends nothing more. A receipt is not waited for, but taken where it comes.
        while !is_empty(&mut socket).await {}
        self.hear(&socket).await;
    }

    /// Opens the socket, which may be another one than before.
    fn open<'s>(&mut self, stack: Stack<'s>, buffers: &'s mut Buffers<PAYLOAD>) -> UdpSocket<'s> {
        let Buffers { rx_meta, rx, tx_meta, tx } = buffers;
        let mut socket = UdpSocket::new(stack, rx_meta, rx, tx_meta, tx);
        renew(&mut socket, self.local_port);
        self.path.changed();
        socket
    }

    /// Sends until nothing is due and `is_done` agrees that nothing will be.
    async fn send_until(
        &mut self,
        socket: &mut UdpSocket<'_>,
        stack: Stack<'_>,
        is_done: impl Fn(&Self) -> bool,
    ) {
        loop {
            self.hear(socket).await;
            if !stack.is_config_up() || !stack.is_link_up() {
                // Nothing is packed while there is no network: the ring's policy decides what is given up meanwhile.
                self.path.changed();
                // A batch is a reason to look earlier: the network may be there by now.
                select(Timer::after(self.look), WAKE.wait()).await;
                continue;
            }
            match self.step(socket).await {
                Ok(()) => {}
                Err(_) if is_done(self) => return,
                Err(until) => idle(socket, until).await,
            }
        }
    }

    /// Sends one datagram, or says until when there is nothing to do.
    async fn step(&mut self, socket: &mut UdpSocket<'_>) -> Result<(), u64> {
        let now = self.now();
        let at = now.monotonic;
        // What an earlier run has left behind is repeated until it is acknowledged, with pauses of its own.
        let recovering = self.sender.is_recovering();
        let probing = match if recovering { Way::Clear } else { self.path.way(at) } {
            Way::Clear => {
                if self.path.asks(at) {
                    self.sender.ask();
                }
                let due = self.stats.due(&mut self.sender, now);
                due.map_err(|until| until.min(self.path.deadline()))?;
                false
            }
            Way::Wait(until) => return Err(until),
            Way::Probe => true,
        };
        if !is_empty(socket).await {
            self.lose("would_block");
            return Ok(());
        }
        // Answers that have arrived since would be lost when the socket is opened anew.
        self.hear(socket).await;
        renew(socket, self.local_port);
        // Packs straight into that buffer, and only when there is room: nothing is ever packed and then not sent.
        let Self { stats, sender, to, .. } = self;
        let pack = |buf: &mut [u8]| {
            let packed =
                if probing { stats.probe(sender, now, buf) } else { stats.pack(sender, now, buf) };
            (packed.as_ref().map_or(0, |packed| packed.len), packed)
        };
        match socket.send_to_with(PAYLOAD, *to, pack).await {
            Ok(Some(packed)) => {
                if !recovering {
                    self.path.handed(&packed, at);
                }
                self.sender.sent(packed);
            }
            Ok(None) => {}
            // There is no route, and nothing was packed.
            Err(_) if recovering => Timer::after(BUSY).await,
            Err(_) => {
                self.path.failed(at);
                self.lose("no_route");
            }
        }
        Ok(())
    }

    /// What a worse task would do here: give up what there is to send. Only ever as a deliberate mistake.
    fn lose(&mut self, asked: &str) {
        if mutant(asked) {
            let mut nowhere = [0; PAYLOAD];
            let now = self.now();
            if let Some(packed) = self.stats.pack(&mut self.sender, now, &mut nowhere) {
                self.sender.gave_up(packed, Cause::SendError);
            }
        }
    }

    fn now(&self) -> Time {
        Time { monotonic: clock::micros(), wall: self.stats.clock().now() }
    }

    /// Reads what has arrived from the collector, without waiting for more.
    async fn hear(&mut self, socket: &UdpSocket<'_>) {
        let mut buf = [0; Ack::MAX_LEN];
        for _ in 0..REPLIES {
            let received = poll_fn(|cx| {
                Ready::Ready(match socket.poll_recv_from(&mut buf, cx) {
                    Ready::Ready(received) => Some(received),
                    Ready::Pending => None,
                })
            });
            match received.await {
                None => break,
                // A datagram longer than any acknowledgement is not one, and is dropped.
                Some(Err(udp::RecvError::Truncated)) => {}
                // Only the collector can say what has arrived, and it answers from the address that was sent to.
                Some(Ok((length, meta))) if meta.endpoint == self.to || mutant("anyone") => {
                    self.answered(buf.get(..length).unwrap_or(&[]));
                }
                Some(Ok(_)) => {}
            }
        }
        if let Some(liveness) = self.path.liveness() {
            self.sender.confirmed(liveness.unconfirmed(), liveness.lost());
        }
        publish(self.sender.totals());
    }

    /// Takes an answer. A faulty one changes nothing, and is asked for again.
    fn answered(&mut self, answer: &[u8]) {
        if Receipt::is_one(answer) {
            if let Ok(receipt) = self.sender.receipt(answer) {
                let _ = self.path.answered(&receipt, clock::micros());
            }
        } else {
            let _ = self.stats.acknowledged(&mut self.sender, answer);
        }
    }
}

/// The memory of the socket: one datagram on its way out, and replies of the collector.
struct Buffers<const PAYLOAD: usize> {
    rx_meta: [PacketMetadata; 2],
    rx: [u8; 2 * Ack::MAX_LEN],
    tx_meta: [PacketMetadata; 2],
    tx: [u8; PAYLOAD],
}

impl<const PAYLOAD: usize> Buffers<PAYLOAD> {
    const fn new() -> Self {
        let meta = [PacketMetadata::EMPTY; 2];
        Self { rx_meta: meta, rx: [0; 2 * Ack::MAX_LEN], tx_meta: meta, tx: [0; PAYLOAD] }
    }
}

/// Sleeps until that time of the clock, a batch, or an answer.
async fn idle(socket: &UdpSocket<'_>, until: u64) {
    // Always a short sleep, so that other tasks have their turn whatever the deadline is.
    let at = Instant::from_micros(until.min(u64::MAX / 2)).max(Instant::now() + LEAST);
    select3(Timer::at(at), WAKE.wait(), socket.wait_recv_ready()).await;
}
