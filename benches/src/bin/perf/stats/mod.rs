//! Whether numbers differ: medians, a rank test, the noise of the machine, trends, and where a history changes.
//!
//! Timings are skewed and have outliers, so nothing here assumes a normal distribution of them: medians and ranks
//! instead of means and variances.

mod change;
mod rank;
mod trend;
mod verdict;

pub(crate) use change::{Change, change_points};
pub(crate) use rank::rank_test;
pub(crate) use trend::{Line, fit};
pub(crate) use verdict::{Better, Comparison, Verdict, compare};

/// The middle of `values`; the mean of the two middle ones if there are two. NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The value below which the share `q` of `values` lies: the nearest one, not a blend. NaN of nothing.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let sorted = sorted(values);
    if sorted.is_empty() {
        return f64::NAN;
    }
    let at = (q * sorted.len() as f64).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

/// By how many percent `new` is more than `old`. 0 when both are 0, infinite when only `old` is.
pub(crate) fn change_percent(old: f64, new: f64) -> f64 {
    if old == new { 0.0 } else { (new - old) / old.abs() * 100.0 }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_nothing_has_none() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&values, 1.0), 100.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }

    #[test]
    fn changes_are_relative_to_the_old_value() {
        assert_eq!(change_percent(100.0, 150.0), 50.0);
        assert_eq!(change_percent(100.0, 50.0), -50.0);
        assert_eq!(change_percent(0.0, 0.0), 0.0);
        assert_eq!(change_percent(0.0, 1.0), f64::INFINITY);
    }
}
