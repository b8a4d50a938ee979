//! What is known about one sender.

use std::hash::RandomState;

use ringstat_core::format::{Header, Prologue};
use ringstat_core::receive::{Account, IdWindow, SequenceTracker, Verdict};

use super::heard::Heard;
use super::lately::Lately;

/// What is known about one sender.
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
    /// The counts for receipts.
    pub(super) heard: Heard,
    /// The critical events of this run, once there are any.
    pub(super) ids: Option<Box<IdWindow>>,
    lately: Lately<Losses>,
}

/// The growing counts by which a sender is judged.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Losses {
    /// Datagrams lost for good.
    pub(crate) lost: u64,
    /// Datagrams that the sender is known to have sent.
    pub(crate) expected: u64,
    /// Events that the sender gave up.
    pub(crate) dropped: u64,
    /// Records received.
    pub(crate) records: u64,
}

/// If the first number received from a sender is below this, the sender has just started, and what is missing before is
/// lost. Otherwise it started before the collector, which then counts from the first number received.
const YOUNG: u32 = 64;

impl Sender {
    pub(super) fn new(hasher: &RandomState, header: &Header, now_ms: u64) -> Self {
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
            heard: Heard::new(hasher, header),
            ids: None,
            lately: Lately::new(now_ms, Losses::default()),
        }
    }

    /// Creates a sender with this account.
    #[cfg(test)]
    pub(crate) fn with_account(account: Account) -> Self {
        let header = Header::default();
        Self { ended: Some(account), ..Self::new(&RandomState::new(), &header, 0) }
    }

    /// Tracks a datagram, and says whether it is new.
    pub(super) fn observe(&mut self, header: &Header, now_ms: u64) -> Verdict {
        self.datagrams += 1;
        self.seen_ms = now_ms;
        self.tracker.observe(header.epoch, header.sequence)
    }

    /// Takes over the account in a new datagram. What a sender has given up only grows within an epoch, so late
    /// datagrams change nothing.
    pub(super) fn take_prologue(&mut self, header: &Header, told: Prologue) {
        if self.epoch != header.epoch {
            self.finished.0 = self.finished.0.saturating_add(self.told.dropped);
            self.finished.1 = self.finished.1.saturating_add(self.told.failed);
            self.told = told;
            self.epoch = header.epoch;
            self.ids = None;
        }
        if told.dropped >= self.told.dropped && told.failed >= self.told.failed {
            self.told = told;
        }
    }

    /// The sender's run, as its series know it.
    pub(super) fn run(&self) -> u32 {
        self.epoch
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Ends the account, because nothing more will arrive.
    pub(super) fn finish(&mut self) {
        self.ended = Some(self.tracker.clone().finish());
    }

    /// Starts a new period if some minutes have passed.
    pub(super) fn turn(&mut self, now_ms: u64) {
        let losses = self.losses();
        self.lately.turn(now_ms, || losses);
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
    pub(crate) fn losses_lately(&self) -> Losses {
        let (now, before) = (self.losses(), self.lately.before());
        Losses {
            lost: now.lost.saturating_sub(before.lost),
            expected: now.expected.saturating_sub(before.expected),
            dropped: now.dropped.saturating_sub(before.dropped),
            records: now.records.saturating_sub(before.records),
        }
    }

    fn losses(&self) -> Losses {
        let account = self.sequence();
        Losses {
            lost: account.lost,
            expected: account.expected(),
            dropped: self.dropped(),
            records: self.records,
        }
    }
}
