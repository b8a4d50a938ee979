//! What is known of each sender, and who becomes known.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use ringstat_core::format::{Header, Prologue};
use ringstat_core::receive::{Account, IdWindow, SequenceTracker};

use super::heard::Heard;
use crate::limits::Limits;

/// What is known of one sender.
#[derive(Debug)]
pub struct Sender {
    pub(super) tracker: SequenceTracker,
    /// The final word of the tracker, once the collector has ended.
    pub(super) ended: Option<Account>,
    /// What it said of itself in its latest datagram.
    pub told: Prologue,
    /// Records received.
    pub records: u64,
    /// Datagrams received, duplicates included.
    pub datagrams: u64,
    /// When it was last heard of, in milliseconds of the collector's clock.
    pub seen_ms: u64,
    /// Of epochs that ended: events dropped and datagrams given up by the sender.
    finished: (u64, u64),
    pub(super) epoch: u32,
    /// What receipts say.
    pub(super) heard: Heard,
    /// The critical events of this run, once there are any.
    pub(super) ids: Option<Box<IdWindow>>,
}

impl Sender {
    /// One whose sequence numbers say so.
    #[cfg(test)]
    pub(crate) fn with_account(account: Account) -> Self {
        let header = Header::default();
        Self { ended: Some(account), ..Self::new(&RandomState::new(), &header) }
    }

    fn new(hasher: &RandomState, header: &Header) -> Self {
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
            seen_ms: 0,
            finished: (0, 0),
            epoch: header.epoch,
            heard: Heard::new(hasher, header),
            ids: None,
        }
    }

    /// What the sequence numbers say.
    #[must_use]
    pub fn sequence(&self) -> Account {
        self.ended.unwrap_or_else(|| self.tracker.stats())
    }

    /// Events that the sender says it gave up, over all its runs.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.finished.0 + self.told.dropped
    }

    /// Datagrams that the sender says it gave up, over all its runs.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.finished.1 + self.told.failed
    }

    /// Datagrams lost on the way: missing ones that the sender did not give up itself. Never negative.
    #[must_use]
    pub fn lost_in_network(&self) -> u64 {
        let stats = self.sequence();
        stats.lost.saturating_sub(self.failed())
    }
}

/// How many senders can be waiting to be taken.
pub(super) const PROBATION: usize = 1024;

/// A sender first heard of with a number below this has just begun: what is missing before it is lost. One first heard
/// of later was there before the collector, which then counts from where it came in.
const YOUNG: u32 = 64;

/// The sender of a datagram, if it is known or may become so.
pub(super) fn admit<'a>(
    senders: &'a mut HashMap<u64, Sender>,
    probation: &mut [u64],
    hasher: &RandomState,
    limits: &Limits,
    header: &Header,
) -> Option<&'a mut Sender> {
    if !senders.contains_key(&header.sender) {
        if senders.len() >= limits.senders {
            return None;
        }
        if senders.len() >= limits.senders / 2 {
            // A random hash, so that nobody can aim at another's place.
            let place = hasher.hash_one(header.sender) as usize % probation.len();
            if std::mem::replace(&mut probation[place], header.sender) != header.sender {
                return None;
            }
        }
    }
    Some(senders.entry(header.sender).or_insert_with(|| Sender::new(hasher, header)))
}

/// What a sender gave up only grows within an epoch; late datagrams change nothing.
pub(super) fn take_prologue(sender: &mut Sender, header: &Header, told: Prologue) {
    if sender.epoch != header.epoch {
        sender.finished.0 += sender.told.dropped;
        sender.finished.1 += sender.told.failed;
        sender.told = told;
        sender.epoch = header.epoch;
        sender.ids = None;
    }
    if told.dropped >= sender.told.dropped && told.failed >= sender.told.failed {
        sender.told = told;
    }
}
