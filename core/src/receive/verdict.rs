//! What the tracker says: one word for each datagram, and the sums.

/// What one datagram is, judged by its epoch and sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// The next in order, or ahead of it by no more than a plausible gap. Also the very first of a
    /// sender.
    New,
    /// Overtaken by others on the way, and now it fills its hole.
    Late,
    /// Of another run, and not the first of it unless the current one was known to be over: the sender has restarted. Those
    /// kept aside that it agrees with are to be taken, before it.
    Restart,
    /// Of another run that may have begun, or be a stray: to be kept aside until it is clear what it is. There are six of
    /// them at most; [`is_aside`](super::SequenceTracker::is_aside) says which have given way to others.
    Stranger,
    /// Of another run beside the current one: two processes send under one number. It is to be tracked apart, with those
    /// kept aside before it, and so is what follows of its epoch.
    Twin,
    /// So far ahead that a single stray datagram could be the reason. Its content is new, but the
    /// sums wait for a second datagram that agrees.
    Unconfirmed,
    /// Confirms the jump of an [`Unconfirmed`](Self::Unconfirmed) one before it.
    Jump,
    /// Has been here before.
    Duplicate,
    /// Older than the window remembers: it is not known whether it was here before, and if not, it
    /// has been counted as lost already.
    TooLate,
    /// From an epoch that a restart has ended.
    OldEpoch,
}

impl Verdict {
    /// Whether the content has not been seen before and is to be taken, here and now.
    #[inline]
    #[must_use]
    pub const fn is_new(self) -> bool {
        matches!(self, Self::New | Self::Late | Self::Restart | Self::Unconfirmed | Self::Jump)
    }
}

/// What became of a sender's datagrams, over all its epochs unless said otherwise.
///
/// Two identities hold after every call:
/// - `received + lost + outstanding` is the sum over all epochs of the numbers from the first one
///   expected to the highest one seen, which [`expected`](Self::expected) returns;
/// - `received + unconfirmed + strangers + twins + duplicate + too_late + old_epoch` is the number of datagrams
///   observed.
///
/// Counts stop at their greatest value instead of wrapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Different datagrams that arrived in time.
    pub received: u64,
    /// Datagrams that are given up: their number left the window, or their epoch ended, without
    /// them.
    pub lost: u64,
    /// Datagrams missing so far that may still come.
    pub outstanding: u64,
    /// Those of `received` that others had overtaken.
    pub late: u64,
    /// Copies of datagrams that had arrived before.
    pub duplicate: u64,
    /// Datagrams older than the window. What was lost because it came too late is in `lost` too.
    pub too_late: u64,
    /// Datagrams of an epoch that was over.
    pub old_epoch: u64,
    /// Datagrams far ahead that no second one has agreed with.
    pub unconfirmed: u32,
    /// Datagrams of other runs that were not believed: kept aside still, or strays.
    pub strangers: u32,
    /// Datagrams of other runs that go on beside the current one, as far as they came here.
    pub twins: u32,
    /// How many numbers lay before the first datagram seen, when tracking began in the middle of
    /// an epoch. They are not in `lost`: the sender may have been up long before this tracker
    /// was.
    pub missed_before_start: u32,
    /// How often the epoch changed.
    pub restarts: u32,
    /// How often the sequence jumped ahead by more than a plausible gap.
    pub jumps: u32,
    /// The current epoch; 0 before the first datagram.
    pub epoch: u32,
    /// The first number expected in the current epoch.
    pub first: u64,
    /// One more than the highest number seen in the current epoch; equal to `first` when none was.
    pub next: u64,
}

impl Account {
    /// The highest number seen in the current epoch, extended to 64 bits.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        if self.next > self.first { Some(self.next - 1) } else { None }
    }

    /// How many datagrams the sender is known to have numbered, over all epochs.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.received.saturating_add(self.lost).saturating_add(self.outstanding)
    }

    /// The share of datagrams that were lost, 0 to 1, of those whose fate is settled.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let settled = self.received.saturating_add(self.lost);
        if settled == 0 { 0.0 } else { self.lost as f64 / settled as f64 }
    }
}
