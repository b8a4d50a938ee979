//! `perf alerts`: rules about the latest numbers that have to hold for a while before anybody is told.
//!
//! ```text
//!  condition holds ──► pending ── for as long as `for` says ──► firing ──► exit code, JSON, webhook
//!  condition no longer holds ──► ok
//! ```
//!
//! Numbers come from runs, so a condition counts as holding from the first of the latest consecutive runs for which it
//! held.

mod webhook;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::desk::{Kept, table};
use crate::failure::{Exit, Failure, Outcome};
use crate::gate::{Limit, fits};
use crate::results::{Metric, Results, Run, escape, now, show};
use webhook::Webhook;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file with the alerts
    #[arg(long, value_name = "FILE", default_value = FILE)]
    rules: PathBuf,
    /// Also post the firing alerts to this address as a JSON array, up to four times until they are taken
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kept: Kept,
}

/// The committed alerts.
pub(crate) const FILE: &str = "benches/alerts.toml";
/// The largest number of runs that are looked at.
const RUNS: usize = 500;

/// The rules of a file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "alert")]
    alerts: Vec<Alert>,
}

/// A rule.
#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alert {
    name: String,
    /// The number; `*` stands for any characters.
    number: String,
    /// What is alarming, as in `> 500 ms`.
    condition: Limit,
    /// For how long the condition has to hold: `5m`, `90s`, `2h`, `1d`.
    #[serde(rename = "for", default, deserialize_with = "seconds")]
    hold: i64,
    severity: Grade,
    message: String,
}

/// How bad it is.
#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Warning,
    Error,
    Critical,
}

/// Whether an alert fires.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// The condition holds, but not long enough yet.
    Pending,
    Firing,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// The state of an alert for one number.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub(crate) struct Status {
    pub(crate) alert: String,
    pub(crate) number: String,
    pub(crate) state: State,
    pub(crate) value: String,
    pub(crate) condition: String,
    /// Since when the condition has held, in seconds since 1970.
    pub(crate) since: Option<i64>,
    severity: Grade,
    pub(crate) message: String,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let all = current(&mut args.kept.open()?, &args.rules)?;
    if args.json {
        println!("{}", serde_json::to_string(&all)?);
    } else {
        print!("{}", table(&COLUMNS, &all.iter().map(row).collect::<Vec<_>>()));
    }
    let firing: Vec<_> = all.into_iter().filter(|s| s.state == State::Firing).collect();
    if firing.is_empty() {
        return Ok(());
    }
    if let Some(url) = &args.webhook {
        Webhook::new(url).post(&serde_json::to_string(&firing)?)?;
    }
    Err(Failure::new(Exit::Verdict, format_args!("{} alerts are firing", firing.len())))
}

/// Returns the present state of all alerts of a file.
pub(crate) fn current(results: &mut Results, rules: &Path) -> Result<Vec<Status>, Failure> {
    let alerts = parse(rules)?;
    let mut runs = results.latest(None, RUNS)?;
    runs.reverse();
    Ok(evaluate(&alerts, &runs, now()))
}

/// The columns of the table of alerts.
pub(crate) const COLUMNS: [&str; 6] = ["alert", "state", "number", "value", "condition", "message"];

/// Formats a status as a row of that table.
pub(crate) fn row(s: &Status) -> Vec<String> {
    let words = [&s.alert, s.state.as_str(), &s.number, &s.value, &s.condition, &s.message];
    words.map(str::to_owned).to_vec()
}

fn parse(path: &Path) -> Result<Vec<Alert>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    let file: File = toml::from_str(&text)
        .map_err(|e| Failure::new(Exit::Usage, format_args!("{}: {e}", path.display())))?;
    Ok(file.alerts)
}

/// Returns the state of each alert at the time `now`, given the runs, oldest first. Only runs of the machine that
/// measured last count.
fn evaluate(alerts: &[Alert], runs: &[Run], now: i64) -> Vec<Status> {
    let Some(latest) = runs.last() else { return Vec::new() };
    let here = |r: &&Run| r.environment.same_machine(&latest.environment);
    let runs: Vec<&Run> = runs.iter().filter(here).collect();
    let mut all = Vec::new();
    for alert in alerts {
        let mut names: Vec<&str> = runs
            .iter()
            .flat_map(|r| &r.metrics)
            .map(|m| m.name.as_str())
            .filter(|name| fits(&alert.number, name))
            .collect();
        names.sort_unstable();
        names.dedup();
        all.extend(names.into_iter().filter_map(|name| status(alert, name, &runs, now)));
    }
    all
}

