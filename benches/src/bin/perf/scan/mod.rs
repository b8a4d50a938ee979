//! `perf scan`: counts which functions take the instructions, and which places allocate, and says what to try.
//!
//! Nothing is sampled: callgrind counts the instructions of every function, DHAT every allocation. Both give the same
//! numbers in every run and need no privileges. They are slow, and they do not show time spent waiting (`perf profile`
//! does).

pub(crate) mod advice;
mod callgrind;
mod dhat;
mod target;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::desk::Output;
use crate::failure::{Failure, Outcome};
use crate::results::{Metric, Run};
use crate::{suite, tools};
use advice::What;
pub(crate) use dhat::{Site, sites};
pub(crate) use target::Target;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to scan: benchmarks of `perf bench --list`, or `load`; on a terminal you are asked
    names: Vec<String>,
    /// How many functions and places to show for each
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Where to write the tools' own files, for their viewers
    #[arg(long, value_name = "DIR", default_value = "target/perf/scan")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// The time limit. Under these tools everything takes about fifty times as long.
const LIMIT: Duration = Duration::from_secs(1200);
/// The running time of a target: short, but longer than its start takes.
const SECONDS: f64 = 0.2;

pub(crate) fn run(args: &Args) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file("make", &args.out, &e))?;
    let (mut metrics, mut insights) = (Vec::new(), Vec::new());
    let names = if args.names.is_empty() { chosen()? } else { args.names.clone() };
    for name in &names {
        let target = Target::find(name, SECONDS)?;
        eprintln!("scanning {name}");
        for hot in callgrind::scan(&target, &args.out)?.into_iter().take(args.top) {
            let subject = format!("scan.{name}.hot.{}", hot.function);
            let what = What::Instructions;
            insights.extend(advice::of(what, &subject, &hot.function, hot.percent, &hot.place));
            metrics.push(Metric::one(subject, "%", hot.percent));
        }
        for site in heap(&target, &args.out)?.into_iter().take(args.top) {
            let subject = format!("scan.{name}.heap.{}", site.place);
            insights.extend(advice::of(What::Heap, &subject, &site.place, site.bytes, &site.line));
            metrics.push(Metric::one(subject, "B", site.bytes));
        }
    }
    // Several places in one function share its name.
    metrics.sort_by(|a, b| a.name.cmp(&b.name).then(b.value.total_cmp(&a.value)));
    metrics.dedup_by(|a, b| a.name == b.name);
    metrics.sort_by(|a, b| b.value.total_cmp(&a.value));
    metrics.sort_by_key(|m| m.name.split('.').take(3).collect::<Vec<_>>().join("."));
    insights.sort_by_key(|i| i.severity);
    args.output.take(Run { insights, ..Run::now("scan", metrics) })
}

/// Asks which target to scan if there is somebody to ask; otherwise returns the usual ones.
fn chosen() -> Result<Vec<String>, Failure> {
    const USUAL: [&str; 4] = ["record", "encode", "decode", "collect"];
    let usual = || USUAL.map(str::to_owned).to_vec();
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(usual());
    }
    let names: Vec<_> = suite::ALL.iter().map(|b| b.name).chain(["load"]).collect();
    for (i, name) in names.iter().enumerate() {
        eprintln!("{:3}  {name}", i + 1);
    }
    eprint!("Which one? (number or name; Enter for {}) ", USUAL.join(", "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let one = |word: &str| match word.parse::<usize>() {
        Ok(n) => names.get(n.wrapping_sub(1)).map_or_else(|| word.to_owned(), ToString::to_string),
        Err(_) => word.to_owned(),
    };
    let words: Vec<_> = answer.split([' ', ',']).map(str::trim).filter(|w| !w.is_empty()).collect();
    Ok(if words.is_empty() { usual() } else { words.into_iter().map(one).collect() })
}

/// Runs `target` under DHAT, whose output stays in `out`. Returns the places that allocate, in descending order of
/// bytes.
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
