//! A distribution in log-linear buckets.

use ringstat_core::instrument::Layout;
use serde::{Deserialize, Serialize};

use super::buckets::{Dense, SavedLayout, Sparse};
use super::window::{Present, Window};
use super::{Gain, count};
use crate::memory::{Room, heap};

/// A distribution of values, as counts in log-linear buckets.
///
/// Samples that arrive one by one add up over the sender's runs. The state of a histogram instrument belongs to the
/// current run and starts again with the next one, like a [`Counter`](super::Counter)'s total.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Distribution {
    #[serde(with = "SavedLayout")]
    layout: Layout,
    /// Single samples from 0 on.
    above: Dense,
    /// Single samples below 0, without their sign.
    below: Option<Box<Dense>>,
    sum: f64,
    /// The state of an instrument in this run.
    state: State,
    /// Only where quantiles are those of a window. It is not saved.
    #[serde(skip)]
    window: Window,
}

/// The state of a histogram instrument, as its sender reports it.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
struct State {
    buckets: Sparse,
    sum: f64,
    /// The run, and the latest datagram that reported any of it.
    from: Option<(u32, u32)>,
}

impl Distribution {
    /// Creates a distribution for events: 16 buckets an octave, a relative error of at most 3.1 %, from 2^-20 on in
    /// both directions.
    #[must_use]
    pub(crate) fn of_events() -> Self {
        Self::of_state(Layout { precision: 4, min_exponent: -20 })
    }

    /// Creates a distribution for an instrument with that layout.
    fn of_state(layout: Layout) -> Self {
        let above = Dense::new(layout);
        let (state, window) = (State::default(), Window::default());
        Self { layout, above, below: None, sum: 0.0, state, window }
    }

    /// Adds a sample that stands for `rate` samples. Returns `false`, and changes nothing, if it is infinite or not a
    /// number.
    #[must_use]
    pub(crate) fn add(&mut self, sample: f64, rate: u32, room: &mut Room) -> bool {
        if sample.is_finite() {
            self.put(sample, u64::from(rate), room);
            self.sum = clamp(self.sum + sample * f64::from(rate));
        }
        sample.is_finite()
    }

    #[cold]
    fn add_below(&mut self, size: f64, count: u64, room: &mut Room) {
        if self.below.is_none() && room.take(Self::BELOW) {
            self.below = Some(Box::new(Dense::new(self.layout)));
        }
        match &mut self.below {
            Some(below) => below.add(size, count, room),
            None => {
                // The nearest bucket that exists.
                room.coarser += 1;
                self.above.add(0.0, count, room);
            }
        }
    }

    const BELOW: usize = heap(size_of::<Dense>());

    /// Takes some or all of the buckets since the beginning of a run, from a datagram of that run. Calls `gained` with
    /// each bucket of which the run has counted more than was known, and returns how much more the sum is.
    pub(crate) fn state(
        &mut self,
        (run, sequence): (u32, u32),
        layout: Layout,
        sum: f64,
        buckets: impl Iterator<Item = (u16, u64)>,
        room: &mut Room<'_>,
        gained: impl FnMut(u16, Gain<u64>),
    ) -> Gain<f64> {
        if self.layout != layout {
            room.give(self.bytes());
            *self = Self::of_state(layout);
        }
        let state = &mut self.state;
        if state.from.is_some_and(|(of, _)| of != run) {
            state.buckets.clear(room);
            *state = State::default();
        }
        let mut gain = Gain { is_first: state.from.is_none(), by: 0.0 };
        if state.from.is_none_or(|(_, last)| sequence.wrapping_sub(last).cast_signed() >= 0) {
            state.from = Some((run, sequence));
            if sum.is_finite() {
                gain.by = sum - state.sum;
                state.sum = sum;
            }
        }
        state.buckets.update(buckets, room, gained);
        gain
    }

    /// Whether its sender has stated anything in this run, of which the next states more.
    pub(crate) fn is_stated(&self) -> bool {
        self.state.from.is_some()
    }

    /// Only what its sender has stated, without single samples.
    pub(crate) fn stated(self) -> Self {
        Self { state: self.state, ..Self::of_state(self.layout) }
    }

    /// Adds what a part of this one has gained: buckets of that layout, and to the sum.
    pub(crate) fn gain(
        &mut self,
        layout: Layout,
        buckets: &[(u16, u64)],
        sum: f64,
        room: &mut Room<'_>,
    ) {
        self.take_layout(layout, room);
        for (index, count) in buckets {
            self.put(layout.middle(usize::from(*index)), *count, room);
        }
        self.sum = clamp(self.sum + sum);
    }

