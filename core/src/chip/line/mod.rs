//! A chip without a network: datagrams as frames over a serial line, USB, RTT or any other stream of bytes.
//!
//! ```text
//!  Stats ──► Line: pack, frame ──► bytes ──► `ringstat bridge` ──► collector
//!              ▲── deframe ◄────── bytes ◄──────┘ receipts, acknowledgements
//! ```
//!
//! [`Line`] does no I/O: it says which bytes to write and takes those that were read, so that it suits a blocking loop,
//! an interrupt, DMA or an async task alike.

#[cfg(all(test, not(loom)))]
mod tests;

use super::Stats;
use crate::ledger::Ledger;
use crate::record::{Event, Resolve};
use crate::send::{
    ArrayStore, BreakerConfig, Identity, LivenessConfig, Packed, Path, Recovered, Retained,
    RetainedStore, Sender, SenderConfig, Store, Time, Totals, Way,
};
use crate::wire::LeanEncoder;
use crate::wire::ack::Ack;
use crate::wire::frame::{self, Deframer};
use crate::wire::receipt::Receipt;

/// The length of the longest frame of an answer.
const ANSWER: usize = frame::len(Ack::MAX_LEN);

/// The configuration of a [`Line`]. Start from [`LineConfig::new`] and change what must differ.
#[derive(Debug)]
pub struct LineConfig {
    /// The sender's number, and its run.
    pub identity: Identity,
    /// Batches, flushes, heartbeats, and how long critical events are kept. The unit and origin of times and the size
    /// of datagrams are taken from the clock and the line.
    pub sender: SenderConfig,
    /// When to ask the collector for a receipt, or `None` for a line that only goes one way, such as RTT read by a
    /// probe. Nothing can be acknowledged then.
    pub liveness: Option<LivenessConfig>,
    /// When to pause while the collector is silent or the line accepts nothing, in units of the clock.
    pub breaker: BreakerConfig,
}

impl LineConfig {
    /// Creates the usual configuration for what `stats` records.
    #[must_use]
    pub fn new<const N: usize, const C: usize, M: Resolve>(
        stats: &Stats<N, C, M>,
        identity: Identity,
    ) -> Self {
        let second = 1_000_000_000 / stats.clock().unit().nanos();
        Self {
            identity,
            sender: stats.config(),
            liveness: Some(LivenessConfig::DEFAULT),
            breaker: BreakerConfig::new(5, second / 10, second * 5),
        }
    }

    /// Creates the same configuration for a line on which nothing comes back.
    #[must_use]
    pub fn one_way(self) -> Self {
        Self { liveness: None, ..self }
    }
}

/// Sends what a [`Stats`] records as frames of at most `FRAME` bytes, and reads the answers.
///
/// A datagram spells out up to `NAMES` strings and tag sets only once. The line takes twice `FRAME` bytes, some 500 for
/// answers, and room for as many critical events as have a ring.
///
/// ```
/// use ringstat_core::chip::{Line, LineConfig};
/// use ringstat_core::prelude::*;
/// # fn micros() -> u64 { 0 } fn uart_write(_: &[u8]) {} fn uart_read(_: &mut [u8]) -> usize { 0 }
///
/// static STATS: Stats<32> = Stats::new(event_ring!(32), Clock::micros(micros));
///
/// let config = LineConfig::new(&STATS, Identity::new(7, Epoch::unknown()));
/// let mut line: Line<'_, 32, 0, _, 256> = Line::new(&STATS, config);
/// // In the loop of the program, at least once in a batch's age:
/// let mut bytes = [0; 32];
/// let read = uart_read(&mut bytes);
/// line.receive(&bytes[..read], STATS.time());
/// while let Ok(frame) = line.next(STATS.time()) {
///     uart_write(frame);
///     line.written(STATS.time());
/// }
/// ```
///
/// `K` says where critical events wait for their acknowledgement: in memory that a reset clears, or
/// [that it does not](Self::retaining).
pub struct Line<
    'a,
    const N: usize,
    const C: usize,
    M,
    const FRAME: usize,
    const NAMES: usize = 8,
    K: Store = ArrayStore<C>,
