//! `ringstat load`: the load tester.
//!
//! Threads record events at times that are fixed beforehand ([`pace`]); a collector on loopback receives them
//! ([`receiver`]); every event is delivered or counted at the stage that lost it ([`stages`]); and a few checks decide
//! the exit code ([`summary`]).
//!
//! ```text
//!  threads ─► record ─► ring ─► worker ─► send ─► network ─► kernel buffer ─► collector
//!             refused   full    breaker                      nobody read it   no room
//! ```

mod ladder;
mod latency;
mod memory;
mod options;
mod pace;
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
use crate::common::report;

pub(crate) fn run(args: &Args, client: ringstat_std::ClientConfig) -> Outcome {
    let plan = args.plan(client)?;
    let ended = collect::when_ended()?;
    let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    std::thread::spawn(move || {
        // The handler holds the other end: this waits for a signal and nothing else.
        if ended.recv().is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
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

fn climb(args: &Args, plan: &Plan, stop: &AtomicBool, screen: &mut Screen) -> Outcome {
    let climb = ladder::climb(plan.numbers.rate, options::FASTEST, |rate| {
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
        None => Err(Failure::new(Exit::Loss, "ended before the first step was over")),
    }
}

fn verdict(report: &Report) -> Outcome {
    if report.unaccounted > 0 {
        let what = format_args!("{} events are unaccounted for", report.unaccounted).to_string();
        return Err(Failure::new(Exit::Loss, what).hint("This is a bug in ringstat."));
    }
    if !report.pass {
        return Err(Failure::reported(Exit::Loss));
    }
    Ok(())
}
