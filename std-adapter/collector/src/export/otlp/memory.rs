//! What the last round said of each series: its start time, and the totals from which differences are taken.
//!
//! What rules add up is in several shards, each of which may forget its share when its senders are gone. So what it has
//! gained is taken from each shard by itself, and added up here: a total that never falls.

use super::exponential::SCALE;
use super::points::Said;
use crate::export::seen::Seen;
use crate::metrics::Exponential;
use crate::series::{Data, Distribution};
use crate::store::{PageKey, Series};

/// A series of a shard.
type Key = (usize, PageKey);

/// The state of each series as of the last round.
#[derive(Debug)]
pub(super) struct Memory {
    is_delta: bool,
    /// The time of the last round.
    last_ms: u64,
    series: Seen<Key, Last>,
    /// What each shard has of the series that add up others, and the points of these.
    shares: Seen<Key, Last>,
    groups: Seen<PageKey, Said>,
}

/// What was said of a series.
#[derive(Debug)]
struct Last {
    /// Since when it counts.
    start_ms: u64,
    total: Total,
}

#[derive(Debug)]
enum Total {
    Sum(f64),
    Count(u64),
    /// With its sum, for differences.
    Buckets(Exponential, f64),
}

impl Memory {
    /// Creates an empty memory, in which every series counts from `now_ms` on.
    pub(super) fn new(now_ms: u64, is_delta: bool) -> Self {
        Self {
            is_delta,
            last_ms: now_ms,
            series: Seen::default(),
            shares: Seen::default(),
            groups: Seen::default(),
        }
    }

    /// Returns the point of a series for this round, or `None` if differences are sent and there is none. What a series is a
    /// part of is said by [`gained`](Self::gained) and [`group`](Self::group).
    pub(super) fn say(&mut self, shard: usize, series: &Series) -> Option<Said> {
        let key = (shard, series.page_key());
        let (last_ms, is_delta) = (self.last_ms, self.is_delta);
        match &series.data {
            Data::Passed => None,
            Data::Gauge(gauge) => Some(Said::Level(gauge.value())),
            Data::Set(set) => Some(Said::Level(set.len() as f64)),
            Data::Counter(counter) => {
                let last = self.series.at(key, counter.stated_run());
                sum(last, last_ms, counter.value(), is_delta)
            }
            Data::Event { count, .. } => {
                sum(self.series.at(key, None), last_ms, *count as f64, is_delta)
            }
            Data::Distribution(of) => {
                let last = self.series.at(key, of.stated_run());
                if is_delta {
                    difference(last, last_ms, of)
                } else {
                    Some(whole(last, last_ms, of))
                }
            }
        }
    }

    /// Returns what a series that adds up others has gained in a shard since the last round, if it counts and has gained
    /// anything.
    pub(super) fn gained(&mut self, shard: usize, group: &Series) -> Option<Said> {
        let last = self.shares.at((shard, group.page_key()), None);
        match &group.data {
            Data::Counter(counter) => sum(last, self.last_ms, counter.value(), true),
            Data::Event { count, .. } => sum(last, self.last_ms, *count as f64, true),
            Data::Distribution(of) => difference(last, self.last_ms, of),
            Data::Gauge(_) | Data::Set(_) | Data::Passed => None,
        }
    }

    /// Returns the point of a series that adds up others, which has gained that in all shards together.
    pub(super) fn group(&mut self, key: PageKey, gained: Option<Said>) -> Option<Said> {
        if self.is_delta {
            return gained;
        }
        let last = self.groups.at(key, None);
        match (last, gained) {
            (Some(total), Some(gained)) => total.add(gained),
            (last @ None, gained) => *last = gained,
            (Some(_), None) => {}
        }
        self.groups.at(key, None).clone()
    }

    /// Forgets the series that no longer exist in this round.
    pub(super) fn end_round(&mut self, time_ms: u64) {
        self.series.end_round();
        self.shares.end_round();
        self.groups.end_round();
        self.last_ms = time_ms;
    }
}

/// The point of a series that counts, for which something else was said last.
fn sum(last: &mut Option<Last>, last_ms: u64, now: f64, is_delta: bool) -> Option<Said> {
    let (start_ms, before) = match last {
        Some(Last { start_ms, total: Total::Sum(before) }) if *before <= now => {
            (*start_ms, *before)
        }
        _ => (last_ms, 0.0),
    };
    *last = Some(Last { start_ms, total: Total::Sum(now) });
    if !is_delta {
        return Some(Said::Sum { start_ms, value: now });
    }
    (now > before).then_some(Said::Sum { start_ms: last_ms, value: now - before })
}