> {
    stats: &'a Stats<N, C, M>,
    sender: Sender<LeanEncoder<NAMES>, K, 4>,
    path: Path,
    datagram: [u8; FRAME],
    frame: [u8; FRAME],
    held: Option<Held>,
    answers: Deframer<ANSWER>,
}

/// The datagram in the frame, until it is written.
struct Held {
    packed: Packed,
    /// The length of the frame.
    length: usize,
    /// Whether it is one of an earlier run, for which this run asks no receipts.
    is_recovered: bool,
}

impl<'a, const N: usize, const C: usize, M, const FRAME: usize, const NAMES: usize>
    Line<'a, N, C, M, FRAME, NAMES>
where
    M: Resolve,
{
    /// Creates a line on which nothing has been sent yet.
    #[must_use]
    pub fn new(stats: &'a Stats<N, C, M>, config: LineConfig) -> Self {
        Self::with_store(stats, config, ArrayStore::new())
    }
}

impl<'a, const N: usize, const C: usize, M, const FRAME: usize, const NAMES: usize>
    Line<'a, N, C, M, FRAME, NAMES, RetainedStore<C>>
where
    M: Resolve,
{
    /// Creates a line whose critical events outlive a reset of the chip, in `memory`.
    ///
    /// What an earlier run has left there is sent first, in that run's name, and nothing else until it is acknowledged;
    /// see [`Stats::retaining_sender`].
    ///
    /// # Panics
    /// If the line is [one-way](LineConfig::one_way): nothing is ever acknowledged on it.
    #[must_use]
    pub fn retaining<const BYTES: usize>(
        stats: &'a Stats<N, C, M>,
        config: LineConfig,
        memory: &'static Retained<C, BYTES>,
    ) -> Self {
        assert!(config.liveness.is_some(), "nothing is acknowledged on a one-way line");
        Self::with_store(stats, config, RetainedStore::new(memory))
    }

    /// What became of the events that a reset left behind.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.sender.recovered()
    }
}

impl<'a, const N: usize, const C: usize, M, const FRAME: usize, const NAMES: usize, K>
    Line<'a, N, C, M, FRAME, NAMES, K>
