//! The storage of all runs, whatever the database: SQLite by default, PostgreSQL where a team shares one.
//!
//! | table | a row for each |
//! |---|---|
//! | `runs` | run: when, which commit, branch, machine and build; its timelines as JSON |
//! | `metrics` | number of a run: value, unit, direction, and all samples as a JSON array |
//! | `insights` | recommendation of a run |
//!
//! Rows of `metrics` and `insights` go with their run.

use std::path::Path;

use super::database::{Database, Value, is_url};
use super::sqlite::Sqlite;
use super::{Environment, Insight, Metric, Run};
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

const COLUMNS: &str = "at, kind, commit_hash, dirty, machine, kernel, cpu, cores, governor, load, rustc, version, branch, timelines";

/// The open database.
pub(crate) struct Results(Box<dyn Database>);

impl Results {
    /// Opens the database at `place`: a file, created if there is none, or the URL of a PostgreSQL server.
    pub(crate) fn open(place: &Path) -> Result<Self, Failure> {
        if !is_url(place) {
            return Self::with(Sqlite::open(place)?);
        }
        #[cfg(feature = "postgres")]
        return Self::with(super::postgres::Postgres::open(&place.to_string_lossy())?);
        #[cfg(not(feature = "postgres"))]
        Err(Failure::new(Exit::Usage, "this build knows no PostgreSQL").hint(
            "Build it with `cargo build -p ringstat-benches --bin perf --features postgres`.",
        ))
    }

    fn with(database: impl Database + 'static) -> Result<Self, Failure> {
        let mut results = Self(Box::new(database));
        let begin = results.0.begin_exclusively();
        results.within(begin, migrate)?;
        Ok(results)
    }

    /// Does something in one transaction.
    fn within<T>(
        &mut self,
        begin: &str,
        work: impl FnOnce(&mut dyn Database) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.0.batch(begin)?;
        let done = work(self.0.as_mut());
        // What failed is reported; that it was undone, too, is of no interest.
        match &done {
            Ok(_) => self.0.batch("COMMIT")?,
            Err(_) => drop(self.0.batch("ROLLBACK")),
        }
        done
    }

    /// Stores a run in one transaction, and gives it its number.
    pub(crate) fn store(&mut self, run: &mut Run) -> Result<(), Failure> {
        run.id = self.within("BEGIN", |database| insert(database, run))?;
        Ok(())
    }

    /// Stores a run that was exported elsewhere, unless it is here already. Returns whether it is new.
    pub(crate) fn import(&mut self, run: &mut Run) -> Result<bool, Failure> {
        let sql =
            "SELECT id FROM runs WHERE at = $1 AND kind = $2 AND commit_hash = $3 AND machine = $4";
        let e = &run.environment;
        let same = [run.at.into(), run.kind.as_str().into(), text(&e.commit), text(&e.machine)];
        if !self.0.query(sql, &same)?.is_empty() {
            return Ok(false);
        }
        self.store(run).map(|()| true)
    }

    /// Returns the run with that number.
    pub(crate) fn run(&mut self, id: i64) -> Result<Option<Run>, Failure> {
        let sql = format!("SELECT id, {COLUMNS} FROM runs WHERE id = $1");
        let found = self.0.query(&sql, &[id.into()])?;
        found.first().map(|row| self.filled(row)).transpose()
    }

    /// Returns the latest runs of one kind, or of any kind, newest first.
    pub(crate) fn latest(&mut self, kind: Option<&str>, count: usize) -> Result<Vec<Run>, Failure> {
        let sql = format!(
            "SELECT id, {COLUMNS} FROM runs WHERE $1 = '' OR kind = $1 ORDER BY id DESC LIMIT $2"
        );
        let found =
            self.0.query(&sql, &[kind.unwrap_or_default().into(), (count as i64).into()])?;
        found.iter().map(|row| self.filled(row)).collect()
    }

    /// Returns the latest run of a kind, merged with other numbers that runs shortly before it measured on the same
    /// commit and machine, so that scenarios can be run one at a time.
    pub(crate) fn current(&mut self, kind: &str) -> Result<Option<Run>, Failure> {
        /// How many runs to look back.
        const RUNS: usize = 50;
        let mut runs = self.latest(Some(kind), RUNS)?.into_iter();
        let Some(mut current) = runs.next() else { return Ok(None) };
        for older in runs.filter(|r| r.environment.same_code(&current.environment)) {
            let new = |m: &Metric| current.metric(&m.name).is_none();
            let besides: Vec<_> = older.metrics.into_iter().filter(new).collect();
            current.metrics.extend(besides);
            let names: Vec<_> = current.timelines.iter().map(|t| t.name.clone()).collect();
            current
                .timelines
                .extend(older.timelines.into_iter().filter(|t| !names.contains(&t.name)));
        }
        Ok(Some(current))
    }

    /// Removes the runs that are older than `before`, in seconds since 1970, and returns how many there were.
    pub(crate) fn prune(&mut self, before: i64) -> Result<usize, Failure> {
        let gone = self.0.query("DELETE FROM runs WHERE at < $1 RETURNING id", &[before.into()])?;
        Ok(gone.len())
    }

    fn filled(&mut self, row: &[Value]) -> Result<Run, Failure> {
        let mut run = bare(row)?;
        let id = [run.id.into()];
        let sql = "SELECT name, unit, better, value, samples, exact FROM metrics WHERE run = $1 ORDER BY name";
        for row in self.0.query(sql, &id)? {
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
        for row in self.0.query(sql, &id)? {
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
}

/// Migrates the database to the current schema. Of two processes that open it at the same time, the second finds the
/// migration done.
fn migrate(database: &mut dyn Database) -> Result<(), Failure> {
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

fn insert(database: &mut dyn Database, run: &Run) -> Result<i64, Failure> {
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

fn text(text: &str) -> Value {
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

#[cfg(test)]
mod tests {
    use super::super::Timeline;
    use super::*;

    fn results() -> Results {
        Results::with(Sqlite::in_memory().unwrap()).unwrap()
    }

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
        let mut new = run("bench", 1.0);
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

    #[test]
    fn an_exported_run_is_imported_once_and_an_old_one_is_pruned_with_its_numbers() {
        let mut results = results();
        let mut old = run("bench", 1.0);
        assert!(results.import(&mut old.clone()).unwrap());
        assert!(!results.import(&mut old).unwrap());
        let mut new = Run { at: 1000, ..run("bench", 2.0) };
        assert!(results.import(&mut new).unwrap());
        assert_eq!(results.prune(1000).unwrap(), 1);
        assert_eq!(results.latest(None, 9).unwrap(), [new]);
        let left = results.0.query("SELECT DISTINCT run FROM metrics", &[]).unwrap();
        assert_eq!(left.len(), 1);
    }

    fn run(kind: &str, value: f64) -> Run {
        let metrics = vec![
            Metric::new("a.ns", "ns", vec![value, value + 1.0]),
            Metric::exact("b", "/s", 7.0),
        ];
        let insights = vec![Insight { subject: "a.ns".into(), ..Insight::default() }];
        let timelines = vec![Timeline {
            name: "a".into(),
            unit: "/s".into(),
            seconds: vec![0.0, 0.5],
            values: vec![1.0, value],
            marks: vec![(0.5, "fault".into())],
        }];
        Run { at: 5, insights, timelines, ..Run::now(kind, metrics) }
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
        let mut ids = |kind, count| -> Vec<i64> {
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
