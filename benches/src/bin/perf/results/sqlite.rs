//! The local database of all runs: SQLite, so that other tools can query it, too.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Environment, Metric, Run};
use crate::failure::{Exit, Failure};
use crate::stats::Better;

/// The migrations from each version of the schema to the next; SQLite's `user_version` says how many were applied.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE IF NOT EXISTS runs (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        commit_hash TEXT NOT NULL,
        dirty INTEGER NOT NULL,
        machine TEXT NOT NULL,
        kernel TEXT NOT NULL,
        cpu TEXT NOT NULL,
        cores INTEGER NOT NULL,
        governor TEXT NOT NULL,
        load REAL NOT NULL,
        rustc TEXT NOT NULL,
        version TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS metrics (
        run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        unit TEXT NOT NULL,
        better TEXT NOT NULL,
        value REAL,
        samples TEXT NOT NULL,
        PRIMARY KEY (run, name)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS metrics_by_name ON metrics (name, run);",
    "
    ALTER TABLE runs ADD COLUMN branch TEXT NOT NULL DEFAULT '';
    ALTER TABLE metrics ADD COLUMN exact INTEGER NOT NULL DEFAULT 0;",
];

const RUN: &str = "SELECT id, at, kind, commit_hash, dirty, machine, kernel, cpu, cores, governor, load, rustc, version,
    branch FROM runs";

/// The open database.
pub(crate) struct Results(Connection);

impl Results {
    /// Opens the database at `path`, creating it if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Failure::file("make", folder, &e))?;
        }
        Self::with(Connection::open(path)?)
    }

    fn with(connection: Connection) -> Result<Self, Failure> {
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        migrate(&connection)?;
        Ok(Self(connection))
    }

    /// Stores a run in one transaction, and gives it its number.
    pub(crate) fn store(&mut self, run: &mut Run) -> Result<(), Failure> {
        let transaction = self.0.transaction()?;
        let e = &run.environment;
        transaction.execute(
            "INSERT INTO runs (at, kind, commit_hash, dirty, machine, kernel, cpu, cores, governor, load, rustc,
                version, branch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                run.at, run.kind, e.commit, e.dirty, e.machine, e.kernel, e.cpu, e.cores,
                e.governor, e.load, e.rustc, e.version, e.branch
            ],
        )?;
        let id = transaction.last_insert_rowid();
        for m in &run.metrics {
            let better = serde_json::to_string(&m.better)?;
            // JSON has no infinity, so such a number is stored as absent.
            let value = Some(m.value).filter(|v| v.is_finite());
            let samples = serde_json::to_string(&m.samples)?;
            transaction.execute(
                "INSERT INTO metrics (run, name, unit, better, value, samples, exact)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![id, m.name, m.unit, better, value, samples, m.exact],
            )?;
        }
        transaction.commit()?;
        run.id = id;
        Ok(())
    }

    /// Returns the run with that number.
    pub(crate) fn run(&self, id: i64) -> Result<Option<Run>, Failure> {
        let found = self.0.query_row(&format!("{RUN} WHERE id = ?1"), [id], bare).optional()?;
        found.map(|run| self.filled(run)).transpose()
    }

    /// Returns the latest runs of one kind, or of any kind, newest first.
    pub(crate) fn latest(&self, kind: Option<&str>, count: usize) -> Result<Vec<Run>, Failure> {
        let sql = format!("{RUN} WHERE ?1 IS NULL OR kind = ?1 ORDER BY id DESC LIMIT ?2");
        let mut statement = self.0.prepare(&sql)?;
        let runs = statement.query_map(params![kind, count as i64], bare)?;
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        runs.into_iter().map(|run| self.filled(run)).collect()
    }

    /// Returns the latest run of a kind, merged with other numbers that runs shortly before it measured on the same
    /// commit and machine, so that scenarios can be run one at a time.
    pub(crate) fn current(&self, kind: &str) -> Result<Option<Run>, Failure> {
        /// How many runs to look back.
        const RUNS: usize = 50;
        let mut runs = self.latest(Some(kind), RUNS)?.into_iter();
        let Some(mut current) = runs.next() else { return Ok(None) };
        for older in runs.filter(|r| r.environment.same_code(&current.environment)) {
            let new = |m: &Metric| current.metric(&m.name).is_none();
            let besides: Vec<_> = older.metrics.into_iter().filter(new).collect();
            current.metrics.extend(besides);
        }
        Ok(Some(current))
    }

    fn filled(&self, mut run: Run) -> Result<Run, Failure> {
        let mut statement = self.0.prepare(
            "SELECT name, unit, better, value, samples, exact FROM metrics WHERE run = ?1 ORDER BY name",
        )?;
        let rows = statement.query_map([run.id], |row| {
            let text = |i| row.get::<_, String>(i);
            Ok((text(0)?, text(1)?, text(2)?, row.get::<_, Option<f64>>(3)?, text(4)?, row.get(5)?))
        })?;
        for row in rows {
            let (name, unit, better, value, samples, exact) = row?;
            let better: Better = serde_json::from_str(&better)?;
            let samples: Vec<Option<f64>> = serde_json::from_str(&samples)?;
            let samples = samples.into_iter().flatten().collect();
            run.metrics.push(Metric {
                name,
                unit,
                better,
                exact,
                value: value.unwrap_or(f64::NAN),
                samples,
            });
        }
        Ok(run)
    }
}

