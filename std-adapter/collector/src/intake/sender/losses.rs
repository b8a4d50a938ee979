//! What is missing of a sender, and who lost it.

use ringstat_core::receive::Account;

use super::Sender;

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

impl Sender {
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

    /// Ends the account, because nothing more will arrive.
    pub(in crate::intake) fn finish(&mut self) {
        self.ended = Some(self.tracker.clone().finish());
    }

    /// Starts a new period if some minutes have passed.
    pub(in crate::intake) fn rotate(&mut self, now_ms: u64) {
        let losses = self.losses();
        self.baseline.rotate(now_ms, || losses);
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

    pub(super) fn losses(&self) -> Losses {
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
