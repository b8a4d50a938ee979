//! The verdict on two versions of a number: improvement, regression, unchanged, or undecided.
//!
//! A number that is the same from run to run (bytes, allocations, instructions) is compared exactly: any difference is
//! a change. For a number that scatters, a difference counts when it is
//!
//! - large enough to matter (more than 5 %),
//! - unlikely to be chance (rank test at 0.5 %, corrected for all numbers that are compared at once), and
//! - larger than the differences that this machine shows for one and the same program. That is measured: the base runs
//!   twice in every round, and the two are compared as if they were different versions (an A/A run).
//!
//! Otherwise the number is *unchanged*, reported with the smallest change that would have been detected; or
//! *undecided*, if there are too few samples to detect any change.

use ringstat_core::testkit::Rng;
use serde::{Deserialize, Serialize};

use super::rank::{corrected, effect, least_p, placement_test};
use super::resample::{detectable, spread, without_outliers};
use super::{change_percent, median, rank_test};

/// Smaller changes do not matter.
const MATTERS_PERCENT: f64 = 5.0;
/// The largest probability of a chance difference, over all numbers compared at once: one in two hundred.
const CHANCE: f64 = 0.005;

/// The confidence level of a change's bounds,
const CONFIDENCE: f64 = 0.99;
/// and that of the noise.
const NOISE: f64 = 0.95;

/// The direction in which a number is better.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// Lower is better: times, bytes, losses.
    #[default]
    Lower,
    /// Higher is better: throughput.
    Higher,
}

/// The outcome of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Improvement,
    Regression,
    Unchanged,
    /// There are too few samples to detect any change.
    Undecided,
}

impl Verdict {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Improvement => "improvement",
            Self::Regression => "regression",
            Self::Unchanged => "unchanged",
            Self::Undecided => "undecided",
        }
    }

    /// Returns the verdict for a change in this direction.
    fn of(change_percent: f64, better: Better) -> Self {
        match (change_percent < 0.0) == (better == Better::Lower) {
            _ if change_percent == 0.0 => Self::Unchanged,
            true => Self::Improvement,
            false => Self::Regression,
        }
    }
}

/// Two versions of one number, with all their samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) base: &'a [f64],
    /// The samples of the base's second run, measured as if it were a version of its own.
    pub(crate) again: &'a [f64],
    pub(crate) head: &'a [f64],
    pub(crate) better: Better,
    /// Whether the number is the same from run to run.
    pub(crate) exact: bool,
}

/// The comparison of two versions of one number.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Comparison {
    /// The median of the base.
    pub(crate) base: f64,
    pub(crate) head: f64,
    pub(crate) change_percent: f64,
    /// The bounds of the change at 99 % confidence, by bootstrap.
    pub(crate) low_percent: f64,
    pub(crate) high_percent: f64,
    /// The p-value of the rank tests, corrected for all numbers that were compared at once.
    pub(crate) p: f64,
    /// Cliff's delta, from -1 to 1: how much larger the head's values tend to be.
    pub(crate) effect: f64,
    /// The largest difference that this machine shows between two runs of the same program.
    pub(crate) noise_percent: f64,
    /// The change that would have been detected four times in five. `None` if a change was found, or if none could have
    /// been detected.
    pub(crate) detectable_percent: Option<f64>,
    /// Whether the number is the same from run to run.
    pub(crate) exact: bool,
    pub(crate) verdict: Verdict,
}

/// Compares all `numbers`, in order. They are judged together: among a hundred unchanged numbers, one will look
/// unlikely by chance and must not be called a change.
pub(crate) fn compare(numbers: &[Number<'_>]) -> Vec<Comparison> {
    let all = |n: &Number<'_>| -> Vec<f64> { n.base.iter().chain(n.again).copied().collect() };
    let scattering: Vec<&Number<'_>> = numbers.iter().filter(|n| !n.exact).collect();
    // The first is exact for few samples, the second tolerates samples that scatter differently: both must agree.
    let sure = |n: &&Number<'_>| rank_test(&all(n), n.head).max(placement_test(&all(n), n.head));
    let p: Vec<f64> = scattering.iter().map(sure).collect();
    let family = p.len();
    let mut p = corrected(&p).into_iter();
    let one = |n: &Number<'_>| {
        if n.exact {
            exactly(n, &all(n))
        } else {
            by_ranks(n, &all(n), p.next().unwrap_or(1.0), family)
        }
    };
    numbers.iter().map(one).collect()
}

fn exactly(n: &Number<'_>, all: &[f64]) -> Comparison {
    let (base, head) = (median(all), median(n.head));
    let change = change_percent(base, head);
    let verdict = if change.is_nan() { Verdict::Undecided } else { Verdict::of(change, n.better) };
    Comparison {
        base,
        head,
        change_percent: change,
        low_percent: change,
        high_percent: change,
        p: if change == 0.0 { 1.0 } else { 0.0 },
        effect: if change == 0.0 { 0.0 } else { change.signum() },
        noise_percent: 0.0,
        detectable_percent: Some(0.0),
        exact: true,
        verdict,
    }
}

