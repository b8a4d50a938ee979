//! The tables in which runs are stored, and how older ones become as they are now.
//!
//! | table | a row for each |
//! |---|---|
//! | `runs` | run: when, which commit, branch, machine and build; its timelines as JSON |
//! | `metrics` | number of a run: value, unit, direction, and all samples as a JSON array |
//! | `insights` | recommendation of a run |
//!
//! Rows of `metrics` and `insights` go with their run.

use super::database::Database;
use crate::failure::{Exit, Failure};

/// The migrations from each version of the schema to the next. `IDENTITY` stands for the type of a column that numbers
/// its rows by itself.
const STEPS: [&str; 3] = [
    "
    CREATE TABLE IF NOT EXISTS runs (
        id IDENTITY,
        at BIGINT NOT NULL,
        kind TEXT NOT NULL,
        commit_hash TEXT NOT NULL,
        dirty BIGINT NOT NULL,
        machine TEXT NOT NULL,
        kernel TEXT NOT NULL,
        cpu TEXT NOT NULL,
        cores BIGINT NOT NULL,
        governor TEXT NOT NULL,
        load DOUBLE PRECISION NOT NULL,
        rustc TEXT NOT NULL,
        version TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS metrics (
        run BIGINT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        unit TEXT NOT NULL,
        better TEXT NOT NULL,
        value DOUBLE PRECISION,
        samples TEXT NOT NULL,
        PRIMARY KEY (run, name)
    );
    CREATE INDEX IF NOT EXISTS metrics_by_name ON metrics (name, run);",
    "
    ALTER TABLE runs ADD COLUMN branch TEXT NOT NULL DEFAULT '';
    ALTER TABLE metrics ADD COLUMN exact BIGINT NOT NULL DEFAULT 0;",
    "
    ALTER TABLE runs ADD COLUMN timelines TEXT NOT NULL DEFAULT '[]';
    CREATE TABLE insights (
        run BIGINT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        severity TEXT NOT NULL,
        subject TEXT NOT NULL,
        place TEXT NOT NULL,
        meaning TEXT NOT NULL,
        advice TEXT NOT NULL,
        gain TEXT NOT NULL,
        effort TEXT NOT NULL
    );
    CREATE INDEX insights_by_run ON insights (run);",
];

/// Migrates the database to the current schema. Of two processes that open it at the same time, the second finds the
/// migration done.
pub(super) fn migrate(database: &mut dyn Database) -> Result<(), Failure> {
    let version = database.version()?;
    let known = STEPS.len() as i64;
    if version > known {
        let what = format!("the results have schema {version}, and this program knows {known}");
        return Err(Failure::new(Exit::Environment, what)
            .hint("A newer `perf` wrote them: use that one, or name another place with --db."));
    }
    let identity = database.identity();
    for step in STEPS.iter().skip(version as usize) {
        database.batch(&step.replace("IDENTITY", identity))?;
    }
    if version < known { database.set_version(known) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::database::Database as _;
    use super::super::sqlite::Sqlite;
    use super::super::store::Results;
    use super::super::{Metric, Run};
    use super::*;

    #[test]
    fn a_file_of_an_older_version_is_brought_up_to_date() {
        let mut file = Sqlite::in_memory().unwrap();
        file.batch(&STEPS[0].replace("IDENTITY", file.identity())).unwrap();
        file.batch(
            "INSERT INTO runs VALUES (1, 5, 'bench', 'c', 0, 'm', 'k', 'cpu', 2, 'g', 0.5, 'r', 'v');
             INSERT INTO metrics VALUES (1, 'a.ns', 'ns', '\"lower\"', 3.0, '[3.0]');
             PRAGMA user_version = 1",
        )
        .unwrap();
        let mut results = Results::with(file).unwrap();
        let old = results.run(1).unwrap().unwrap();
        assert_eq!((old.metrics[0].value, old.metrics[0].exact), (3.0, false));
        assert_eq!((old.environment.branch.as_str(), old.timelines.len()), ("", 0));
        let mut new = Run::now("bench", vec![Metric::one("a.ns", "ns", 1.0)]);
        new.environment.branch = "main".into();
        results.store(&mut new).unwrap();
        assert_eq!(results.run(new.id).unwrap(), Some(new));
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_alone() {
        let mut file = Sqlite::in_memory().unwrap();
        file.set_version(99).unwrap();
        assert!(Results::with(file).is_err());
    }
}
