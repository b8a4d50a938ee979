//! Runs the Criterion benches and keeps what they measured, so that those numbers have a history, too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::failure::{Exit, Failure};
use crate::results::Metric;
use crate::tools;

/// The time limit. All benches with all their peers take a while.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// What Criterion writes about a benchmark.
#[derive(Deserialize)]
struct About {
    /// The benchmark's full name, as in `ring/spsc/1024`.
    full_id: String,
}

/// The samples that Criterion writes: the iterations of each, and the nanoseconds that all of them took together.
#[derive(Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Runs the benches that match one of `filters`, or all of them if there are no filters.
pub(super) fn run(filters: &[String]) -> Result<Vec<Metric>, Failure> {
    let begun = SystemTime::now();
    let filter = filters.join("|");
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--package", "ringstat-benches", "--", &filter]);
    tools::run(&mut cargo, LIMIT)?.success("cargo bench")?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let mut metrics = Vec::new();
    collect(&target.join("criterion"), begun, &mut metrics)?;
    if metrics.is_empty() {
        return Err(Failure::new(Exit::Usage, format_args!("no bench matches '{filter}'"))
            .hint("`cargo bench -p ringstat-benches -- --list` names them."));
    }
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(metrics)
}

/// Collects the results in `folder` and its subfolders that are not older than `since`.
fn collect(folder: &Path, since: SystemTime, out: &mut Vec<Metric>) -> Result<(), Failure> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.ends_with("new") {
            out.extend(result(&path, since)?);
        } else if path.is_dir() {
            collect(&path, since, out)?;
        }
    }
    Ok(())
}

fn result(folder: &Path, since: SystemTime) -> Result<Option<Metric>, Failure> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let (Ok(about), Ok(samples)) = (read("benchmark.json"), read("sample.json")) else {
        return Ok(None);
    };
    if std::fs::metadata(folder.join("sample.json"))?.modified()? < since {
        return Ok(None);
    }
    let (about, samples): (About, Samples) =
        (serde_json::from_str(&about)?, serde_json::from_str(&samples)?);
    let each = samples.iters.iter().zip(&samples.times).map(|(n, ns)| ns / n).collect();
    let name = about.full_id.replace(['/', ' '], ".");
    Ok(Some(Metric::new(format!("criterion.{name}"), "ns", each)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_wrote_is_read_unless_it_is_old() {
        let root = std::env::temp_dir().join(format!("ringstat-criterion-{}", std::process::id()));
        let folder = root.join("ring/spsc/new");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write("benchmark.json", r#"{"group_id":"ring","full_id":"ring/spsc one","other":1}"#);
        write("sample.json", r#"{"sampling_mode":"Linear","iters":[1,2,4],"times":[10,22,36]}"#);
        let collected = |since| {
            let mut metrics = Vec::new();
            collect(&root, since, &mut metrics).map(|()| metrics).unwrap()
        };
        let all = collected(SystemTime::UNIX_EPOCH);
        let new = collected(SystemTime::now() + Duration::from_secs(3600));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(all, [Metric::new("criterion.ring.spsc.one", "ns", vec![10.0, 11.0, 9.0])]);
        assert_eq!(new, []);
    }
}
