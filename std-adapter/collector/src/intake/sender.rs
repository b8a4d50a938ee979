//! What is known about one sender.

use ringstat_core::format::{Header, Prologue};
use ringstat_core::receive::{Account, IdWindow, SequenceTracker, Verdict};
use ringstat_core::wire::ack::Ack;

use super::baseline::Baseline;
use super::cut::SenderRow;
use super::replies::RunCounts;
use super::{LineAccount, SenderInfo, Source};
use crate::memory::heap;

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

/// The growing counts by which a sender is judged.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Losses {
    /// Datagrams lost for good.
    pub(crate) lost: u64,
    /// Datagrams received.
    pub(crate) received: u64,
    /// Events that the sender gave up.
    pub(crate) dropped: u64,
    /// Records received.
    pub(crate) records: u64,
    /// How often its clock was set.
    pub(crate) clock_jumps: u64,
}

/// If the first number received from a sender is below this, the sender has just started, and what is missing before is
/// lost. Otherwise it started before the collector, which then counts from the first number received.
const YOUNG: u32 = 64;

/// What is known about a sender's clock.
#[derive(Clone, Copy, Default, Debug)]
struct Clock {
    /// By how much it is ahead of the collector's, in milliseconds.
    ahead: Option<i64>,
    /// How often it jumped, and by how much the last time.
    jumps: u64,
    by_ms: i64,
}

/// Whether a sender lives, as far as it can be known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It was heard from lately, or has not promised how often that would be.
    Living,
    /// It has been silent for more than three of its heartbeats, and has not said goodbye.
    Silent,
    /// It has said goodbye.
    Gone,
}

