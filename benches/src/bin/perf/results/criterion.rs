//! Reads what Criterion measured, in this project or in any other, from the files that it leaves in `target/criterion`.
//!
//! Each benchmark has a folder there, with a subfolder for the latest run (`new`), the one before it (`base`), and each
//! baseline that was saved with `--save-baseline`.

use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::Metric;
use crate::failure::Failure;

/// The subfolder of the latest run.
pub(crate) const LATEST: &str = "new";

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

/// Reads the results called `baseline` that are not older than `since`, sorted by name.
///
/// # Errors
/// Files that cannot be read, or that Criterion did not write.
pub(crate) fn read(
    folder: &Path,
    baseline: &str,
    since: SystemTime,
) -> Result<Vec<Metric>, Failure> {
    let mut metrics = Vec::new();
    collect(folder, baseline, since, &mut metrics)?;
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(metrics)
}

/// Collects results from `folder` and its subfolders. A folder that does not exist has none.
fn collect(
    folder: &Path,
    baseline: &str,
    since: SystemTime,
    out: &mut Vec<Metric>,
) -> Result<(), Failure> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.ends_with(baseline) {
            out.extend(result(&path, since)?);
        } else if path.is_dir() {
            collect(&path, baseline, since, out)?;
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_criterion_wrote_is_read_by_baseline_unless_it_is_old() {
        let root = std::env::temp_dir().join(format!("ringstat-criterion-{}", std::process::id()));
        let write = |baseline: &str, times: &str| {
            let folder = root.join("ring/spsc").join(baseline);
            std::fs::create_dir_all(&folder).unwrap();
            let about = r#"{"group_id":"ring","full_id":"ring/spsc one","other":1}"#;
            std::fs::write(folder.join("benchmark.json"), about).unwrap();
            let samples =
                format!(r#"{{"sampling_mode":"Linear","iters":[1,2,4],"times":{times}}}"#);
            std::fs::write(folder.join("sample.json"), samples).unwrap();
        };
        write("new", "[10,22,36]");
        write("main", "[1,2,4]");
        let always = SystemTime::UNIX_EPOCH;
        let later = SystemTime::now() + Duration::from_secs(3600);
        let found = [("new", always), ("main", always), ("other", always), ("new", later)]
            .map(|(baseline, since)| read(&root, baseline, since).unwrap());
        std::fs::remove_dir_all(&root).unwrap();
        let of = |samples| vec![Metric::new("criterion.ring.spsc.one", "ns", samples)];
        let expected = [of(vec![10.0, 11.0, 9.0]), of(vec![1.0, 1.0, 1.0]), Vec::new(), Vec::new()];
        assert_eq!(found, expected);
    }
}
