//! The history of each number over the last thirty days, with the points where it changed.

use super::Section;
use super::chart::{Axis, Chart, Line};
use crate::results::Run;
use crate::trend::{self, Trend};

/// How far back the history goes.
const DAYS: u32 = 30;

/// Returns the section about `runs`, oldest first, unless no number was measured twice.
pub(super) fn section(runs: &[Run]) -> Option<Section> {
    let mut trends = trend::trends(runs, DAYS, None, &[]);
    trends.retain(|t| t.runs > 1);
    let mut chart = Chart::new("", Axis::Time, "", trends.iter().map(line).collect())?;
    chart.one_at_a_time = true;
    // The table is short: numbers that moved.
    let moved = |t: &&Trend| !t.changes.is_empty() || !t.anomalies.is_empty() || t.moves();
    Some(Section {
        title: "History".into(),
        note: format!(
            "Runs of this machine and branch, {DAYS} days. The table has the numbers that moved; lines mark change points."
        ),
        columns: trend::COLUMNS.to_vec(),
        rows: trends.iter().filter(moved).map(trend::row).collect(),
        charts: vec![chart],
        ..Section::default()
    })
}

fn line(trend: &Trend) -> Line {
    let points = trend.points.iter().map(|(at, value)| (*at as f64, *value));
    let mark = |step: &trend::Step| {
        let at = trend.points.get(step.index).map_or(0, |p| p.0);
        (at as f64, format!("{:+.0} % {}", step.change_percent, step.at.commit))
    };
    Line {
        unit: trend.unit.clone(),
        marks: trend.changes.iter().map(mark).collect(),
        ..Line::new(&trend.name, points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Environment, Metric};

    #[test]
    fn a_step_is_marked_where_it_is_and_named_in_the_table() {
        let run = |n: i64| Run {
            id: n,
            at: n * 86_400,
            environment: Environment { commit: format!("{n:010}"), ..Environment::default() },
            metrics: vec![
                Metric::one("a", "ns", if n < 10 { 100.0 } else { 150.0 }),
                Metric::one("b", "ns", 7.0),
            ],
            ..Run::default()
        };
        let runs: Vec<_> = (0..20).map(run).collect();
        let section = section(&runs).unwrap();
        let lines = &section.charts[0].lines;
        assert_eq!((lines.len(), lines[0].x.len()), (2, 20));
        assert_eq!(lines[0].marks, [(864_000.0, "+50 % 0000000010".to_owned())]);
        assert_eq!(section.rows.len(), 1, "what did not move is not listed: {:?}", section.rows);
        assert!(super::section(&runs[..1]).is_none());
    }
}
