//! A report that is drawn up in slices, so that datagrams need not wait for it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::sender::note;
use super::{Health, Io, Own, Report, SenderReport, SeriesReport};
use crate::intake::Collector;

/// The order of series, which decides which ones are shown: first those heard from most recently, in steps of five
/// seconds so that the order does not flicker; then by sender. The last part is the place in the store.
type Rank = (Reverse<u64>, u64, usize);

/// A report in progress. Its size is bounded by the number of senders and of requested series.
#[derive(Debug)]
pub(crate) struct Draft {
    now_ms: u64,
    shown: usize,
    /// The senders that existed when the report was begun, and how many of them are done.
    ids: Option<Vec<(Reverse<u64>, u64)>>,
    senders: Vec<(u64, SenderReport)>,
    own: HashMap<u64, Own>,
    /// How many places of the store have been looked at, and the best series so far.
    place: usize,
    newest: Vec<Rank>,
}

impl Draft {
    pub(crate) fn new(now_ms: u64, shown: usize) -> Self {
        Self {
            now_ms,
            shown,
            ids: None,
            senders: Vec::new(),
            own: HashMap::new(),
            place: 0,
            newest: Vec::new(),
        }
    }

    /// Continues for about this long. Returns whether there is more to do.
    pub(crate) fn step(&mut self, collector: &Collector, time: Duration) -> bool {
        let start = Instant::now();
        if self.ids.is_none() {
            let ids = collector.senders().map(|(id, s)| (Reverse(s.seen_ms), id));
            self.ids = Some(ids.collect());
            return true;
        }
        let ids = self.ids.get_or_insert_default();
        if self.senders.is_empty() && self.place == 0 {
            ids.sort_unstable();
            // Taken from the end.
            ids.reverse();
        }
        while let Some((_, id)) = ids.pop() {
            if let Some(sender) = collector.sender(id) {
                self.senders.push((id, SenderReport::of(id, sender, self.now_ms)));
            }
            if start.elapsed() > time {
                return true;
            }
        }
        let store = collector.store();
        for (place, series) in store.places(self.place) {
            note(&mut self.own, store, series);
            self.newest.push((Reverse(series.seen_ms / 5000), series.sender, place));
            self.place = place + 1;
            if self.newest.len() > self.shown.saturating_mul(2).saturating_add(1000) {
                self.prune();
            }
            if place % 32 == 0 && start.elapsed() > time {
                return true;
            }
        }
        false
    }

    fn prune(&mut self) {
        if self.newest.len() > self.shown && self.shown > 0 {
            self.newest.select_nth_unstable(self.shown - 1);
        }
        self.newest.truncate(self.shown);
    }

    /// Completes the report when all steps are done.
    pub(crate) fn finish(mut self, collector: &Collector, io: &Io) -> Report {
        self.prune();
        let store = collector.store();
        let series = self.newest.iter().filter_map(|(seen, sender, place)| {
            let (at, series) = store.places(*place).next()?;
            // The series may have been forgotten since, and another be in its place.
            let same = at == *place && series.sender == *sender;
            same.then(|| ((*seen, *sender), SeriesReport::of(store, series)))
        });
        let mut series: Vec<_> = series.collect();
        series.sort_by(|(a, s), (b, t)| {
            a.cmp(b).then_with(|| (&s.name, &s.tags).cmp(&(&t.name, &t.tags)))
        });
        let mut senders = self.senders;
        for (id, report) in &mut senders {
            report.own = self.own.remove(id).unwrap_or_default();
            if let Some(sender) = collector.sender(*id) {
                report.health = Health::of_sender(sender, &report.own);
            }
        }
        let senders = senders.into_iter().map(|(_, report)| report).collect();
        Report::new(collector, io, senders, series.into_iter().map(|(_, s)| s).collect())
    }
}
