//! The limits that all shards share.
//!
//! A shard claims memory before it uses it, in pieces, so that the sum of all claims never exceeds the limit and the
//! shards seldom contend for the counter. Places for series and senders are claimed one by one, because they are seldom
//! created.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::Limits;

/// The fraction of the memory, as a divisor, that is reserved for overflow series, of which each sender may have one of
/// each class, and for senders.
const RESERVE: usize = 16;
/// The fraction of the memory, as a divisor, that may be in use for copies that wait for the disk.
const ROWS: usize = 32;
/// A shard claims this much more than it needs at the moment.
const PIECE: usize = 16 << 10;

/// How much of the limits all shards have taken.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    shards: usize,
    bytes: AtomicUsize,
    series: AtomicUsize,
    senders: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limits: Limits, shards: usize) -> Self {
        let zero = AtomicUsize::default;
        Self { limits, shards: shards.max(1), bytes: zero(), series: zero(), senders: zero() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards
    }

    /// Returns the bytes that nobody has claimed, excluding the reserve.
    pub(crate) fn free_bytes(&self) -> usize {
        self.most(false).saturating_sub(self.bytes.load(Ordering::Relaxed))
    }

    /// Returns how much may be claimed at most.
    fn most(&self, reserve: bool) -> usize {
        let Limits { bytes, .. } = self.limits;
        if reserve { bytes } else { bytes - bytes / RESERVE }
    }

    /// Returns how much of what has changed may wait in a shard for a disk that is slow.
    pub(crate) fn waiting_rows(&self) -> usize {
        /// A cut copies this much at once, however low the limit is.
        const LEAST: usize = 1 << 20;
        (self.limits.bytes / ROWS / self.shards).max(LEAST)
    }

    /// Claims at least this many bytes, or none. Returns how many were claimed.
    pub(crate) fn claim(&self, bytes: usize, reserve: bool) -> Option<usize> {
        let most = self.most(reserve);
        let take = |claim: usize| {
            add(&self.bytes, |taken| taken.checked_add(claim).filter(|sum| *sum <= most))
                .then_some(claim)
        };
        take(bytes.saturating_add(PIECE)).or_else(|| take(bytes))
    }

    /// What a shard that keeps `kept` bytes and has claimed `claimed` should have claimed: what it keeps, and not much more.
    pub(crate) fn balance(&self, claimed: usize, kept: usize) -> usize {
        if kept > claimed {
            // An estimate was too low. The memory is in use, so it counts.
            self.bytes.fetch_add(kept - claimed, Ordering::Relaxed);
            return kept;
        }
        if claimed - kept <= 2 * PIECE {
            return claimed;
        }
        self.bytes.fetch_sub(claimed - kept - PIECE, Ordering::Relaxed);
        kept + PIECE
    }

    /// Returns the number of series.
    pub(crate) fn series(&self) -> usize {
        self.series.load(Ordering::Relaxed)
    }

    /// Takes a place for a series. Overflow series may exceed the limit.
    pub(crate) fn take_series(&self, overflow: bool) -> bool {
        add(&self.series, |n| (overflow || n < self.limits.series).then_some(n + 1))
    }

    pub(crate) fn give_series(&self, count: usize) {
        self.series.fetch_sub(count, Ordering::Relaxed);
    }

    /// Returns whether half the places for senders are taken.
    pub(crate) fn is_half_full(&self) -> bool {
        self.senders.load(Ordering::Relaxed) >= self.limits.senders / 2
    }

    /// Takes a place for a sender in a shard that has `own` already. The last places are for shards with fewer than
    /// their share, so that a flood of numbers of one shard keeps nobody out of another.
    pub(crate) fn take_sender(&self, own: usize) -> bool {
        let most = if own < self.part() { self.limits.senders } else { self.lent() };
        add(&self.senders, |n| (n < most).then_some(n + 1))
    }

    /// Takes a place for a sender that had one before.
    pub(crate) fn put_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn give_senders(&self, count: usize) {
        self.senders.fetch_sub(count, Ordering::Relaxed);
    }

    /// Returns whether a shard that has `own` senders has taken places that others may need.
    pub(crate) fn owes_senders(&self, own: usize) -> bool {
        own > self.part() && self.senders.load(Ordering::Relaxed) > self.lent()
    }

    /// Returns a shard's share of the places for senders.
    fn part(&self) -> usize {
        self.limits.senders.div_ceil(self.shards)
    }

    /// Returns the number of places that any shard may take.
    fn lent(&self) -> usize {
        if self.shards == 1 {
            return self.limits.senders;
        }
        self.limits.senders - self.limits.senders / RESERVE
    }
}

/// Changes a count if `change` returns a new value, and returns whether it did.
fn add(count: &AtomicUsize, change: impl FnMut(usize) -> Option<usize>) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_claimed_than_there_is() {
        let budget = Budget::new(Limits { bytes: 1 << 20, ..Limits::default() }, 2);
        let claim = || {
            let claimed = || budget.claim(1000, false);
            std::iter::from_fn(claimed).map(|c| c as u64).sum::<u64>()
        };
        let all = std::thread::scope(|scope| {
            let claims = [(); 2].map(|()| scope.spawn(claim));
            claims.into_iter().map(|c| c.join().unwrap()).sum::<u64>()
        });
        let most = (1 << 20) - (1 << 16);
        assert!((most - 1000..=most).contains(&all), "{all}");
        assert!(budget.claim(60_000, true).is_some() && budget.claim(60_000, true).is_none());
        assert_eq!(budget.balance(500_000, 0), PIECE);
        assert!(budget.claim(400_000, false).is_some());
    }

    #[test]
    fn a_flood_of_one_shard_leaves_places_to_others() {
        let budget = Budget::new(Limits { senders: 160, ..Limits::default() }, 2);
        let of_first = (0..).take_while(|own| budget.take_sender(*own)).count();
        assert_eq!(of_first, 150);
        let of_second = (0..).take_while(|own| budget.take_sender(*own)).count();
        assert_eq!(of_second, 10);
        assert!(budget.owes_senders(of_first) && !budget.owes_senders(of_second));
        let alone = Budget::new(Limits { senders: 160, ..Limits::default() }, 1);
        assert_eq!((0..).take_while(|own| alone.take_sender(*own)).count(), 160);
        assert!(!alone.owes_senders(160));
    }
}
