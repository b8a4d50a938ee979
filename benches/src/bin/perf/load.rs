//! `perf load`: runs the scenarios of `ringstat load` and keeps the numbers like all other results.
//!
//! Each scenario is run in several short rounds instead of one long one, because a number that was measured once cannot
//! be compared.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::desk::Output;
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Metric, Run, Timeline};
use crate::tools;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The scenarios, which `ringstat load --help` describes
    #[arg(default_values = ["baseline"], value_parser = ["baseline", "high", "stress", "burst", "stages", "network-failure", "ladder", "ci"])]
    scenarios: Vec<String>,
    /// How often each is run; below 8, changes of many numbers at once cannot be told from chance
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// How long a round takes; the ladder has steps of its own
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// Further flags for `ringstat load`, as in `-- --preset reliable`; or a program of your own that makes the load, as in
    /// `-- ./my-service --metrics-to {}`
    #[arg(last = true)]
    flags: Vec<String>,
    #[command(flatten)]
    output: Output,
}

/// The time limit. The ladder takes the longest, and flags may make any scenario longer.
const LIMIT: Duration = Duration::from_secs(2 * 3600);

pub(crate) fn run(args: &Args) -> Outcome {
    let ringstat = tools::ringstat()?;
    let program = [PROGRAM.to_owned()];
    let scenarios = if is_program(&args.flags) { &program[..] } else { &args.scenarios };
    let (mut rounds, mut timelines) = (Vec::new(), Vec::new());
    let mut failed = std::collections::BTreeSet::new();
    // The scenarios take turns, so that a busy minute does not affect all rounds of one scenario.
    let turns = (0..args.rounds).flat_map(|round| scenarios.iter().map(move |s| (round, s)));
    for (round, scenario) in turns {
        eprintln!("{scenario}: round {} of {}", round + 1, args.rounds);
        let mut command = Command::new(&ringstat);
        command.args(["load", "--json"]).args(flags(scenario, args.seconds, &args.flags));
        let ended = tools::run(&mut command, LIMIT)?;
        // Exit code 1 means that a check failed; the report says which.
        if !matches!(ended.code, Some(0 | 1)) {
            ended.success("ringstat load")?;
            continue;
        }
        let report: Value = serde_json::from_slice(&ended.stdout)?;
        rounds.push(metrics_of(scenario, &report));
        // One picture of each scenario is enough.
        if round == 0 {
            timelines.extend(timeline_of(scenario, &report));
        }
        failed.extend(failures(&report).map(|what| format!("{scenario}: {what}")));
    }
    args.output.take(Run { timelines, ..Run::now("load", Run::merged(rounds)) })?;
    if failed.is_empty() {
        return Ok(());
    }
    let failed: Vec<_> = failed.into_iter().collect();
    Err(Failure::new(Exit::Verdict, format_args!("not passed: {}", failed.join("; "))))
}

/// The name under which the numbers of the user's own program are kept.
const PROGRAM: &str = "program";

/// Whether what follows `--` is a program and not flags.
fn is_program(words: &[String]) -> bool {
    words.first().is_some_and(|word| !word.starts_with('-'))
}

/// Returns the flags for `ringstat load`. Those given by the user take precedence.
fn flags(scenario: &str, seconds: u16, further: &[String]) -> Vec<String> {
    if is_program(further) {
        let flags = ["--duration".to_owned(), format!("{seconds}s"), "--".to_owned()];
        return flags.into_iter().chain(further.iter().cloned()).collect();
    }
    let mut flags: Vec<String> = match scenario {
        // A public CI has to sustain 50 000 events a second.
        "ci" => vec!["--scenario", "baseline", "--rate", "50k"],
        name => vec!["--scenario", name],
    }
    .into_iter()
    .map(String::from)
    .collect();
    let said = further.iter().any(|f| f.starts_with("--duration"));
    if scenario != "ladder" && !said {
        flags.extend(["--duration".to_owned(), format!("{seconds}s")]);
    }
    flags.extend(further.iter().cloned());
    flags
}

/// Returns the numbers of a report that are kept.
pub(crate) fn metrics_of(scenario: &str, report: &Value) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let report = match report.get("best") {
        // Of a ladder, the best step is kept in full.
        Some(best) => {
            let highest = number(report, "/highest_without_loss");
            metrics
                .extend(highest.map(|n| Metric::one(format!("load.{scenario}.highest"), "/s", n)));
            best
        }
        None => report,
    };
    if let (Some(network), Some(kernel), Some(generated)) = (
        number(report, "/loss/network"),
        number(report, "/loss/kernel"),
        number(report, "/generated").filter(|n| *n > 0.0),
    ) {
        let percent = (network + kernel) / generated * 100.0;
        metrics.push(Metric::one(format!("load.{scenario}.udp_loss"), "%", percent));
    }
    let mut add = |name: &str, unit: &str, path: &str, less: f64| {
        if let Some(n) = number(report, path) {
            let name = format!("load.{scenario}.{name}");
            metrics.push(Metric::one(name, unit, (n - less).max(0.0)));
        }
    };
    add("generated", "/s", "/generated_per_second", 0.0);
    add("delivered", "/s", "/delivered_per_second", 0.0);
    add("drop_rate", "%", "/drop_percent", 0.0);
    add("unaccounted", "events", "/unaccounted", 0.0);
    // Of a program, only datagrams can be known to be lost.
    add("udp_loss", "%", "/datagram_loss_percent", 0.0);
    for stage in ["record", "ring", "send", "network", "kernel", "collector"] {
        add(&format!("lost.{stage}"), "events", &format!("/loss/{stage}"), 0.0);
    }
    let clock = number(report, "/latency_ns/clock_ns").unwrap_or(0.0);
    for p in ["p50", "p95", "p99", "p999"] {
        // A time includes one reading of the clock, which is read before and after the call.
        add(&format!("record.{p}"), "ns", &format!("/latency_ns/record/{p}"), clock);
        add(&format!("end_to_end.{p}"), "ns", &format!("/latency_ns/end_to_end/{p}"), 0.0);
    }
    add("bytes_per_event", "B", "/bytes_per_event", 0.0);
    add("memory.peak", "B", "/memory/peak", 0.0);
    add("buffer.peak", "%", "/buffer/peak_percent", 0.0);
    add("memory.growth", "B", "/memory/growth", 0.0);
    for (name, path) in [("opened", "opened_after"), ("recovered", "recovered_after")] {
        let seconds = number(report, &format!("/outage/{path}"));
        let name = format!("load.{scenario}.{name}");
        metrics.extend(seconds.map(|s| Metric::one(name, "ns", s * 1e9)));
    }
    metrics
}

