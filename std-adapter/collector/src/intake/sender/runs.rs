//! The runs of a sender: which one a datagram is of, and when another one begins.

use crate::series::Data;
use ringstat_core::format::{Header, Prologue};
use ringstat_core::receive::{SequenceTracker, Verdict};

use super::Sender;

/// If the first number received from a sender is below this, the sender has just started, and what is missing before is
/// lost. Otherwise it started before the collector, which then counts from the first number received.
pub(super) const YOUNG: u32 = 64;

/// If only datagrams that came twice, too late or of old epochs have arrived for this long, the sender has restarted
/// with the epoch that it had.
const RESYNC_MS: u64 = 10_000;

/// At least so many of them.
const RESYNC_REFUSED: u16 = 3;

/// A run of epoch 0 that began by more than this later than the one before is another one.
const EPOCH_0_START_MS: i64 = 2000;

impl Sender {
    /// Takes note of a datagram, and says what it is.
    pub(in crate::intake) fn observe(
        &mut self,
        header: &Header,
        prologue: &Prologue,
        now_ms: u64,
    ) -> Verdict {
        self.datagrams += 1;
        if header.epoch != self.epoch && self.is_over(now_ms) {
            self.tracker.presume_over();
        }
        if now_ms.saturating_sub(self.fresh_ms) >= RESYNC_MS {
            self.resync_if_refused(header, prologue);
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
    fn resync_if_refused(&mut self, header: &Header, prologue: &Prologue) {
        use Verdict::{Duplicate, OldEpoch, TooLate};
        let is_refused = matches!(
            self.tracker.preview(header.epoch, header.sequence),
            Duplicate | TooLate | OldEpoch
        );
        let are_enough = self.tracker.refused_in_a_row() + 1 >= RESYNC_REFUSED;
        if is_refused && are_enough && !self.is_old(prologue) {
            self.resync(header);
        }
    }

    /// Whether a datagram was made before the last new one arrived, as its sender's clock says: then it is one of the same run,
    /// however late. Through a log, a copy may come late by any time.
    fn is_old(&self, prologue: &Prologue) -> bool {
        let nanos = prologue.base_time.saturating_mul(prologue.unit.nanos());
        let made_ms = (nanos / 1_000_000).cast_signed();
        let made_ms = made_ms.saturating_sub(self.clock.ahead.unwrap_or_default());
        let has_clock = prologue.base_time > 0 && !prologue.since_boot;
        has_clock && made_ms <= self.fresh_ms.cast_signed()
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
    pub(in crate::intake) fn take_prologue(
        &mut self,
        header: &Header,
        told: Prologue,
        now_ms: u64,
    ) {
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

    /// Goes over to the run of a datagram that was received before a crash and is not counted, if that is a later one.
    /// Returns whether it is the current one then.
    pub(in crate::intake) fn go_on(&mut self, header: &Header, resyncs: u32) -> bool {
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
    pub(in crate::intake) fn missed(header: &Header, now_ms: u64) -> Self {
        let mut sender = Self::new(header.sender, header, now_ms);
        if header.sequence < YOUNG {
            sender.tracker.begin_epoch(header.epoch);
        } else {
            sender.tracker = SequenceTracker::resume(header.epoch, header.sequence.into());
        }
        sender
    }

    /// The run, as the series know it: counts that begin anew with each run do so when this changes.
    pub(in crate::intake) fn run(&self) -> u32 {
        self.epoch.wrapping_add(self.resyncs.wrapping_mul(0x9E37_79B9))
    }

    /// Since when a series of it counts, in seconds since 1970: since the run began, if that has stated what it holds, and
    /// the sender has said when it began.
    pub(crate) fn counts_since(&self, data: &Data) -> Option<f64> {
        let run = match data {
            Data::Counter(counter) => counter.stated_run(),
            Data::Distribution(distribution) => distribution.stated_run(),
            Data::Gauge(_) | Data::Set(_) | Data::Event { .. } | Data::Passed => None,
        }?;
        let started_ms = self.info()?.started_ms;
        (run == self.run() && started_ms > 0).then_some(started_ms as f64 / 1000.0)
    }

    /// Whether the collector has listened since its run began: all that the run has counted is new then.
    pub(in crate::intake) fn is_whole(&self) -> bool {
        let account = self.tracker.stats();
        account.missed_before_start == 0 || account.restarts > 0 || self.resyncs > 0
    }

    /// The epoch of the current run.
    pub(in crate::intake) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Keeps a datagram aside, which is one of those that the tracker calls strangers, if there is room.
    pub(in crate::intake) fn keep_aside(&mut self, datagram: &[u8], has_room: bool) {
        let tracker = &self.tracker;
        self.aside.retain(|kept| {
            Header::parse(kept).is_ok_and(|h| tracker.is_aside(h.epoch, h.sequence))
        });
        if has_room {
            self.aside.push(datagram.into());
        }
    }

    /// The datagrams of an epoch that were kept aside, and are that no longer.
    pub(in crate::intake) fn take_aside(&mut self, epoch: u32) -> Vec<Box<[u8]>> {
        let is_of = |kept: &mut Box<[u8]>| Header::parse(kept).is_ok_and(|h| h.epoch == epoch);
        self.aside.extract_if(.., is_of).collect()
    }

    pub(in crate::intake) fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }
}
