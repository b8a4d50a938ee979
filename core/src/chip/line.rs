//! A chip without a network: datagrams as frames over a serial line, USB, RTT or any other stream of bytes.
//!
//! ```text
//!  Stats ──► Line: pack, frame ──► bytes ──► `ringstat bridge` ──► collector
//!              ▲── deframe ◄────── bytes ◄──────┘ receipts, acknowledgements
//! ```
//!
//! [`Line`] does no I/O: it says which bytes to write and takes those that were read, so that it suits a blocking loop,
//! an interrupt, DMA or an async task alike.

use super::Stats;
use crate::ledger::Ledger;
use crate::record::Resolve;
use crate::send::{
    BreakerConfig, Identity, LeanSender, LivenessConfig, Packed, Path, Sender, SenderConfig, Time,
    Totals, Way,
};
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
pub struct Line<'a, const N: usize, const C: usize, M, const FRAME: usize, const NAMES: usize = 8> {
    stats: &'a Stats<N, C, M>,
    sender: LeanSender<NAMES, C>,
    path: Path,
    datagram: [u8; FRAME],
    frame: [u8; FRAME],
    /// The datagram in the frame and its length, until it is written.
    held: Option<(Packed, usize)>,
    answers: Deframer<ANSWER>,
}

impl<'a, const N: usize, const C: usize, M, const FRAME: usize, const NAMES: usize>
    Line<'a, N, C, M, FRAME, NAMES>
