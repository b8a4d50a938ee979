//! What a series holds: counters, gauges, distributions, sets and events.

use std::collections::HashSet;

use ringstat_core::instrument::{Layout, Unit};

/// What sort of series a record belongs to. A name may have one of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// Counter events and counter instruments.
    Counter,
    /// Gauge events and gauge instruments.
    Gauge,
    /// Timings, in milliseconds.
    Timing,
    /// Samples.
    Distribution,
    /// Distinct members.
    Set,
    /// Things that happened.
    Event,
    /// A histogram instrument.
    Histogram,
}

impl Class {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Histogram as usize + 1;
}

/// A counter: amounts that arrived one by one, and totals that arrived as state.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counter {
    added: f64,
    /// Totals of the sender's earlier runs.
    finished: u64,
    /// The total of this run.
    current: u64,
    epoch: Option<u32>,
}

impl Counter {
    /// One event.
    pub fn add(&mut self, amount: f64) {
        self.added += amount;
    }

    /// A total since the sender's start. An older one that comes late changes nothing.
    pub fn total(&mut self, epoch: u32, total: u64) {
        if self.epoch.is_some_and(|e| e != epoch) {
            self.finished = self.finished.wrapping_add(self.current);
            self.current = 0;
        }
        self.epoch = Some(epoch);
        self.current = self.current.max(total);
    }

    /// Everything.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.added + self.finished.wrapping_add(self.current) as f64
    }
}

/// A gauge: the latest value.
///
/// What is latest follows from the sender's clock where that can be: threads' events are not sent in the order of their
/// times. But a clock can be set back, and that of a chip begins at 0 with each run; so a run that is new counts for
/// newer, and so does what is sent later and says to be older by more than threads ever are apart.
#[derive(Clone, Copy, Default, Debug)]
pub struct Gauge {
    value: f64,
    /// When it was recorded: nanoseconds by the sender's clock.
    time_ns: u64,
    /// The run and the number of the datagram that brought it.
    from: Option<(u32, u32)>,
}

/// Events that are packed one after the other are apart by less, else the clock was set back. A gauge stands still for
/// no longer than that.
const APART: u64 = 5_000_000_000;

impl Gauge {
    /// The value.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// A value that was recorded at `time_ns`, from the datagram `sequence` of a run. An older one changes nothing.
    pub fn event(&mut self, epoch: u32, sequence: u32, time_ns: u64, value: f64) {
        let set_back = self.time_ns.saturating_sub(time_ns) > APART;
        if time_ns >= self.time_ns || self.is_new_run(epoch) || (set_back && self.follows(sequence))
        {
            *self = Self { value, time_ns, from: Some((epoch, sequence)) };
        }
    }

    /// The value as of when the datagram was packed, at `time_ns`. One that comes late changes nothing.
    pub fn state(&mut self, epoch: u32, sequence: u32, time_ns: u64, value: f64) {
        if self.is_new_run(epoch) || self.follows(sequence) {
            *self = Self { value, time_ns, from: Some((epoch, sequence)) };
        }
    }

    fn is_new_run(&self, epoch: u32) -> bool {
        self.from.is_none_or(|(of, _)| of != epoch)
    }

    fn follows(&self, sequence: u32) -> bool {
        self.from.is_none_or(|(_, last)| sequence.wrapping_sub(last).cast_signed() >= 0)
    }
}

/// Counts of log-linear buckets, as far as they are used.
#[derive(Clone, Default, Debug)]
struct Counts {
    first: usize,
    counts: Vec<u64>,
}

impl Counts {
    /// The count of one bucket, to change it.
    fn at(&mut self, index: usize) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = index;
        }
        if index < self.first {
            let missing = self.first - index;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = index;
        }
        let offset = index - self.first;
        if offset >= self.counts.len() {
            self.counts.resize(offset + 1, 0);
        }
        &mut self.counts[offset]
    }

    fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.counts.iter().enumerate().map(|(i, n)| (self.first + i, *n))
    }
}

/// A distribution in log-linear buckets.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The unit of the samples.
    pub unit: Unit,
    layout: Layout,
    /// What arrived one by one, and the buckets of the sender's earlier runs.
    finished: Counts,
    /// The buckets of this run.
    current: Counts,
    sum_finished: f64,
    sum_current: f64,
    epoch: Option<u32>,
}

impl Distribution {
    /// Of events: 16 buckets an octave, a relative error of at most 3.1 %, from 2^-20 on.
    #[must_use]
    pub fn of_events() -> Self {
        Self::of_state(Layout { precision: 4, min_exponent: -20 })
    }

    /// Of an instrument with that layout.
    #[must_use]
    pub fn of_state(layout: Layout) -> Self {
        Self {
            unit: Unit::None,
            layout,
            finished: Counts::default(),
            current: Counts::default(),
            sum_finished: 0.0,
            sum_current: 0.0,
            epoch: None,
        }
    }

    /// One sample that stands for `rate`.
    pub fn add(&mut self, sample: f64, rate: u32) {
        *self.finished.at(self.layout.index_f64(sample)) += u64::from(rate);
        self.sum_finished += sample * f64::from(rate);
    }

