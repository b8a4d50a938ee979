//! A straight line through a history: how much a number changes per day, and how well the line describes it.

use serde::Serialize;

/// A least-squares line.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Line {
    /// The change of the value per unit of `x`.
    pub(crate) slope: f64,
    /// The value at `x` = 0.
    pub(crate) at_zero: f64,
    /// The share of the variance that the line explains, from 0 to 1.
    pub(crate) r_squared: f64,
}

/// Fits a line. Returns `None` if there are fewer than two different `x`.
pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Line> {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| -> f64 { points.iter().map(|p| of(p.0 - x, p.1 - y)).sum() };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    if points.len() < 2 || xx == 0.0 {
        return None;
    }
    let slope = xy / xx;
    // A line describes a constant value completely.
    let r_squared = if yy == 0.0 { 1.0 } else { xy * xy / (xx * yy) };
    Some(Line { slope, at_zero: y - slope * x, r_squared })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again() {
        let points: Vec<_> = (0..10).map(|d| (f64::from(d), 50.0 + 2.0 * f64::from(d))).collect();
        let line = fit(&points).unwrap();
        assert!((line.slope - 2.0).abs() < 1e-12 && (line.at_zero - 50.0).abs() < 1e-12);
        assert!((line.r_squared - 1.0).abs() < 1e-12);
    }

    #[test]
    fn scatter_without_a_trend_is_not_explained() {
        let points = [(0.0, 1.0), (1.0, -1.0), (2.0, -1.0), (3.0, 1.0)];
        let line = fit(&points).unwrap();
        assert_eq!((line.slope, line.r_squared), (0.0, 0.0));
    }

    #[test]
    fn known_values() {
        // Anscombe's first set: slope 0.5001, intercept 3.0001, r² 0.6665.
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let line = fit(&x.into_iter().zip(y).collect::<Vec<_>>()).unwrap();
        assert!((line.slope - 0.5001).abs() < 1e-4 && (line.at_zero - 3.0001).abs() < 1e-4);
        assert!((line.r_squared - 0.6665).abs() < 1e-4);
    }

    #[test]
    fn one_moment_has_no_trend() {
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&[(1.0, 1.0)]), None);
        assert_eq!(fit(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }
}
