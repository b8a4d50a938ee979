//! `perf profile`: a flame graph of where time is spent, a heap profile, and the number of system calls.
//!
//! | what | with | written to |
//! |---|---|---|
//! | CPU | `perf record`, and inferno for the picture | `NAME.svg` |
//! | CPU, against another commit | the same twice, and inferno's difference | `NAME.diff.svg`: red grew, blue shrank |
//! | heap by place | valgrind's DHAT | `NAME.dhat.json`, for `dh_view.html` |
//! | heap over time | valgrind's Massif | the results, as a timeline |
//! | system calls, and locks that had to wait | `strace -f -c` | the results |

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options as CollapseOptions};
use inferno::differential;
use inferno::flamegraph::{self, Options};

use crate::compare;
use crate::desk::{self, Output};
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Metric, Run, Timeline};
use crate::scan::advice::{self, What};
use crate::scan::{Target, heap};
use crate::tools;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to profile: benchmarks of `perf bench --list`, or `load`
    #[arg(default_values = ["path"])]
    names: Vec<String>,
    /// How long each is sampled
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// Samples per second
    #[arg(long, value_name = "HZ", default_value_t = 499)]
    frequency: u32,
    /// Leave out the heap profile, which takes the longest
    #[arg(long)]
    no_heap: bool,
    /// Also draw the difference to this commit, which is built for it
    #[arg(long, value_name = "COMMIT")]
    against: Option<String>,
    /// Where to write the pictures
    #[arg(long, value_name = "DIR", default_value = "target/perf/profile")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// How many of the most frequent system calls are kept.
const CALLS: usize = 12;
const LIMIT: Duration = Duration::from_secs(1200);
/// The running time under tools that slow everything down.
const SHORT_SECONDS: f64 = 0.02;

pub(crate) fn run(args: &Args) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file("make", &args.out, &e))?;
    let (mut metrics, mut insights, mut timelines) = (Vec::new(), Vec::new(), Vec::new());
    let before = args.against.as_deref().map(compare::binary).transpose()?;
    for name in &args.names {
        let target = Target::find(name, args.seconds.clamp(0.01, 600.0))?;
        let graph = args.out.join(format!("{name}.svg"));
        let (folded, nanos) = cpu(&target, args.frequency, &args.out)?;
        desk::write(&graph, &draw(&folded, name)?)?;
        eprintln!("flame graph: {}", graph.display());
        if let Some(base) = &before {
            let (before, _) = cpu(&target.of(base)?, args.frequency, &args.out)?;
            let graph = args.out.join(format!("{name}.diff.svg"));
            desk::write(&graph, &draw(&difference(&before, &folded)?, name)?)?;
            eprintln!("difference: {}", graph.display());
        }
        metrics.push(Metric::one(format!("profile.{name}.cpu"), "ns", nanos as f64));
        let calls = system_calls(&target, &args.out)?;
        let all: u64 = calls.iter().map(|c| c.1).sum();
        for (call, count) in calls.into_iter().take(CALLS) {
            let share = count as f64 / all.max(1) as f64 * 100.0;
            let subject = format!("profile.{name}.calls.{call}");
            insights.extend(advice::of(What::Calls, &subject, &call, share, ""));
            metrics.push(Metric::one(
                format!("profile.{name}.calls.{call}"),
                "calls",
                count as f64,
            ));
        }
        if !args.no_heap {
            let short = Target::find(name, SHORT_SECONDS)?;
            timelines.push(heap_over_time(&short, &args.out)?);
            let sites = heap(&short, &args.out)?;
            let bytes: f64 = sites.iter().map(|s| s.bytes).sum();
            let blocks: u64 = sites.iter().map(|s| s.blocks).sum();
            metrics.push(Metric::one(format!("profile.{name}.heap.bytes"), "B", bytes));
            metrics.push(Metric::one(
                format!("profile.{name}.heap.blocks"),
                "blocks",
                blocks as f64,
            ));
        }
    }
    args.output.take(Run { insights, timelines, ..Run::now("profile", metrics) })
}