    /// Adds all that another one has.
    pub(crate) fn absorb(&mut self, other: &Self, room: &mut Room<'_>) {
        self.take_layout(other.layout, room);
        for (value, count) in other.values() {
            self.put(value, count, room);
        }
        let before = other.window.before(other.stated_run(), |index| other.layout.middle(index));
        if let Some(before) = before {
            self.window.absorb(before);
        }
        self.sum = clamp(self.sum + other.sum());
    }

    /// Takes the layout of the first that is added, so that nothing becomes coarser as long as all have the same.
    fn take_layout(&mut self, layout: Layout, room: &mut Room<'_>) {
        if self.layout != layout && self.count() == 0 {
            room.give(self.bytes());
            *self = Self { sum: self.sum, ..Self::of_state(layout) };
        }
    }

    fn put(&mut self, value: f64, count: u64, room: &mut Room<'_>) {
        if value < 0.0 {
            self.add_below(-value, count, room);
        } else {
            self.above.add(value.min(f64::MAX), count, room);
        }
    }

    /// The number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        let below = self.below.as_ref().map_or(0, |below| below.count());
        let one_by_one = self.above.count().saturating_add(below);
        self.state.buckets.iter().fold(one_by_one, |sum, (_, n)| sum.saturating_add(n))
    }

    /// The sum of all samples.
    #[must_use]
    pub fn sum(&self) -> f64 {
        clamp(self.sum + self.state.sum)
    }

    /// The values below which these shares of all samples lie, within the layout's relative error.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        quantiles(self.values().collect(), shares)
    }

    /// The same for the samples of the last four to five minutes, if such a window is kept, and of all samples otherwise.
    pub(crate) fn recent_quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        if self.window.is_none() {
            return self.quantiles(shares);
        }
        quantiles(self.window.within(self.present(), |index| self.layout.middle(index)), shares)
    }

    /// Keeps the window for [`recent_quantiles`](Self::recent_quantiles). To be called at least once a minute. What is
    /// there at first is left out if `is_old`; if not, only what its sender has stated so far, which may be from a time
    /// before anybody listened.
    pub(crate) fn mark(&mut self, now_ms: u64, is_old: bool, room: &mut Room<'_>) {
        if !self.window.is_due(now_ms) {
            return;
        }
        let mut present = self.present();
        if self.window.is_none() && !is_old {
            present.values.clear();
        }
        self.window.mark(now_ms, present, room);
    }

    /// Whether [`mark`](Self::mark) has anything to do.
    pub(crate) fn is_mark_due(&self, now_ms: u64) -> bool {
        self.window.is_due(now_ms)
    }

    fn present(&self) -> Present {
        let below = self.below.iter().flat_map(|below| below.iter());
        let mut values: Vec<_> =
            below.map(|(size, n)| (-size, n)).chain(self.above.iter()).collect();
        values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Present { values, run: self.stated_run(), stated: self.state.buckets.iter().collect() }
    }

    /// How many samples, divided by `scale`, lie above the bound before and not above each bound, for `bounds` that rise;
    /// the last number is of those above all of them.
    pub(crate) fn between(&self, bounds: &[f64], scale: f64) -> Vec<u64> {
        let mut counts = vec![0u64; bounds.len() + 1];
        for (value, n) in self.values() {
            let count = &mut counts[bounds.partition_point(|bound| *bound < value / scale)];
            *count = count.saturating_add(n);
        }
        counts
    }

    /// The middles of all buckets with how many samples each has, in no order.
    pub(crate) fn values(&self) -> impl Iterator<Item = (f64, u64)> {
        let below = self.below.iter().flat_map(|below| below.iter());
        let stated = self.state.buckets.iter().map(|(i, n)| (self.layout.middle(i), n));
        below.map(|(size, n)| (-size, n)).chain(self.above.iter()).chain(stated)
    }

    /// The lowest bound of its buckets: what is closer to zero than that counts as zero.
    pub(crate) fn least(&self) -> f64 {
        f64::from(self.layout.min_exponent).exp2()
    }

    /// The run whose state it shows, if it shows a state: with another run it begins anew.
    pub(crate) fn stated_run(&self) -> Option<u32> {
        self.state.from.map(|(run, _)| run)
    }

    /// Whether it can have come about, and was not read from damaged memory.
    pub(super) fn is_sound(&self) -> bool {
        let dense = |dense: &Dense| dense.is_sound(self.layout);
        (1..=8).contains(&self.layout.precision)
            && dense(&self.above)
            && self.below.as_deref().is_none_or(dense)
            && self.state.buckets.is_sound()
            && self.sum.is_finite()
            && self.state.sum.is_finite()
    }

    /// The memory of its contents, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let below = self.below.as_ref().map_or(0, |below| Self::BELOW + below.bytes());
        self.above.bytes() + below + self.state.buckets.bytes() + self.window.bytes()
    }
}

