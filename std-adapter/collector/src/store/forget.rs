//! Series are forgotten: those that nobody has changed for long, all of a sender, or one of its series to make room.

use std::hash::BuildHasher;

use super::series::{Role, ShownAs};
use super::{Common, Series, Store, strings};

/// What is known of the sender of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// It lives, and may say again at any time what it has not said for long.
    Living,
    /// It is silent or gone, and not forgotten.
    Silent,
    /// Nothing.
    Forgotten,
}

impl Store {
    /// Checks the next `count` places, moves windows on, and forgets series that have not changed for long, as `limits` or a rule say. Returns
    /// how many.
    pub(crate) fn sweep(
        &mut self,
        count: usize,
        now_ms: u64,
        life: impl Fn(u64) -> Known,
    ) -> usize {
        let end = (self.swept + count).min(self.series.len());
        let mut forgotten = 0;
        let common = self.common.clone();
        let redescribe = self.has_new_descriptions(end - self.swept);
        for place in self.swept..end {
            let series = self.series[place].as_ref();
            if series.is_some_and(|s| is_old(&common, s, now_ms, &life)) {
                self.remove(place as u32);
                forgotten += 1;
                continue;
            }
            if redescribe {
                self.redescribe(place as u32);
            }
            if self.keeps_windows {
                self.mark_window(place, now_ms, false);
            }
        }
        self.sweep_descriptions(&life);
        self.swept = end;
        if end == self.series.len() {
            self.swept = 0;
            self.shrink();
        }
        self.balance();
        forgotten
    }

    /// Releases memory that was needed when there were many more series.
    fn shrink(&mut self) {
        let Self { series, free, index, group_index, hasher, .. } = self;
        // The first place is never used.
        strings::trim(series, free, Option::is_none);
        if series.is_empty() {
            series.push(None);
        }
        let again = |n: &u32| series[*n as usize].as_ref().map_or(0, |s| hasher.hash_one(s.key()));
        index.shrink(again);
        group_index.shrink(again);
        self.names.shrink();
        self.tag_sets.shrink();
        self.shares.shrink();
    }

    /// Forgets all series of a sender. Returns how many.
    pub(crate) fn forget(&mut self, sender: u64) -> usize {
        let mut forgotten = 0;
        while let Some(place) = self.shares.of(sender).newest {
            self.remove(place.get());
            forgotten += 1;
        }
        self.forget_descriptions(sender);
        self.balance();
        forgotten
    }

    pub(super) fn remove(&mut self, place: u32) {
        self.before_renewal(place);
        let Some(series) = self.series.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        if series.is_group() {
            return self.removed_group(place, &series);
        }
        let hash = self.hasher.hash_one(series.key());
        self.index.remove(hash, place);
        if let Some(before) = series.before.and_then(|p| self.at(p.get())) {
            before.behind = series.behind;
        }
        if let Some(behind) = series.behind.and_then(|p| self.at(p.get())) {
            behind.before = series.before;
        }
        match series.role() {
            Role::Part(group) => self.leave(group, place),
            _ => self.shown.remove(series.page_key, false),
        }
        self.release(&series);
        self.free.push(place);
        self.common.budget.give_series(1);
        self.data_bytes -= series.bytes();
        self.shares.change(series.sender, |share| {
            share.series -= 1;
            share.bytes = share.bytes.saturating_sub(Self::OVERHEAD + series.bytes());
            if series.before.is_none() {
                share.newest = series.behind;
            }
        });
    }

    /// Gives back the strings of a series that is gone.
    pub(super) fn release(&mut self, series: &Series) {
        let shares = &mut self.shares;
        let mut back = |owner, bytes| {
            shares.change(owner, |share| share.bytes = share.bytes.saturating_sub(bytes));
        };
        let ShownAs { name, tags, .. } = series.shown();
        for name in [Some(series.name), Some(name).filter(|name| *name != series.name)] {
            if let Some((owner, bytes)) = name.and_then(|name| self.names.release(name)) {
                back(owner, bytes);
            }
        }
        for tags in [Some(series.tags), Some(tags).filter(|tags| *tags != series.tags)] {
            tags.into_iter().for_each(|tags| self.tag_sets.release(tags, &mut back));
        }
    }
}

/// Whether a series is to be forgotten.
fn is_old(common: &Common, series: &Series, now_ms: u64, life: impl Fn(u64) -> Known) -> bool {
    let ttl = common.mapping.as_ref().and_then(|mapping| mapping.ttl(series.style()));
    let after = ttl.unwrap_or(common.budget.limits().series_ttl);
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    if series.seen_ms >= now_ms.saturating_sub(after_ms) {
        return false;
    }
    match series.role() {
        Role::Group { parts, .. } => parts == 0,
        // A rule that names a time holds for series of living senders, too. But what a run has stated may be stated again.
        Role::Own => ttl.is_some() || life(series.sender) != Known::Living,
        Role::Part(_) if series.data.is_stated() => life(series.sender) == Known::Forgotten,
        Role::Part(_) => ttl.is_some() || life(series.sender) != Known::Living,
    }
}
