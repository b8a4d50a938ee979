//! By how much each series has grown since the last round.

use crate::export::seen::Seen;
use crate::series::{Data, Distribution};
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

fn count(buckets: &[(f64, u64)]) -> u64 {
    buckets.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
}

/// What has come since `before`, which had no more samples. Where buckets have become one in between, a sample of before is
/// taken off the nearest; the number of all is exact.
fn since(now: Vec<(f64, u64)>, before: &[(f64, u64)]) -> Vec<(f64, u64)> {
    let mut more: Vec<_> = now.into_iter().map(|(value, n)| (value, i128::from(n))).collect();
    for (value, n) in before {
        let behind = more.partition_point(|(of, _)| of < value);
        let near = [behind.checked_sub(1), Some(behind)].into_iter().flatten();
        let away = |at: usize| more.get(at).map_or(f64::INFINITY, |(of, _)| (of - value).abs());
        let nearest = near.min_by(|a, b| away(*a).total_cmp(&away(*b)));
        if let Some((_, count)) = nearest.and_then(|at| more.get_mut(at)) {
            *count -= i128::from(*n);
        }
    }
    let mut owed: i128 = more.iter().map(|(_, n)| -n.min(&0)).sum();
    for (_, n) in &mut more {
        let paid = owed.min(*n).max(0);
        (*n, owed) = ((*n - paid).max(0), owed - paid);
    }
    let growth = |(value, n): (f64, i128)| (value, u64::try_from(n).unwrap_or(u64::MAX));
    more.into_iter().filter(|(_, n)| *n > 0).map(growth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_is_the_difference_also_when_buckets_become_one() {
        let before = [(1.0, 5), (2.0, 3), (3.0, 1)];
        let same = since(vec![(1.0, 5), (2.0, 4), (3.0, 1), (9.0, 2)], &before);
        assert_eq!(same, [(2.0, 1), (9.0, 2)]);
        assert_eq!(since(before.to_vec(), &before), []);
        // 1 and 2 are one bucket now, and there are two more samples in it.
        assert_eq!(since(vec![(1.5, 10), (3.0, 1)], &before), [(1.5, 2)]);
        // One was counted nearer to another bucket than it is now: the number of all is exact.
        let moved = since(vec![(0.9, 2), (2.1, 9), (3.0, 3)], &before);
        assert_eq!(count(&moved), 14 - 9);
        assert_eq!(since(Vec::new(), &[]), []);
        assert_eq!(since(vec![(1.0, u64::MAX)], &[]), [(1.0, u64::MAX)]);
    }
}
