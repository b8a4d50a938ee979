//! Runs two commits in turns, so that a busy minute affects both.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Compared, build};
use crate::failure::Failure;
use crate::results::Run;
use crate::stats::{Better, Comparison, Number, compare};
use crate::{suite, tools};

/// The samples of one number.
#[derive(Default, Debug)]
struct Samples {
    unit: String,
    better: Better,
    exact: bool,
    base: Vec<f64>,
    again: Vec<f64>,
    head: Vec<f64>,
}

impl Samples {
    fn number(&self) -> Number<'_> {
        Number {
            base: &self.base,
            again: &self.again,
            head: &self.head,
            better: self.better,
            exact: self.exact,
        }
    }
}

/// Builds both commits and runs the benchmarks that `filters` select. Without filters, those that take long are left
/// out.
pub(super) fn run(
    base: &str,
    head: &str,
    filters: &[String],
    rounds: u16,
) -> Result<Vec<Compared>, Failure> {
    // A filter that selects nothing should fail before the two builds, not after them.
    let selected = suite::selection(filters)?;
    let quick = selected.iter().filter(|b| !b.slow).map(|b| b.name.to_owned()).collect();
    let filters = if filters.is_empty() { quick } else { filters.to_vec() };
    let (base, head) = (build::binary(base)?, build::binary(head)?);
    let mut all: BTreeMap<String, Samples> = BTreeMap::new();
    let begun = Instant::now();
    for round in 0..usize::from(rounds) {
        let left = begun.elapsed().as_secs() * (u64::from(rounds) - round as u64);
        let left = left.checked_div(round as u64);
        let left = left.map_or(String::new(), |s| format!(", about {s} s left"));
        eprintln!("round {} of {rounds}{left}", round + 1);
        // The order rotates, so that no version always runs first after a pause.
        for turn in 0..3 {
            let who = (round + turn) % 3;
            let measured = measure(if who == 1 { &head } else { &base }, &filters)?;
            for metric in measured.metrics {
                let samples = all.entry(metric.name).or_default();
                (samples.unit, samples.better) = (metric.unit, metric.better);
                samples.exact = metric.exact;
                [&mut samples.base, &mut samples.head, &mut samples.again][who].push(metric.value);
            }
        }
    }
    all.retain(|_, s| !s.base.is_empty() && !s.head.is_empty());
    let comparisons = compare(&all.values().map(Samples::number).collect::<Vec<_>>());
    let named = |((name, s), comparison): ((String, Samples), Comparison)| Compared {
        name,
        unit: s.unit,
        comparison,
    };
    Ok(all.into_iter().zip(comparisons).map(named).collect())
}

/// Runs the suite briefly in another build of this program.
fn measure(binary: &Path, filters: &[String]) -> Result<Run, Failure> {
    let mut command = Command::new(binary);
    command.args(["bench", "--json", "--dry", "--samples", "5"]).args(filters);
    let output = tools::run(&mut command, Duration::from_secs(600))?.success("perf bench")?;
    Ok(serde_json::from_slice(&output)?)
}
