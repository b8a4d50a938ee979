//! A counter: amounts that arrived one by one, and totals that arrived as state.

use serde::{Deserialize, Serialize};

use super::Gain;

/// A counter as Prometheus expects one: it only decreases when it starts again.
///
/// A total belongs to the sender's current run and starts again with the next one, just as in a process that is scraped
/// itself. Readers therefore need nothing that the collector remembers: after a restart of the sender, of the collector
/// or of both, Prometheus' own rule for resets gives the true increase. Amounts of single events add up over runs,
/// because no sender sends them twice; if there are totals as well, both start again together.
#[derive(Clone, Copy, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Counter {
    added: f64,
    /// The total of this run.
    total: u64,
    /// Whether this run has stated a total.
    stated: bool,
    run: Option<u32>,
}

impl Counter {
    /// Adds the amount of an event. Returns `false`, and changes nothing, if the amount is negative, infinite or not a
    /// number.
    #[must_use]
    pub(crate) fn add(&mut self, run: u32, amount: f64) -> bool {
        let is_amount = amount.is_finite() && amount >= 0.0;
        if is_amount {
            self.begin(run);
        }
        is_amount && self.add_of_any(amount)
    }

    /// The same where several senders, and so several runs, are added up.
    #[must_use]
    pub(crate) fn add_of_any(&mut self, amount: f64) -> bool {
        let is_amount = amount.is_finite() && amount >= 0.0;
        if is_amount {
            self.added = (self.added + amount).min(f64::MAX);
        }
        is_amount
    }

    /// Takes a total since the beginning of a run. An older one that arrives late changes nothing. Returns by how much
    /// more the run has counted than was known.
    pub(crate) fn total(&mut self, run: u32, total: u64) -> Gain<u64> {
        self.begin(run);
        let gain = Gain { is_first: !self.stated, by: total.saturating_sub(self.total) };
        self.stated = true;
        self.total = self.total.max(total);
        gain
    }

    /// Adds what a part of this one has gained.
    pub(crate) fn gain(&mut self, by: u64) {
        self.total = self.total.saturating_add(by);
    }

    /// Adds all that another one has.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.added = (self.added + other.added).min(f64::MAX);
        self.gain(other.total);
    }

    /// Whether its sender has stated a total in this run, of which the next states more.
    pub(crate) const fn is_stated(&self) -> bool {
        self.stated
    }

    /// Only what its sender has stated, without the amounts of events.
    pub(crate) fn stated(self) -> Self {
        Self { added: 0.0, ..self }
    }

    fn begin(&mut self, run: u32) {
        if self.run != Some(run) {
            let added = if self.stated { 0.0 } else { self.added };
            *self = Self { added, run: Some(run), ..Self::default() };
        }
    }

    /// The run whose totals it shows, if it shows totals: with another run it begins anew.
    pub(crate) fn stated_run(&self) -> Option<u32> {
        self.run.filter(|_| self.stated)
    }

    /// Whether it can have come about, and was not read from damaged memory.
    pub(super) fn is_sound(&self) -> bool {
        self.added.is_finite() && self.added >= 0.0
    }

    /// The value to show: amounts and total together.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.added + self.total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_total_changes_nothing() {
        let mut c = Counter::default();
        assert_eq!(c.total(1, 10), Gain { is_first: true, by: 10 });
        assert_eq!(c.total(1, 7), Gain { is_first: false, by: 0 });
        assert_eq!(c.value(), 10.0);
        assert_eq!(c.total(1, 12), Gain { is_first: false, by: 2 });
        assert_eq!(c.total(2, 5), Gain { is_first: true, by: 5 }, "another run");
    }

    /// What Prometheus' `increase` makes of successive values, the first counted from 0.
    fn increase(values: impl IntoIterator<Item = f64>) -> f64 {
        let (mut before, mut sum) = (0.0, 0.0);
        for value in values {
            sum += if value < before { value } else { value - before };
            before = value;
        }
        sum
    }

    #[test]
    fn the_rule_for_resets_gives_the_true_increase_over_restarts_of_both() {
        let mut c = Counter::default();
        let mut seen = Vec::new();
        // The sender restarts after the first two, the collector after the third and the fifth.
        for (run, total) in [(1, 1_000_000), (2, 10), (2, 25), (2, 30), (3, 5), (3, 8)] {
            if matches!(total, 30 | 8) {
                c = Counter::default();
            }
            c.total(run, total);
            seen.push(c.value());
        }
        assert_eq!(increase(seen), 1_000_000.0 + 30.0 + 8.0);
    }

    #[test]
    fn amounts_go_on_over_runs_unless_totals_begin_anew() {
        let mut c = Counter::default();
        assert!(c.add(1, 2.5) && c.add(2, 0.5));
        assert_eq!(c.value(), 3.0);
        c.total(2, 100);
        assert_eq!(c.value(), 103.0);
        assert!(c.add(3, 4.0));
        c.total(3, 7);
        assert_eq!(c.value(), 11.0, "it begins anew as a whole");
    }

    #[test]
    fn it_never_goes_down_within_a_run_and_stays_a_number() {
        let mut c = Counter::default();
        for no_amount in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!c.add(0, no_amount));
        }
        assert!(c.add(0, f64::MAX) && c.add(0, f64::MAX) && c.add(0, -0.0));
        c.total(0, u64::MAX);
        assert_eq!(c.value(), f64::MAX);
    }
}
