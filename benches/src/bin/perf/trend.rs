//! `perf trend`: how a number developed over the kept runs of one machine and one branch.

use serde::Serialize;

use crate::desk::{Kept, table};
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Metric, Run, show};
use crate::stats::{Better, Change, Line, anomalies, change_points, fit};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only numbers whose names contain one of these
    filters: Vec<String>,
    /// How many days to look back
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u32,
    /// The branch to look at; by default that of the latest run
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    #[command(flatten)]
    kept: Kept,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
}

const DAY: f64 = 86_400.0;
/// Fewer runs than this have no trend,
const LEAST_RUNS: usize = 6;
/// and neither do runs that lie closer together than this: minutes apart, noise amounts to thousands of percent a day.
const LEAST_DAYS: f64 = 2.0;
/// A line that explains less than this share of the variance describes nothing.
const LEAST_R_SQUARED: f64 = 0.5;
/// A change smaller than this, over the whole span, does not matter.
const MATTERS_PERCENT: f64 = 5.0;
/// The largest number of runs that are read.
const MOST_RUNS: usize = 5000;

/// The direction in which a number is moving.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    Improving,
    Degrading,
    Steady,
    /// There are too few runs, or they are too close together.
    TooShort,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Improving => "improving",
            Self::Degrading => "degrading",
            Self::Steady => "steady",
            Self::TooShort => "too short to tell",
        }
    }
}

/// The history of one number.
#[derive(Serialize, Debug)]
pub(crate) struct Trend {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) runs: usize,
    /// The days from the first run to the latest.
    pub(crate) days: f64,
    /// The value of the latest run.
    pub(crate) latest: f64,
    pub(crate) direction: Direction,
    /// The change of the value per day, in percent of the latest value, if the history is long enough.
    pub(crate) per_day_percent: Option<f64>,
    /// The share of the variance that a steady change explains.
    pub(crate) r_squared: Option<f64>,
    pub(crate) changes: Vec<Step>,
    /// Runs that lie far from all others.
    pub(crate) anomalies: Vec<At>,
    /// The time of each run, in seconds since 1970, with its value.
    #[serde(skip)]
    pub(crate) points: Vec<(i64, f64)>,
}

impl Trend {
    /// Whether the number is getting better or worse.
    pub(crate) fn moves(&self) -> bool {
        matches!(self.direction, Direction::Improving | Direction::Degrading)
    }
}

/// A step from one level to another.
#[derive(Serialize, Debug)]
pub(crate) struct Step {
    pub(crate) change_percent: f64,
    /// The index of that run in the history.
    #[serde(skip)]
    pub(crate) index: usize,
    /// The first run at the new level.
    #[serde(flatten)]
    pub(crate) at: At,
}

/// A run and the commit that it measured.
#[derive(Serialize, Debug)]
pub(crate) struct At {
    pub(crate) run: i64,
    pub(crate) commit: String,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut runs = args.kept.open()?.latest(None, MOST_RUNS)?;
    runs.reverse();
    let trends = trends(&runs, args.days, args.branch.as_deref(), &args.filters);
    if trends.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no history of these numbers")
            .hint("`perf bench` and `perf load` add to it, one run at a time; --days and --branch select what is shown."));
    }
    if args.json {
        println!("{}", serde_json::to_string(&trends)?);
    } else {
        print!("{}", render(&trends));
    }
    Ok(())
}

/// Returns the histories in `runs`, oldest first, over the days before the latest. Only runs of the same machine and
/// branch (or of `branch`, if it is given) are used, since others are not comparable.
pub(crate) fn trends(
    runs: &[Run],
    days: u32,
    branch: Option<&str>,
    filters: &[String],
) -> Vec<Trend> {
    let on = |r: &&Run| branch.is_none_or(|b| r.environment.branch == b);
    let Some(latest) = runs.iter().rfind(on) else { return Vec::new() };
    let from = latest.at - i64::from(days) * DAY as i64;
    let here = |r: &&Run| {
        r.environment.same_machine(&latest.environment)
            && r.environment.branch == latest.environment.branch
            && r.at >= from
    };
    let runs: Vec<&Run> = runs.iter().filter(here).collect();
    let mut names: Vec<&str> =
        runs.iter().flat_map(|r| &r.metrics).map(|m| m.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|n| filters.is_empty() || filters.iter().any(|f| n.contains(f.as_str())));
    names.into_iter().filter_map(|name| trend(&runs, name)).collect()
}

fn trend(runs: &[&Run], name: &str) -> Option<Trend> {
    let history: Vec<(&Run, &Metric)> = runs
        .iter()
        .filter_map(|r| Some((*r, r.metric(name)?)))
        .filter(|(_, m)| m.value.is_finite())
        .collect();
    let ((first, _), (last, metric)) = (history.first()?, history.last()?);
    let days = (last.at - first.at) as f64 / DAY;
    let points: Vec<_> =
        history.iter().map(|(r, m)| ((r.at - first.at) as f64 / DAY, m.value)).collect();
    let values: Vec<_> = points.iter().map(|p| p.1).collect();
    let long = history.len() >= LEAST_RUNS && days >= LEAST_DAYS;
    let line: Option<Line> = fit(&points).filter(|_| long);
    let latest = metric.value;
    let at = |i: usize| At { run: history[i].0.id, commit: history[i].0.environment.short() };
    let step = |c: Change| Step { change_percent: c.change_percent, index: c.at, at: at(c.at) };
    Some(Trend {
        name: name.to_owned(),
        unit: metric.unit.clone(),
        runs: history.len(),
        days,
        latest,
        direction: direction(line, days, metric.better),
        per_day_percent: line.filter(|_| latest != 0.0).map(|l| l.slope / latest.abs() * 100.0),
        r_squared: line.map(|l| l.r_squared),
        changes: change_points(&values).into_iter().map(step).collect(),
        anomalies: anomalies(&values).into_iter().map(at).collect(),
        points: history.iter().map(|(r, m)| (r.at, m.value)).collect(),
    })
}

