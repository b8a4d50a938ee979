//! A distribution in log-linear buckets.

use ringstat_core::instrument::Layout;

use super::buckets::{Dense, Sparse};
use crate::memory::Room;

/// A distribution of values, as counts in log-linear buckets.
#[derive(Clone, Debug)]
pub struct Distribution {
    layout: Layout,
    /// What arrived one by one, and the buckets of the sender's earlier runs.
    finished: Dense,
    /// The buckets of this run.
    current: Sparse,
    sum_finished: f64,
    sum_current: f64,
    epoch: Option<u32>,
}

impl Distribution {
    /// Of events: 16 buckets an octave, a relative error of at most 3.1 %, from 2^-20 on.
    #[must_use]
    pub(crate) fn of_events() -> Self {
        Self::of_state(Layout { precision: 4, min_exponent: -20 })
    }

    /// Of an instrument with that layout.
    fn of_state(layout: Layout) -> Self {
        Self {
            layout,
            finished: Dense::new(layout),
            current: Sparse::default(),
            sum_finished: 0.0,
            sum_current: 0.0,
            epoch: None,
        }
    }

    /// One sample that stands for `rate`. One that is infinite or not a number is no sample: it changes nothing.
    #[must_use]
    pub(crate) fn add(&mut self, sample: f64, rate: u32, room: &mut Room) -> bool {
        if sample.is_finite() {
            self.finished.add(sample, u64::from(rate), room);
            self.sum_finished = clamp(self.sum_finished + sample * f64::from(rate));
        }
        sample.is_finite()
    }

    /// Buckets since the sender's start, some or all.
    pub(crate) fn state(
        &mut self,
        epoch: u32,
        layout: Layout,
        sum: f64,
        buckets: impl Iterator<Item = (u16, u64)>,
        room: &mut Room,
    ) {
        if self.layout != layout {
            room.give(self.bytes());
            *self = Self::of_state(layout);
        }
        if self.epoch.is_some_and(|e| e != epoch) {
            for (index, n) in self.current.take(room) {
                self.finished.add_bucket(layout, usize::from(index), n, room);
            }
            let ended = std::mem::take(&mut self.sum_current);
            self.sum_finished = clamp(self.sum_finished + ended);
        }
        self.epoch = Some(epoch);
        if sum.is_finite() {
            self.sum_current = self.sum_current.max(sum);
        }
        self.current.update(buckets, room);
    }

    /// How many samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.current.iter().fold(self.finished.count(), |sum, (_, n)| sum.saturating_add(n))
    }

    /// All samples added up.
    #[must_use]
    pub fn sum(&self) -> f64 {
        clamp(self.sum_finished + self.sum_current)
    }

    /// The values below which these shares of the samples lie, to the layout's relative error.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let current = self.current.iter().map(|(index, n)| (self.layout.middle(index), n));
        let mut all: Vec<(f64, u64)> = self.finished.iter().chain(current).collect();
        // Two runs in order, which a merge sort merges.
        all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let count = self.count();
        if count == 0 {
            return None;
        }
        Some(shares.map(|share| {
            let rank = ((share * count as f64) as u64).min(count - 1);
            let mut seen = 0u64;
            let found = all.iter().find(|(_, n)| {
                seen = seen.saturating_add(*n);
                seen > rank
            });
            found.map_or(0.0, |(value, _)| *value)
        }))
    }

    /// Memory behind it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.finished.bytes() + self.current.bytes()
    }
}

/// A sum stays a number.
fn clamp(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_add_up_over_events_states_and_restarts() {
        let room = &mut Room::new(1 << 20);
        let layout = Layout { precision: 3, min_exponent: 0 };
        let mut d = Distribution::of_state(layout);
        d.state(1, layout, 30.0, [(9, 2), (17, 1)].into_iter(), room);
        d.state(1, layout, 20.0, [(9, 1)].into_iter(), room);
        assert_eq!((d.count(), d.sum()), (3, 30.0));
        d.state(2, layout, 5.0, [(1, 4)].into_iter(), room);
        assert_eq!((d.count(), d.sum()), (7, 35.0));
        assert_eq!(d.quantiles([0.0, 0.99]), Some([layout.middle(1), layout.middle(17)]));
        assert_eq!(room.taken() as usize, d.bytes());
        let mut d = Distribution::of_events();
        (1..=1000).for_each(|i| assert!(d.add(f64::from(i), 2, room)));
        let [p50, p99] = d.quantiles([0.5, 0.99]).unwrap();
        assert!((p50 - 500.0).abs() < 16.0 && (p99 - 990.0).abs() < 31.0, "{p50} {p99}");
        assert_eq!(d.count(), 2000);
        assert_eq!(Distribution::of_events().quantiles([0.5]), None);
    }

    #[test]
    fn what_is_no_number_changes_nothing_and_sums_stay_numbers() {
        let room = &mut Room::new(1 << 20);
        let mut d = Distribution::of_events();
        assert!(!d.add(f64::NAN, 1, room) && !d.add(f64::INFINITY, 1, room));
        let layout = Layout { precision: 4, min_exponent: -20 };
        d.state(1, layout, f64::INFINITY, [(5, u64::MAX), (6, u64::MAX)].into_iter(), room);
        d.state(2, layout, f64::NAN, [(5, u64::MAX)].into_iter(), room);
        (0..4).for_each(|_| assert!(d.add(f64::MAX, 255, room)));
        assert_eq!((d.count(), d.sum()), (u64::MAX, f64::MAX));
        assert!(d.quantiles([0.5]).unwrap()[0].is_finite());
    }
}
