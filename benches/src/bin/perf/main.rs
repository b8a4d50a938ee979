//! `perf`, the performance desk: measures ringstat, keeps the numbers, compares them, and says whether they got worse.
//!
//! ```text
//!  count, bench, load, chaos ──► results (SQLite, PostgreSQL) ──► compare, trend, report, serve, gate, alerts
//!  scan, profile: where the time goes, and the memory
//! ```
#![forbid(unsafe_code)]

// The subcommands that measure,
mod bench;
mod chaos;
mod count;
mod load;
mod peers;
mod profile;
mod scan;
mod suite;
// the storage of results,
mod results;
mod runs;
// the subcommands that evaluate results,
mod alerts;
mod compare;
mod gate;
mod report;
mod serve;
mod stats;
mod trend;
// and shared code.
mod desk;
mod failure;
mod tools;
mod underway;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures ringstat, keeps the numbers, and says whether it got faster or slower
#[derive(Parser, Debug)]
#[command(name = "perf", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the desk's own benchmarks, or some of them
    Bench(bench::Args),
    /// Count numbers that are the same from run to run: bytes, allocations, instructions
    Count(count::Args),
    /// Compare ringstat with its alternatives, with a goal for each number
    Peers(peers::Args),
    /// Run one benchmark without keeping results, for other tools to observe
    #[command(hide = true)]
    Exercise(bench::Exercise),
    /// Run scenarios of `ringstat load` and keep the results
    Load(load::Args),
    /// Run the load with a fault in the middle: how much throughput drops, and how soon it recovers
    Chaos(chaos::Args),
    /// Count instructions and allocations by function
    Scan(scan::Args),
    /// Sample where time is spent: flame graph, heap, system calls
    Profile(profile::Args),
    /// Compare two commits or two kept runs: faster, slower, or within the noise
    Compare(compare::Args),
    /// Show how each number developed: the slope per day, and where it jumped
    Trend(trend::Args),
    /// List, export, import or remove stored runs
    Runs(runs::Args),
    /// Write a report of everything: an HTML page with plots, and Markdown
    Report(report::Args),
    /// Serve the report, alerts and Prometheus metrics on loopback
    Serve(serve::Args),
    /// Check the alerts, which have to hold for a while; the exit code is the result
    Alerts(alerts::Args),
    /// Judge the latest numbers by the committed rules; the exit code is the result
    Gate(gate::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let measures = matches!(
        command,
        Command::Bench(_)
            | Command::Count(_)
            | Command::Load(_)
            | Command::Chaos(_)
            | Command::Scan(_)
            | Command::Profile(_)
            | Command::Compare(_)
    );
    let timed = measures && !matches!(command, Command::Count(_) | Command::Compare(_));
    if timed && cfg!(debug_assertions) {
        eprintln!("perf: this is a debug build, which is no measure of speed: add --release");
    }
    let _underway = measures.then(underway::Underway::begin);
    let outcome = match command {
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
        Command::Runs(args) => runs::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Gate(args) => gate::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