fn direction(line: Option<Line>, days: f64, better: Better) -> Direction {
    let Some(line) = line else { return Direction::TooShort };
    let (from, by) = (line.at_zero.abs(), line.slope * days);
    if line.r_squared < LEAST_R_SQUARED || by.abs() <= from * MATTERS_PERCENT / 100.0 {
        Direction::Steady
    } else if (by < 0.0) == (better == Better::Lower) {
        Direction::Improving
    } else {
        Direction::Degrading
    }
}

/// The columns of the table of histories, in the terminal and in the report.
pub(crate) const COLUMNS: [&str; 8] =
    ["", "runs", "days", "latest", "direction", "a day", "steps", "anomalies"];

/// Formats a history as a row of that table.
pub(crate) fn row(t: &Trend) -> Vec<String> {
    let list = |items: Vec<String>| if items.is_empty() { "none".into() } else { items.join(", ") };
    let at = |at: &At| format!("run {} ({})", at.run, at.commit);
    let step = |s: &Step| format!("{:+.1} % at {}", s.change_percent, at(&s.at));
    vec![
        t.name.clone(),
        t.runs.to_string(),
        format!("{:.1}", t.days),
        show(t.latest, &t.unit),
        t.direction.as_str().to_owned(),
        t.per_day_percent.map_or_else(|| "-".into(), |p| format!("{p:+.2} %")),
        list(t.changes.iter().map(step).collect()),
        list(t.anomalies.iter().map(at).collect()),
    ]
}

fn render(trends: &[Trend]) -> String {
    table(&COLUMNS, &trends.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Environment;

    /// Generates runs this many seconds apart.
    fn history(seconds: i64, values: &[f64]) -> Vec<Run> {
        let run = |(n, value): (usize, &f64)| Run {
            id: n as i64 + 1,
            at: seconds * n as i64,
            kind: "bench".into(),
            environment: Environment { commit: format!("{n:010}"), ..Environment::default() },
            metrics: vec![Metric::one("record.ns", "ns", *value)],
            ..Run::default()
        };
        values.iter().enumerate().map(run).collect()
    }

    const DAILY: i64 = 86_400;

    fn only(runs: &[Run]) -> Trend {
        let mut trends = trends(runs, 30, None, &[]);
        assert_eq!(trends.len(), 1);
        trends.remove(0)
    }

    #[test]
    fn a_steady_change_has_its_slope_a_day_and_its_direction_in_a_word() {
        let values: Vec<f64> = (0..10).map(|d| 91.0 + f64::from(d)).collect();
        let trend = only(&history(DAILY, &values));
        assert_eq!((trend.runs, trend.latest, trend.direction), (10, 100.0, Direction::Degrading));
        assert!((trend.per_day_percent.unwrap() - 1.0).abs() < 1e-9);
        assert!((trend.r_squared.unwrap() - 1.0).abs() < 1e-9);
        let falling: Vec<f64> = values.iter().rev().copied().collect();
        assert_eq!(only(&history(DAILY, &falling)).direction, Direction::Improving);
        assert_eq!(only(&history(DAILY, &[5.0; 10])).direction, Direction::Steady);
    }

    #[test]
    fn runs_a_minute_apart_have_no_trend_and_neither_have_a_few() {
        let values: Vec<f64> = (0..10).map(|d| 100.0 + 10.0 * f64::from(d)).collect();
        let trend = only(&history(60, &values));
        assert_eq!((trend.direction, trend.per_day_percent), (Direction::TooShort, None));
        assert_eq!(only(&history(DAILY, &values[..5])).direction, Direction::TooShort);
        assert!(render(&[trend]).contains("too short to tell"));
    }

    #[test]
    fn a_step_and_an_anomaly_name_the_run_and_the_commit() {
        let level = |v: f64| (0..10).map(move |i| v + f64::from(i % 3) * 0.1);
        let mut values: Vec<f64> = level(100.0).chain(level(140.0)).collect();
        let mut runs = history(DAILY, &values);
        let step = &trends(&runs, 30, None, &["record".into()])[0].changes[0];
        assert_eq!((step.at.run, step.at.commit.as_str()), (11, "0000000010"));
        assert!(render(&trends(&runs, 30, None, &[])).contains("+40.0 % at run 11 (0000000010)"));
        values = level(100.0).collect();
        values[4] = 300.0;
        runs = history(DAILY, &values);
        assert_eq!(only(&runs).anomalies[0].run, 5);
    }

    #[test]
    fn other_machines_other_branches_and_what_is_long_ago_are_left_out() {
        let mut runs = history(DAILY, &[10.0, 99.0, 98.0, 11.0]);
        runs[1].environment.cpu = "another".into();
        runs[2].environment.branch = "other".into();
        assert_eq!((only(&runs).runs, only(&runs).latest), (2, 11.0));
        let named = trends(&runs, 30, Some("other"), &[]);
        assert_eq!((named[0].runs, named[0].latest), (1, 98.0));
        assert_eq!(trends(&runs, 1, None, &[])[0].runs, 1);
    }

    #[test]
    fn no_history_has_no_trend() {
        assert!(trends(&[], 30, None, &[]).is_empty());
        assert!(trends(&history(DAILY, &[1.0]), 30, None, &["other".into()]).is_empty());
        assert_eq!(only(&history(DAILY, &[1.0])).direction, Direction::TooShort);
    }
}
