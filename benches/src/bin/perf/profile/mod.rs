//! `perf profile`: where the time is spent and where it is waited away, the heap over time, and the system calls.
//!
//! | what | with | written to |
//! |---|---|---|
//! | CPU ([`cpu`]) | `perf record`, and inferno for the picture | `NAME.svg` |
//! | CPU, against another commit | the same twice, and inferno's difference | `NAME.diff.svg`: red grew, blue shrank |
//! | off the CPU, locks among it ([`waits`]) | `strace -k` | `NAME.off-cpu.svg`, and the results |
//! | what each thread did when ([`lanes`]) | the same | `NAME.threads.svg` |
//! | system calls ([`calls`]) | `strace -c` | the results |
//! | heap by place | valgrind's DHAT | `NAME.dhat.json`, for `dh_view.html` |
//! | heap over time ([`heap`]) | valgrind's Massif | the results, as a timeline |

mod calls;
mod cpu;
mod heap;
mod lanes;
mod waits;

use std::path::PathBuf;
use std::time::Duration;

use crate::compare;
use crate::desk::{self, Output};
use crate::failure::{Failure, Outcome};
use crate::results::{Insight, Metric, Run, Timeline};
use crate::scan::advice::{self, What};
use crate::scan::{self, Target};
use waits::{Kind, Thread};

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
/// How many of the places that wait for locks are kept.
const LOCKS: usize = 10;
const LIMIT: Duration = Duration::from_secs(1200);
/// The running time under tools that slow everything down.
const SHORT_SECONDS: f64 = 0.02;
/// The longest that threads are watched: a picture of more shows less.
const WATCHED_SECONDS: f64 = 1.0;

pub(crate) fn run(args: &Args) -> Outcome {
    std::fs::create_dir_all(&args.out).map_err(|e| Failure::file("make", &args.out, &e))?;
    let mut found = Found::default();
    let before = args.against.as_deref().map(compare::binary).transpose()?;
    for name in &args.names {
        let target = Target::find(name, args.seconds.clamp(0.01, 600.0))?;
        let graph = args.out.join(format!("{name}.svg"));
        let (folded, nanos) = cpu::sample(&target, args.frequency, &args.out)?;
        desk::write(&graph, &cpu::draw(&folded, name)?)?;
        eprintln!("flame graph: {}", graph.display());
        if let Some(base) = &before {
            let (before, _) = cpu::sample(&target.of(base)?, args.frequency, &args.out)?;
            let graph = args.out.join(format!("{name}.diff.svg"));
            desk::write(&graph, &cpu::draw(&cpu::difference(&before, &folded)?, name)?)?;
            eprintln!("difference: {}", graph.display());
        }
        found.metrics.push(Metric::one(format!("profile.{name}.cpu"), "ns", nanos as f64));
        found.calls(name, calls::count(&target, &args.out)?);
        let watched = Target::find(name, args.seconds.clamp(0.01, WATCHED_SECONDS))?;
        let threads = waits::watch(&watched, &args.out)?;
        let graph = args.out.join(format!("{name}.threads.svg"));
        desk::write(&graph, &lanes::draw(&threads, &format!("ringstat: threads of {name}")))?;
        eprintln!("threads: {}", graph.display());
        let waits = waits::folded(&threads);
        // What never waits has no such picture.
        if !waits.is_empty() {
            let graph = args.out.join(format!("{name}.off-cpu.svg"));
            desk::write(&graph, &cpu::draw_waits(&waits, name)?)?;
            eprintln!("off the CPU: {}", graph.display());
        }
        found.waits(name, &threads);
        if !args.no_heap {
            let short = Target::find(name, SHORT_SECONDS)?;
            found.timelines.push(heap::over_time(&short, &args.out)?);
            let sites = scan::heap(&short, &args.out)?;
            let bytes: f64 = sites.iter().map(|s| s.bytes).sum();
            let blocks: u64 = sites.iter().map(|s| s.blocks).sum();
            found.metrics.push(Metric::one(format!("profile.{name}.heap.bytes"), "B", bytes));
            let blocks_name = format!("profile.{name}.heap.blocks");
            found.metrics.push(Metric::one(blocks_name, "blocks", blocks as f64));
        }
    }
    let Found { metrics, mut insights, timelines } = found;
    insights.sort_by_key(|i| i.severity);
    args.output.take(Run { insights, timelines, ..Run::now("profile", metrics) })
}

/// What was found out, to be kept.
#[derive(Default)]
struct Found {
    metrics: Vec<Metric>,
    insights: Vec<Insight>,
    timelines: Vec<Timeline>,
}

impl Found {
    /// Adds the system calls of a target, the most frequent first.
    fn calls(&mut self, name: &str, calls: Vec<(String, u64)>) {
        let all: u64 = calls.iter().map(|c| c.1).sum();
        for (call, count) in calls.into_iter().take(CALLS) {
            let share = count as f64 / all.max(1) as f64 * 100.0;
            let subject = format!("profile.{name}.calls.{call}");
            self.insights.extend(advice::of(What::Calls, &subject, &call, share, ""));
            self.metrics.push(Metric::one(subject, "calls", count as f64));
        }
    }

    /// Adds what the threads of a target waited for, and where for locks.
    fn waits(&mut self, name: &str, threads: &[Thread]) {
        for kind in Kind::ALL {
            let seconds = threads.iter().fold(0.0, |sum, t| sum + t.waited(kind));
            let subject = format!("profile.{name}.waits.{}", kind.as_str());
            self.metrics.push(Metric::one(subject, "ns", seconds * 1e9));
        }
        let lives: f64 = threads.iter().map(|t| t.to - t.from).sum();
        for (place, seconds) in waits::locks(threads).into_iter().take(LOCKS) {
            let subject = format!("profile.{name}.locks.{place}");
            let share = seconds / lives.max(1e-9) * 100.0;
            self.insights.extend(advice::of(What::Locks, &subject, &place, share, ""));
            self.metrics.push(Metric::one(subject, "ns", seconds * 1e9));
        }
    }
}