where
    M: Resolve,
    K: Store<Event = Event>,
{
    fn with_store(stats: &'a Stats<N, C, M>, config: LineConfig, store: K) -> Self {
        const { assert!(frame::capacity(FRAME) >= crate::format::PAYLOAD_MIN, "no frame is that small") };
        let LineConfig { identity, sender, liveness, breaker } = config;
        let unit = stats.clock().unit();
        let sender = SenderConfig {
            payload: frame::capacity(FRAME),
            unit,
            since_boot: stats.clock().is_since_boot(),
            ..sender
        };
        Self {
            stats,
            sender: Sender::with_parts(identity, &sender, LeanEncoder::new(), store),
            path: Path::new(breaker, liveness.as_ref(), unit, identity.seed()),
            datagram: [0; FRAME],
            frame: [0; FRAME],
            held: None,
            answers: Deframer::new(),
        }
    }

    /// Returns the next frame, to be written unchanged. It returns the same frame until [`written`](Self::written) is
    /// called: a line that was interrupted in the middle of a frame starts again with the whole frame.
    ///
    /// # Errors
    /// If there is nothing to write, returns the time at which to call it again, or earlier if bytes arrive or the
    /// program is woken.
    pub fn next(&mut self, now: Time) -> Result<&[u8], u64> {
        if self.held.is_none() {
            self.held = Some(self.pack(now)?);
        }
        let length = self.held.as_ref().map_or(0, |held| held.length);
        Ok(self.frame.get(..length).unwrap_or(&[]))
    }

    fn pack(&mut self, now: Time) -> Result<Held, u64> {
        // What an earlier run has left behind is repeated until it is acknowledged, with pauses of its own.
        let is_recovered = self.sender.is_recovering();
        let at = now.monotonic;
        let limit = self.sender.payload();
        let buf = self.datagram.get_mut(..limit).unwrap_or(&mut []);
        let way = if is_recovered { Way::Clear } else { self.path.way(at) };
        let packed = match way {
            Way::Wait(until) => return Err(until),
            Way::Probe => self.stats.probe(&mut self.sender, now, buf),
            Way::Clear => {
                if self.path.asks(at) {
                    self.sender.ask();
                }
                let due = self.stats.due(&mut self.sender, now);
                due.map_err(|until| until.min(self.path.deadline()))?;
                self.stats.pack(&mut self.sender, now, buf)
            }
        };
        // Neither can fail: the format has heartbeats, and the frame is as long as the longest datagram needs.
        let packed = packed.ok_or(at)?;
        let datagram = self.datagram.get(..packed.len).unwrap_or(&[]);
        let length = frame::write(datagram, &mut self.frame).unwrap_or(0);
        Ok(Held { packed, length, is_recovered })
    }

    /// Notes that the whole frame was written.
    pub fn written(&mut self, now: Time) {
        if let Some(Held { packed, is_recovered, .. }) = self.held.take() {
            if !is_recovered {
                self.path.handed(&packed, now.monotonic);
            }
            self.stats.measure(&packed);
            self.sender.sent(packed);
            self.settle();
        }
    }

    /// Notes that the frame could not be written completely, for instance because a USB cable is unplugged. The frame
    /// is kept, and after several failures in a row further attempts are delayed. Returns when to try again.
    pub fn failed(&mut self, now: Time) -> u64 {
        self.path.failed(now.monotonic);
        match self.path.way(now.monotonic) {
            Way::Wait(until) => until,
            Way::Clear | Way::Probe => now.monotonic,
        }
    }

    /// Processes bytes that were read, in pieces of any size.
    pub fn receive(&mut self, bytes: &[u8], now: Time) {
        for byte in bytes {
            let Some(answer) = self.answers.feed(*byte) else { continue };
            // A faulty answer changes nothing, and is requested again.
            if !Receipt::is_one(answer) {
                let _ = self.stats.acknowledged(&mut self.sender, answer);
            } else if let Ok(receipt) = self.sender.receipt(answer) {
                let _ = self.path.answered(&receipt, now.monotonic);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        if let Some(liveness) = self.path.liveness() {
            self.sender.confirmed(liveness.unconfirmed(), liveness.lost());
        }
    }

    /// Does everything that is due on a port that blocks while it writes: reads the answers that have come, and writes
    /// frames. Returns the time at which to call it again, or earlier if bytes arrive or the program is woken.
    ///
    /// ```
    /// # use embedded_io::{Read, ReadReady, Write};
    /// # use ringstat_core::chip::Line;
    /// # fn micros() -> u64 { 0 } fn sleep_until(_: u64) {}
    /// fn forever(uart: &mut (impl Read + ReadReady + Write), line: &mut Line<'_, 32, 4, ringstat_core::record::NoNames, 256>) {
    ///     loop {
    ///         let until = line.serve(uart);
    ///         sleep_until(until); // or until a byte is there, or the stats' `wake` is called
    ///     }
    /// }
    /// ```
    pub fn serve<P>(&mut self, port: &mut P) -> u64
    where
        P: embedded_io::Read + embedded_io::ReadReady + embedded_io::Write,
    {
        loop {
            let mut bytes = [0; 32];
            while port.read_ready().unwrap_or(false) {
                let Ok(read @ 1..) = port.read(&mut bytes) else { break };
                self.receive(bytes.get(..read).unwrap_or(&[]), self.stats.time());
            }
            match self.next(self.stats.time()) {
                Err(until) => return until,
                Ok(frame) if port.write_all(frame).and_then(|()| port.flush()).is_ok() => {
                    self.written(self.stats.time());
                }
                Ok(_) => return self.failed(self.stats.time()),
            }
        }
    }

    /// Returns the sender's identity.
    #[must_use]
    pub fn stats(&self) -> &'a Stats<N, C, M> {
        self.stats
    }

    /// Returns the totals of the sender so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        self.sender.totals()
    }

    /// Returns the ledger, which accounts for every record so far.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.stats.ledger(&self.sender)
    }
}
