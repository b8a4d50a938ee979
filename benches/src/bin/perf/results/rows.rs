//! Runs as rows of the tables, written and read.

use super::database::{Database, Value};
use super::{Environment, Insight, Metric, Run};
use crate::failure::Failure;

/// The columns of `runs` beside its number.
pub(super) const COLUMNS: &str = "at, kind, commit_hash, dirty, machine, kernel, cpu, cores, governor, load, rustc, version, branch, timelines";

/// Writes a run, and returns its number.
pub(super) fn insert(database: &mut dyn Database, run: &Run) -> Result<i64, Failure> {
    let e = &run.environment;
    let values = [
        run.at.into(),
        text(&run.kind),
        text(&e.commit),
        e.dirty.into(),
        text(&e.machine),
        text(&e.kernel),
        text(&e.cpu),
        i64::from(e.cores).into(),
        text(&e.governor),
        e.load.into(),
        text(&e.rustc),
        text(&e.version),
        text(&e.branch),
        text(&serde_json::to_string(&run.timelines)?),
    ];
    let sql = format!(
        "INSERT INTO runs ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id"
    );
    let id = database.query(&sql, &values)?.first().map_or(0, |row| row[0].integer());
    for m in &run.metrics {
        let values = [
            id.into(),
            text(&m.name),
            text(&m.unit),
            text(&serde_json::to_string(&m.better)?),
            m.value.into(),
            text(&serde_json::to_string(&m.samples)?),
            m.exact.into(),
        ];
        let sql = "INSERT INTO metrics (run, name, unit, better, value, samples, exact) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        database.query(sql, &values)?;
    }
    for i in &run.insights {
        let severity = serde_json::to_string(&i.severity)?;
        let words = [&severity, &i.subject, &i.place, &i.meaning, &i.advice, &i.gain, &i.effort];
        let values: Vec<_> = [id.into()].into_iter().chain(words.map(|w| text(w))).collect();
        let sql = "INSERT INTO insights (run, severity, subject, place, meaning, advice, gain, effort) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        database.query(sql, &values)?;
    }
    Ok(id)
}

/// Reads a run with all its numbers; `row` has the columns of `runs`.
pub(super) fn read(database: &mut dyn Database, row: &[Value]) -> Result<Run, Failure> {
    let mut run = bare(row)?;
    let id = [run.id.into()];
    let sql = "SELECT name, unit, better, value, samples, exact FROM metrics WHERE run = $1 ORDER BY name";
    for row in database.query(sql, &id)? {
        // What was infinite was stored as absent.
        let samples: Vec<Option<f64>> = serde_json::from_str(row[4].text())?;
        run.metrics.push(Metric {
            name: row[0].text().to_owned(),
            unit: row[1].text().to_owned(),
            better: serde_json::from_str(row[2].text())?,
            exact: row[5].integer() != 0,
            value: row[3].real(),
            samples: samples.into_iter().flatten().collect(),
        });
    }
    let sql = "SELECT severity, subject, place, meaning, advice, gain, effort FROM insights WHERE run = $1";
    for row in database.query(sql, &id)? {
        let word = |i: usize| row[i].text().to_owned();
        run.insights.push(Insight {
            severity: serde_json::from_str(&word(0))?,
            subject: word(1),
            place: word(2),
            meaning: word(3),
            advice: word(4),
            gain: word(5),
            effort: word(6),
        });
    }
    run.insights.sort_by_key(|i| i.severity);
    Ok(run)
}

pub(super) fn text(text: &str) -> Value {
    text.into()
}

fn bare(row: &[Value]) -> Result<Run, Failure> {
    let word = |i: usize| row[i].text().to_owned();
    Ok(Run {
        id: row[0].integer(),
        at: row[1].integer(),
        kind: word(2),
        environment: Environment {
            commit: word(3),
            dirty: row[4].integer() != 0,
            machine: word(5),
            kernel: word(6),
            cpu: word(7),
            cores: row[8].integer() as u32,
            governor: word(9),
            load: row[10].real(),
            rustc: word(11),
            version: word(12),
            branch: word(13),
        },
        timelines: serde_json::from_str(row[14].text())?,
        ..Run::default()
    })
}
