//! What the last round said of each series: its start time, and the totals from which differences are taken.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::exponential::SCALE;
use super::points::Said;
use crate::metrics::Exponential;
use crate::series::{Data, Distribution};
use crate::store::{PageKey, Series};

/// The state of each series as of the last round.
#[derive(Debug)]
pub(super) struct Memory {
    is_delta: bool,
    /// The time of the last round.
    last_ms: u64,
    round: u32,
    series: HashMap<(usize, PageKey), Known, FxBuildHasher>,
}

/// What is known of a series.
#[derive(Debug)]
struct Known {
    /// Since when it counts.
    start_ms: u64,
    round: u32,
    /// The run of its sender to which it belongs, if it begins anew with the next.
    run: Option<u32>,
    last: Last,
}

impl Known {
    /// Notes a run, and returns whether it is another than before.
    fn enter(&mut self, run: Option<u32>) -> bool {
        let before = std::mem::replace(&mut self.run, run);
        before.is_some() && before != run
    }
}

#[derive(Debug)]
enum Last {
    Sum(f64),
    Count(u64),
    /// With its sum, for differences.
    Buckets(Exponential, f64),
}

impl Memory {
    /// Creates an empty memory, in which every series counts from `now_ms` on.
    pub(super) fn new(now_ms: u64, is_delta: bool) -> Self {
        Self { is_delta, last_ms: now_ms, round: 0, series: HashMap::default() }
    }

    /// Returns the point of a series for this round, or `None` if differences are sent and there is none.
    pub(super) fn say(&mut self, shard: usize, series: &Series) -> Option<Said> {
        let key = (shard, series.page_key());
        if series.is_part() {
            // What it is a part of is sent.
            return None;
        }
        match &series.data {
            Data::Passed => None,
            // It has no value of its own.
            Data::Gauge(_) if series.is_group() => None,
            Data::Gauge(gauge) => Some(Said::Level(gauge.value())),
            Data::Set(set) => Some(Said::Level(set.len() as f64)),
            Data::Counter(counter) => self.sum(key, counter.value(), counter.stated_run()),
            Data::Event { count, .. } => self.sum(key, *count as f64, None),
            Data::Distribution(of) if self.is_delta => self.difference(key, of),
            Data::Distribution(of) => Some(self.whole(key, of)),
        }
    }

    /// Forgets the series that no longer exist in this round.
    pub(super) fn end_round(&mut self, time_ms: u64) {
        let round = self.round;
        self.series.retain(|_, known| known.round == round);
        (self.round, self.last_ms) = (round.wrapping_add(1), time_ms);
    }

    fn known(&mut self, key: (usize, PageKey), zero: impl FnOnce() -> Last) -> &mut Known {
        let Self { last_ms, round, .. } = *self;
        let new = || Known { start_ms: last_ms, round, run: None, last: zero() };
        let known = self.series.entry(key).or_insert_with(new);
        known.round = round;
        known
    }

    fn sum(&mut self, key: (usize, PageKey), now: f64, run: Option<u32>) -> Option<Said> {
        let (is_delta, last_ms) = (self.is_delta, self.last_ms);
        let known = self.known(key, || Last::Sum(0.0));
        let before = if let Last::Sum(before) = known.last { before } else { 0.0 };
        known.last = Last::Sum(now);
        let begins = known.enter(run) || now < before;
        let before = if begins { 0.0 } else { before };
        if begins {
            known.start_ms = last_ms;
        }
        if !is_delta {
            return Some(Said::Sum { start_ms: known.start_ms, value: now });
        }
        (now > before).then_some(Said::Sum { start_ms: last_ms, value: now - before })
    }

    fn whole(&mut self, key: (usize, PageKey), of: &Distribution) -> Said {
        let last_ms = self.last_ms;
        let known = self.known(key, || Last::Count(0));
        let is_less = matches!(known.last, Last::Count(before) if of.count() < before);
        if known.enter(of.stated_run()) || is_less {
            known.start_ms = last_ms;
        }
        known.last = Last::Count(of.count());
        Said::Histogram {
            start_ms: known.start_ms,
            sum: of.sum(),
            buckets: Exponential::of(of, 1.0, SCALE),
        }
    }

    fn difference(&mut self, key: (usize, PageKey), of: &Distribution) -> Option<Said> {
        let start_ms = self.last_ms;
        let known = self.known(key, || Last::Buckets(Exponential::default(), 0.0));
        let (now, sum) = (Exponential::of(of, 1.0, SCALE), of.sum());
        let begins = known.enter(of.stated_run());
        let (buckets, sum_since) = match &known.last {
            Last::Buckets(before, sum_before) if !begins && now.count() >= before.count() => {
                (now.since(before), sum - sum_before)
            }
            _ => (now.clone(), sum),
        };
        known.last = Last::Buckets(now, sum);
        (buckets.count() > 0).then_some(Said::Histogram { start_ms, sum: sum_since, buckets })
    }
}
