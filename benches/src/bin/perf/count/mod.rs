//! `perf count`: numbers that are the same from run to run: bytes, heap allocations, and instructions.
//!
//! These numbers depend on the code and, for instructions, on the compiler, but neither on the machine nor on how busy
//! it is. They are therefore compared exactly, have a committed baseline, and can be judged in CI.

mod allocations;
mod bytes;
mod instructions;

use std::path::{Path, PathBuf};

use crate::desk::Output;
use crate::failure::{Exit, Failure, Outcome};
use crate::gate::baseline;
use crate::results::{Metric, Run};
use crate::suite::Wrong;

pub(crate) use allocations::{of_recording, of_wire};
pub(crate) use bytes::{buffered_events, event_bytes, line_bytes};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to count; instructions need valgrind and are left out without it
    #[arg(value_enum, default_values = ["bytes", "allocations", "instructions"])]
    groups: Vec<Group>,
    /// Also write the numbers as the committed baseline
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = baseline::FILE)]
    write: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// The groups of numbers; a group is the first word of each number's name.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Group {
    /// Bytes per event on the wire and in memory
    Bytes,
    /// Heap allocations in a steady state
    Allocations,
    /// Instructions of hot operations, counted under callgrind
    Instructions,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut metrics = Vec::new();
    for group in &args.groups {
        let wrong = |Wrong(what): Wrong| {
            Failure::new(Exit::Verdict, what)
                .hint("The operation does not do what it should, so its numbers mean nothing.")
        };
        metrics.extend(match group {
            Group::Bytes => bytes::metrics().map_err(wrong)?,
            Group::Allocations => allocations::metrics().map_err(wrong)?,
            Group::Instructions if instructions::are_countable() => instructions::metrics()?,
            Group::Instructions => {
                eprintln!("valgrind is not installed: instructions are not counted (`apt-get install valgrind`)");
                Vec::new()
            }
        });
    }
    let run = Run::now("count", metrics);
    if let Some(path) = &args.write {
        baseline::write(path, &run)?;
        eprintln!("written to {}", Path::new(path).display());
    }
    args.output.take(run)
}

/// Creates a number that is the same from run to run.
fn exact(group: &str, name: &str, unit: &str, value: f64) -> Metric {
    Metric::exact(format!("{group}.{name}"), unit, value)
}
