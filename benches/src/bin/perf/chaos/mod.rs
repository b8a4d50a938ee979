//! `perf chaos`: the same load with a fault in the middle, to see how much throughput drops and how soon it recovers.
//!
//! ```text
//!  |--- before ---|--- fault ---|--- after ---|
//!   throughput     throughput    time until it is 90 % of what it was before
//! ```
//!
//! Each fault is injected several times, each time with a new client and a new collector. At the end every record must
//! be accounted for, exactly: what was recorded has arrived, was dropped by the client, or was lost on the way.
//!
//! | fault | what is done ([`fault`], [`pressure`], [`disk`]) |
//! |---|---|
//! | loss, outage, stall | the socket loses a third, reports that nobody can be reached, or is always full |
//! | restart | the collector stops and comes back |
//! | cpu, memory | threads of this process take the processors, or memory |
//! | disk-full | no room is left for the collector's data directory |

mod collector;
mod disk;
mod fault;
mod pressure;
mod round;
mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::desk::Output;
use crate::failure::{Exit, Failure, Outcome};
use crate::results::Run;
use disk::Disk;
use fault::Fault;
use round::strike;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The faults to cause; all that are possible here, if none is named
    #[arg(value_enum)]
    faults: Vec<Fault>,
    /// The load, as in `ringstat load`
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// How often each fault occurs; below 8, changes of many numbers at once cannot be told from chance
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// How long each fault lasts, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    fault_ms: u64,
    #[command(flatten)]
    output: Output,
}

/// Load scenarios with the rates and threads of `ringstat load`.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Scenario {
    /// 10 000 a second from 4 threads
    Baseline,
    /// 100 000 a second from 8 threads
    #[default]
    High,
    /// 500 000 a second from 16 threads
    Stress,
    /// 1 000 000 a second from 32 threads
    Burst,
}

impl Scenario {
    const fn numbers(self) -> (u64, u64) {
        match self {
            Self::Baseline => (10_000, 4),
            Self::High => (100_000, 8),
            Self::Stress => (500_000, 16),
            Self::Burst => (1_000_000, 32),
        }
    }
}

/// How long to measure before the fault; long enough to establish what is normal.
const BEFORE: Duration = Duration::from_secs(2);
/// How long to wait after the fault; a client that has not recovered by then counts as not recovered.
const AFTER: Duration = Duration::from_secs(10);
pub(crate) fn run(args: &Args) -> Outcome {
    let times = [BEFORE, Duration::from_millis(args.fault_ms), AFTER];
    let (faults, disk) = possible(&args.faults)?;
    let (mut rounds, mut timelines, mut unwell) = (Vec::new(), Vec::new(), BTreeMap::new());
    for round in 0..args.rounds {
        eprintln!("round {} of {}", round + 1, args.rounds);
        for fault in &faults {
            let disk = disk.as_ref().filter(|_| *fault == Fault::DiskFull);
            let (metrics, timeline) = strike(*fault, disk, args.scenario.numbers(), times)?;
            rounds.push(metrics);
            let name = fault.as_str();
            // One picture of each fault is enough.
            if round == 0 {
                timelines.push(timeline.shown(format!("chaos.{name}")));
            }
            if timeline.recovery().is_none() {
                *unwell.entry(name).or_insert(0) += 1;
            }
        }
    }
    args.output.take(Run { timelines, ..Run::now("chaos", Run::merged(rounds)) })?;
    if unwell.is_empty() {
        return Ok(());
    }
    let rounds = args.rounds;
    let times = |(name, count): (&str, u16)| format!("{name} in {count} of {rounds} rounds");
    let unwell: Vec<_> = unwell.into_iter().map(times).collect();
    let what = format_args!("not recovered after {AFTER:?}: {}", unwell.join(", ")).to_string();
    Err(Failure::new(Exit::Verdict, what))
}

/// Returns the faults to cause, and the disk to fill if that is one of them.
fn possible(named: &[Fault]) -> Result<(Vec<Fault>, Option<Disk>), Failure> {
    let mut faults = if named.is_empty() { Fault::ALL.to_vec() } else { named.to_vec() };
    if !faults.contains(&Fault::DiskFull) {
        return Ok((faults, None));
    }
    match Disk::mount() {
        Ok(disk) => Ok((faults, Some(disk))),
        Err(failure) if named.is_empty() => {
            eprintln!("without disk-full: {failure}");
            faults.retain(|fault| *fault != Fault::DiskFull);
            Ok((faults, None))
        }
        Err(failure) => Err(failure),
    }
}
