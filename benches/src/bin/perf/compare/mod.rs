//! `perf compare`: is HEAD faster or slower than BASE?
//!
//! Two commits are both built, and their binaries run in turns, so that a busy minute affects both: each round runs the
//! base, the head, and the base once more, in changing order. The two runs of the base measure the noise. Of two saved
//! runs the samples are compared, and the noise is measured between the first and the second half of the base's own
//! samples.

mod build;
mod markdown;
mod side;
mod turns;

use serde::Serialize;

use crate::desk::{Kept, table};
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Environment, Metric, Run, show};
use crate::stats::{Comparison, Number, Verdict, compare};
pub(crate) use build::binary;
use side::Side;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// BASE and HEAD, or one range of commits (`main..HEAD`, or `main...HEAD` from where the branches parted), and then
    /// words of which the names of the numbers must contain one
    ///
    /// Each side is a commit, `.` for the working tree, a kept run (`@12`, `latest`), a JSON file of a run, or a folder
    /// of Criterion's results, of this or any other project: `target/criterion`, or `target/criterion:BASELINE`.
    #[arg(required = true, value_name = "SIDES")]
    sides: Vec<String>,
    /// How often each is run, when comparing two commits
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    #[command(flatten)]
    kept: Kept,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Print a comment for a pull request, in Markdown, instead of a table
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// The comparison of one number.
#[derive(Serialize, Debug)]
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) unit: String,
    #[serde(flatten)]
    pub(crate) comparison: Comparison,
}

impl Compared {
    /// Whether the number became better or worse.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self.comparison.verdict, Verdict::Improvement | Verdict::Regression)
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let (base, head, filters) = side::split(&args.sides)?;
    let compared = match (Side::find(&args.kept, &base)?, Side::find(&args.kept, &head)?) {
        (Side::Run(base), Side::Run(head)) => of_runs(&base, &head, filters),
        (Side::Commit(base), Side::Commit(head)) => turns::run(&base, &head, filters, args.rounds)?,
        _ => {
            return Err(Failure::new(Exit::Usage, "a commit and a kept run cannot be compared")
                .hint("Give two commits, which are then run in turns, or two runs."));
        }
    };
    if compared.is_empty() {
        return Err(Failure::new(Exit::Usage, "the two runs have no numbers in common"));
    }
    if args.json {
        println!("{}", serde_json::to_string(&compared)?);
    } else if args.markdown {
        let sides = format!("{head} against {base}");
        print!("{}", markdown::comment(&sides, &Environment::here().line(), &compared));
    } else {
        print!("{}", render(&compared));
    }
    let worse = compared.iter().filter(|c| c.comparison.verdict == Verdict::Regression).count();
    if worse > 0 {
        return Err(Failure::new(Exit::Verdict, format_args!("{worse} regressions")));
    }
    Ok(())
}

/// Compares the numbers that two runs have in common.
pub(crate) fn of_runs(base: &Run, head: &Run, filters: &[String]) -> Vec<Compared> {
    let wanted =
        |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(f.as_str()));
    let common: Vec<_> = head
        .metrics
        .iter()
        .filter(|h| wanted(&h.name))
        .filter_map(|h| {
            let b = base.metric(&h.name)?;
            // Drift in the course of the run is noise, so the first half is compared with the second.
            let (first, second) = b.samples.split_at(b.samples.len() / 2);
            let number = Number {
                base: first,
                again: second,
                head: &h.samples,
                better: h.better,
                exact: h.exact,
            };
            Some((h, number))
        })
        .collect();
    let numbers: Vec<_> = common.iter().map(|(_, number)| *number).collect();
    let named = |((h, _), comparison): (&(&Metric, Number<'_>), Comparison)| Compared {
        name: h.name.clone(),
        unit: h.unit.clone(),
        comparison,
    };
    common.iter().zip(compare(&numbers)).map(named).collect()
}

/// The columns of the table of verdicts, in the terminal and in the report.
pub(crate) const COLUMNS: [&str; 9] =
    ["", "base", "head", "change", "99 % between", "effect", "noise", "would be seen", "verdict"];

/// Formats a comparison as a row of that table.
pub(crate) fn row(c: &Compared) -> Vec<String> {
    let d = &c.comparison;
    let scatters = |text: String| if d.exact { "exact".into() } else { text };
    vec![
        c.name.clone(),
        show(d.base, &c.unit),
        show(d.head, &c.unit),
        format!("{:+.1} %", d.change_percent),
        scatters(format!("{:+.1} and {:+.1} %", d.low_percent, d.high_percent)),
        format!("{:+.2}", d.effect),
        scatters(format!("±{:.1} %", d.noise_percent)),
        scatters(d.detectable_percent.map_or(String::new(), |p| format!("{p} %"))),
        d.verdict.as_str().to_owned(),
    ]
}

/// Formats all verdicts with their noise, and a summary, for a person to read.
pub(crate) fn render(compared: &[Compared]) -> String {
    let rows: Vec<_> = compared.iter().map(row).collect();
    table(&COLUMNS, &rows) + &summary(compared) + "\n"
}

/// Says how many numbers got which verdict.
pub(crate) fn summary(compared: &[Compared]) -> String {
    let count = |verdict| compared.iter().filter(|c| c.comparison.verdict == verdict).count();
    let [better, worse, same, open] =
        [Verdict::Improvement, Verdict::Regression, Verdict::Unchanged, Verdict::Undecided]
            .map(count);
    let mut text =
        format!("{better} improvements, {worse} regressions, {same} unchanged, {open} undecided");
    if open > 0 {
        text += "\nUndecided: too few samples to detect a change among this many numbers. Take more samples, or name fewer numbers.";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn saved(values: [f64; 10], scale: f64) -> Run {
        let metrics = vec![
            Metric::new("record.ns", "ns", values.iter().map(|v| v * scale).collect()),
            Metric::new("path.events", "/s", values.iter().map(|v| v / scale).collect()),
        ];
        Run { at: 0, ..Run::now("bench", metrics) }
    }

    pub(super) const VALUES: [f64; 10] = [10.0, 10.2, 9.9, 10.1, 10.0, 10.3, 9.8, 10.1, 9.9, 10.2];

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
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3], "0 improvements, 2 regressions, 0 unchanged, 0 undecided");
        for line in &lines[1..3] {
            assert!(line.contains('±') && line.ends_with("regression"), "{line}");
        }
    }
}
