//! The ladder: finds the highest rate at which nothing is lost.
//!
//! Doubles the rate until a step fails, then narrows the gap between the last good and the first bad rate. A step that
//! fails is repeated once, because one hiccup of a busy machine is not the limit.

use serde::Serialize;

use super::summary::Report;
use crate::common::failure::Failure;

/// The climb ends when the good and the bad rate are this close, in percent.
const CLOSE_PERCENT: u64 = 10;
/// The largest number of steps, including repetitions.
const STEPS: usize = 20;

/// One step.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Step {
    pub(crate) rate: u64,
    pub(crate) generated: u64,
    pub(crate) lost: u64,
    pub(crate) without_loss: bool,
}

/// The whole climb.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Climb {
    /// 0 if even the first step lost something.
    pub(crate) highest_without_loss: u64,
    pub(crate) steps: Vec<Step>,
    /// The report of the best step, or of the last one if none was good.
    pub(crate) best: Option<Report>,
}

/// Climbs from the rate `first`. `step` runs at a rate and returns its report, or `None` to end the climb.
pub(crate) fn climb(
    first: u64,
    highest: u64,
    mut step: impl FnMut(u64) -> Result<Option<Report>, Failure>,
) -> Result<Climb, Failure> {
    let mut climb = Climb { highest_without_loss: 0, steps: Vec::new(), best: None };
    let mut search = Search { good: 0, bad: None, highest };
    let mut rate = first;
    while climb.steps.len() + 1 < STEPS {
        let Some(mut report) = step(rate)? else { break };
        climb.steps.push(Step::of(&report));
        if !report.without_loss() {
            let Some(again) = step(rate)? else { break };
            climb.steps.push(Step::of(&again));
            report = again;
        }
        let good = report.without_loss();
        if good || climb.highest_without_loss == 0 {
            climb.highest_without_loss = if good { rate } else { 0 };
            climb.best = Some(report);
        }
        match search.next(rate, good) {
            Some(next) => rate = next,
            None => break,
        }
    }
    Ok(climb)
}

impl Step {
    fn of(report: &Report) -> Self {
        Self {
            rate: report.rate,
            generated: report.generated,
            lost: report.lost,
            without_loss: report.without_loss(),
        }
    }
}

/// The state of the search.
struct Search {
    good: u64,
    bad: Option<u64>,
    highest: u64,
}

impl Search {
    fn next(&mut self, rate: u64, good: bool) -> Option<u64> {
        if good {
            self.good = self.good.max(rate);
        } else {
            self.bad = Some(self.bad.map_or(rate, |bad| bad.min(rate)));
        }
        match self.bad {
            None if self.good >= self.highest => None,
            None => Some((self.good * 2).min(self.highest)),
            Some(bad) if (bad - self.good) * 100 <= bad * CLOSE_PERCENT => None,
            Some(bad) => Some((self.good + bad) / 2).filter(|next| *next > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of a climb on a machine that loses from `limit` on.
    fn found(first: u64, limit: u64) -> (u64, usize) {
        let mut search = Search { good: 0, bad: None, highest: 100_000_000 };
        let mut rate = first;
        for steps in 1.. {
            match search.next(rate, rate < limit) {
                Some(next) => rate = next,
                None => return (search.good, steps),
            }
        }
        unreachable!("the range has no end")
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for (first, limit) in [(100_000, 3_700_000), (100_000, 101_000), (100_000, 20_000)] {
            let (good, steps) = found(first, limit);
            assert!(good < limit && good >= limit * 4 / 5, "{good} of {limit}");
            assert!(steps <= STEPS, "{steps}");
        }
    }

    #[test]
    fn a_machine_without_limit_ends_the_climb_and_so_does_one_that_takes_nothing() {
        assert_eq!(found(100_000, u64::MAX).0, 100_000_000);
        assert_eq!(found(100_000, 0).0, 0);
    }
}
