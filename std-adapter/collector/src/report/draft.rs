//! A report that is drawn up in slices, so that datagrams need not wait for it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::sender::note;
use super::{Group, Health, Io, Own, Report, SenderReport, SeriesReport, Totals};
use crate::intake::{Collector, Shards};
use crate::store::PageKey;

/// The order of series, which decides which ones are shown: first those heard from most recently, in steps of five
/// seconds so that the order does not flicker; then by sender. The last parts are the shard and the place in its store.
type Rank = (Reverse<u64>, u64, usize, usize);

/// What is at the place of a series.
enum Found {
    Series(SeriesReport),
    Group(PageKey),
}

/// A report in progress. Its size is bounded by the number of senders and of requested series.
#[derive(Debug)]
pub(crate) struct Draft {
    now_ms: u64,
    shown: usize,
    /// The shard that is being looked at,
    shard: usize,
    /// its senders that are still to be done, once it is begun,
    ids: Option<Vec<u64>>,
    /// and the number of its places that have been looked at.
    place: usize,
    /// When each was last heard of, and its shard.
    senders: Vec<(u64, usize, u64, SenderReport)>,
    own: HashMap<u64, Own>,
    /// The best series so far.
    newest: Vec<Rank>,
}

impl Draft {
    pub(crate) fn new(now_ms: u64, shown: usize) -> Self {
        Self {
            now_ms,
            shown,
            shard: 0,
            ids: None,
            place: 0,
            senders: Vec::new(),
            own: HashMap::new(),
            newest: Vec::new(),
        }
    }

    /// Continues for about this long. Returns whether there is more to do.
    pub(crate) fn step<S: Shards + ?Sized>(&mut self, shards: &S, time: Duration) -> bool {
        let start = Instant::now();
        while self.shard < shards.count() && start.elapsed() <= time {
            if shards.look(self.shard, |collector| self.look(collector)) {
                continue;
            }
            (self.shard, self.ids, self.place) = (self.shard + 1, None, 0);
        }
        self.shard < shards.count()
    }

    /// Looks at a little of a shard. Returns whether there is more of it.
    fn look(&mut self, collector: &Collector) -> bool {
        const SENDERS: usize = 64;
        const SERIES: usize = 512;
        let Some(ids) = &mut self.ids else {
            self.ids = Some(collector.senders().map(|(id, _)| id).collect());
            return true;
        };
        if !ids.is_empty() {
            for id in ids.drain(ids.len().saturating_sub(SENDERS)..) {
                if let Some(sender) = collector.sender(id) {
                    let report = SenderReport::of(id, sender, self.now_ms);
                    self.senders.push((sender.seen_ms, self.shard, id, report));
                }
            }
            return true;
        }
        let store = collector.store();
        let mut looked = 0;
        for (place, series) in store.places(self.place).take(SERIES) {
            note(&mut self.own, store, series);
            if !series.is_part() {
                let seen = Reverse(series.seen_ms / 5000);
                self.newest.push((seen, series.sender, self.shard, place));
            }
            self.place = place + 1;
            looked += 1;
        }
        if self.newest.len() > self.shown.saturating_mul(2).saturating_add(1000) {
            self.prune();
        }
        looked == SERIES
    }

    fn prune(&mut self) {
        if self.newest.len() > self.shown && self.shown > 0 {
            self.newest.select_nth_unstable(self.shown - 1);
        }
        self.newest.truncate(self.shown);
    }

    /// Completes the report when all steps are done.
    pub(crate) fn finish<S: Shards + ?Sized>(mut self, shards: &S, io: &Io) -> Report {
        self.prune();
        let mut groups = BTreeSet::new();
        let series = self.newest.iter().filter_map(|(seen, sender, shard, place)| {
            let found = shards.look(*shard, |collector| {
                let store = collector.store();
                let (at, series) = store.places(*place).next()?;
                // The series may have been forgotten since, and another be in its place.
                let same = at == *place && series.sender == *sender;
                same.then(|| match series.is_group() {
                    true => Found::Group(series.page_key()),
                    false => Found::Series(SeriesReport::of(store, series)),
                })
            });
            let report = match found? {
                Found::Series(report) => report,
                // Each shard may have a piece of it.
                Found::Group(page_key) if groups.insert(page_key) => {
                    SeriesReport::of_group(Group::at(shards, page_key, self.now_ms)?)
                }
                Found::Group(_) => return None,
            };
            Some(((*seen, *sender), report))
        });
        let mut series: Vec<_> = series.collect();
        series.sort_by(|(a, s), (b, t)| {
            a.cmp(b).then_with(|| (&s.name, &s.tags, s.class).cmp(&(&t.name, &t.tags, t.class)))
        });
        let mut senders = self.senders;
        senders.sort_by_key(|(seen_ms, _, id, _)| (Reverse(*seen_ms), *id));
        for (_, shard, id, report) in &mut senders {
            report.own = self.own.remove(id).unwrap_or_default();
            shards.look(*shard, |collector| {
                if let Some(sender) = collector.sender(*id) {
                    report.health = Health::of_sender(sender, &report.own, self.now_ms);
                }
            });
        }
        let senders = senders.into_iter().map(|(.., report)| report).collect();
        let series = series.into_iter().map(|(_, series)| series).collect();
        Report::new(&Totals::of(shards), io, senders, series)
    }
}