/// The point of a distribution with all its values.
fn whole(last: &mut Option<Last>, last_ms: u64, of: &Distribution) -> Said {
    let start_ms = match last {
        Some(Last { start_ms, total: Total::Count(before) }) if *before <= of.count() => *start_ms,
        _ => last_ms,
    };
    *last = Some(Last { start_ms, total: Total::Count(of.count()) });
    Said::Histogram { start_ms, sum: of.sum(), buckets: Exponential::of(of, 1.0, SCALE) }
}

/// The point of a distribution with the values that have come since the last.
fn difference(last: &mut Option<Last>, start_ms: u64, of: &Distribution) -> Option<Said> {
    let (now, sum) = (Exponential::of(of, 1.0, SCALE), of.sum());
    let (buckets, sum_since) = match last {
        Some(Last { total: Total::Buckets(before, sum_before), .. })
            if now.count() >= before.count() =>
        {
            (now.since(before), sum - *sum_before)
        }
        _ => (now.clone(), sum),
    };
    *last = Some(Last { start_ms, total: Total::Buckets(now, sum) });
    (buckets.count() > 0).then_some(Said::Histogram { start_ms, sum: sum_since, buckets })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Room;

    fn value(said: Option<Said>) -> Option<(u64, f64)> {
        said.map(|said| match said {
            Said::Sum { start_ms, value } => (start_ms, value),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_sum_counts_since_its_start_and_begins_anew_when_it_falls() {
        let (mut last, mut delta) = (None, None);
        let both = [(100, 5.0), (200, 7.0), (300, 7.0), (400, 2.0), (500, 3.0)].map(|(ms, now)| {
            (value(sum(&mut last, ms, now, false)), value(sum(&mut delta, ms, now, true)))
        });
        let totals = both.map(|(total, _)| total.unwrap());
        assert_eq!(totals, [(100, 5.0), (100, 7.0), (100, 7.0), (400, 2.0), (400, 3.0)]);
        let gains = both.map(|(_, gain)| gain);
        let gain = |ms, by| Some((ms, by));
        assert_eq!(gains, [gain(100, 5.0), gain(200, 2.0), None, gain(400, 2.0), gain(500, 1.0)]);
    }

    #[test]
    fn what_several_shards_gain_is_one_total_that_never_falls() {
        let key = PageKey::default();
        let said = |value| Some(Said::Sum { start_ms: 0, value });
        let mut memory = Memory::new(100, false);
        assert_eq!(memory.group(key, None), None, "nothing was ever counted");
        assert_eq!(value(memory.group(key, said(5.0))), Some((0, 5.0)));
        memory.end_round(200);
        // A shard that has forgotten its share gains nothing.
        assert_eq!(value(memory.group(key, None)), Some((0, 5.0)));
        memory.end_round(300);
        assert_eq!(value(memory.group(key, said(2.5))), Some((0, 7.5)));
        memory.end_round(400);
        memory.end_round(500);
        assert_eq!(value(memory.group(key, said(1.0))), Some((0, 1.0)), "it was gone");
        let mut memory = Memory::new(100, true);
        assert_eq!(value(memory.group(key, said(5.0))), Some((0, 5.0)));
        memory.end_round(200);
        assert_eq!(memory.group(key, None), None);
    }

    #[test]
    fn distributions_of_several_shards_are_added_bucket_by_bucket() {
        let of = |values: &[f64]| {
            let mut all = Distribution::of_events();
            values.iter().for_each(|v| assert!(all.add(*v, 1, &mut Room::new(1 << 20))));
            difference(&mut None, 7, &all).unwrap()
        };
        let mut total = of(&[1.0, -3.0, 0.0]);
        total.add(of(&[1.0, 500.0]));
        let Said::Histogram { start_ms, sum, buckets } = total else { panic!("{total:?}") };
        assert_eq!((start_ms, sum, buckets.zero, buckets.count()), (7, 499.0, 1, 5));
        assert_eq!(buckets.positive.values().copied().collect::<Vec<_>>(), [2, 1]);
        assert_eq!(buckets.negative.values().copied().collect::<Vec<_>>(), [1]);
    }
}
