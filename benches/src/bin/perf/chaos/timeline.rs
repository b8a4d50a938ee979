//! What arrived when, and what that says: throughput before and during a fault, and the time to recover.

use std::time::Duration;

use crate::stats::median;

/// As before is: so much of the throughput before.
const RECOVERED: f64 = 0.9;
/// In so many looks in a row.
const IN_A_ROW: usize = 3;

/// Looks at a running total.
#[derive(Debug)]
pub(super) struct Timeline {
    fault_at: Duration,
    well_at: Duration,
    /// When, and how much had arrived by then.
    looks: Vec<(Duration, u64)>,
}

impl Timeline {
    /// The fault begins and ends at these times.
    pub(super) fn new(fault_at: Duration, well_at: Duration) -> Self {
        Self { fault_at, well_at, looks: Vec::new() }
    }

    pub(super) fn look(&mut self, now: Duration, arrived: u64) {
        self.looks.push((now, arrived));
    }

    /// Events a second: the median of the looks before the fault, the first quarter left out.
    pub(super) fn before(&self) -> f64 {
        let rates: Vec<_> = self.rates(self.fault_at / 4, self.fault_at).map(|r| r.1).collect();
        if rates.is_empty() { 0.0 } else { median(&rates) }
    }

    /// Events a second during the fault, on average.
    pub(super) fn during(&self) -> f64 {
        // The look after the fault began is the first one that lies wholly within it.
        let within = |l: &&(Duration, u64)| l.0 >= self.fault_at && l.0 <= self.well_at;
        let first = self.looks.iter().find(within);
        let last = self.looks.iter().rfind(within);
        let (Some(first), Some(last)) = (first, last) else { return 0.0 };
        let seconds = (last.0 - first.0).as_secs_f64();
        if seconds > 0.0 { (last.1 - first.1) as f64 / seconds } else { 0.0 }
    }

    /// By how many percent less gets through.
    pub(super) fn degraded_percent(&self) -> f64 {
        let before = self.before();
        if before > 0.0 { (1.0 - self.during() / before).max(0.0) * 100.0 } else { 0.0 }
    }

    /// From the end of the fault to the first of several looks in a row that see as much as before; `None`: not yet.
    pub(super) fn recovery(&self) -> Option<Duration> {
        let enough = self.before() * RECOVERED;
        let after: Vec<_> = self.rates(self.well_at, Duration::MAX).collect();
        let well =
            after.windows(IN_A_ROW).find(|w| w.iter().all(|r| r.1 >= enough && r.1 > 0.0))?;
        Some(well[0].0 - self.well_at)
    }

    /// Times of looks and the events a second since the look before, from `from` to before `to`.
    fn rates(&self, from: Duration, to: Duration) -> impl Iterator<Item = (Duration, f64)> {
        let rate = |w: &[(Duration, u64)]| {
            let seconds = (w[1].0 - w[0].0).as_secs_f64().max(1e-9);
            (w[1].0, w[1].1.saturating_sub(w[0].1) as f64 / seconds)
        };
        self.looks.windows(2).map(rate).filter(move |r| r.0 > from && r.0 <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 100 ms; a fault from 1 s to 2 s; so many events arrive between two looks.
    fn timeline(arrivals: &[(u64, u64)]) -> Timeline {
        let mut timeline = Timeline::new(Duration::from_secs(1), Duration::from_secs(2));
        let (mut ms, mut total) = (0, 0);
        timeline.look(Duration::ZERO, 0);
        for (looks, each) in arrivals {
            for _ in 0..*looks {
                ms += 100;
                total += each;
                timeline.look(Duration::from_millis(ms), total);
            }
        }
        timeline
    }

    #[test]
    fn a_fault_that_halves_the_throughput_and_takes_a_while_to_pass() {
        let timeline = timeline(&[(10, 100), (10, 50), (4, 70), (10, 100)]);
        assert!((timeline.before() - 1000.0).abs() < 1e-6);
        assert!((timeline.during() - 500.0).abs() < 1e-6);
        assert!((timeline.degraded_percent() - 50.0).abs() < 1e-6);
        assert_eq!(timeline.recovery(), Some(Duration::from_millis(500)));
    }

    #[test]
    fn one_good_look_is_no_recovery() {
        let timeline = timeline(&[(10, 100), (10, 0), (1, 100), (1, 0), (2, 100)]);
        assert_eq!(timeline.degraded_percent(), 100.0);
        assert_eq!(timeline.recovery(), None);
    }

    #[test]
    fn a_backlog_that_arrives_at_once_is_not_less_than_before() {
        let timeline = timeline(&[(10, 100), (10, 0), (1, 1000), (5, 100)]);
        assert_eq!(timeline.recovery(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn nothing_at_all_has_not_recovered() {
        let timeline = timeline(&[(40, 0)]);
        assert_eq!((timeline.before(), timeline.degraded_percent()), (0.0, 0.0));
        assert_eq!(timeline.recovery(), None);
    }
}
