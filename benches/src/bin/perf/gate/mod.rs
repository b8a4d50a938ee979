//! `perf gate`: checks the latest numbers against the rules, and reports the result as an exit code.
//!
//! The rules are committed (`benches/gate.toml`), and so are the earlier values of deterministic numbers
//! (`benches/baseline.toml`), so that loosening one is a change that somebody reviews. Each rule has tiers: excellent,
//! target, poor.

pub(crate) mod baseline;
mod limit;
mod rule;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::desk::{Kept, table};
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Metric, Run, show};
use baseline::Baselines;
pub(crate) use limit::Limit;
pub(crate) use rule::fits;
use rule::{Judged, Measured, Rule};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to judge: kept runs (`@12`) or JSON files; by default the latest run of each kind
    runs: Vec<String>,
    /// The file of rules
    #[arg(long, value_name = "FILE", default_value = "benches/gate.toml")]
    rules: PathBuf,
    /// Judge only rules about numbers that are the same from run to run, whatever the machine
    #[arg(long)]
    exact: bool,
    /// The file with the earlier values of those numbers
    #[arg(long, value_name = "FILE", default_value = baseline::FILE)]
    exact_baseline: PathBuf,
    /// The earlier values of all other numbers: a kept run or a JSON file
    #[arg(long, value_name = "RUN")]
    baseline: Option<String>,
    #[command(flatten)]
    kept: Kept,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// The contents of the rules file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "rule")]
    rules: Vec<Rule>,
}

/// The result of a rule as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    what: &'a str,
    passes: bool,
    numbers: &'a [Measured],
    measured_by: &'a str,
    why: &'a str,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut rules = parse(&args.rules)?;
    rules.retain(|rule| rule.exact || !args.exact);
    let runs = match &args.runs[..] {
        [] => latest(&args.kept)?,
        names => names.iter().map(|n| args.kept.find(n)).collect::<Result<_, _>>()?,
    };
    let before = args.baseline.as_deref().map(|name| args.kept.find(name)).transpose()?;
    let baselines = Baselines::new(&args.exact_baseline, before)?;
    let metrics: Vec<&Metric> = runs.iter().flat_map(|r| &r.metrics).collect();
    let judged: Vec<_> =
        rules.iter().map(|rule| (rule, rule.judge(&metrics, &baselines))).collect();
    if args.json {
        let lines: Vec<_> = judged.iter().map(|(rule, judged)| Line::new(rule, judged)).collect();
        println!("{}", serde_json::to_string(&lines)?);
    } else {
        print!("{}", render(&judged));
    }
    let slips = if args.exact { baselines.mismatches(&metrics) } else { Vec::new() };
    slips.iter().for_each(|slip| eprintln!("{slip}"));
    let broken = judged.iter().filter(|(_, judged)| !judged.passes).count();
    match broken + slips.len() {
        0 => Ok(()),
        _ if broken == 0 => Err(Failure::new(Exit::Verdict, "the baseline is out of date")
            .hint("`perf count --write` writes the numbers down; commit them if they are right.")),
        _ => Err(Failure::new(
            Exit::Verdict,
            format_args!("{broken} of {} rules are broken", judged.len()),
        )),
    }
}

impl<'a> Line<'a> {
    fn new(rule: &'a Rule, judged: &'a Judged) -> Self {
        Self {
            what: &rule.what,
            passes: judged.passes,
            numbers: &judged.numbers,
            measured_by: &rule.measured_by,
            why: &rule.why,
        }
    }
}

/// Returns a row for each rule with what was measured, for the report.
pub(crate) fn targets(path: &Path, runs: &[Run]) -> Result<Vec<Vec<String>>, Failure> {
    let metrics: Vec<&Metric> = runs.iter().flat_map(|r| &r.metrics).collect();
    let baselines = Baselines::new(Path::new(baseline::FILE), None)?;
    let rules = parse(path)?;
    Ok(rules.iter().map(|rule| row(rule, &rule.judge(&metrics, &baselines))).collect())
}

/// The columns of [`targets`] and of the gate's own table.
pub(crate) const COLUMNS: [&str; 8] = [
    "what",
    "verdict",
    "measured",
    "tier",
    "excellent",
    "target",
    "poor",
    "where, or what measures it",
];

