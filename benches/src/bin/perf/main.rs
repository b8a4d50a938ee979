//! `perf`, the performance desk: measure, keep, compare, and say whether it got worse.
//!
//! ```text
//!  count, bench, load, chaos ──► results (SQLite) ──► compare, trend, report, gate, export
//!  scan, profile: where the time goes, and the memory
//! ```
#![forbid(unsafe_code)]

// The measuring,
mod bench;
mod chaos;
mod count;
mod load;
mod peers;
mod profile;
mod scan;
mod suite;
// what is kept,
mod results;
// what it says,
mod compare;
mod gate;
mod report;
mod stats;
mod trend;
// and what all share.
mod desk;
mod failure;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures ringstat, keeps the numbers, and says whether it got faster or slower.
#[derive(Parser, Debug)]
#[command(name = "perf", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the desk's own benchmarks, or a selection of them
    Bench(bench::Args),
    /// Count what is the same from run to run: bytes, allocations, instructions
    Count(count::Args),
    /// Compare ringstat with what a user would choose instead, with a goal for each number
    Peers(peers::Args),
    /// Run one benchmark without keeping results, for other tools to observe
    #[command(hide = true)]
    Exercise(bench::Exercise),
    /// Run scenarios of `ringstat load`, and keep the results
    Load(load::Args),
    /// Run the load with a fault in the middle: how much less gets through, and how soon it recovers
    Chaos(chaos::Args),
    /// Count where instructions and allocations go
    Scan(scan::Args),
    /// Sample where the time goes: flame graph, heap, system calls
    Profile(profile::Args),
    /// Compare two commits or two kept runs: faster, slower, or within the noise
    Compare(compare::Args),
    /// Show how each number developed: slope per day, and where it jumped
    Trend(trend::Args),
    /// Write a report of everything: one HTML page with plots, and Markdown
    Report(report::Args),
    /// Judge the latest numbers by the committed rules; the exit code is the result
    Gate(gate::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::Count(args) => count::run(&args),
        Command::Peers(args) => peers::run(&args),
        Command::Exercise(args) => bench::exercise(&args),
        Command::Load(args) => load::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Trend(args) => trend::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Gate(args) => gate::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
