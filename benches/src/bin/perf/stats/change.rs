//! Change points: where a history moves from one level to another.

use serde::Serialize;

use super::{change_percent, median, rank_test};

/// The least number of runs at one level; fewer are outliers.
const SHORTEST: usize = 4;
/// The probability that chance explains a step, over all positions tried, must be below this.
const CHANCE: f64 = 0.01;
/// Smaller steps do not matter.
const MATTERS_PERCENT: f64 = 5.0;

/// A step from one level to another.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Change {
    /// The index of the first run at the new level.
    pub(crate) at: usize,
    /// The change from the old level's median to the new one's.
    pub(crate) change_percent: f64,
}

/// Finds the steps in `values`, oldest first: splits them where two levels describe them best, asks the rank test
/// whether chance could explain the difference, and if not continues in both halves.
pub(crate) fn change_points(values: &[f64]) -> Vec<Change> {
    let mut found = Vec::new();
    split(values, 0, &mut found);
    found
}

fn split(values: &[f64], offset: usize, found: &mut Vec<Change>) {
    if values.len() < 2 * SHORTEST {
        return;
    }
    let places = SHORTEST..=values.len() - SHORTEST;
    let tried = places.clone().count() as f64;
    let off = |at: usize| {
        let (before, after) = values.split_at(at);
        deviation(before) + deviation(after)
    };
    let best = places.map(|at| (at, off(at))).min_by(|a, b| a.1.total_cmp(&b.1));
    let Some((at, _)) = best else { return };
    let (before, after) = values.split_at(at);
    let change_percent = change_percent(median(before), median(after));
    if rank_test(before, after) * tried >= CHANCE || change_percent.abs() <= MATTERS_PERCENT {
        return;
    }
    split(before, offset, found);
    found.push(Change { at: offset + at, change_percent });
    split(after, offset + at, found);
}

/// The total distance of `values` from one level. It is not squared, so that an outlier does not become a level.
fn deviation(values: &[f64]) -> f64 {
    let level = median(values);
    values.iter().map(|v| (v - level).abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::testkit::Rng;

    /// Generates levels of this many runs each, with two percent of scatter.
    fn history(seed: u64, levels: &[(f64, usize)]) -> Vec<f64> {
        let mut rng = Rng::new(seed);
        let level = |(level, runs): &(f64, usize)| vec![*level; *runs];
        levels.iter().flat_map(level).map(|v| v * (0.99 + 0.02 * rng.unit())).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        for seed in 0..50 {
            let found = change_points(&history(seed, &[(100.0, 15), (120.0, 12)]));
            assert_eq!(found.iter().map(|c| c.at).collect::<Vec<_>>(), [15], "seed {seed}");
            assert!((found[0].change_percent - 20.0).abs() < 2.0, "{found:?}");
        }
    }

    #[test]
    fn several_steps_are_found_in_order() {
        let found = change_points(&history(1, &[(100.0, 12), (150.0, 12), (90.0, 12)]));
        assert_eq!(found.iter().map(|c| c.at).collect::<Vec<_>>(), [12, 24]);
        assert!(found[0].change_percent > 0.0 && found[1].change_percent < 0.0);
    }

    #[test]
    fn a_level_with_outliers_has_no_steps() {
        for seed in 0..50 {
            let mut values = history(seed, &[(100.0, 40)]);
            values[7] = 300.0;
            values[30] = 250.0;
            assert_eq!(change_points(&values), [], "seed {seed}");
        }
    }

    #[test]
    fn a_short_history_has_none() {
        assert_eq!(change_points(&[]), []);
        assert_eq!(change_points(&[1.0, 1.0, 1.0, 9.0, 9.0, 9.0]), []);
    }
}
