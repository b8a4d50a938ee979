//! By how much each series has grown since the last round.

use crate::export::seen::Seen;
use crate::series::{Data, Distribution, count, since};
use crate::store::{PageKey, Series};

/// The totals of each series as of the last round.
#[derive(Default, Debug)]
pub(super) struct Increases(Seen<(usize, PageKey), Last>);

#[derive(Debug)]
enum Last {
    Count(f64),
    Buckets(Vec<(f64, u64)>),
}

/// By how much a series has grown.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Increase {
    /// A counter, or how often something happened.
    Count(f64),
    /// Numbers of samples, each with their approximate value, in ascending order of the values.
    Samples(Vec<(f64, u64)>),
}

impl Increases {
    /// By how much a series that counts has grown, if it has.
    pub(super) fn of(&mut self, shard: usize, series: &Series) -> Option<Increase> {
        if series.is_part() {
            // What it is a part of is looked at.
            return None;
        }
        let key = (shard, series.page_key());
        match &series.data {
            Data::Counter(counter) => self.count(key, counter.value(), counter.stated_run()),
            Data::Event { count, .. } => self.count(key, *count as f64, None),
            Data::Distribution(of) => self.samples(key, of),
            Data::Gauge(_) | Data::Set(_) | Data::Passed => None,
        }
    }

    /// Forgets the series that no longer exist in this round.
    pub(super) fn end_round(&mut self) {
        self.0.end_round();
    }

    fn count(&mut self, key: (usize, PageKey), now: f64, run: Option<u32>) -> Option<Increase> {
        let before = match self.0.at(key, run).replace(Last::Count(now)) {
            Some(Last::Count(before)) if before <= now => before,
            _ => 0.0,
        };
        (now > before).then_some(Increase::Count(now - before))
    }

    fn samples(&mut self, key: (usize, PageKey), of: &Distribution) -> Option<Increase> {
        let mut now: Vec<_> = of.values().filter(|(_, count)| *count > 0).collect();
        now.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let last = self.0.at(key, of.stated_run());
        let increase = match last.replace(Last::Buckets(now.clone())) {
            Some(Last::Buckets(before)) if count(&before) <= count(&now) => since(now, &before),
            _ => now,
        };
        (!increase.is_empty()).then_some(Increase::Samples(increase))
    }
}
