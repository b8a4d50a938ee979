//! The storage of all runs, whatever the database: SQLite by default, PostgreSQL where a team shares one.

use std::path::Path;

use super::database::{Database, is_url};
use super::rows::{COLUMNS, insert, read, text};
use super::schema::migrate;
use super::sqlite::Sqlite;
use super::{Metric, Run};
use crate::failure::Failure;

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
        Err(Failure::new(crate::failure::Exit::Usage, "this build knows no PostgreSQL").hint(
            "Build it with `cargo build -p ringstat-benches --bin perf --features postgres`.",
        ))
    }

    pub(super) fn with(database: impl Database + 'static) -> Result<Self, Failure> {
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
        found.first().map(|row| read(self.0.as_mut(), row)).transpose()
    }

    /// Returns the latest runs of one kind, or of any kind, newest first.
    pub(crate) fn latest(&mut self, kind: Option<&str>, count: usize) -> Result<Vec<Run>, Failure> {
        let sql = format!(
            "SELECT id, {COLUMNS} FROM runs WHERE $1 = '' OR kind = $1 ORDER BY id DESC LIMIT $2"
        );
        let found =
            self.0.query(&sql, &[kind.unwrap_or_default().into(), (count as i64).into()])?;
        found.iter().map(|row| read(self.0.as_mut(), row)).collect()
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
}

#[cfg(test)]
mod tests {
    use super::super::{Insight, Timeline};
    use super::*;

    fn results() -> Results {
        Results::with(Sqlite::in_memory().unwrap()).unwrap()
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
