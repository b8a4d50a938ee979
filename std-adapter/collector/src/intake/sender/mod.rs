//! What is known about one sender.

mod clock;
mod kept;
mod life;
mod losses;
mod runs;

use ringstat_core::format::{Header, Prologue};
use ringstat_core::receive::{Account, IdWindow, SequenceTracker};
use ringstat_core::wire::ack::Ack;

use super::baseline::Baseline;
use super::replies::RunCounts;
use super::{LineAccount, SenderInfo, Source};
use crate::memory::heap;
use clock::Clock;
pub use life::Life;
pub(crate) use losses::Losses;
use runs::YOUNG;

/// What is known about one sender.
///
/// ```
/// use ringstat_collector::{Collector, Life, Limits};
///
/// fn show(collector: &Collector, now_ms: u64) {
///     for (id, sender) in collector.senders() {
///         if sender.life(now_ms) != Life::Living {
///             println!("{id:016x} was last heard of at {} ms", sender.seen_ms);
///         }
///     }
/// }
/// # show(&Collector::new(Limits::default()), 0);
/// ```
#[derive(Debug)]
pub struct Sender {
    tracker: SequenceTracker,
    /// The tracker's final account, once the collector has ended.
    ended: Option<Account>,
    /// The prologue of its latest datagram: the sender's own account.
    pub told: Prologue,
    /// Records received.
    pub records: u64,
    /// Datagrams received, including duplicates.
    pub datagrams: u64,
    /// When it was last heard from, in milliseconds of the collector's clock.
    pub seen_ms: u64,
    /// When it was first heard from.
    pub(super) since_ms: u64,
    /// Events dropped and datagrams given up by the sender in epochs that have ended.
    finished: (u64, u64),
    epoch: u32,
    /// The number that it sends under: its id, unless it shares the number with another process.
    number: u64,
    /// Where its latest datagram came from.
    from: Option<Source>,
    /// What it says of itself.
    pub(super) info: Option<Box<SenderInfo>>,
    /// What was counted of its lines, if it sends those.
    lines: Option<Box<LineAccount>>,
    /// Another process that sends under the same number, and where that is.
    pub(super) beside: Option<(u64, Option<Source>)>,
    /// Datagrams of another run, kept aside.
    aside: Vec<Box<[u8]>>,
    /// When something new last arrived.
    fresh_ms: u64,
    /// How often it restarted with the epoch that it had.
    resyncs: u32,
    clock: Clock,
    /// When its run began, by what it says of the time since, in milliseconds of the collector's clock.
    start_ms: Option<i64>,
    /// What its life was when it was last looked at.
    pub(super) was: Life,
    /// The counts for receipts, once there are any in this run.
    pub(super) received: Option<RunCounts>,
    /// The critical events of this run, once there are any.
    pub(super) ids: Option<Box<IdWindow>>,
    baseline: Baseline<Losses>,
    /// The number of the cut before which it last changed, and whether it was ever in one.
    pub(super) cut: u32,
    pub(super) kept: bool,
}

impl Sender {
    pub(super) fn new(number: u64, header: &Header, now_ms: u64) -> Self {
        Self {
            tracker: if header.sequence < YOUNG {
                SequenceTracker::from_zero()
            } else {
                SequenceTracker::new()
            },
            ended: None,
            told: Prologue::default(),
            records: 0,
            datagrams: 0,
            seen_ms: now_ms,
            since_ms: now_ms,
            finished: (0, 0),
            epoch: header.epoch,
            number,
            from: None,
            lines: None,
            info: None,
            beside: None,
            aside: Vec::new(),
            fresh_ms: now_ms,
            resyncs: 0,
            clock: Clock::default(),
            start_ms: None,
            was: Life::Living,
            received: None,
            ids: None,
            baseline: Baseline::new(now_ms, Losses::default()),
            cut: 0,
            kept: false,
        }
    }

    /// One that sends lines of StatsD.
    pub(super) fn of_lines(id: u64, container: Option<&str>, now_ms: u64) -> Self {
        let container = container.map(str::to_owned);
        let lines = LineAccount { container, ..LineAccount::default() };
        Self { lines: Some(Box::new(lines)), ..Self::new(id, &Header::default(), now_ms) }
    }

    /// Takes note of a datagram with lines. Returns how many bytes more are kept.
    pub(super) fn hear_lines(&mut self, from: Option<&Source>, now_ms: u64) -> isize {
        self.datagrams += 1;
        (self.seen_ms, self.fresh_ms) = (now_ms, now_ms);
        self.hear_from(from)
    }

    /// Takes note of where a datagram came from. Returns how many bytes more are kept.
    #[inline]
    pub(super) fn hear_from(&mut self, from: Option<&Source>) -> isize {
        if from.is_none() || from == self.from.as_ref() {
            return 0;
        }
        let bytes = |from: Option<&Source>| from.map_or(0, Source::bytes) as isize;
        let grown = bytes(from) - bytes(self.from.as_ref());
        self.from = from.cloned();
        grown
    }

    /// What is counted of its lines, if it sends those.
    pub(super) fn lines_mut(&mut self) -> Option<&mut LineAccount> {
        self.lines.as_deref_mut()
    }

    /// One whose sequence numbers say so.
    #[cfg(test)]
    pub(crate) fn with_account(account: Account) -> Self {
        Self { ended: Some(account), ..Self::new(0, &Header::default(), 0) }
    }

    /// Memory beside the entry itself.
    pub(super) fn bytes(&self) -> usize {
        self.aside.iter().map(|datagram| heap(datagram.len()) + 32).sum::<usize>()
            + self.info.as_ref().map_or(0, |info| info.bytes())
            + self.from.as_ref().map_or(0, Source::bytes)
            + self.lines.as_ref().map_or(0, |lines| lines.bytes())
    }

    /// The acknowledgement of its critical events, all of it.
    pub(super) fn ack(&self) -> Option<Ack<'_>> {
        Some(self.ids.as_deref()?.ack(self.number, self.epoch))
    }

    /// The number that it sends under: its id, unless it shares the number with another process.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Where its latest datagram came from, as far as it is known.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.from.as_ref()
    }

    /// The same as text; for a sender of lines without the port, as all ports of a machine are one such sender.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let text =
            |from: &Source| if self.lines.is_some() { from.host() } else { from.to_string() };
        self.from.as_ref().map(text)
    }

    /// What was counted of it, if it sends lines of StatsD. They have no numbers: nobody can know how many were lost.
    #[must_use]
    pub fn lines(&self) -> Option<&LineAccount> {
        self.lines.as_deref()
    }

    /// What it says of itself.
    #[must_use]
    pub fn info(&self) -> Option<&SenderInfo> {
        self.info.as_deref()
    }

    /// The id and the address of another process that sends under the same number.
    #[must_use]
    pub fn beside(&self) -> Option<(u64, Option<&Source>)> {
        self.beside.as_ref().map(|(id, at)| (*id, at.as_ref()))
    }

    /// How often it restarted with the epoch that it had.
    #[must_use]
    pub fn resyncs(&self) -> u32 {
        self.resyncs
    }

    /// How often its clock was set, and by how many milliseconds the last time.
    #[must_use]
    pub fn clock_jumps(&self) -> (u64, i64) {
        (self.clock.jumps, self.clock.by_ms)
    }
}
