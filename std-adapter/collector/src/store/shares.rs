//! How much of the store each sender uses.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::series::Place;
use crate::limits::{Limit, Limits};
use crate::memory::table;

/// The share of one sender.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Share {
    pub(super) series: usize,
    /// The memory of its series, their contents, and the strings that it was the first to use, in bytes.
    pub(super) bytes: usize,
    /// The newest of its series.
    pub(super) newest: Option<Place>,
}

/// All shares. A sender may have [`FAIR`](Self::FAIR) times what is free: one alone gets three quarters of all, two get
/// three sevenths each, and something is left for whoever comes next.
#[derive(Default, Debug)]
pub(super) struct Shares(HashMap<u64, Share, RandomState>);

impl Shares {
    const FAIR: usize = 3;

    pub(super) fn of(&self, sender: u64) -> Share {
        self.0.get(&sender).copied().unwrap_or_default()
    }

    pub(super) fn change(&mut self, sender: u64, change: impl FnOnce(&mut Share)) {
        let share = self.0.entry(sender).or_default();
        change(share);
        if share.series == 0 && share.bytes == 0 {
            self.0.remove(&sender);
        }
    }

    /// How many of `free` bytes the sender may take, and the limit from which that follows.
    pub(super) fn bytes(&self, sender: u64, free: usize) -> (usize, Limit) {
        let fair = Self::more(self.of(sender).bytes, free);
        if fair < free { (fair, Limit::Share) } else { (free, Limit::Bytes) }
    }

    /// Why the sender may not have another series when there are `series` already, or `None` if it may.
    pub(super) fn refuse_series(
        &self,
        sender: u64,
        series: usize,
        limits: &Limits,
    ) -> Option<Limit> {
        let own = self.of(sender).series;
        let free = limits.series.saturating_sub(series);
        if free == 0 {
            Some(Limit::Series)
        } else if own >= limits.series_per_sender {
            Some(Limit::SeriesPerSender)
        } else if own > free.saturating_mul(Self::FAIR) {
            Some(Limit::Share)
        } else {
            None
        }
    }

    /// How much more a sender may take: until it has [`FAIR`](Self::FAIR) times what is then left.
    const fn more(own: usize, free: usize) -> usize {
        free.saturating_mul(Self::FAIR).saturating_sub(own) / (Self::FAIR + 1)
    }

    /// Releases memory that was needed when there were many more senders.
    pub(super) fn shrink(&mut self) {
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    pub(super) fn memory(&self) -> usize {
        table(self.0.capacity(), size_of::<(u64, Share)>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_later_finds_room() {
        let (mut shares, mut free) = (Shares::default(), 1_000_000);
        let mut take_all = |shares: &mut Shares, sender| {
            for _ in 0..1000 {
                let (room, _) = shares.bytes(sender, free);
                shares.change(sender, |s| s.bytes += room);
                free -= room;
            }
            (shares.of(sender).bytes, free)
        };
        let (first, left) = take_all(&mut shares, 1);
        assert!((749_990..=750_000).contains(&first), "three quarters of all: {first}");
        let (second, left) = (take_all(&mut shares, 2).0, left);
        assert!((second, left) > (187_000, 187_000), "three quarters of the rest: {second}");
    }

    #[test]
    fn each_refusal_has_its_limit() {
        let limits = Limits { series: 100, series_per_sender: 60, ..Limits::default() };
        let mut shares = Shares::default();
        shares.change(1, |s| s.series = 59);
        assert_eq!(shares.refuse_series(1, 59, &limits), None);
        assert_eq!(shares.refuse_series(1, 90, &limits), Some(Limit::Share));
        assert_eq!(shares.refuse_series(2, 90, &limits), None);
        assert_eq!(shares.refuse_series(2, 100, &limits), Some(Limit::Series));
        shares.change(1, |s| s.series = 60);
        assert_eq!(shares.refuse_series(1, 60, &limits), Some(Limit::SeriesPerSender));
    }
}