fn row(rule: &Rule, judged: &Judged) -> Vec<String> {
    let limit =
        |limit: &Option<limit::Limit>| limit.as_ref().map_or(String::new(), ToString::to_string);
    let verdict = match (judged.passes, judged.numbers.is_empty()) {
        (true, false) => "pass",
        (true, true) => "not measured",
        (false, _) => "FAIL",
    };
    let (measured, tier, place) = match judged.numbers.first() {
        Some(worst) => {
            let was = worst
                .baseline
                .map_or(String::new(), |was| format!(", was {}", show(was, &worst.unit)));
            (show(worst.value, &worst.unit) + &was, worst.tier.as_str(), worst.name.clone())
        }
        None => ("nothing".into(), "", rule.measured_by.clone()),
    };
    vec![
        rule.what.clone(),
        verdict.into(),
        measured,
        tier.into(),
        limit(&rule.excellent),
        rule.target.to_string(),
        limit(&rule.poor),
        place,
    ]
}

fn render(judged: &[(&Rule, Judged)]) -> String {
    let rows: Vec<_> = judged.iter().map(|(rule, judged)| row(rule, judged)).collect();
    let mut text = table(&COLUMNS, &rows);
    for (rule, judged) in judged.iter().filter(|(_, judged)| !judged.passes) {
        text += &format!("\nFAIL {}\n", rule.what);
        for number in judged.numbers.iter().filter(|n| !n.passes) {
            text += &format!("  {} is {}\n", number.name, show(number.value, &number.unit));
        }
        if judged.numbers.is_empty() {
            text += &format!("  It was not measured: `{}` does that.\n", rule.measured_by);
        }
        if !rule.why.is_empty() {
            text += &format!("  {}\n", rule.why);
        }
    }
    text
}

fn parse(path: &Path) -> Result<Vec<Rule>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    let file: File = toml::from_str(&text)
        .map_err(|e| Failure::new(Exit::Usage, format_args!("{}: {e}", path.display())))?;
    if file.rules.is_empty() {
        // A gate without rules would pass everything.
        return Err(Failure::new(
            Exit::Usage,
            format_args!("{} contains no rules", path.display()),
        ));
    }
    Ok(file.rules)
}

/// Returns the latest run of each kind.
fn latest(kept: &Kept) -> Result<Vec<Run>, Failure> {
    let mut results = kept.open()?;
    let mut runs = Vec::new();
    for kind in ["count", "bench", "load", "chaos", "scan"] {
        runs.extend(results.current(kind)?);
    }
    if runs.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing has been measured yet")
            .hint("`perf count`, `perf bench`, `perf load` and `perf chaos` measure."));
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> Vec<Rule> {
        parse(&Path::new(env!("CARGO_MANIFEST_DIR")).join("gate.toml")).unwrap()
    }

    #[test]
    fn what_is_measured_stands_beside_the_limits() {
        let rules = committed();
        let rule = rules.iter().find(|r| r.number == "record.p99").unwrap();
        let metric = Metric::one("record.p99", "ns", 42.0);
        let row = row(rule, &rule.judge(&[&metric], &Baselines::default()));
        assert_eq!(row[1..4], ["pass", "42 ns", "excellent"]);
        assert_eq!(row.len(), COLUMNS.len());
        let nothing = rule.judge(&[], &Baselines::default());
        let text = render(&[(rule, nothing)]);
        assert!(text.contains("FAIL") && text.contains("perf bench"), "{text}");
    }

    #[test]
    fn every_committed_rule_names_a_command_that_exists() {
        const COMMANDS: [&str; 5] =
            ["perf count", "perf bench", "perf load", "perf chaos", "perf scan"];
        for rule in committed() {
            assert!(COMMANDS.iter().any(|c| rule.measured_by.starts_with(c)), "{rule:?}");
        }
    }

    #[test]
    fn a_file_without_rules_is_refused() {
        let path = std::env::temp_dir().join(format!("ringstat-gate-{}", std::process::id()));
        for text in ["rule = []", "", "rule = 5"] {
            std::fs::write(&path, text).unwrap();
            assert!(parse(&path).is_err(), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