fn by_ranks(n: &Number<'_>, all: &[f64], p: f64, family: usize) -> Comparison {
    // A fixed seed: the same samples give the same verdict.
    let mut rng = Rng::new(1);
    let (base, head) = (median(all), median(n.head));
    let change = change_percent(base, head);
    let (low, high) = spread(&mut rng, (all, all.len()), (n.head, n.head.len()), CONFIDENCE);
    // Each version is compared with itself, since a head that scatters more has more noise. Outliers, which occur in
    // every run, must not hide every change.
    let half = all.len() / 2;
    let aa = [all, n.head].map(|own| {
        let own = &without_outliers(own);
        spread(&mut rng, (own, half), (own, n.head.len()), NOISE)
    });
    let seen = change_percent(median(n.base), median(n.again)).abs();
    let seen = if seen.is_finite() { seen } else { 0.0 };
    let noise = aa.iter().fold(seen, |most, (low, high)| most.max(low.abs()).max(high.abs()));
    let threshold = noise.max(MATTERS_PERCENT);
    let can_be_seen = least_p(all.len(), n.head.len()) * (family as f64) < CHANCE;
    let verdict = match (can_be_seen, p < CHANCE && change.abs() > threshold) {
        (false, _) => Verdict::Undecided,
        (true, false) => Verdict::Unchanged,
        (true, true) => Verdict::of(change, n.better),
    };
    // This is only of interest if no change was found.
    let detectable_percent = (verdict == Verdict::Unchanged && base != 0.0)
        .then(|| detectable(all, n.head.len(), threshold, CHANCE / family as f64))
        .flatten();
    Comparison {
        base,
        head,
        change_percent: change,
        low_percent: low,
        high_percent: high,
        p,
        effect: effect(all, n.head),
        noise_percent: noise,
        detectable_percent,
        exact: false,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number<'a>(base: &'a [f64], again: &'a [f64], head: &'a [f64]) -> Number<'a> {
        Number { base, again, head, better: Better::Lower, exact: false }
    }

    #[test]
    fn a_number_that_is_the_same_from_run_to_run_is_compared_exactly() {
        let judge = |base: f64, head: f64, better| {
            let (base, head) = (&[base][..], &[head][..]);
            let number = Number { base, again: &[], head, better, exact: true };
            compare(&[number])[0].verdict
        };
        assert_eq!(judge(14.6, 30.0, Better::Lower), Verdict::Regression);
        assert_eq!(judge(14.6, 14.6, Better::Lower), Verdict::Unchanged);
        assert_eq!(judge(1000.0, 999.0, Better::Lower), Verdict::Improvement);
        assert_eq!(judge(1000.0, 999.0, Better::Higher), Verdict::Regression);
        assert_eq!(judge(0.0, 1.0, Better::Lower), Verdict::Regression, "the first allocation");
        assert_eq!(judge(f64::NAN, 1.0, Better::Lower), Verdict::Undecided);
    }

    #[test]
    fn inside_the_noise_is_unchanged_however_unlikely() {
        // The base itself jumps between 100 and 120; the head stays at 118.
        let base: Vec<f64> = (0..20).map(|i| 100.0 + f64::from(i % 3)).collect();
        let again: Vec<f64> = (0..20).map(|i| 120.0 + f64::from(i % 3)).collect();
        let head: Vec<f64> = (0..20).map(|i| 118.0 + f64::from(i % 2)).collect();
        let comparison = compare(&[number(&base, &again, &head)])[0];
        assert!(comparison.noise_percent >= 19.0, "{comparison:?}");
        assert_eq!(comparison.verdict, Verdict::Unchanged);
    }

    #[test]
    fn many_numbers_at_once_need_more_samples_each() {
        let (base, head) = (
            [100.0, 101.0, 102.0, 103.0, 104.0, 105.0],
            [200.0, 201.0, 202.0, 203.0, 204.0, 205.0],
        );
        let one = number(&base, &[], &head);
        assert_eq!(compare(&[one])[0].verdict, Verdict::Regression);
        // Six of each are told apart by chance once in 462 times, and here are twenty.
        assert_eq!(compare(&[one; 20])[0].verdict, Verdict::Undecided);
    }

    #[test]
    fn what_would_have_been_seen_is_told() {
        let base: Vec<f64> = (0..12).map(|i| 100.0 + f64::from(i % 4)).collect();
        let comparison = compare(&[number(&base, &base, &base)])[0];
        assert!(comparison.detectable_percent.is_some_and(|p| p <= 10.0), "{comparison:?}");
        assert_eq!((comparison.effect, comparison.verdict), (0.0, Verdict::Unchanged));
    }

    #[test]
    fn nothing_is_undecided() {
        assert_eq!(compare(&[]), []);
        assert_eq!(compare(&[number(&[], &[], &[])])[0].verdict, Verdict::Undecided);
    }
}
