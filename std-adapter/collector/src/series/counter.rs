//! A counter: amounts that arrived one by one, and totals that arrived as state.

/// A counter: the sum of amounts that arrived one by one and of totals that arrived as state. It never goes down.
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
    /// One event. An amount that is negative, infinite or not a number is no amount: it changes nothing.
    #[must_use]
    pub(crate) fn add(&mut self, amount: f64) -> bool {
        let is_amount = amount.is_finite() && amount >= 0.0;
        if is_amount {
            self.added = (self.added + amount).min(f64::MAX);
        }
        is_amount
    }

    /// A total since the sender's start. An older one that comes late changes nothing.
    pub(crate) fn total(&mut self, epoch: u32, total: u64) {
        if self.epoch.is_some_and(|e| e != epoch) {
            self.finished = self.finished.saturating_add(self.current);
            self.current = 0;
        }
        self.epoch = Some(epoch);
        self.current = self.current.max(total);
    }

    /// Everything.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.added + self.finished.saturating_add(self.current) as f64
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
        assert!(c.add(0.5));
        assert_eq!(c.value(), 13.5);
    }

    #[test]
    fn it_never_goes_down_and_stays_a_number() {
        let mut c = Counter::default();
        for no_amount in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!c.add(no_amount));
        }
        assert!(c.add(f64::MAX) && c.add(f64::MAX) && c.add(-0.0));
        (0..3).for_each(|epoch| c.total(epoch, u64::MAX));
        assert_eq!(c.value(), f64::MAX);
    }
}
