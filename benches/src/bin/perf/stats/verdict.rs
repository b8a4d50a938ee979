//! The verdict on two versions: improvement, regression, or unchanged.
//!
//! A difference counts when it is large enough to matter, unlikely to be chance, and larger than what this machine
//! makes of one and the same program. The last is measured: the base runs twice in every round, and the two are
//! compared as if they were different (an A/A run).

use ringstat_core::testkit::Rng;
use serde::{Deserialize, Serialize};

use super::{change_percent, median, quantile, rank_test};

/// A smaller change does not matter.
const MATTERS_PERCENT: f64 = 5.0;
/// Chance may explain this many comparisons in a hundred.
const CHANCE: f64 = 0.01;
/// Fewer samples of the base say nothing about the noise.
const LEAST: usize = 4;
/// How often samples are drawn again to see how far medians scatter.
const DRAWS: usize = 2000;

/// Which way is good.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// Times, bytes, losses.
    #[default]
    Lower,
    /// Throughput.
    Higher,
}

/// What a comparison comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Improvement,
    Regression,
    Unchanged,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Improvement => "improvement",
            Self::Regression => "regression",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Two versions of one number.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Comparison {
    /// Medians.
    pub(crate) base: f64,
    pub(crate) head: f64,
    pub(crate) change_percent: f64,
    /// Where the change lies with 99 % confidence, by bootstrap.
    pub(crate) low_percent: f64,
    pub(crate) high_percent: f64,
    /// Of the rank test.
    pub(crate) p: f64,
    /// So large a change this machine shows between two runs of the same program; `None`: too few samples to know.
    pub(crate) noise_percent: Option<f64>,
    pub(crate) verdict: Verdict,
}

/// Compares `head` with `base`; `again` is the base once more, run just like a version of its own.
pub(crate) fn compare(base: &[f64], again: &[f64], head: &[f64], better: Better) -> Comparison {
    let all: Vec<f64> = base.iter().chain(again).copied().collect();
    // A fixed seed: the same samples give the same verdict.
    let mut rng = Rng::new(1);
    let aa = spread(&mut rng, &all, &all, all.len() / 2, head.len());
    let seen = change_percent(median(base), median(again)).abs();
    let noise = aa.0.abs().max(aa.1.abs()).max(if seen.is_finite() { seen } else { 0.0 });
    let noise_percent = (all.len() >= LEAST).then_some(noise);
    let (low_percent, high_percent) = spread(&mut rng, &all, head, all.len(), head.len());
    let (was, is) = (median(&all), median(head));
    let change = change_percent(was, is);
    let p = rank_test(&all, head);
    let counts = change.abs() > MATTERS_PERCENT
        && p < CHANCE
        && noise_percent.is_some_and(|noise| change.abs() > noise);
    let verdict = match (counts, (change < 0.0) == (better == Better::Lower)) {
        (false, _) => Verdict::Unchanged,
        (true, true) => Verdict::Improvement,
        (true, false) => Verdict::Regression,
    };
    Comparison {
        base: was,
        head: is,
        change_percent: change,
        low_percent,
        high_percent,
        p,
        noise_percent,
        verdict,
    }
}

/// Draws samples of `n` of `a` and `m` of `b` again and again, and returns between which bounds 99 % of the changes of
/// the median lie, in percent.
fn spread(rng: &mut Rng, a: &[f64], b: &[f64], n: usize, m: usize) -> (f64, f64) {
    if a.is_empty() || b.is_empty() {
        return (0.0, 0.0);
    }
    let mut draw = |from: &[f64], count: usize| {
        let drawn: Vec<f64> =
            (0..count.max(1)).map(|_| from[rng.below(from.len() as u64) as usize]).collect();
        median(&drawn)
    };
    let changes: Vec<f64> = (0..DRAWS)
        .map(|_| change_percent(draw(a, n), draw(b, m)))
        .filter(|c| !c.is_nan())
        .collect();
    (quantile(&changes, 0.005), quantile(&changes, 0.995))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Timings as a busy machine gives them: some percent of scatter, and now and then an outlier.
    fn timings(rng: &mut Rng, around: f64, count: usize) -> Vec<f64> {
        let one = |rng: &mut Rng| {
            let noise: f64 = (0..4).map(|_| rng.unit() - 0.5).sum::<f64>() * 0.04;
            around * (1.0 + noise) * if rng.chance(0.05) { 1.5 } else { 1.0 }
        };
        (0..count).map(|_| one(rng)).collect()
    }

    fn verdicts(head: f64, better: Better) -> Vec<Verdict> {
        let one = |seed| {
            let rng = &mut Rng::new(seed);
            let (base, again) = (timings(rng, 100.0, 12), timings(rng, 100.0, 12));
            compare(&base, &again, &timings(rng, head, 12), better).verdict
        };
        (0..100).map(one).collect()
    }

    #[test]
    fn a_program_against_itself_is_unchanged() {
        assert_eq!(verdicts(100.0, Better::Lower), [Verdict::Unchanged; 100]);
    }

    #[test]
    fn a_difference_that_does_not_matter_is_unchanged() {
        assert_eq!(verdicts(102.0, Better::Lower), [Verdict::Unchanged; 100]);
    }

    #[test]
    fn a_real_difference_is_found_in_either_direction() {
        for (head, better, expected) in [
            (120.0, Better::Lower, Verdict::Regression),
            (80.0, Better::Lower, Verdict::Improvement),
            (120.0, Better::Higher, Verdict::Improvement),
            (80.0, Better::Higher, Verdict::Regression),
        ] {
            let found = verdicts(head, better);
            // When outliers make the noise look large, it is 'unchanged'; never the opposite.
            assert!(found.iter().filter(|v| **v == expected).count() >= 95, "{found:?}");
            assert!(found.iter().all(|v| [expected, Verdict::Unchanged].contains(v)), "{found:?}");
        }
    }

    #[test]
    fn inside_the_noise_is_unchanged_however_unlikely() {
        // The base itself jumps between 100 and 120; the head stays at 113.
        let base: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i % 3)).collect();
        let again: Vec<f64> = (0..20).map(|i| 120.0 + f64::from(i % 3)).collect();
        let head: Vec<f64> = (0..20).map(|i| 118.0 + f64::from(i % 2)).collect();
        let comparison = compare(&base, &again, &head, Better::Lower);
        assert!(comparison.noise_percent >= Some(19.0), "{comparison:?}");
        assert_eq!(comparison.verdict, Verdict::Unchanged);
    }

    #[test]
    fn numbers_that_do_not_scatter_are_judged_by_their_size() {
        let judge = |head| compare(&[100.0; 6], &[100.0; 6], &[head; 6], Better::Lower).verdict;
        assert_eq!(judge(100.0), Verdict::Unchanged);
        assert_eq!(judge(104.0), Verdict::Unchanged);
        assert_eq!(judge(106.0), Verdict::Regression);
        assert_eq!(judge(90.0), Verdict::Improvement);
    }

    #[test]
    fn too_few_samples_say_nothing() {
        let comparison = compare(&[100.0], &[], &[200.0], Better::Lower);
        assert_eq!((comparison.verdict, comparison.noise_percent), (Verdict::Unchanged, None));
        assert_eq!(compare(&[], &[], &[], Better::Lower).verdict, Verdict::Unchanged);
    }
}
