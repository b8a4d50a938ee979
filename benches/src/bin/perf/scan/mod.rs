//! `perf scan`: which functions the time goes to, and which places allocate.
//!
//! Counted, not sampled: callgrind counts the instructions of every function, DHAT every allocation. Both are the same
//! from run to run and need no privileges; they are slow, and time spent waiting does not show (`perf profile` has
//! that).

mod callgrind;
mod dhat;
mod target;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::desk::Output;
use crate::failure::{Failure, Outcome};
use crate::results::{Metric, Run};
use crate::tools;
pub(crate) use dhat::{Site, sites};
pub(crate) use target::Target;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Benchmarks of `perf bench --list`, or `load`
    #[arg(default_values = ["record", "encode", "decode", "collect"])]
    names: Vec<String>,
    /// So many functions and places of each
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Where the tools' own files go, for their viewers
    #[arg(long, value_name = "DIR", default_value = "target/perf/scan")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Under these tools everything takes fifty times as long.
const LIMIT: Duration = Duration::from_secs(1200);
/// So a little is enough, but more than it takes to start.
const SECONDS: f64 = 0.2;

pub(crate) fn run(args: &Args) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file("make", &args.out, &e))?;
    let mut metrics = Vec::new();
    for name in &args.names {
        let target = Target::find(name, SECONDS)?;
        eprintln!("scanning {name}");
        for hot in callgrind::scan(&target, &args.out)?.into_iter().take(args.top) {
            metrics.push(Metric::one(
                format!("scan.{name}.hot.{}", hot.function),
                "%",
                hot.percent,
            ));
        }
        for site in heap(&target, &args.out)?.into_iter().take(args.top) {
            metrics.push(Metric::one(format!("scan.{name}.heap.{}", site.place), "B", site.bytes));
        }
    }
    // Two places in one function have one name.
    metrics.sort_by(|a, b| a.name.cmp(&b.name).then(b.value.total_cmp(&a.value)));
    metrics.dedup_by(|a, b| a.name == b.name);
    metrics.sort_by(|a, b| b.value.total_cmp(&a.value));
    metrics.sort_by_key(|m| m.name.split('.').take(3).collect::<Vec<_>>().join("."));
    args.output.take(Run::now("scan", metrics))
}

/// Runs `target` under DHAT; what it says stays in `out`. Returns the places that allocate, the most bytes first.
pub(crate) fn heap(target: &Target, out: &Path) -> Result<Vec<Site>, Failure> {
    let file = out.join(format!("{}.dhat.json", target.name));
    let out_file = format!("--dhat-out-file={}", file.display());
    let flags = ["--tool=dhat", "--quiet", "--log-file=/dev/null", &out_file];
    let ended = tools::run(&mut target.under("valgrind", &flags), LIMIT)?;
    // A load test may fail its checks when it runs this slowly.
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("valgrind")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    sites(&text)
}