/// Returns the rate over time, with the stages marked.
fn timeline_of(scenario: &str, report: &Value) -> Option<Timeline> {
    let report = report.get("best").unwrap_or(report);
    let moments = report["timeline"].as_array()?;
    let column = |name: &str| moments.iter().filter_map(|m| m[name].as_f64()).collect();
    // The first stage begins with the run.
    let stages = report["stages"].as_array().into_iter().flatten().skip(1);
    let mark = |s: &Value| Some((s["from"].as_f64()?, s["name"].as_str()?.to_owned()));
    Some(Timeline {
        name: format!("load.{scenario}.generated"),
        unit: "/s".into(),
        seconds: column("seconds"),
        values: column("rate"),
        marks: stages.filter_map(mark).collect(),
    })
}

fn number(report: &Value, path: &str) -> Option<f64> {
    report.pointer(path)?.as_f64()
}

/// Returns the names of the checks that failed.
fn failures(report: &Value) -> impl Iterator<Item = &str> {
    let report = report.get("best").unwrap_or(report);
    let checks = report["checks"].as_array().into_iter().flatten();
    checks.filter(|c| c["pass"] == false).filter_map(|c| c["what"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report() -> Value {
        json!({
            "generated": 2000, "generated_per_second": 1000.0, "delivered_per_second": null, "drop_percent": 0.5,
            "loss": {"record": 0, "ring": 5, "network": null, "kernel": 2},
            "latency_ns": {"clock_ns": 20.0, "record": {"p50": 50, "p99": 10}, "end_to_end": null},
            "checks": [{"what": "lost", "pass": true}, {"what": "memory added", "pass": false}],
        })
    }

    #[test]
    fn what_a_report_says_is_kept_and_what_it_does_not_know_is_not() {
        let metrics = metrics_of("high", &report());
        let value = |name: &str| metrics.iter().find(|m| m.name == name).map(|m| m.value);
        assert_eq!(value("load.high.generated"), Some(1000.0));
        assert_eq!(value("load.high.delivered"), None);
        assert_eq!(value("load.high.lost.ring"), Some(5.0));
        assert_eq!(value("load.high.lost.network"), None);
        assert_eq!(value("load.high.record.p50"), Some(30.0));
        assert_eq!(value("load.high.record.p99"), Some(0.0));
        assert_eq!(failures(&report()).collect::<Vec<_>>(), ["memory added"]);
    }

    #[test]
    fn the_rate_over_time_has_the_stages_marked() {
        let report = json!({
            "timeline": [{"seconds": 1.0, "rate": 10.0}, {"seconds": 2.0, "rate": 30.0}],
            "stages": [{"name": "ramp up", "from": 0.0}, {"name": "peak", "from": 1.5}],
        });
        let timeline = timeline_of("stages", &report).unwrap();
        assert_eq!((timeline.seconds, timeline.values), (vec![1.0, 2.0], vec![10.0, 30.0]));
        assert_eq!(timeline.marks, [(1.5, "peak".to_owned())]);
        assert_eq!(timeline_of("x", &json!({})), None);
    }

    #[test]
    fn what_the_network_and_the_kernel_lost_is_a_share_of_all() {
        let mut report = report();
        report["loss"]["network"] = 8.into();
        let metrics = metrics_of("high", &report);
        let loss = metrics.iter().find(|m| m.name == "load.high.udp_loss");
        assert_eq!(loss.map(|m| m.value), Some(0.5));
    }

    #[test]
    fn a_round_is_short_unless_the_user_says_otherwise() {
        let flags = |scenario, further: &[&str]| {
            flags(scenario, 5, &further.iter().map(ToString::to_string).collect::<Vec<_>>())
                .join(" ")
        };
        assert_eq!(flags("high", &[]), "--scenario high --duration 5s");
        assert_eq!(flags("ci", &[]), "--scenario baseline --rate 50k --duration 5s");
        assert_eq!(flags("high", &["--duration=9"]), "--scenario high --duration=9");
        assert_eq!(flags("ladder", &[]), "--scenario ladder");
        assert_eq!(flags("program", &["./mine", "-x"]), "--duration 5s -- ./mine -x");
    }

    #[test]
    fn of_a_ladder_the_top_and_its_best_step_are_kept() {
        let climb = json!({"highest_without_loss": 400_000, "steps": [], "best": report()});
        let metrics = metrics_of("ladder", &climb);
        assert_eq!(metrics[0], Metric::one("load.ladder.highest", "/s", 400_000.0));
        assert!(metrics.iter().any(|m| m.name == "load.ladder.generated"));
        assert_eq!(failures(&climb).count(), 1);
    }
}
