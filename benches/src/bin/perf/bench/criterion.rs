//! Runs the Criterion benches and keeps what they measured, so that those numbers have a history, too.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::failure::{Exit, Failure};
use crate::results::{Metric, criterion};
use crate::tools;

/// The time limit. All benches with all their peers take a while.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Runs the benches that match one of `filters`, or all of them if there are no filters.
pub(super) fn run(filters: &[String]) -> Result<Vec<Metric>, Failure> {
    let begun = SystemTime::now();
    let filter = filters.join("|");
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--package", "ringstat-benches", "--", &filter]);
    tools::run(&mut cargo, LIMIT)?.success("cargo bench")?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let metrics = criterion::read(&target.join("criterion"), criterion::LATEST, begun)?;
    if metrics.is_empty() {
        return Err(Failure::new(Exit::Usage, format_args!("no bench matches '{filter}'"))
            .hint("`cargo bench -p ringstat-benches -- --list` names them."));
    }
    Ok(metrics)
}