/// Migrates the database to the current schema, in one transaction.
fn migrate(connection: &Connection) -> Result<(), Failure> {
    // Another process may open the database at the same time. Whichever comes second finds the migration done.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = STEPS.len() as i64;
    if version > known {
        let what = format!("the results file has schema {version}, and this program knows {known}");
        return Err(Failure::new(Exit::Environment, what)
            .hint("A newer `perf` wrote it: use that one, or name another file with --db."));
    }
    STEPS.iter().skip(version as usize).try_for_each(|step| connection.execute_batch(step))?;
    connection.execute_batch(&format!("PRAGMA user_version = {known}; COMMIT"))?;
    Ok(())
}

fn bare(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        environment: Environment {
            commit: row.get(3)?,
            dirty: row.get(4)?,
            machine: row.get(5)?,
            kernel: row.get(6)?,
            cpu: row.get(7)?,
            cores: row.get(8)?,
            governor: row.get(9)?,
            load: row.get(10)?,
            rustc: row.get(11)?,
            version: row.get(12)?,
            branch: row.get(13)?,
        },
        metrics: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Results {
        Results::with(Connection::open_in_memory().unwrap()).unwrap()
    }

    #[test]
    fn a_file_of_an_older_version_is_brought_up_to_date() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection
            .execute_batch(
                "INSERT INTO runs VALUES (1, 5, 'bench', 'c', 0, 'm', 'k', 'cpu', 2, 'g', 0.5, 'r', 'v');
                 INSERT INTO metrics VALUES (1, 'a.ns', 'ns', '\"lower\"', 3.0, '[3.0]');",
            )
            .unwrap();
        let mut results = Results::with(connection).unwrap();
        let old = results.run(1).unwrap().unwrap();
        assert_eq!((old.metrics[0].value, old.metrics[0].exact), (3.0, false));
        assert_eq!(old.environment.branch, "");
        let mut new = run("bench", 1.0);
        new.environment.branch = "main".into();
        results.store(&mut new).unwrap();
        assert_eq!(results.run(new.id).unwrap(), Some(new));
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_alone() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA user_version = 99").unwrap();
        assert!(Results::with(connection).is_err());
    }

    fn run(kind: &str, value: f64) -> Run {
        let metrics = vec![
            Metric::new("a.ns", "ns", vec![value, value + 1.0]),
            Metric::exact("b", "/s", 7.0),
        ];
        Run { at: 5, ..Run::now(kind, metrics) }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let mut results = results();
        let mut stored = run("bench", 1.5);
        results.store(&mut stored).unwrap();
        assert_eq!(stored.id, 1);
        assert_eq!(results.run(1).unwrap(), Some(stored));
        assert_eq!(results.run(2).unwrap(), None);
    }

    #[test]
    fn the_latest_come_first_and_by_kind() {
        let mut results = results();
        for (kind, value) in [("bench", 1.0), ("load", 2.0), ("bench", 3.0)] {
            results.store(&mut run(kind, value)).unwrap();
        }
        let ids = |kind, count| -> Vec<i64> {
            results.latest(kind, count).unwrap().iter().map(|r| r.id).collect()
        };
        assert_eq!(ids(None, 9), [3, 2, 1]);
        assert_eq!(ids(Some("bench"), 9), [3, 1]);
        assert_eq!(ids(Some("bench"), 1), [3]);
        assert_eq!(ids(Some("chaos"), 1), [0; 0]);
    }

    #[test]
    fn what_was_measured_one_after_the_other_is_seen_together() {
        let mut results = results();
        let mut store = |name: &str, value, commit: &str| {
            let mut run = Run::now("load", vec![Metric::one(name, "ns", value)]);
            run.environment.commit = commit.into();
            results.store(&mut run).unwrap();
        };
        store("a", 1.0, "old");
        store("b", 2.0, "new");
        store("c", 3.0, "old");
        store("b", 4.0, "new");
        store("d", 5.0, "new");
        let current = results.current("load").unwrap().unwrap();
        let value = |name| current.metric(name).map(|m| m.value);
        assert_eq!(["a", "b", "c", "d"].map(value), [None, Some(4.0), None, Some(5.0)]);
        assert_eq!(results.current("bench").unwrap(), None);
    }

    #[test]
    fn a_run_is_stored_whole_or_not_at_all() {
        let mut results = results();
        let mut twice = run("bench", 1.0);
        twice.metrics.push(twice.metrics[0].clone());
        assert!(results.store(&mut twice).is_err());
        assert_eq!(results.latest(None, 9).unwrap(), []);
    }

    #[test]
    fn a_number_that_is_none_stays_none() {
        let mut results = results();
        let mut stored = run("bench", 1.0);
        stored.metrics[0].value = f64::NAN;
        results.store(&mut stored).unwrap();
        assert!(results.run(1).unwrap().unwrap().metrics[0].value.is_nan());
    }
}