    /// Buckets since the sender's start, some or all.
    pub fn state(
        &mut self,
        epoch: u32,
        layout: Layout,
        sum: f64,
        buckets: impl Iterator<Item = (u16, u64)>,
    ) {
        if self.layout != layout {
            *self = Self { unit: self.unit, ..Self::of_state(layout) };
        }
        if self.epoch.is_some_and(|e| e != epoch) {
            let current = std::mem::take(&mut self.current);
            for (index, n) in current.iter().filter(|(_, n)| *n > 0) {
                *self.finished.at(index) += n;
            }
            self.sum_finished += std::mem::take(&mut self.sum_current);
        }
        self.epoch = Some(epoch);
        self.sum_current = self.sum_current.max(sum);
        for (index, n) in buckets {
            let count = self.current.at(usize::from(index));
            *count = n.max(*count);
        }
    }

    /// How many samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.finished.iter().chain(self.current.iter()).map(|(_, n)| n).sum()
    }

    /// All samples added up.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum_finished + self.sum_current
    }

    /// The values below which these shares of the samples lie, to the layout's relative error.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let mut all: Vec<_> = self.finished.iter().chain(self.current.iter()).collect();
        all.sort_unstable_by_key(|(index, _)| *index);
        let count: u64 = all.iter().map(|(_, n)| n).sum();
        if count == 0 {
            return None;
        }
        Some(shares.map(|share| {
            let rank = ((share * count as f64) as u64).min(count - 1);
            let mut seen = 0;
            let found = all.iter().find(|(_, n)| {
                seen += n;
                seen > rank
            });
            found.map_or(0.0, |(index, _)| self.layout.middle(*index))
        }))
    }

    fn bytes(&self) -> usize {
        (self.finished.counts.capacity() + self.current.counts.capacity()) * 8
    }
}

/// Distinct members, exact up to a bound.
#[derive(Clone, Default, Debug)]
pub struct Set {
    members: HashSet<u64, rustc_hash::FxBuildHasher>,
    /// Members that came when the set was full: some of them may have been there before.
    beyond: u64,
}

impl Set {
    /// So many members are told apart.
    pub const LIMIT: usize = 4096;

    /// One member, by its hash.
    pub fn add(&mut self, member: u64) {
        if self.members.len() < Self::LIMIT {
            self.members.insert(member);
        } else if !self.members.contains(&member) {
            self.beyond += 1;
        }
    }

    /// How many there are: exact up to [`Set::LIMIT`], and from there on that.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// The contents of one series.
#[derive(Clone, Debug)]
pub enum Data {
    /// See [`Counter`].
    Counter(Counter),
    /// See [`Gauge`].
    Gauge(Gauge),
    /// See [`Distribution`].
    Distribution(Box<Distribution>),
    /// See [`Set`].
    Set(Box<Set>),
    /// How often it happened, and what the last one said.
    Event {
        /// How often.
        count: u64,
        /// The last one's text.
        text: Option<Box<str>>,
    },
}

impl Data {
    /// An empty one.
    #[must_use]
    pub fn new(class: Class) -> Self {
        match class {
            Class::Counter => Self::Counter(Counter::default()),
            Class::Gauge => Self::Gauge(Gauge::default()),
            Class::Timing => {
                let mut timings = Distribution::of_events();
                timings.unit = Unit::Milliseconds;
                Self::Distribution(Box::new(timings))
            }
            Class::Distribution | Class::Histogram => {
                Self::Distribution(Box::new(Distribution::of_events()))
            }
            Class::Set => Self::Set(Box::default()),
            Class::Event => Self::Event { count: 0, text: None },
        }
    }

    /// Memory behind the series, in bytes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Counter(_) | Self::Gauge(_) => 0,
            Self::Distribution(d) => size_of::<Distribution>() + d.bytes(),
            Self::Set(s) => size_of::<Set>() + s.members.capacity() * 9,
            Self::Event { text, .. } => text.as_ref().map_or(0, |t| t.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_heal_and_survive_restarts() {
        let mut c = Counter::default();
        c.total(1, 10);
        c.total(1, 7);
        assert_eq!(c.value(), 10.0, "a late one changes nothing");
        c.total(2, 3);
        c.add(0.5);
        assert_eq!(c.value(), 13.5);
    }

    #[test]
    fn distributions_add_up_over_events_states_and_restarts() {
        let layout = Layout { precision: 3, min_exponent: 0 };
        let mut d = Distribution::of_state(layout);
        d.state(1, layout, 30.0, [(9, 2), (17, 1)].into_iter());
        d.state(1, layout, 20.0, [(9, 1)].into_iter());
        assert_eq!((d.count(), d.sum()), (3, 30.0));
        d.state(2, layout, 5.0, [(1, 4)].into_iter());
        assert_eq!((d.count(), d.sum()), (7, 35.0));
        let mut d = Distribution::of_events();
        (1..=1000).for_each(|i| d.add(f64::from(i), 2));
        let [p50, p99] = d.quantiles([0.5, 0.99]).unwrap();
        assert!((p50 - 500.0).abs() < 16.0 && (p99 - 990.0).abs() < 31.0, "{p50} {p99}");
        assert_eq!(d.count(), 2000);
        assert_eq!(Distribution::of_events().quantiles([0.5]), None);
    }

    #[test]
    fn a_set_is_exact_up_to_its_bound() {
        let mut s = Set::default();
        (0..5000).chain(0..10).for_each(|i| s.add(i));
        assert_eq!((s.len(), s.beyond), (Set::LIMIT, 5000 - Set::LIMIT as u64));
    }
}