/// After so many heartbeats without a datagram a sender is silent.
const HEARTBEATS: u64 = 3;
/// A sender that has promised nothing is taken to have restarted at once if it has been silent for this long.
const UNPROMISED_MS: u64 = 10_000;
/// If only datagrams that came twice, too late or of old epochs have arrived for this long, the sender has restarted
/// with the epoch that it had.
const RESYNC_MS: u64 = 10_000;
/// At least so many of them.
const RESYNC_REFUSED: u16 = 3;
/// A run of epoch 0 that began by more than this later than the one before is another one.
const EPOCH_0_START_MS: i64 = 2000;
/// A clock that moves by this much more or less than the collector's has been set.
const CLOCK_JUMP_MS: u64 = 10_000;

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

    /// Takes note of a datagram, and says what it is.
    pub(super) fn observe(&mut self, header: &Header, prologue: &Prologue, now_ms: u64) -> Verdict {
        self.datagrams += 1;
        if header.epoch != self.epoch && self.is_over(now_ms) {
            self.tracker.presume_over();
        }
        if now_ms.saturating_sub(self.fresh_ms) >= RESYNC_MS {
            self.resync_if_refused(header);
        }
        if header.epoch == 0 && prologue.since_boot {
            self.look_at_start(header, prologue, now_ms);
        }
        let verdict = self.tracker.observe(header.epoch, header.sequence);
        match verdict {
            Verdict::Restart => self.begin_run(header.epoch),
            Verdict::Stranger | Verdict::Twin | Verdict::OldEpoch => return verdict,
            _ => {}
        }
        self.seen_ms = now_ms;
        if verdict.is_new() {
            self.fresh_ms = now_ms;
        }
        verdict
    }

    /// Epoch 0 is that of senders that can tell their runs apart by nothing else than when they began.
    fn look_at_start(&mut self, header: &Header, prologue: &Prologue, now_ms: u64) {
        let nanos = prologue.base_time.saturating_mul(prologue.unit.nanos());
        let start = now_ms.cast_signed().saturating_sub_unsigned(nanos / 1_000_000);
        let is_later = self.start_ms.is_some_and(|before| start > before + EPOCH_0_START_MS);
        let is_below = u64::from(header.sequence) < self.tracker.next();
        if self.epoch == 0 && is_later && is_below {
            self.resync(header);
        }
        self.start_ms = Some(start);
    }

    /// Begins anew with this datagram, although its epoch is the same.
    #[cold]
    fn resync(&mut self, header: &Header) {
        self.tracker.resync(header.sequence < YOUNG);
        self.resyncs = self.resyncs.saturating_add(1);
        self.begin_run(header.epoch);
    }

    /// Begins anew if nothing else explains what arrives.
    #[cold]
    fn resync_if_refused(&mut self, header: &Header) {
        use Verdict::{Duplicate, OldEpoch, TooLate};
        let is_refused = matches!(
            self.tracker.preview(header.epoch, header.sequence),
            Duplicate | TooLate | OldEpoch
        );
        if is_refused && self.tracker.refused_in_a_row() + 1 >= RESYNC_REFUSED {
            self.resync(header);
        }
    }

    /// Another run begins: what is counted within one begins anew.
    fn begin_run(&mut self, epoch: u32) {
        self.finished.0 = self.finished.0.saturating_add(self.told.dropped);
        self.finished.1 = self.finished.1.saturating_add(self.told.failed);
        self.told = Prologue::default();
        self.epoch = epoch;
        self.ids = None;
        self.received = None;
        self.clock.ahead = None;
    }

    /// Takes note of what a new datagram says of its sender. What it gave up only grows within an epoch; late
    /// datagrams change nothing.
    pub(super) fn take_prologue(&mut self, header: &Header, told: Prologue, now_ms: u64) {
        if told.goodbye {
            self.tracker.leave(header.sequence);
        }
        if told.dropped >= self.told.dropped && told.failed >= self.told.failed {
            self.told = told;
        }
        // The latest one: those that were overtaken have an earlier time. Without a clock it is always 0.
        let is_latest = self.tracker.next() as u32 == header.sequence.wrapping_add(1);
        if is_latest && told.base_time > 0 {
            let nanos = told.base_time.saturating_mul(told.unit.nanos());
            self.clock.look((nanos / 1_000_000).cast_signed(), now_ms);
        }
    }

    /// Keeps a datagram aside, which is one of those that the tracker calls strangers, if there is room.
    pub(super) fn keep_aside(&mut self, datagram: &[u8], has_room: bool) {
        let tracker = &self.tracker;
        self.aside.retain(|kept| {
            Header::parse(kept).is_ok_and(|h| tracker.is_aside(h.epoch, h.sequence))
        });
        if has_room {
            self.aside.push(datagram.into());
        }
    }

    /// The datagrams of an epoch that were kept aside, and are that no longer.
    pub(super) fn take_aside(&mut self, epoch: u32) -> Vec<Box<[u8]>> {
        let is_of = |kept: &mut Box<[u8]>| Header::parse(kept).is_ok_and(|h| h.epoch == epoch);
        self.aside.extract_if(.., is_of).collect()
    }

    pub(super) fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }

    /// Memory beside the entry itself.
    pub(super) fn bytes(&self) -> usize {
        self.aside.iter().map(|datagram| heap(datagram.len()) + 32).sum::<usize>()
            + self.info.as_ref().map_or(0, |info| info.bytes())
            + self.from.as_ref().map_or(0, Source::bytes)
            + self.lines.as_ref().map_or(0, |lines| lines.bytes())
    }

    /// Goes over to the run of a datagram that was received before a crash and is not counted, if that is a later one.
    /// Returns whether it is the current one then.
    pub(super) fn go_on(&mut self, header: &Header, resyncs: u32) -> bool {
        if header.epoch != self.epoch {
            self.tracker.begin_epoch(header.epoch);
            if self.tracker.stats().epoch != header.epoch {
                return false;
            }
            self.begin_run(header.epoch);
        }
        if resyncs > self.resyncs {
            self.resync(header);
            self.resyncs = resyncs;
        }
        resyncs == self.resyncs
    }

    /// A sender that was first heard of after the last cut, of which a critical event tells. What it sent before, and that
    /// datagram itself, are missing.
    pub(super) fn missed(header: &Header, now_ms: u64) -> Self {
        let mut sender = Self::new(header.sender, header, now_ms);
        if header.sequence < YOUNG {
            sender.tracker.begin_epoch(header.epoch);
        } else {
            sender.tracker = SequenceTracker::resume(header.epoch, header.sequence.into());
        }
        sender
    }

    /// What is kept of it.
    pub(super) fn row(&self) -> SenderRow {
        SenderRow {
            number: self.number,
            tracker: self.tracker.clone(),
            ids: self.ids.as_deref().cloned(),
            epoch: self.epoch,
            resyncs: self.resyncs,
            told: (self.told.dropped, self.told.failed),
            finished: self.finished,
            records: self.records,
            datagrams: self.datagrams,
            since_ms: self.since_ms,
            seen_ms: self.seen_ms,
            fresh_ms: self.fresh_ms,
            start_ms: self.start_ms,
            clock: (self.clock.jumps, self.clock.by_ms),
            from: self.from.clone(),
            info: self.info.as_deref().cloned(),
            aside: self.aside.iter().map(|datagram| datagram.to_vec()).collect(),
            lines: self.lines.as_deref().cloned(),
        }
    }

    /// A sender that was kept.
    pub(super) fn restored(row: SenderRow, now_ms: u64) -> Self {
        let header = Header { epoch: row.epoch, ..Header::default() };
        let mut sender = Self {
            tracker: row.tracker,
            ids: row.ids.map(Box::new),
            resyncs: row.resyncs,
            told: Prologue { dropped: row.told.0, failed: row.told.1, ..Prologue::default() },
            finished: row.finished,
            records: row.records,
            datagrams: row.datagrams,
            since_ms: row.since_ms.min(now_ms),
            seen_ms: row.seen_ms.min(now_ms),
            fresh_ms: row.fresh_ms.min(now_ms),
            start_ms: row.start_ms,
            // How far ahead it was says nothing: the collector's clock has stood still.
            clock: Clock { ahead: None, jumps: row.clock.0, by_ms: row.clock.1 },
            from: row.from,
            info: row.info.map(Box::new),
            aside: row.aside.into_iter().map(Into::into).collect(),
            lines: row.lines.map(Box::new),
            kept: true,
            ..Self::new(row.number, &header, now_ms)
        };
        sender.was = sender.life(now_ms);
        // What was lost in a life before is not lost lately.
        sender.baseline = Baseline::new(now_ms, sender.losses());
        sender
    }

    /// The acknowledgement of its critical events, all of it.
    pub(super) fn ack(&self) -> Option<Ack<'_>> {
        Some(self.ids.as_deref()?.ack(self.number, self.epoch))
    }

    /// The run, as the series know it: counts that begin anew with each run do so when this changes.
    pub(super) fn run(&self) -> u32 {
        self.epoch.wrapping_add(self.resyncs.wrapping_mul(0x9E37_79B9))
    }

    /// Whether the collector has listened since its run began: all that the run has counted is new then.
    pub(super) fn is_whole(&self) -> bool {
        let account = self.tracker.stats();
        account.missed_before_start == 0 || account.restarts > 0 || self.resyncs > 0
    }

    /// The epoch of the current run.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
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

    /// Whether it lives.
    #[must_use]
    pub fn life(&self, now_ms: u64) -> Life {
        let promised = self.info.as_ref().map_or(0, |info| info.heartbeat_ms);
        if self.tracker.has_left() {
            Life::Gone
        } else if promised > 0 && self.silent_ms(now_ms) > promised.saturating_mul(HEARTBEATS) {
            Life::Silent
        } else {
            Life::Living
        }
    }

    /// Milliseconds since it was last heard from.
    #[must_use]
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.seen_ms)
    }

    /// Whether its gauges say nothing any more: it is silent or gone, and was last heard from a while ago. So the last value
    /// that a sender says is scraped at least once.
    pub(crate) fn gauges_are_over(&self, now_ms: u64) -> bool {
        const SCRAPED_MS: u64 = 60_000;
        self.life(now_ms) != Life::Living && self.silent_ms(now_ms) > SCRAPED_MS
    }

    /// Whether what comes of another run is a restart.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        let promises = self.info.as_ref().is_some_and(|info| info.heartbeat_ms > 0);
        self.life(now_ms) != Life::Living || (!promises && self.silent_ms(now_ms) > UNPROMISED_MS)
    }

    /// Ends the account, because nothing more will arrive.
    pub(super) fn finish(&mut self) {
        self.ended = Some(self.tracker.clone().finish());
    }

    /// Starts a new period if some minutes have passed.
    pub(super) fn rotate(&mut self, now_ms: u64) {
        let losses = self.losses();
        self.baseline.rotate(now_ms, || losses);
    }

    /// The account of sequence numbers.
    #[must_use]
    pub fn sequence(&self) -> Account {
        self.ended.unwrap_or_else(|| self.tracker.stats())
    }

    /// Events that the sender reports to have given up, over all its runs.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.finished.0.saturating_add(self.told.dropped)
    }

    /// Datagrams that the sender reports to have given up, over all its runs.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.finished.1.saturating_add(self.told.failed)
    }

    /// Datagrams lost on the way: missing datagrams that the sender did not give up itself. Never negative.
    #[must_use]
    pub fn lost_in_network(&self) -> u64 {
        self.sequence().lost.saturating_sub(self.failed())
    }

    /// The losses of the last minutes, by which the sender is judged.
    pub(crate) fn recent_losses(&self) -> Losses {
        let (now, before) = (self.losses(), self.baseline.before());
        Losses {
            lost: now.lost.saturating_sub(before.lost),
            received: now.received.saturating_sub(before.received),
            dropped: now.dropped.saturating_sub(before.dropped),
            records: now.records.saturating_sub(before.records),
            clock_jumps: now.clock_jumps.saturating_sub(before.clock_jumps),
        }
    }

    fn losses(&self) -> Losses {
        let account = self.sequence();
        Losses {
            lost: account.lost,
            received: account.received,
            dropped: self.dropped(),
            records: self.records,
            clock_jumps: self.clock.jumps,
        }
    }
}

impl Clock {
    /// Compares it with the collector's.
    fn look(&mut self, time_ms: i64, now_ms: u64) {
        let ahead = time_ms.wrapping_sub_unsigned(now_ms);
        if let Some(before) = self.ahead.replace(ahead) {
            let by = ahead.wrapping_sub(before);
            if by.unsigned_abs() > CLOCK_JUMP_MS {
                self.jumps += 1;
                self.by_ms = by;
            }
        }
    }
}