fn status(alert: &Alert, name: &str, runs: &[&Run], now: i64) -> Option<Status> {
    let measured = || runs.iter().rev().filter_map(|r| Some((r.at, r.metric(name)?)));
    let (_, latest) = measured().next()?;
    let holds = |m: &Metric| alert.condition.holds(m, m.value, None) == Some(true);
    let since = measured().take_while(|(_, m)| holds(m)).last().map(|(at, _)| at);
    let state = match since {
        None => State::Ok,
        Some(at) if now - at >= alert.hold => State::Firing,
        Some(_) => State::Pending,
    };
    Some(Status {
        alert: alert.name.clone(),
        number: name.to_owned(),
        state,
        value: show(latest.value, &latest.unit),
        condition: alert.condition.to_string(),
        since,
        severity: alert.severity,
        message: alert.message.clone(),
    })
}

/// Formats the states as Prometheus text: 1 for an alert that fires, 0.5 for one that is pending.
pub(crate) fn exposition(all: &[Status]) -> String {
    let mut text = String::from(
        "# HELP ringstat_perf_alert Whether an alert fires: 1 yes, 0.5 not long enough yet, 0 no.\n\
         # TYPE ringstat_perf_alert gauge\n",
    );
    for s in all {
        let value = match s.state {
            State::Ok => 0.0,
            State::Pending => 0.5,
            State::Firing => 1.0,
        };
        let (alert, number) = (escape(&s.alert), escape(&s.number));
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "ringstat_perf_alert{{alert=\"{alert}\",number=\"{number}\"}} {value}");
    }
    text
}

/// Reads a time such as `5m` as seconds.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: Option<i64> = text[..text.len() - unit.len()].parse().ok();
    let by = match unit.trim() {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let time = number.zip(by).and_then(|(number, by)| number.checked_mul(by));
    time.ok_or_else(|| serde::de::Error::custom(format_args!("'{text}' is no time as in 5m")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
        [[alert]]
        name = \"slow\"
        number = \"load.*.end_to_end.p95\"
        condition = \"> 500 ms\"
        for = \"5m\"
        severity = \"warning\"
        message = \"it is slow\"
    ";

    fn alerts(text: &str) -> Result<Vec<Alert>, toml::de::Error> {
        toml::from_str::<File>(text).map(|f| f.alerts)
    }

    /// Makes a run each minute, with these milliseconds.
    fn runs(ms: &[f64]) -> Vec<Run> {
        let run = |(n, ms): (usize, &f64)| Run {
            at: 60 * n as i64,
            metrics: vec![Metric::one("load.high.end_to_end.p95", "ns", ms * 1e6)],
            ..Run::default()
        };
        ms.iter().enumerate().map(run).collect()
    }

    fn state(ms: &[f64], now: i64) -> (State, Option<i64>) {
        let all = evaluate(&alerts(RULES).unwrap(), &runs(ms), now);
        (all[0].state, all[0].since)
    }

    #[test]
    fn it_fires_when_the_condition_has_held_for_long_enough_and_ends_when_it_does_not() {
        let slow = [100.0, 600.0, 700.0, 800.0];
        assert_eq!(state(&slow, 60 + 299), (State::Pending, Some(60)));
        assert_eq!(state(&slow, 60 + 300), (State::Firing, Some(60)));
        assert_eq!(state(&[600.0, 700.0, 400.0], 9999), (State::Ok, None));
        // The time begins anew after a good run.
        assert_eq!(state(&[600.0, 400.0, 700.0], 120 + 299), (State::Pending, Some(120)));
    }

    #[test]
    fn what_was_not_measured_has_no_state() {
        assert_eq!(evaluate(&alerts(RULES).unwrap(), &[], 0), []);
        let other = Run { metrics: vec![Metric::one("other", "ns", 1e12)], ..Run::default() };
        assert_eq!(evaluate(&alerts(RULES).unwrap(), &[other], 0), []);
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_an_error() {
        for (from, to) in [("5m", "5 parsecs"), ("> 500 ms", "often"), ("warning", "mild")] {
            assert!(alerts(&RULES.replace(from, to)).is_err(), "{to}");
        }
        assert!(alerts(&RULES.replace("for =", "fro =")).is_err());
    }

    #[test]
    fn the_committed_alerts_are_sound() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts.toml");
        assert!(parse(&path).unwrap().len() >= 3);
    }
}
