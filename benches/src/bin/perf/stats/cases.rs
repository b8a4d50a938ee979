//! The desk's own test: samples for which the truth is known, with a hundred seeds each, and how often the verdict is
//! right.

use ringstat_core::testkit::Rng;

use super::{Better, Number, Verdict, compare};

/// The number of seeds for each case.
const SEEDS: u64 = 100;
/// At least this many of their verdicts have to be right,
const RIGHT: usize = 95;
/// and at most this many may report a change where there is none, or in the wrong direction.
const FALSE_ALARMS: usize = 1;

/// Generates the sample of a round; the second argument is the progress through the run, from 0 to 1.
type Sample = fn(&mut Rng, f64) -> f64;

struct Case {
    name: &'static str,
    /// The number of rounds, and so of samples.
    rounds: usize,
    base: Sample,
    head: Sample,
    truth: Verdict,
}

/// Returns a value around 1 with about two percent of scatter, as the sum of several causes.
fn around_one(rng: &mut Rng) -> f64 {
    1.0 + (0..4).map(|_| rng.unit() - 0.5).sum::<f64>() * 0.04
}

fn plain(rng: &mut Rng, _: f64) -> f64 {
    100.0 * around_one(rng)
}

fn bimodal(rng: &mut Rng, _: f64) -> f64 {
    around_one(rng) * if rng.chance(0.5) { 100.0 } else { 130.0 }
}

/// Simulates a machine that gets a quarter slower in the course of the run.
fn drifting(rng: &mut Rng, through: f64) -> f64 {
    100.0 * around_one(rng) * (1.0 + through * 0.25)
}

fn with_outliers(rng: &mut Rng, _: f64) -> f64 {
    100.0 * around_one(rng) * if rng.chance(0.05) { 5.0 } else { 1.0 }
}

fn noisier(rng: &mut Rng, _: f64) -> f64 {
    100.0 * (1.0 + (around_one(rng) - 1.0) * 3.0)
}

const fn case(name: &'static str, base: Sample, head: Sample, truth: Verdict) -> Case {
    Case { name, rounds: 12, base, head, truth }
}

const CASES: [Case; 19] = [
    case("identical", plain, plain, Verdict::Unchanged),
    case("a change that does not matter", plain, |r, t| plain(r, t) * 1.02, Verdict::Unchanged),
    case("shifted up", plain, |r, t| plain(r, t) + 12.0, Verdict::Regression),
    case("shifted down", plain, |r, t| plain(r, t) - 12.0, Verdict::Improvement),
    case("scaled up", plain, |r, t| plain(r, t) * 1.1, Verdict::Regression),
    case("scaled down", plain, |r, t| plain(r, t) * 0.9, Verdict::Improvement),
    case("twice as slow", plain, |r, t| plain(r, t) * 2.0, Verdict::Regression),
    case("the head is noisier", plain, noisier, Verdict::Unchanged),
    case("the base is noisier", noisier, plain, Verdict::Unchanged),
    case("noisier and slower", plain, |r, t| noisier(r, t) * 1.3, Verdict::Regression),
    case("bimodal", bimodal, bimodal, Verdict::Unchanged),
    case("bimodal and slower", bimodal, |r, t| bimodal(r, t) * 1.8, Verdict::Regression),
    case("drifting", drifting, drifting, Verdict::Unchanged),
    case("drifting and slower", drifting, |r, t| drifting(r, t) * 1.4, Verdict::Regression),
    case("outliers", with_outliers, with_outliers, Verdict::Unchanged),
    case(
        "outliers and slower",
        with_outliers,
        |r, t| with_outliers(r, t) * 1.2,
        Verdict::Regression,
    ),
    Case { rounds: 8, ..case("a load, repeated", plain, plain, Verdict::Unchanged) },
    Case { rounds: 1, ..case("1 sample", plain, plain, Verdict::Undecided) },
    Case {
        rounds: 1,
        ..case("1 sample, twice as much", plain, |r, t| plain(r, t) * 2.0, Verdict::Undecided)
    },
];

fn verdict(case: &Case, seed: u64, better: Better) -> Verdict {
    let mut rng = Rng::new(seed * 31 + 7);
    let mut samples = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..case.rounds {
        let through = round as f64 / case.rounds as f64;
        for (who, sample) in [case.base, case.base, case.head].into_iter().enumerate() {
            samples[who].push(sample(&mut rng, through));
        }
    }
    let [base, again, head] = &samples;
    // With only one sample, the base was not run again.
    let again: &[f64] = if case.rounds == 1 { &[] } else { again };
    compare(&[Number { base, again, head, better, exact: false }])[0].verdict
}

/// Counts the right verdicts and the false alarms.
fn score(case: &Case) -> (usize, usize) {
    let verdicts: Vec<_> = (0..SEEDS).map(|seed| verdict(case, seed, Better::Lower)).collect();
    let right = verdicts.iter().filter(|v| **v == case.truth).count();
    let silent = |v: &&Verdict| matches!(v, Verdict::Unchanged | Verdict::Undecided);
    let alarms = verdicts.iter().filter(|v| !silent(v) && **v != case.truth).count();
    (right, alarms)
}

#[test]
fn verdicts_are_right_where_the_truth_is_known() {
    // Each case gets a thread, since the whole table takes a while in an unoptimized build.
    let scores: Vec<_> = std::thread::scope(|scope| {
        let running = CASES.map(|case| (case.name, scope.spawn(move || score(&case))));
        running.into_iter().map(|(name, thread)| (name, thread.join().unwrap())).collect()
    });
    let wrong =
        |(_, (right, alarms)): &&(&str, (usize, usize))| *right < RIGHT || *alarms > FALSE_ALARMS;
    let wrong: Vec<_> = scores.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "right, false alarms of {SEEDS}: {wrong:?} in {scores:?}");
}

#[test]
fn of_twenty_numbers_that_did_not_change_none_is_called_changed() {
    let mut alarms = 0;
    for seed in 0..SEEDS / 5 {
        let mut rng = Rng::new(seed + 1000);
        let mut draw = || (0..12).map(|_| plain(&mut rng, 0.0)).collect::<Vec<_>>();
        let samples: Vec<_> = (0..20).map(|_| [draw(), draw(), draw()]).collect();
        let numbers: Vec<_> = samples
            .iter()
            .map(|[base, again, head]| Number {
                base,
                again,
                head,
                better: Better::Lower,
                exact: false,
            })
            .collect();
        let changed = compare(&numbers);
        alarms += changed.iter().filter(|c| c.verdict != Verdict::Unchanged).count();
    }
    assert!(alarms <= FALSE_ALARMS, "{alarms}");
}

#[test]
fn which_way_is_good_turns_the_verdict_around() {
    let turned = |name: &str| {
        let case = CASES.iter().find(|c| c.name == name).unwrap();
        (verdict(case, 1, Better::Lower), verdict(case, 1, Better::Higher))
    };
    assert_eq!(turned("scaled up"), (Verdict::Regression, Verdict::Improvement));
    assert_eq!(turned("scaled down"), (Verdict::Improvement, Verdict::Regression));
    assert_eq!(turned("identical"), (Verdict::Unchanged, Verdict::Unchanged));
}
