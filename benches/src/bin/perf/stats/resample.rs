//! Bootstrapping: how far medians scatter, and how small a change could have been detected.

use ringstat_core::testkit::Rng;

use super::rank::rank_test_normal;
use super::{change_percent, deviation, median, median_of, quantile};

/// How many resamples are drawn to see how far medians scatter.
const DRAWS: usize = 400;
/// How many are drawn to see how often a change would be found, which takes a rank test each time.
const TRIALS: usize = 50;
/// A change counts as detectable if it is found in this share of the trials.
const POWER: f64 = 0.8;
/// The changes to try, in percent.
const TRIED: [f64; 12] = [6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 30.0, 50.0, 75.0, 100.0, 200.0];

/// Returns the bounds of the share `confidence` of the median's changes, in percent, when `n` values of `a` and `m` of
/// `b` are drawn.
pub(super) fn spread(
    rng: &mut Rng,
    (a, n): (&[f64], usize),
    (b, m): (&[f64], usize),
    confidence: f64,
) -> (f64, f64) {
    if a.is_empty() || b.is_empty() {
        return (0.0, 0.0);
    }
    let mut drawn = Vec::new();
    let mut median = |from: &[f64], count| {
        draw(rng, from, count, &mut drawn);
        median_of(&mut drawn)
    };
    let change = |_| change_percent(median(a, n), median(b, m));
    let changes: Vec<f64> = (0..DRAWS).map(change).filter(|c| !c.is_nan()).collect();
    let outside = (1.0 - confidence) / 2.0;
    (quantile(&changes, outside), quantile(&changes, 1.0 - outside))
}

/// Returns the smallest change tried, in percent, that would have been found four times in five if `m` values like
/// those of `base`, slower by that change, were compared with all of `base`. To be found, a change has to be larger
/// than `threshold`, and the rank test's probability smaller than `chance`. Returns `None` if not even 200 % would have
/// been found.
pub(super) fn detectable(base: &[f64], m: usize, threshold: f64, chance: f64) -> Option<f64> {
    let mut rng = Rng::new(2);
    let (mut was, mut is) = (Vec::new(), Vec::new());
    let mut found = |percent: f64| {
        let mut trial = |_: &usize| {
            draw(&mut rng, base, base.len(), &mut was);
            draw(&mut rng, base, m, &mut is);
            is.iter_mut().for_each(|v| *v *= 1.0 + percent / 100.0);
            change_percent(median_of(&mut was), median_of(&mut is)) > threshold
                && rank_test_normal(&was, &is) < chance
        };
        (0..TRIALS).filter(&mut trial).count() as f64 >= POWER * TRIALS as f64
    };
    // Larger changes are easier to find, so a binary search works.
    let at = TRIED.partition_point(|percent| !found(*percent));
    TRIED.get(at).copied()
}

/// Returns the values with outliers moved in: none is farther from the median than four times the usual distance.
pub(super) fn without_outliers(values: &[f64]) -> Vec<f64> {
    let (middle, far) = (median(values), 4.0 * deviation(values));
    if far > 0.0 {
        values.iter().map(|v| v.clamp(middle - far, middle + far)).collect()
    } else {
        values.to_vec()
    }
}

/// Fills `into` with `count` of the values, drawn with replacement.
fn draw(rng: &mut Rng, from: &[f64], count: usize, into: &mut Vec<f64>) {
    into.clear();
    into.extend((0..count.max(1)).map(|_| from[rng.below(from.len() as u64) as usize]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_lie_around_the_change() {
        let a: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i % 5)).collect();
        let b: Vec<f64> = a.iter().map(|v| v * 1.1).collect();
        let (low, high) = spread(&mut Rng::new(1), (&a, 20), (&b, 20), 0.99);
        assert!(low < 10.0 && 10.0 < high && high - low < 8.0, "{low} to {high}");
        assert_eq!(spread(&mut Rng::new(1), (&[], 1), (&b, 1), 0.99), (0.0, 0.0));
    }

    #[test]
    fn outliers_are_moved_in_and_nothing_else() {
        let values = [9.0, 10.0, 11.0, 10.0, 9.5, 10.5, 500.0];
        let moved = without_outliers(&values);
        assert_eq!(moved[..6], values[..6]);
        assert!(moved[6] < 20.0, "{moved:?}");
        assert_eq!(without_outliers(&[1.0, 1.0, 1.0, 7.0]), [1.0, 1.0, 1.0, 7.0]);
    }

    #[test]
    fn less_noise_and_more_samples_see_smaller_changes() {
        let of = |scatter: f64, n: usize| -> Vec<f64> {
            let mut rng = Rng::new(3);
            (0..n).map(|_| 100.0 + scatter * (rng.unit() - 0.5)).collect()
        };
        let quiet = detectable(&of(2.0, 24), 12, 5.0, 0.01).unwrap();
        let loud = detectable(&of(60.0, 24), 12, 5.0, 0.01).unwrap();
        assert!(quiet <= 8.0 && loud > 2.0 * quiet, "{quiet} and {loud}");
        assert_eq!(detectable(&of(2.0, 3), 3, 5.0, 0.01), None, "three of each show nothing");
    }
}