where
    M: Resolve,
{
    /// Creates a line on which nothing has been sent yet.
    #[must_use]
    pub fn new(stats: &'a Stats<N, C, M>, config: LineConfig) -> Self {
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
            sender: Sender::new(identity, &sender),
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
        let length = self.held.as_ref().map_or(0, |(_, length)| *length);
        Ok(self.frame.get(..length).unwrap_or(&[]))
    }

    fn pack(&mut self, now: Time) -> Result<(Packed, usize), u64> {
        let at = now.monotonic;
        let limit = self.sender.payload();
        let buf = self.datagram.get_mut(..limit).unwrap_or(&mut []);
        let packed = match self.path.way(at) {
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
        Ok((packed, length))
    }

    /// Notes that the whole frame was written.
    pub fn written(&mut self, now: Time) {
        if let Some((packed, _)) = self.held.take() {
            self.path.handed(&packed, now.monotonic);
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::chip::Clock;
    use crate::event_ring;
    use crate::receive::{IdWindow, Seen};
    use crate::record::{Priority, Recorder};
    use crate::send::Epoch;
    use crate::sync::{AtomicU64, Ordering};
    use crate::testkit::Rng;
    use crate::wire::Decoder;
    use crate::wire::decode::Body;
    use alloc::boxed::Box;
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    static NOW: AtomicU64 = AtomicU64::new(0);

    fn now() -> u64 {
        NOW.load(Ordering::Relaxed)
    }

    /// The other end of the line: a collector, and the bytes that it writes back.
    struct Other {
        frames: Deframer<256>,
        decoder: Box<Decoder>,
        ids: IdWindow,
        seen: BTreeSet<u32>,
        events: u64,
        alarms: u64,
    }

    impl Other {
        fn read(&mut self, line: &[u8]) -> Vec<u8> {
            let mut back = Vec::new();
            for byte in line {
                let Some(datagram) = self.frames.feed(*byte) else { continue };
                let Ok(mut open) = self.decoder.open(datagram) else { continue };
                let header = *open.header();
                let (floor, asks) = (open.prologue().ack_floor, open.prologue().wants_receipt);
                if !self.seen.insert(header.sequence) {
                    continue;
                }
                floor.inspect(|floor| self.ids.advance(*floor));
                while let Some(record) = open.next() {
                    let Body::Event(event) = record.unwrap().body else { continue };
                    match event.id.map(|id| self.ids.insert(id)) {
                        None => self.events += 1,
                        Some(Seen::New) => self.alarms += 1,
                        Some(_) => {}
                    }
                }
                let mut put = |answer: &[u8]| {
                    let mut framed = vec![0; frame::len(answer.len())];
                    let length = frame::write(answer, &mut framed).unwrap();
                    back.extend(&framed[..length]);
                };
                if floor.is_some() {
                    let mut buf = [0; Ack::MAX_LEN];
                    let length = self.ids.ack(header.sender, header.epoch).emit(&mut buf).unwrap();
                    put(&buf[..length]);
                }
                if asks {
                    put(&Receipt {
                        sender: header.sender,
                        epoch: header.epoch,
                        sequence: header.sequence,
                        instance: 1,
                        first: 0,
                        datagrams: self.seen.len() as u64,
                        events: self.events,
                    }
                    .emit());
                }
            }
            back
        }
    }

    /// Flips, drops and duplicates bytes, one in `one_in`.
    fn spoil(bytes: &[u8], one_in: u64, rng: &mut Rng) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            match rng.below(one_in * 3) {
                0 => out.push(byte ^ 1 << rng.below(8)),
                1 => {}
                2 => out.extend([*byte; 2]),
                _ => out.push(*byte),
            }
        }
        out
    }

    fn run(one_in: u64) -> (Ledger, Other) {
        let stats: &Stats<32, 4> = Box::leak(Box::new(
            Stats::new(Box::leak(Box::default()), Clock::micros(now))
                .critical(Box::leak(Box::new(crate::chip::EventRing::<4>::new()))),
        ));
        let config = LineConfig::new(stats, Identity::new(7, Epoch::stored(1)));
        let mut line: Line<'_, 32, 4, _, 128> = Line::new(stats, config);
        let mut other = Other {
            frames: Deframer::new(),
            decoder: Box::default(),
            ids: IdWindow::new(),
            seen: BTreeSet::new(),
            events: 0,
            alarms: 0,
        };
        let mut rng = Rng::new(3);
        let (mut alarms, mut step) = (0, 0u32);
        while alarms < 100 || line.ledger().in_flight > 0 || line.ledger().unconfirmed > 0 {
            step += 1;
            assert!(step < 2_000_000, "{:?}", line.ledger());
            if step < 100_000 && step % 10 == 0 {
                stats.level("a", step).record();
            }
            if alarms < 100 && step % 50 == 0 {
                alarms +=
                    u32::from(stats.event("b").priority(Priority::Critical).record().is_recorded());
            }
            NOW.fetch_add(1000, Ordering::Relaxed);
            while let Ok(frame) = line.next(stats.time()) {
                let heard = spoil(frame, one_in, &mut rng);
                let back = other.read(&heard);
                line.written(stats.time());
                line.receive(&spoil(&back, one_in, &mut rng), stats.time());
            }
        }
        (line.ledger(), other)
    }

    #[test]
    fn all_of_it_arrives_and_over_a_bad_line_the_account_is_exact() {
        let (ledger, other) = run(u64::MAX / 3);
        assert_eq!((ledger.lost, ledger.sent), (0, other.events + 100));
        assert_eq!(other.alarms, 100);
        // One byte in a thousand is damaged, in both directions.
        let (ledger, other) = run(1000);
        assert!(ledger.closes() && ledger.lost > 0);
        assert_eq!((ledger.sent, other.alarms), (other.events + 100, 100), "each alarm once");
    }

    #[test]
    fn a_frame_that_was_not_written_comes_again() {
        static STATS: Stats<8> = Stats::new(event_ring!(8), Clock::micros(|| 5));
        let config = LineConfig::new(&STATS, Identity::new(7, Epoch::unknown())).one_way();
        let mut line: Line<'_, 8, 0, _, 128> = Line::new(&STATS, config);
        STATS.level("a", 1u8).record();
        let at = |monotonic| Time { monotonic, wall: monotonic };
        let first = line.next(at(2_000_000)).unwrap().to_vec();
        let retry = line.failed(at(2_000_000));
        assert_eq!(line.next(at(retry)).unwrap(), first);
        line.written(at(retry));
        assert_eq!((line.totals().datagrams, line.ledger().dropped.total()), (1, 0));
    }
}