/// The values below which these shares of the samples in these buckets lie.
fn quantiles<const N: usize>(mut all: Vec<(f64, u64)>, shares: [f64; N]) -> Option<[f64; N]> {
    // Sorted runs, which a merge sort handles in linear time.
    all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let count = count(&all);
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

/// Keeps a sum finite.
fn clamp(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_add_up_and_states_begin_anew_with_each_run() {
        let room = &mut Room::new(1 << 20);
        let layout = Layout { precision: 3, min_exponent: 0 };
        let mut d = Distribution::of_state(layout);
        d.state((1, 5), layout, 30.0, [(9, 2), (17, 1)].into_iter(), room, |_, _| {});
        d.state((1, 4), layout, 20.0, [(9, 1)].into_iter(), room, |_, _| {});
        assert_eq!((d.count(), d.sum()), (3, 30.0), "a late one changes nothing");
        assert_eq!(room.taken() as usize, d.bytes());
        d.state((2, 0), layout, 5.0, [(1, 4)].into_iter(), room, |_, _| {});
        assert_eq!((d.count(), d.sum()), (4, 5.0));
        assert_eq!(d.quantiles([0.0, 0.99]), Some([layout.middle(1); 2]));
        assert_eq!(d.between(&[0.1, layout.middle(1)], 1.0), [0, 4, 0], "a bound is inclusive");
        assert!(d.add(7.0, 1, room));
        d.state((3, 0), layout, 1.0, [(1, 1)].into_iter(), room, |_, _| {});
        assert_eq!((d.count(), d.sum()), (2, 8.0));
        assert_eq!(room.taken() as usize, d.bytes());
        let mut d = Distribution::of_events();
        (1..=1000).for_each(|i| assert!(d.add(f64::from(i), 2, room)));
        let [p50, p99] = d.quantiles([0.5, 0.99]).unwrap();
        assert!((p50 - 500.0).abs() < 16.0 && (p99 - 990.0).abs() < 31.0, "{p50} {p99}");
        assert_eq!(d.count(), 2000);
        assert_eq!(Distribution::of_events().quantiles([0.5]), None);
    }

    /// Compared with the sorted samples.
    #[test]
    fn quantiles_are_right_on_both_sides_of_zero() {
        let mut room = Room::new(1 << 20);
        let mut d = Distribution::of_events();
        let mut samples: Vec<f64> =
            (0..2001).map(|n| f64::from(n * 733 % 2001 - 1500) / 7.0).collect();
        samples.iter().for_each(|s| assert!(d.add(*s, 1, &mut room)));
        samples.sort_by(f64::total_cmp);
        for (share, found) in [0.0, 0.1, 0.5, 0.7497, 0.75, 0.9, 0.999]
            .map(|share| (share, d.quantiles([share]).unwrap()[0]))
        {
            let right = samples[(share * 2001.0) as usize];
            assert!((found - right).abs() <= right.abs() * 0.0313, "{share}: {found}, not {right}");
        }
        assert!((d.sum() - samples.iter().sum::<f64>()).abs() < 1e-6);
        assert_eq!((d.count(), room.taken() as usize), (2001, d.bytes()));
    }

    #[test]
    fn without_room_a_negative_sample_counts_where_it_is_nearest() {
        let mut room = Room::new(0);
        let mut d = Distribution::of_events();
        assert!(d.add(-5.0, 3, &mut room));
        assert_eq!((d.count(), d.sum(), room.coarser), (3, -15.0, 1));
        assert_eq!(d.quantiles([0.5]), Some([0.0]));
    }

    #[test]
    fn a_sum_that_falls_is_the_latest() {
        let room = &mut Room::new(1 << 20);
        let layout = Layout { precision: 3, min_exponent: 0 };
        let mut d = Distribution::of_state(layout);
        for (sequence, sum) in [(u32::MAX, 5.0), (0, -3.0), (u32::MAX - 1, 9.0)] {
            d.state((1, sequence), layout, sum, [(0, 1)].into_iter(), room, |_, _| {});
        }
        assert_eq!(d.sum(), -3.0);
    }

    #[test]
    fn what_is_no_number_changes_nothing_and_sums_stay_numbers() {
        let room = &mut Room::new(1 << 20);
        let mut d = Distribution::of_events();
        assert!(!d.add(f64::NAN, 1, room) && !d.add(f64::INFINITY, 1, room));
        let layout = Layout { precision: 4, min_exponent: -20 };
        let buckets = [(5, u64::MAX), (6, u64::MAX)];
        d.state((1, 0), layout, f64::INFINITY, buckets.into_iter(), room, |_, _| {});
        d.state((1, 1), layout, f64::NAN, [(5, u64::MAX)].into_iter(), room, |_, _| {});
        (0..4).for_each(|_| assert!(d.add(f64::MAX, 255, room)));
        assert_eq!((d.count(), d.sum()), (u64::MAX, f64::MAX));
        assert!(d.quantiles([0.5]).unwrap()[0].is_finite());
    }

    #[test]
    fn recent_quantiles_are_of_the_last_minutes() {
        let room = &mut Room::new(1 << 20);
        let minute = |n: u64| n * 60_000;
        let mut d = Distribution::of_events();
        let half = |d: &Distribution| d.recent_quantiles([0.5]).map(|[p50]| p50.round());
        assert!(d.add(1000.0, 90, room));
        // Until the first mark, and after it, all are recent.
        assert_eq!(half(&d), d.quantiles([0.5]).map(|[p50]| p50.round()));
        d.mark(minute(1), false, room);
        assert!(d.add(10.0, 9, room));
        assert!(half(&d).unwrap() > 900.0, "what was there before is of this minute too");
        for n in 2..=5 {
            d.mark(minute(n), false, room);
            d.mark(minute(n) + 59_999, false, room);
        }
        assert!(half(&d).unwrap() > 900.0, "it is not yet five minutes old");
        assert!(!d.is_mark_due(minute(6) - 1) && d.is_mark_due(minute(6)));
        d.mark(minute(6), false, room);
        assert_eq!(half(&d), None, "nothing has come for four minutes");
        assert!(d.add(-3.0, 7, room) && d.add(10.0, 2, room));
        assert_eq!(half(&d), Some(-3.0));
        assert!(d.quantiles([0.5]).unwrap()[0] > 900.0, "of all time");
        assert_eq!(room.taken() as usize, d.bytes());
        (7..100).for_each(|n| d.mark(minute(n), false, room));
        assert_eq!((half(&d), room.taken() as usize), (None, d.bytes()));
    }

    #[test]
    fn what_was_stated_before_anybody_listened_is_not_recent() {
        let room = &mut Room::new(1 << 20);
        let layout = Layout { precision: 3, min_exponent: 0 };
        let mut d = Distribution::of_state(layout);
        let mut state = |d: &mut Distribution, run, buckets: &[(u16, u64)]| {
            d.state((run, 5), layout, 0.0, buckets.iter().copied(), room, |_, _| {});
        };
        let half = |d: &Distribution| d.recent_quantiles([0.5]);
        // A week's worth in the first datagram.
        state(&mut d, 1, &[(9, 1_000_000)]);
        d.mark(60_000, false, &mut Room::new(1 << 20));
        assert_eq!(half(&d), None);
        state(&mut d, 1, &[(9, 1_000_001), (17, 2)]);
        assert_eq!(half(&d), Some([layout.middle(17)]));
        // Another run has nothing of that, and all of it is new.
        state(&mut d, 2, &[(9, 3), (17, 1)]);
        assert_eq!(half(&d), Some([layout.middle(9)]));
    }

    #[test]
    fn without_room_the_window_goes_further_back() {
        let mut d = Distribution::of_events();
        assert!(d.add(5.0, 1, &mut Room::new(1 << 20)));
        d.mark(0, false, &mut Room::new(1 << 20));
        (1..50).for_each(|n| d.mark(n * 60_000, false, &mut Room::new(0)));
        assert!(d.recent_quantiles([0.5]).is_some() && !d.is_mark_due(49 * 60_000));
        let mut none = Distribution::of_events();
        none.mark(0, false, &mut Room::new(0));
        assert_eq!(none.window.bytes(), 0);
    }

    #[test]
    fn the_windows_of_several_are_one() {
        let room = &mut Room::new(1 << 20);
        let mut parts = [Distribution::of_events(), Distribution::of_events()];
        for (part, value) in parts.iter_mut().zip([100.0, 1000.0]) {
            assert!(part.add(value, 50, room));
            part.mark(0, true, room);
        }
        assert!(parts[1].add(7.0, 3, room));
        let mut all = Distribution::of_events();
        parts.iter().for_each(|part| all.absorb(part, room));
        assert_eq!((all.count(), all.recent_quantiles([0.5])), (103, all.recent_quantiles([0.0])));
        assert!((all.recent_quantiles([0.5]).unwrap()[0] - 7.0).abs() < 0.3);
    }
}
