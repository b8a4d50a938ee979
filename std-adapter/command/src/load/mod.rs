//! `ringstat load`: the load tester.
//!
//! Threads record events at times that are fixed beforehand ([`pace`], [`profile`]); a collector on loopback receives them
//! ([`receiver`]); every event is delivered, or counted at the stage that lost it ([`stages`]); and a few checks decide
//! the exit code ([`objectives`]).
//!
//! ```text
//!  threads ─► record ─► ring ─► worker ─► send ─► network ─► kernel buffer ─► collector
//!             refused   full    breaker                      nobody read it   no room
//! ```
//!
//! The load may also be a program of the user's ([`program`]), of which only what arrives is known.

mod arrivals;
mod ladder;
mod latency;
mod memory;
mod objectives;
mod options;
mod outage;
mod pace;
mod profile;
mod program;
mod receiver;
mod run;
mod scenario;
mod screen;
mod stages;
mod summary;
mod workload;

use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use options::Args;
use options::Plan;
use scenario::{Numbers, Scenario};
use screen::Screen;
use summary::Report;

use crate::collect;
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::quantity::FASTEST;
use crate::common::report;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Scenarios (events a second of all threads together; flags replace single numbers):
  baseline   10 000/s from  4 threads for 30 s
  high      100 000/s from  8 threads for 60 s
  stress    500 000/s from 16 threads for 30 s, room for 65 536 events
  burst   1 000 000/s from 32 threads for 10 s, room for 65 536 events
  stages     10 000/s, 4 threads, 155 s: ramp up, sustain, threefold peak, ramp down, cool down
  network-failure  10 000/s from 4 threads for 30 s; the middle 10 s swallow what is sent
  ladder  from 100 000/s up, 4 threads, 3 s a step: the highest rate without loss

Events are due at times that are fixed beforehand; an event that is recorded late is reported as late.

Examples:
  ringstat load
  ringstat load --scenario stress --preset high-throughput
  ringstat load --protocol dogstatsd --addr 127.0.0.1:8125
  ringstat load --rate 200k --duration 5 --concurrency 2 --json
  ringstat load --scenario ladder
  ringstat load --scenario high --slo slo.toml
  ringstat load --duration 30 -- ./my-service --metrics-to {}

With a COMMAND, the load is that program: it gets the address of a collector in place of `{}` and in \
RINGSTAT_TO, runs to its end or for --duration, and what arrives from it is checked.

A file of objectives has any of these keys, here with their defaults:
  generated_percent = 99     lost_percent = 1        failed_sends = 0
  end_to_end_p99_ms = 100    memory_mb = 10          (also end_to_end_p50_ms, end_to_end_p999_ms)
  opened_within_s = 5        recovered_within_s = 10 (network-failure, which allows loss)
and, without a default, delivered_per_second, buffer_percent, record_p50_ns, record_p99_ns, \
record_p999_ns.

Exit codes: 0 all checks pass, 1 one does not, 2 usage, 3 no free port or unknown host";

pub(crate) fn run(args: &Args, client: ringstat_std::ClientConfig) -> Outcome {
    // Arguments are checked before anything is started.
    let plan = args.plan(client)?;
    #[cfg(all(unix, feature = "pprof"))]
    let _profiling = args.pprof.start()?;
    let ended = collect::when_ended()?;
    let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    std::thread::spawn(move || {
        // The handler holds the other end, so this waits for a signal and nothing else.
        if ended.recv().is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    if !args.command.is_empty() {
        return of_program(args, &plan, stop);
    }
    let mut screen = Screen::new(args.json);
    if plan.scenario == Scenario::Ladder {
        return climb(args, &plan, stop, &mut screen);
    }
    let report = run::run(&plan, stop, &mut screen)?;
    if args.json {
        report::print(&report, true, false)?;
    } else {
        report.print()?;
    }
    verdict(&report)
}

fn of_program(args: &Args, plan: &Plan, stop: &AtomicBool) -> Outcome {
    let report = program::run(&args.command, args.duration, &plan.objectives, stop)?;
    if args.json {
        report::print(&report, true, false)?;
    } else {
        report.print()?;
    }
    if report.pass { Ok(()) } else { Err(Failure::reported(Exit::Verdict)) }
}

fn climb(args: &Args, plan: &Plan, stop: &AtomicBool, screen: &mut Screen) -> Outcome {
    let climb = ladder::climb(plan.numbers.rate, FASTEST, |rate| {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let plan = Plan { numbers: Numbers { rate, ..plan.numbers }, ..plan.clone() };
        let report = run::run(&plan, stop, screen)?;
        let verdict = if report.without_loss() { "all arrived" } else { "not all arrived" };
        screen.say(&format!("{rate:>11}/s  {} lost: {verdict}", report.lost));
        Ok(Some(report))
    })?;
    if args.json {
        report::print(&climb, true, false)?;
    } else {
        if let Some(best) = &climb.best {
            best.print()?;
        }
        println!("highest rate without loss: {}/s", climb.highest_without_loss);
    }
    match &climb.best {
        Some(best) => verdict(best),
        None => Err(Failure::new(Exit::Verdict, "ended before the first step was over")),
    }
}

fn verdict(report: &Report) -> Outcome {
    if report.unaccounted > 0 {
        let what = format_args!("{} events are unaccounted for", report.unaccounted).to_string();
        return Err(Failure::new(Exit::Verdict, what).hint("This is a bug in ringstat."));
    }
    if !report.pass {
        return Err(Failure::reported(Exit::Verdict));
    }
    Ok(())
}
