//! `perf trend`: how a number developed over all kept runs of this machine.

use serde::Serialize;

use crate::desk::{Kept, table};
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Run, show};
use crate::stats::{Change, Line, change_points, fit};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only numbers whose names contain one of these
    filters: Vec<String>,
    /// So many runs, the latest ones
    #[arg(long, value_name = "N", default_value_t = 500)]
    last: usize,
    #[command(flatten)]
    kept: Kept,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// The history of one number.
#[derive(Serialize, Debug)]
pub(crate) struct Trend {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) runs: usize,
    /// Of the latest run.
    pub(crate) latest: f64,
    /// Change of the value in a day.
    pub(crate) per_day: Option<f64>,
    /// The same in percent of the latest value.
    pub(crate) per_day_percent: Option<f64>,
    /// The share of the scatter that a steady change explains.
    pub(crate) r_squared: Option<f64>,
    pub(crate) changes: Vec<Step>,
}

/// A step from one level to another.
#[derive(Serialize, Debug)]
pub(crate) struct Step {
    pub(crate) change_percent: f64,
    /// The first run at the new level, and its commit.
    pub(crate) run: i64,
    pub(crate) commit: String,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut runs = args.kept.open()?.latest(None, args.last)?;
    runs.reverse();
    let trends = trends(&runs, &args.filters);
    if trends.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no history of that")
            .hint("`perf bench` and `perf load` make one, a run at a time."));
    }
    if args.json {
        println!("{}", serde_json::to_string(&trends)?);
    } else {
        print!("{}", render(&trends));
    }
    Ok(())
}

/// The histories in `runs`, oldest first. Only what the machine of the latest run measured: others are not slower or
/// faster, they are others.
pub(crate) fn trends(runs: &[Run], filters: &[String]) -> Vec<Trend> {
    let Some(latest) = runs.last() else { return Vec::new() };
    let here = |r: &&Run| r.environment.same_machine(&latest.environment);
    let runs: Vec<&Run> = runs.iter().filter(here).collect();
    let mut names: Vec<&str> =
        runs.iter().flat_map(|r| &r.metrics).map(|m| m.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|n| filters.is_empty() || filters.iter().any(|f| n.contains(f.as_str())));
    names.into_iter().filter_map(|name| trend(&runs, name)).collect()
}

fn trend(runs: &[&Run], name: &str) -> Option<Trend> {
    const DAY: f64 = 86_400.0;
    let of = |r: &&Run| Some((r.at, r.id, r.environment.short(), r.metric(name)?.clone()));
    let history: Vec<_> = runs.iter().filter_map(of).filter(|h| h.3.value.is_finite()).collect();
    let (first, last) = (history.first()?, history.last()?);
    let points: Vec<_> =
        history.iter().map(|h| ((h.0 - first.0) as f64 / DAY, h.3.value)).collect();
    let values: Vec<_> = points.iter().map(|p| p.1).collect();
    let line: Option<Line> = fit(&points);
    let latest = last.3.value;
    let step = |c: Change| {
        let (_, run, commit, _) = &history[c.at];
        Step { change_percent: c.change_percent, run: *run, commit: commit.clone() }
    };
    Some(Trend {
        name: name.to_owned(),
        unit: last.3.unit.clone(),
        runs: history.len(),
        latest,
        per_day: line.map(|l| l.slope),
        per_day_percent: line.filter(|_| latest != 0.0).map(|l| l.slope / latest * 100.0),
        r_squared: line.map(|l| l.r_squared),
        changes: change_points(&values).into_iter().map(step).collect(),
    })
}

fn render(trends: &[Trend]) -> String {
    const COLUMNS: [&str; 6] = ["", "runs", "latest", "a day", "r²", "steps"];
    let or = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let row = |t: &Trend| {
        let step = |s: &Step| format!("{:+.1} % at run {} ({})", s.change_percent, s.run, s.commit);
        let steps: Vec<_> = t.changes.iter().map(step).collect();
        vec![
            t.name.clone(),
            t.runs.to_string(),
            show(t.latest, &t.unit),
            or(t.per_day_percent.map(|p| format!("{p:+.2} %"))),
            or(t.r_squared.map(|r| format!("{r:.2}"))),
            if steps.is_empty() { "none".into() } else { steps.join(", ") },
        ]
    };
    table(&COLUMNS, &trends.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Environment, Metric};

    /// A run a day.
    fn history(values: &[f64]) -> Vec<Run> {
        let run = |(day, value): (usize, &f64)| Run {
            id: day as i64 + 1,
            at: 86_400 * day as i64,
            kind: "bench".into(),
            environment: Environment { commit: format!("{day:010}"), ..Environment::default() },
            metrics: vec![Metric::one("record.ns", "ns", *value)],
        };
        values.iter().enumerate().map(run).collect()
    }

    #[test]
    fn a_steady_change_has_its_slope_a_day() {
        let values: Vec<f64> = (0..6).map(|d| 100.0 + f64::from(d)).collect();
        let trends = trends(&history(&values), &[]);
        assert_eq!((trends.len(), trends[0].runs, trends[0].latest), (1, 6, 105.0));
        assert!((trends[0].per_day.unwrap() - 1.0).abs() < 1e-9);
        assert!((trends[0].r_squared.unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_names_the_run_and_the_commit() {
        let level = |v: f64| (0..10).map(move |i| v + f64::from(i % 3) * 0.1);
        let values: Vec<f64> = level(100.0).chain(level(140.0)).collect();
        let trends = trends(&history(&values), &["record".into()]);
        let step = &trends[0].changes[0];
        assert_eq!((step.run, step.commit.as_str()), (11, "0000000010"));
        assert!(render(&trends).contains("+40.0 % at run 11 (0000000010)"));
    }

    #[test]
    fn other_machines_are_left_out() {
        let mut runs = history(&[10.0, 99.0, 11.0]);
        runs[1].environment.cpu = "another".into();
        let trends = trends(&runs, &[]);
        assert_eq!((trends[0].runs, trends[0].latest), (2, 11.0));
    }

    #[test]
    fn no_history_has_no_trend() {
        assert!(trends(&[], &[]).is_empty());
        assert!(trends(&history(&[1.0]), &["other".into()]).is_empty());
        assert_eq!(trends(&history(&[1.0]), &[])[0].per_day, None);
    }
}
