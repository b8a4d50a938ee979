//! `perf compare`: is HEAD faster or slower than BASE?
//!
//! Of two commits both are built, and their binaries run in turns, so that a busy minute hits both: in every round the
//! base, the head, and the base once more, in changing order. The two runs of the base are the measure of the noise.
//! Of two saved runs their samples are compared; there the base's own samples, split in two, are.

mod build;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use crate::desk::{Kept, table};
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Run, show};
use crate::stats::{Better, Comparison, Verdict, compare};
use crate::{suite, tools};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A commit, `.` for the working tree, the number of a kept run (`@12`), or a JSON file of one
    base: String,
    /// The same
    head: String,
    /// Only benchmarks whose names contain one of these
    filters: Vec<String>,
    /// Of two commits, how often each is run
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    #[command(flatten)]
    kept: Kept,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// One number, compared.
#[derive(Serialize, Debug)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) unit: String,
    #[serde(flatten)]
    pub(crate) comparison: Comparison,
}

/// Samples of one number.
#[derive(Default, Debug)]
struct Samples {
    unit: String,
    better: Better,
    base: Vec<f64>,
    again: Vec<f64>,
    head: Vec<f64>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let compared = match (saved(args, &args.base)?, saved(args, &args.head)?) {
        (Some(base), Some(head)) => of_runs(&base, &head, &args.filters),
        (None, None) => of_commits(args)?,
        _ => {
            return Err(Failure::new(Exit::Usage, "a commit and a kept run cannot be compared")
                .hint("Give two commits, which are then run in turns, or two runs."));
        }
    };
    if compared.is_empty() {
        return Err(Failure::new(Exit::Usage, "they have no numbers in common"));
    }
    if args.json {
        println!("{}", serde_json::to_string(&compared)?);
    } else {
        print!("{}", render(&compared));
    }
    let worse = compared.iter().filter(|c| c.comparison.verdict == Verdict::Regression).count();
    if worse > 0 {
        return Err(Failure::new(Exit::Verdict, format_args!("{worse} regressions")));
    }
    Ok(())
}

/// A kept run, if `name` names one.
fn saved(args: &Args, name: &str) -> Result<Option<Run>, Failure> {
    let is_run = name.starts_with('@') || name.ends_with(".json") || name == "latest";
    is_run.then(|| args.kept.find(name)).transpose()
}

/// Compares what two runs have in common.
pub(crate) fn of_runs(base: &Run, head: &Run, filters: &[String]) -> Vec<Compared> {
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()));
    let common = head.metrics.iter().filter(|m| wanted(&m.name));
    let compared = common.filter_map(|h| {
        let b = base.metric(&h.name)?;
        // Every other sample, so that what changed in the course of the run is in both.
        let half = |from| b.samples.iter().copied().skip(from).step_by(2).collect::<Vec<_>>();
        let comparison = compare(&half(0), &half(1), &h.samples, h.better);
        Some(Compared { name: h.name.clone(), unit: h.unit.clone(), comparison })
    });
    compared.collect()
}

/// Runs two commits in turns.
fn of_commits(args: &Args) -> Result<Vec<Compared>, Failure> {
    // A filter that selects nothing should not take two builds to find out.
    suite::selection(&args.filters)?;
    let base = build::binary(&args.base)?;
    let head = build::binary(&args.head)?;
    let mut all: BTreeMap<String, Samples> = BTreeMap::new();
    for round in 0..usize::from(args.rounds) {
        eprintln!("round {} of {}", round + 1, args.rounds);
        // Whoever runs first after a pause is not always the same.
        for turn in 0..3 {
            let who = (round + turn) % 3;
            let measured = measure(if who == 1 { &head } else { &base }, &args.filters)?;
            for metric in measured.metrics {
                let samples = all.entry(metric.name).or_default();
                (samples.unit, samples.better) = (metric.unit, metric.better);
                [&mut samples.base, &mut samples.head, &mut samples.again][who].push(metric.value);
            }
        }
    }
    let both = all.into_iter().filter(|(_, s)| !s.base.is_empty() && !s.head.is_empty());
    let compared = both.map(|(name, s)| {
        let comparison = compare(&s.base, &s.again, &s.head, s.better);
        Compared { name, unit: s.unit, comparison }
    });
    Ok(compared.collect())
}

/// One short run of another build of this program.
fn measure(binary: &PathBuf, filters: &[String]) -> Result<Run, Failure> {
    let mut command = Command::new(binary);
    command.args(["bench", "--json", "--dry", "--samples", "5"]).args(filters);
    let output = tools::run(&mut command, Duration::from_secs(600))?.success("perf bench")?;
    Ok(serde_json::from_slice(&output)?)
}

/// The noise as it stands beside a verdict.
pub(crate) fn noise(comparison: &Comparison) -> String {
    comparison.noise_percent.map_or_else(|| "not known".into(), |noise| format!("±{noise:.1} %"))
}

/// For a person: every verdict with the noise beside it.
pub(crate) fn render(compared: &[Compared]) -> String {
    const COLUMNS: [&str; 8] =
        ["", "base", "head", "change", "99 % between", "p", "noise", "verdict"];
    let row = |c: &Compared| {
        let d = &c.comparison;
        vec![
            c.name.clone(),
            show(d.base, &c.unit),
            show(d.head, &c.unit),
            format!("{:+.1} %", d.change_percent),
            format!("{:+.1} and {:+.1} %", d.low_percent, d.high_percent),
            format!("{:.4}", d.p),
            noise(d),
            d.verdict.as_str().to_owned(),
        ]
    };
    table(&COLUMNS, &compared.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Metric;

    fn saved(values: [f64; 10], scale: f64) -> Run {
        let metrics = vec![
            Metric::new("record.ns", "ns", values.iter().map(|v| v * scale).collect()),
            Metric::new("path.events", "/s", values.iter().map(|v| v / scale).collect()),
        ];
        Run { at: 0, ..Run::now("bench", metrics) }
    }

    const VALUES: [f64; 10] = [10.0, 10.2, 9.9, 10.1, 10.0, 10.3, 9.8, 10.1, 9.9, 10.2];

    fn verdicts(scale: f64, filters: &[&str]) -> Vec<(String, Verdict)> {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        let compared = of_runs(&saved(VALUES, 1.0), &saved(VALUES, scale), &filters);
        compared.into_iter().map(|c| (c.name, c.comparison.verdict)).collect()
    }

    #[test]
    fn two_runs_are_compared_by_what_they_have_in_common() {
        use Verdict::{Improvement, Regression, Unchanged};
        let of = |verdict| vec![("record.ns".into(), verdict), ("path.events".into(), verdict)];
        assert_eq!(verdicts(1.0, &[]), of(Unchanged));
        assert_eq!(verdicts(1.3, &[]), of(Regression));
        assert_eq!(verdicts(0.7, &[]), of(Improvement));
        assert_eq!(verdicts(1.3, &["path"]), [("path.events".into(), Regression)]);
    }

    #[test]
    fn the_noise_stands_beside_every_verdict() {
        let text = render(&of_runs(&saved(VALUES, 1.0), &saved(VALUES, 1.3), &[]));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        for line in &lines[1..] {
            assert!(line.contains('±') && line.ends_with("regression"), "{line}");
        }
    }
}
