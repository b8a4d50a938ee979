//! The earlier values of numbers: for those that are the same from run to run from a committed file, for others from a
//! kept run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::results::{Metric, Run};

/// The committed file, relative to the root of the repository.
pub(crate) const FILE: &str = "benches/baseline.toml";

/// The earlier values by name.
#[derive(Default, Debug)]
pub(crate) struct Baselines {
    exact: BTreeMap<String, f64>,
    run: Option<Run>,
}

impl Baselines {
    /// Reads the committed file, and takes the numbers of a kept run if one is given.
    pub(crate) fn new(file: &Path, run: Option<Run>) -> Result<Self, Failure> {
        Ok(Self { exact: read(file)?, run })
    }

    pub(super) fn of(&self, metric: &Metric) -> Option<f64> {
        let committed = self.exact.get(&metric.name).filter(|_| metric.exact).copied();
        committed.or_else(|| self.run.as_ref()?.metric(&metric.name).map(|m| m.value))
    }

    /// Lists committed numbers that are missing from `metrics` although others of their group are there, and the
    /// reverse. Both are mistakes: a number that is no longer measured, or one that was never committed.
    pub(super) fn mismatches(&self, metrics: &[&Metric]) -> Vec<String> {
        let exact: Vec<&str> =
            metrics.iter().filter(|m| m.exact).map(|m| m.name.as_str()).collect();
        let measured = |name: &str| exact.iter().any(|e| group(e) == group(name));
        let gone = self.exact.keys().filter(|n| measured(n) && !exact.contains(&n.as_str()));
        let gone = gone.map(|name| format!("{name} is in the baseline, and was not measured"));
        let known = |name: &str| self.exact.keys().any(|k| group(k) == group(name));
        let new = exact.iter().filter(|n| known(n) && !self.exact.contains_key(**n));
        let new = new.map(|name| format!("{name} was measured, and is not in the baseline"));
        gone.chain(new).collect()
    }
}

/// Returns the first word of a name.
fn group(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn read(path: &Path) -> Result<BTreeMap<String, f64>, Failure> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    toml::from_str(&text)
        .map_err(|e| Failure::new(Exit::Usage, format_args!("{}: {e}", path.display())))
}

/// Writes the numbers of a run to the committed file. Groups that the run did not measure keep their numbers.
pub(crate) fn write(path: &Path, run: &Run) -> Result<(), Failure> {
    let mut all = read(path)?;
    let measured: Vec<&Metric> = run.metrics.iter().filter(|m| m.exact).collect();
    all.retain(|name, _| !measured.iter().any(|m| group(&m.name) == group(name)));
    all.extend(measured.iter().map(|m| (m.name.clone(), m.value)));
    let mut text = format!(
        "# Numbers that are the same from run to run. `perf count --write` writes them, `.ci/perf-gate` holds new ones to them.\n\
         # Instructions depend on the compiler: {}.\n",
        run.environment.rustc
    );
    for (name, value) in all {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\"{name}\" = {value:?}");
    }
    crate::desk::write(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_other_groups_stay() {
        let path = std::env::temp_dir().join(format!("ringstat-baseline-{}", std::process::id()));
        let run = |metrics| Run::now("count", metrics);
        write(&path, &run(vec![Metric::exact("a.x", "B", 1.5), Metric::exact("b.y", "B", 2.0)]))
            .unwrap();
        write(&path, &run(vec![Metric::exact("b.z", "B", 3.0), Metric::one("b.time", "ns", 9.0)]))
            .unwrap();
        let baselines = Baselines::new(&path, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        let expected = [("a.x".to_owned(), 1.5), ("b.z".to_owned(), 3.0)];
        assert_eq!(baselines.exact, BTreeMap::from(expected));
        let metrics = [Metric::exact("b.new", "B", 3.0)];
        let slips = baselines.mismatches(&metrics.iter().collect::<Vec<_>>());
        assert_eq!(slips.len(), 2, "{slips:?}");
        assert!(
            slips[0].starts_with("b.z is in the baseline") && slips[1].starts_with("b.new was")
        );
    }

    #[test]
    fn the_readme_has_the_instructions_of_the_baseline() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = read(&here.join("baseline.toml")).unwrap();
        let readme = std::fs::read_to_string(here.join("README.md")).unwrap();
        let rows: [(&str, &[&str]); 9] = [
            ("`counter.inc()`, `histogram.record()`", &["counter", "histogram"]),
            ("recording an event with 3 static tags;", &["record", "record_dynamic"]),
            ("recording an event with 3 dynamic tags", &["record_40_bytes", "record_200_bytes"]),
            ("a counter of the `metrics` facade:", &["facade", "facade_handle"]),
            ("pushing and popping 64 bytes,", &["spsc", "mpmc"]),
            ("pushing 64 bytes,", &["overwrite"]),
            ("packing a datagram of 1472 bytes", &["pack", "decode"]),
            ("a DogStatsD line", &["line"]),
            ("reading an acknowledgement", &["ack"]),
        ];
        for (what, names) in rows {
            let numbers = names.iter().map(|name| grouped(all[&format!("instructions.{name}")]));
            let cell = format!("| {} |", numbers.collect::<Vec<_>>().join(", "));
            let begins = format!("| {what}");
            let found = readme.lines().any(|l| l.starts_with(&begins) && l.ends_with(&cell));
            assert!(found, "benches/README.md should say: {what} {cell}");
        }
    }

    /// A whole number with a space between groups of digits, as tables have it.
    fn grouped(number: f64) -> String {
        let digits = format!("{number:.0}");
        let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join(if digits.len() > 4 { " " } else { "" })
    }
}
