//! The rank test of Mann, Whitney and Wilcoxon: do values of one sample tend to be larger than those of another?

/// Up to this many values in each sample, and without ties, the distribution of the statistic is counted out; beyond,
/// the normal distribution comes close enough.
const EXACT: usize = 20;

/// The probability, two-sided, that two samples of one distribution differ in rank as much as these. 1 when one of
/// them is empty.
pub(crate) fn rank_test(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let ranked = Ranked::new(a, b);
    let (n, m) = (a.len(), b.len());
    if ranked.ties == 0.0 && n <= EXACT && m <= EXACT {
        exact(ranked.u, n, m)
    } else {
        normal(&ranked, n as f64, m as f64)
    }
}

struct Ranked {
    /// The smaller of both statistics U: of all pairs, how many have the larger value on the one side.
    u: f64,
    /// Σ (t³ − t) over groups of t equal values.
    ties: f64,
}

impl Ranked {
    fn new(a: &[f64], b: &[f64]) -> Self {
        let of = |values: &[f64], first: bool| -> Vec<(f64, bool)> {
            values.iter().map(|v| (*v, first)).collect()
        };
        let mut all = of(a, true);
        all.extend(of(b, false));
        all.sort_unstable_by(|x, y| x.0.total_cmp(&y.0));
        let (mut ranks_of_a, mut ties, mut before) = (0.0, 0.0, 0.0);
        for group in all.chunk_by(|x, y| x.0 == y.0) {
            let t = group.len() as f64;
            // Equal values share the mean of their ranks.
            let rank = before + (t + 1.0) / 2.0;
            ranks_of_a += rank * group.iter().filter(|(_, first)| *first).count() as f64;
            ties += t * t * t - t;
            before += t;
        }
        let (n, m) = (a.len() as f64, b.len() as f64);
        let u = ranks_of_a - n * (n + 1.0) / 2.0;
        Self { u: u.min(n * m - u), ties }
    }
}

/// Counts in how many of all arrangements of `n` and `m` values the statistic is `u` or less.
fn exact(u: f64, n: usize, m: usize) -> f64 {
    // ways[j][k]: arrangements of the values seen so far with j of the one sample whose statistic is k.
    let most = n * m;
    let mut ways = vec![vec![0.0f64; most + 1]; n + 1];
    ways[0][0] = 1.0;
    for seen in 0..n + m {
        // From the back, so that each value is placed once.
        for j in (0..=n.min(seen)).rev() {
            let others = seen - j;
            let row = std::mem::replace(&mut ways[j], vec![0.0; most + 1]);
            for (k, count) in row.into_iter().enumerate().filter(|(_, count)| *count > 0.0) {
                if j < n && k + others <= most {
                    ways[j + 1][k + others] += count;
                }
                if others < m {
                    ways[j][k] += count;
                }
            }
        }
    }
    let all: f64 = ways[n].iter().sum();
    let tail: f64 = ways[n].iter().take(u as usize + 1).sum();
    (2.0 * tail / all).min(1.0)
}

/// The normal distribution, corrected for ties and for the steps of the statistic.
fn normal(ranked: &Ranked, n: f64, m: f64) -> f64 {
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ranked.ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        // All values are equal.
        return 1.0;
    }
    let z = (n * m / 2.0 - ranked.u - 0.5).max(0.0) / variance.sqrt();
    libm::erfc(z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.mannwhitneyu` of scipy 1.x says the same.
    #[test]
    fn known_values() {
        let a = [1.1, 2.2, 3.3, 4.4, 5.5];
        let b = [2.0, 3.0, 6.1, 7.2, 8.3, 9.4];
        assert!((rank_test(&a, &b) - 0.177_489_177_489_177_5).abs() < 1e-12);
        assert_eq!(rank_test(&a, &b), rank_test(&b, &a));

        let a = [1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let b = [4.0, 5.0, 5.0, 6.0, 7.0, 8.0, 8.0, 9.0, 10.0, 11.0, 11.0];
        assert!((rank_test(&a, &b) - 0.007_942_696_770_103_166).abs() < 1e-12);

        let a: Vec<f64> = (0..30).map(f64::from).collect();
        let b: Vec<f64> = (0..30).map(|v| f64::from(v) + 7.5).collect();
        assert!((rank_test(&a, &b) - 0.003_670_893_392_450_653).abs() < 1e-12);
    }

    #[test]
    fn samples_that_do_not_overlap_are_as_unlikely_as_can_be() {
        // One of the 252 ways to choose 5 of 10, and its mirror image.
        let p = rank_test(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]);
        assert!((p - 2.0 / 252.0).abs() < 1e-15);
    }

    #[test]
    fn equal_samples_and_no_samples_say_nothing() {
        assert_eq!(rank_test(&[5.0; 12], &[5.0; 12]), 1.0);
        assert_eq!(rank_test(&[], &[1.0]), 1.0);
        assert_eq!(rank_test(&[1.0], &[2.0]), 1.0);
        assert_eq!(rank_test(&[1.0, 3.0], &[2.0]), 1.0);
    }
}