/// Samples the stacks of `target`. Returns them folded, and the CPU time that they stand for, in nanoseconds.
fn cpu(target: &Target, frequency: u32, out: &Path) -> Result<(String, u64), Failure> {
    let data = out.join(format!("{}.data", target.name));
    let (data, frequency) = (data.to_string_lossy().into_owned(), frequency.to_string());
    // Sampling uses the CPU clock, not cycles, because virtual machines often have no hardware counters. Optimized code
    // has no frame pointers, so stacks are unwound from stack memory.
    let flags = [
        "record",
        "--quiet",
        "--event=cpu-clock",
        "--freq",
        &frequency,
        "--call-graph=dwarf,8192",
        "--output",
        &data,
        "--",
    ];
    let ended = tools::run(&mut target.under("perf", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("perf record").map_err(|e| {
            e.hint(
                "`sysctl kernel.perf_event_paranoid=1` lets everybody sample their own programs.",
            )
        })?;
    }
    let mut script = Command::new("perf");
    script.args(["script", "--no-inline", "--input", &data]);
    let stacks = tools::run(&mut script, LIMIT)?.success("perf script")?;
    let (folded, nanos) = fold(&stacks)?;
    if nanos == 0 {
        return Err(Failure::new(Exit::Environment, "no samples were taken")
            .hint("Take more --seconds, or a higher --frequency."));
    }
    Ok((folded, nanos))
}

/// Folds the stacks that `perf script` prints into one line for each different stack, with its time. Also returns the
/// total time.
fn fold(stacks: &[u8]) -> Result<(String, u64), Failure> {
    let mut folder = Folder::from(CollapseOptions::default());
    let mut folded = Vec::new();
    folder.collapse(stacks, &mut folded)?;
    let folded = String::from_utf8_lossy(&folded).into_owned();
    // A sample counts for one period of the clock.
    let time = |line: &str| line.rsplit_once(' ')?.1.parse::<u64>().ok();
    let nanos = folded.lines().filter_map(time).sum();
    Ok((folded, nanos))
}

/// Returns the stacks of both with both times, as differential flame graphs are drawn from them. The time of the one
/// before is scaled to that of the other, so that only shares count.
fn difference(before: &str, after: &str) -> Result<String, Failure> {
    let options = differential::Options { normalize: true, ..Default::default() };
    let mut lines = Vec::new();
    differential::from_readers(options, before.as_bytes(), after.as_bytes(), &mut lines)?;
    Ok(String::from_utf8_lossy(&lines).into_owned())
}

/// Runs `target` under Massif, and returns the heap's size over time.
fn heap_over_time(target: &Target, out: &Path) -> Result<Timeline, Failure> {
    let file = out.join(format!("{}.massif", target.name));
    let out_file = format!("--massif-out-file={}", file.display());
    let flags = ["--tool=massif", "--time-unit=ms", "--quiet", "--log-file=/dev/null", &out_file];
    let ended = tools::run(&mut target.under("valgrind", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("valgrind")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    let (seconds, values) = snapshots(&text).unzip();
    let name = format!("profile.{}.heap", target.name);
    Ok(Timeline { name, unit: "B".into(), seconds, values, marks: Vec::new() })
}

/// Parses Massif's snapshots, each with lines such as `time=12` and `mem_heap_B=345`: seconds and bytes.
fn snapshots(text: &str) -> impl Iterator<Item = (f64, f64)> {
    let mut ms = 0.0;
    text.lines().filter_map(move |line| {
        let (key, value) = line.split_once('=')?;
        match key {
            "time" => ms = value.parse().ok()?,
            "mem_heap_B" => return Some((ms / 1e3, value.parse().ok()?)),
            _ => {}
        }
        None
    })
}

/// Draws the flame graph as SVG with names that appear under the pointer.
fn draw(folded: &str, name: &str) -> Result<String, Failure> {
    let mut options = Options::default();
    options.title = format!("ringstat: {name}");
    options.count_name = "ns".into();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, folded.lines(), &mut svg)?;
    Ok(String::from_utf8_lossy(&svg).into_owned())
}

/// Counts the system calls of `target` by name, the most frequent first. A `futex` call means that a lock was not free,
/// or that a waiting thread was woken.
fn system_calls(target: &Target, out: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let file = out.join(format!("{}.strace", target.name));
    let path = file.to_string_lossy().into_owned();
    let flags = ["-f", "-c", "-S", "calls", "-o", &path];
    let ended = tools::run(&mut target.under("strace", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("strace")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    Ok(count(&text))
}

/// Parses lines such as ` 99.5  1.2  34  567  [8]  futex`, where the fourth column is the count and the last one the
/// name.
fn count(table: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let (share, name) = (columns.first()?, columns.last()?);
        share.parse::<f64>().ok()?;
        let calls = columns.get(3)?.parse().ok()?;
        (*name != "total").then(|| ((*name).to_owned(), calls))
    };
    table.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACKS: &str = "\
perf 100 1.000: 2004008 cpu-clock:
	55d0 ringstat_core::wire::encode (/bin/perf)
	55e0 perf::main (/bin/perf)

perf 100 1.002: 2004008 cpu-clock:
	55d0 ringstat_core::wire::encode (/bin/perf)
	55e0 perf::main (/bin/perf)

";

    #[test]
    fn stacks_become_a_picture_that_names_its_functions() {
        let (folded, nanos) = fold(STACKS.as_bytes()).unwrap();
        assert_eq!(nanos, 2 * 2_004_008);
        assert_eq!(folded.trim(), "perf;perf::main;ringstat_core::wire::encode 4008016");
        let svg = draw(&folded, "encode").unwrap();
        assert!(svg.contains("<svg") && svg.contains("ringstat_core::wire::encode"));
        assert!(svg.contains("ringstat: encode"));
    }

    #[test]
    fn a_difference_has_both_times_and_only_shares_count() {
        let lines = difference("a;b 100\na;c 100\n", "a;b 600\na;c 200\n").unwrap();
        let mut lines: Vec<_> = lines.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["a;b 400 600", "a;c 400 200"]);
        assert!(draw("a;b 400 600", "x").unwrap().contains("<svg"));
    }

    #[test]
    fn what_massif_saw_is_read() {
        let text = "cmd: x\ntime_unit: ms\nsnapshot=0\ntime=0\nmem_heap_B=0\nmem_stacks_B=0\n\
                    snapshot=1\ntime=250\nmem_heap_B=4096\n";
        assert_eq!(snapshots(text).collect::<Vec<_>>(), [(0.0, 0.0), (0.25, 4096.0)]);
    }

    #[test]
    fn what_strace_counts_is_read() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.30    0.100000          10      9876        12 futex
  0.70    0.000700           7       100           sendmsg
------ ----------- ----------- --------- --------- ----------------
100.00    0.100700                  9976        12 total
";
        assert_eq!(count(table), [("futex".into(), 9876), ("sendmsg".into(), 100)]);
    }
}
