//! The rank test of Mann, Whitney and Wilcoxon: do values of one sample tend to be larger than those of another?
//!
//! The test of Brunner and Munzel asks the same without assuming that both samples scatter alike. Both are implemented
//! here, with the distributions of `statrs`, whose own rank test (0.19) returns the complement of the exact probability
//! when the first sample is the smaller one.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Up to this many values in each sample, and without ties, the distribution of the statistic is computed exactly;
/// beyond, the normal distribution is close enough.
const EXACT: usize = 20;

/// Returns the two-sided probability that two samples of one distribution differ in rank at least as much as these, or
/// 1 if one of them is empty.
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

/// Does the same with the normal distribution alone, which is less exact for small samples but much faster.
pub(super) fn rank_test_normal(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    normal(&Ranked::new(a, b), a.len() as f64, b.len() as f64)
}

/// Returns the two-sided p-value of the test by Brunner and Munzel, whose hypothesis is that a value of one sample is
/// as likely to be larger as to be smaller than one of the other. 0 when the samples do not overlap, 1 when one of them
/// has fewer than two values.
pub(super) fn placement_test(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len() as f64, b.len() as f64);
    if a.len() < 2 || b.len() < 2 {
        return 1.0;
    }
    let (of_a, of_b) = (Placements::new(a, b), Placements::new(b, a));
    let (scatter_a, scatter_b) = (n * of_a.variance, m * of_b.variance);
    let scatter = scatter_a + scatter_b;
    let apart = (of_b.mean + m / 2.0) - (of_a.mean + n / 2.0);
    if scatter == 0.0 {
        return if apart == 0.0 { 1.0 } else { 0.0 };
    }
    let t = n * m * apart / ((n + m) * scatter.sqrt());
    let freedom = scatter.powi(2) / (scatter_a.powi(2) / (n - 1.0) + scatter_b.powi(2) / (m - 1.0));
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| 2.0 * student.sf(t.abs()))
}

/// For each value of one sample, the number of smaller values in the other; equal ones count half.
struct Placements {
    mean: f64,
    variance: f64,
}

impl Placements {
    fn new(of: &[f64], among: &[f64]) -> Self {
        let half =
            |value: f64, other: &f64| f64::from(*other < value) + f64::from(*other == value) * 0.5;
        let place = |value: &f64| among.iter().map(|other| half(*value, other)).sum::<f64>();
        let places: Vec<f64> = of.iter().map(place).collect();
        let mean = places.iter().sum::<f64>() / of.len() as f64;
        let squares = places.iter().map(|p| (p - mean).powi(2)).sum::<f64>();
        Self { mean, variance: squares / (of.len() as f64 - 1.0) }
    }
}

struct Ranked {
    /// The smaller of both statistics U: the number of pairs, with a value of each
    /// sample, in which the value of a given sample is larger.
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

/// Returns the share of all arrangements of `n` and `m` values in which the statistic is `u` or less.
fn exact(u: f64, n: usize, m: usize) -> f64 {
    // ways[j][k]: the arrangements of the values seen so far with j values of one sample and a statistic of k.
    let most = n * m;
    let mut ways = vec![vec![0.0f64; most + 1]; n + 1];
    ways[0][0] = 1.0;
    for seen in 0..n + m {
        // The loop runs backwards, so that each value is placed once.
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

/// Uses the normal distribution, corrected for ties and for the discreteness of the statistic.
fn normal(ranked: &Ranked, n: f64, m: f64) -> f64 {
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ranked.ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        // All values are equal.
        return 1.0;
    }
    let z = (n * m / 2.0 - ranked.u - 0.5).max(0.0) / variance.sqrt();
    2.0 * Normal::standard().sf(z)
}

/// Returns the smallest probability that [`rank_test`] can give for samples of these sizes, which it gives when they do
/// not overlap at all. Too few samples cannot prove anything, however far apart they are.
pub(super) fn least_p(n: usize, m: usize) -> f64 {
    let values: Vec<f64> = (0..n + m).map(|i| i as f64).collect();
    let (a, b) = values.split_at(n);
    rank_test(a, b)
}

/// Returns how much larger `b` tends to be, from -1 (every value is smaller) over 0 to 1 (every value is larger):
/// Cliff's delta. Unlike a probability, it does not grow with the number of samples.
pub(super) fn effect(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    let sum: i64 = pairs.map(|(a, b)| i64::from(b > a) - i64::from(b < a)).sum();
    if a.is_empty() || b.is_empty() { 0.0 } else { sum as f64 / (a.len() * b.len()) as f64 }
}

/// Corrects probabilities for multiple comparisons (Holm): the smallest is multiplied by their number, the next by one
/// less, and so on, and none becomes smaller than the one before it.
pub(super) fn corrected(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_unstable_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut corrected, mut before) = (vec![1.0; p.len()], 0.0f64);
    for (rank, i) in order.into_iter().enumerate() {
        before = before.max((p[i] * (p.len() - rank) as f64).min(1.0));
        corrected[i] = before;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values are those of `scipy.stats.mannwhitneyu`.
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
        assert!((least_p(5, 5) - 2.0 / 252.0).abs() < 1e-12);
        assert!((least_p(1, 1) - 1.0).abs() < 1e-12);
        assert_eq!(least_p(0, 5), 1.0);
    }

    #[test]
    fn equal_samples_and_no_samples_say_nothing() {
        assert_eq!(rank_test(&[5.0; 12], &[5.0; 12]), 1.0);
        assert_eq!(rank_test(&[], &[1.0]), 1.0);
        assert_eq!(rank_test(&[1.0], &[2.0]), 1.0);
        assert_eq!(rank_test(&[1.0, 3.0], &[2.0]), 1.0);
    }

    /// The example of Brunner and Munzel's paper (pain scores), as R's `lawstat` and scipy compute it.
    #[test]
    fn known_values_where_both_scatter_differently() {
        let yes = [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 1.0, 1.0];
        let no = [3.0, 3.0, 4.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 5.0, 4.0];
        assert!((placement_test(&yes, &no) - 0.005_786_208_666_151_538).abs() < 1e-9);
        assert_eq!(placement_test(&[1.0, 2.0], &[3.0, 4.0]), 0.0);
        assert_eq!(placement_test(&[5.0; 4], &[5.0; 4]), 1.0);
        assert_eq!(placement_test(&[1.0], &[3.0, 4.0]), 1.0);
    }

    #[test]
    fn the_effect_says_how_often_one_is_larger() {
        assert_eq!(effect(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
        assert_eq!(effect(&[3.0, 4.0], &[1.0, 2.0]), -1.0);
        assert_eq!(effect(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
        assert_eq!(effect(&[], &[1.0]), 0.0);
    }

    #[test]
    fn of_many_questions_each_has_to_be_answered_more_clearly() {
        // The example of Holm's paper as R's `p.adjust` computes it.
        let all = corrected(&[0.01, 0.04, 0.03, 0.005]);
        let expected = [0.03, 0.06, 0.06, 0.02];
        assert!(all.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{all:?}");
        assert_eq!(corrected(&[0.5]), [0.5]);
        assert_eq!(corrected(&[0.9, 0.9]), [1.0, 1.0]);
    }
}
