//! `perf gate`: whether the latest numbers keep the rules, as an exit code.
//!
//! The rules are committed (`benches/gate.toml`), so that loosening one is a change that somebody reviews.

mod rule;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::desk::Kept;
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Metric, Run, show};
use rule::{Broken, Rule};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to judge: a kept run (`@12`) or a JSON file; without it, the latest run of each kind
    runs: Vec<String>,
    /// The rules
    #[arg(long, value_name = "FILE", default_value = "benches/gate.toml")]
    rules: PathBuf,
    /// What rules `against baseline` compare with: a kept run or a JSON file; without it, they wait
    #[arg(long, value_name = "RUN")]
    baseline: Option<String>,
    #[command(flatten)]
    kept: Kept,
    /// Print one JSON array instead of lines
    #[arg(long)]
    json: bool,
}

/// The file of rules.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "rule")]
    rules: Vec<Written>,
}

/// A rule as it is written.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What must not be.
    fail_if: String,
    /// For whoever breaks it.
    #[serde(default)]
    why: String,
}

/// What became of a rule.
#[derive(Serialize, Debug)]
struct Judged {
    fail_if: String,
    /// Numbers that it looked at.
    looked_at: usize,
    broken: Vec<Broken>,
    why: String,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let text = std::fs::read_to_string(&args.rules);
    let text = text.map_err(|e| Failure::file("read", &args.rules, &e))?;
    let rules = parse(&text, &args.rules)?;
    let runs = match &args.runs[..] {
        [] => latest(&args.kept)?,
        names => names.iter().map(|n| args.kept.find(n)).collect::<Result<_, _>>()?,
    };
    let baseline = args.baseline.as_deref().map(|name| args.kept.find(name)).transpose()?;
    let judged = judge(&rules, &runs, baseline.as_ref());
    if args.json {
        println!("{}", serde_json::to_string(&judged)?);
    } else {
        judged.iter().for_each(print);
    }
    verdict(&judged)
}

/// For a report: what must not be, the verdict, and what broke it.
pub(crate) fn targets(path: &Path, runs: &[Run]) -> Result<Vec<[String; 3]>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    let row = |j: Judged| {
        let verdict = match (j.broken.is_empty(), j.looked_at) {
            (false, _) => "FAIL",
            (true, 0) => "not measured",
            (true, _) => "pass",
        };
        let numbers = j.broken.iter().map(|b| format!("{}: {}", b.name, show(b.value, &b.unit)));
        [j.fail_if, verdict.into(), numbers.collect::<Vec<_>>().join(", ")]
    };
    Ok(judge(&parse(&text, path)?, runs, None).into_iter().map(row).collect())
}

fn parse(text: &str, path: &Path) -> Result<Vec<(Written, Rule)>, Failure> {
    let wrong = |what: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, format_args!("{}: {what}", path.display()))
    };
    let file: File = toml::from_str(text).map_err(|e| wrong(&e))?;
    let parse = |written: Written| {
        let rule = Rule::parse(&written.fail_if).map_err(|e| wrong(&e))?;
        Ok((written, rule))
    };
    file.rules.into_iter().map(parse).collect()
}

/// The latest run of each kind that measures.
fn latest(kept: &Kept) -> Result<Vec<Run>, Failure> {
    let results = kept.open()?;
    let mut runs = Vec::new();
    for kind in ["bench", "load", "chaos"] {
        runs.extend(results.current(kind)?);
    }
    if runs.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing was measured yet")
            .hint("`perf bench` and `perf load` measure."));
    }
    Ok(runs)
}

fn judge(rules: &[(Written, Rule)], runs: &[Run], baseline: Option<&Run>) -> Vec<Judged> {
    let metrics: Vec<&Metric> = runs.iter().flat_map(|r| &r.metrics).collect();
    let judge = |(written, rule): &(Written, Rule)| {
        let (looked_at, broken) = rule.judge(&metrics, baseline);
        let (fail_if, why) = (written.fail_if.clone(), written.why.clone());
        Judged { fail_if, looked_at, broken, why }
    };
    rules.iter().map(judge).collect()
}

fn print(judged: &Judged) {
    let state = match (judged.broken.is_empty(), judged.looked_at) {
        (false, _) => "FAIL",
        (true, 0) => "    ",
        (true, _) => "ok  ",
    };
    println!("{state} {} ({} numbers)", judged.fail_if, judged.looked_at);
    for broken in &judged.broken {
        let was = match broken.baseline {
            Some(was) => format!(", was {}", show(was, &broken.unit)),
            None => String::new(),
        };
        println!("       {} is {}{was}", broken.name, show(broken.value, &broken.unit));
    }
    if !judged.broken.is_empty() && !judged.why.is_empty() {
        println!("       {}", judged.why);
    }
}

fn verdict(judged: &[Judged]) -> Outcome {
    let broken = judged.iter().filter(|j| !j.broken.is_empty()).count();
    if broken > 0 {
        return Err(Failure::new(Exit::Verdict, format_args!("{broken} rules are broken")));
    }
    if judged.iter().all(|j| j.looked_at == 0) {
        // A gate that looks at nothing is open.
        return Err(Failure::new(Exit::Usage, "no rule found a number to look at"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(Written, Rule)> {
        parse(text, Path::new("gate.toml")).unwrap()
    }

    fn run(metrics: Vec<Metric>) -> Run {
        Run::now("bench", metrics)
    }

    const RULES: &str = r#"
        [[rule]]
        fail_if = "record.p99 > 100ns"
        why = "It is on everybody's path."
        [[rule]]
        fail_if = "+50 % against baseline"
    "#;

    #[test]
    fn a_broken_rule_fails_the_gate_and_says_why() {
        let judged =
            judge(&rules(RULES), &[run(vec![Metric::one("record.p99", "ns", 150.0)])], None);
        assert_eq!(judged[0].broken[0].value, 150.0);
        assert!(verdict(&judged).is_err());
        assert_eq!(judged[1].looked_at, 0, "there is no baseline");
    }

    #[test]
    fn the_gate_opens_when_all_rules_are_kept() {
        let now = [run(vec![Metric::one("record.p99", "ns", 90.0)])];
        let before = run(vec![Metric::one("record.p99", "ns", 70.0)]);
        assert!(verdict(&judge(&rules(RULES), &now, Some(&before))).is_ok());
        let before = run(vec![Metric::one("record.p99", "ns", 50.0)]);
        assert!(verdict(&judge(&rules(RULES), &now, Some(&before))).is_err());
    }

    #[test]
    fn a_gate_that_looks_at_nothing_stays_shut() {
        let judged = judge(&rules(RULES), &[run(vec![Metric::one("other", "ns", 1.0)])], None);
        assert!(verdict(&judged).is_err());
    }

    #[test]
    fn a_file_with_a_slip_is_refused() {
        for text in ["[[rule]]\nfail_id = \"a > 1\"", "[[rule]]\nfail_if = \"a >\"", "rule = 5"] {
            assert!(parse(text, Path::new("x")).is_err(), "{text}");
        }
    }

    #[test]
    fn the_committed_rules_can_be_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gate.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!parse(&text, &path).unwrap().is_empty());
    }
}
