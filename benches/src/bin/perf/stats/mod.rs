//! Statistics: medians, rank tests, the noise of the machine, power, trends, and change points.
//!
//! Timings are skewed and have outliers, so nothing here assumes that they are normally distributed: medians and ranks
//! replace means and variances. Random draws use a fixed seed, so that the same samples always give the same verdict.
//!
//! ```text
//!  samples of base, base again, head ──► rank, resample ──► verdict     (compare, gate, report)
//!  medians of many runs ──► line, change, anomaly                       (trend)
//! ```

#[cfg(test)]
mod cases;
mod change;
mod line;
mod rank;
mod resample;
mod verdict;

pub(crate) use change::{Change, change_points};
pub(crate) use line::{Line, fit};
pub(crate) use rank::rank_test;
pub(crate) use verdict::{Better, Comparison, Number, Verdict, compare};

/// Returns the median of `values`: the mean of the two middle ones if there are two, NaN if there are no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    median_of(&mut values.to_vec())
}

/// Returns the median of values that may be reordered.
fn median_of(values: &mut [f64]) -> f64 {
    let (half, even) = (values.len() / 2, values.len().is_multiple_of(2));
    if values.is_empty() {
        return f64::NAN;
    }
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let lower = || below.iter().copied().max_by(f64::total_cmp);
    if even { f64::midpoint(lower().unwrap_or(*upper), *upper) } else { *upper }
}

/// Returns the value below which the share `q` of `values` lies, as the nearest value without interpolation. NaN if
/// there are no values.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let sorted = sorted(values);
    if sorted.is_empty() {
        return f64::NAN;
    }
    let at = (q * sorted.len() as f64).ceil() as usize;
    sorted[at.clamp(1, sorted.len()) - 1]
}

/// Returns by how many percent `new` is larger than `old`: 0 when both are 0, infinite when only `old` is.
pub(crate) fn change_percent(old: f64, new: f64) -> f64 {
    if old == new { 0.0 } else { (new - old) / old.abs() * 100.0 }
}

/// Returns the indices of outliers in `values`: those farther than five times the usual distance from the median.
///
/// The usual distance is the median of the distances (MAD), scaled to the standard deviation that it estimates, and at
/// least half a percent of the median, so that a number that hardly ever moves is no anomaly when it moves a little.
/// Fewer than eight values have no anomalies.
pub(crate) fn anomalies(values: &[f64]) -> Vec<usize> {
    const LEAST: usize = 8;
    const FAR: f64 = 5.0;
    if values.len() < LEAST {
        return Vec::new();
    }
    let middle = median(values);
    let far = FAR * deviation(values).max(middle.abs() * 0.005);
    (0..values.len()).filter(|i| (values[*i] - middle).abs() > far).collect()
}

/// Estimates the standard deviation from the median of the distances from the median (MAD), ignoring outliers.
fn deviation(values: &[f64]) -> f64 {
    const OF_NORMAL: f64 = 1.4826;
    let middle = median(values);
    OF_NORMAL * median(&values.iter().map(|v| (v - middle).abs()).collect::<Vec<_>>())
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

    #[test]
    fn an_anomaly_is_far_from_the_median_by_the_usual_distance() {
        let mut values: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i % 3)).collect();
        assert_eq!(anomalies(&values), [0; 0]);
        values[7] = 130.0;
        values[12] = 60.0;
        assert_eq!(anomalies(&values), [7, 12]);
        assert_eq!(anomalies(&[5.0; 30]), [0; 0]);
        assert_eq!(anomalies(&[1.0, 1.0, 1.0, 99.0]), [0; 0], "too few to know what is usual");
    }
}
