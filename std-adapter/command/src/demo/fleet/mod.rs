//! `ringstat demo --fleet`: a whole fleet on this machine, each part a process of its own. Senders in this process feed two
//! receivers, one sender both; these write to a log, which two workers read. At the end all must agree on every event.

mod children;
mod view;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringstat_collector::fleet::{FleetStatus, LogConfig, status};
use ringstat_std::{Client, Ledger, OwnedCounter, Priority, Recorder};
use serde::Serialize;

use super::Args;
use crate::collect;
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::common::screen::Screen;
use crate::fleet::failure;
use children::Children;

/// The number of senders.
const SENDERS: usize = 6;
/// Each sender records so often.
const STEP: Duration = Duration::from_millis(2);
/// Every so many steps there is a critical event.
const CRITICAL: u64 = 100;
/// How long the end waits until everything has arrived.
const ARRIVAL: Duration = Duration::from_secs(20);
/// Between two looks at the fleet, which take a second themselves.
const BETWEEN: Duration = Duration::from_millis(50);

/// A sender, and what it has recorded: the collector must arrive at the same.
struct Sender {
    client: Client,
    tasks: OwnedCounter,
    alarms: u64,
    steps: u64,
}

/// What became of everything.
#[derive(Serialize, Debug)]
struct Account {
    /// Of all senders: what they recorded, and what they know of it.
    recorded: u64,
    sent: u64,
    dropped: u64,
    /// Whether every sender's ledger closes.
    ledgers_close: bool,
    /// Datagrams that the senders numbered, and those that the workers took.
    datagrams: u64,
    accepted: u64,
    /// Those that came twice, from the sender that uses both receivers.
    duplicates: u64,
    lost: u64,
    missing_messages: u64,
    /// Whether every receiver's account closes.
    receivers_close: bool,
    /// A counter, at the senders and at the workers.
    tasks_counted: u64,
    tasks_stored: u64,
    /// Critical events.
    alarms_recorded: u64,
    alarms_stored: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ended = collect::when_ended()?;
    let fleet = Children::start()?;
    let config = LogConfig::at(&*fleet.log);
    if !args.json {
        println!("{}", fleet.told());
    }
    let mut senders = senders(&fleet.receivers)?;
    let (stop, stopped) = mpsc::channel::<()>();
    let work = std::thread::spawn(move || {
        while stopped.recv_timeout(STEP) == Err(mpsc::RecvTimeoutError::Timeout) {
            senders.iter_mut().for_each(Sender::step);
        }
        senders
    });
    let shown = watch(args, &config, &ended);
    // Ends the work, whatever happened.
    drop(stop);
    let senders = work.join().unwrap_or_default();
    shown?;
    let account = settle(senders, &fleet, &config)?;
    report::print(&account, args.json, false)?;
    verdict(&account)
}

/// The senders: the first to both receivers, the others in turn.
fn senders(receivers: &[String]) -> Result<Vec<Sender>, Failure> {
    let of = |n: usize| &receivers[n % receivers.len()];
    let start = |n: usize| {
        let client = Client::builder(of(n))
            .redundant((n == 0).then(|| of(n + 1).clone()))
            .flush_interval(Duration::from_millis(500))
            .build();
        let client = client.map_err(|e| Failure::new(Exit::Environment, e))?;
        let tasks = client.counter("demo.tasks", &[]);
        Ok(Sender { client, tasks, alarms: 0, steps: 0 })
    };
    (0..SENDERS).map(start).collect()
}

impl Sender {
    fn step(&mut self) {
        self.steps += 1;
        self.tasks.inc();
        self.client.timing("demo.step", STEP).record();
        if self.steps.is_multiple_of(CRITICAL) {
            let alarm = self.client.event("demo.alarm").priority(Priority::Critical).record();
            self.alarms += u64::from(alarm.is_recorded());
        }
    }
}

/// Shows the fleet until the time is over or a signal arrives.
fn watch(args: &Args, config: &LogConfig, ended: &mpsc::Receiver<()>) -> Outcome {
    let mut screen = Screen::new();
    let begun = Instant::now();
    let limit = Duration::from_secs(args.seconds);
    while limit.is_zero() || begun.elapsed() < limit {
        if ended.try_recv().is_ok() {
            break;
        }
        let fleet = status(config, BETWEEN).map_err(failure)?;
        if !args.json {
            screen.show(&view::frame(begun.elapsed(), &fleet))?;
        }
    }
    Ok(())
}

/// Ends the senders, waits until all that they sent is stored, and puts the accounts of all parts together.
fn settle(senders: Vec<Sender>, fleet: &Children, config: &LogConfig) -> Result<Account, Failure> {
    let (mut ledgers, mut datagrams, mut tasks, mut alarms) = (Vec::new(), 0, 0, 0);
    for sender in senders {
        tasks += sender.steps;
        alarms += sender.alarms;
        let handle = sender.client.clone();
        ledgers.push(sender.client.shutdown(ARRIVAL / 4));
        datagrams += handle.totals().datagrams;
    }
    let sum = |of: fn(&Ledger) -> u64| ledgers.iter().map(of).sum();
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let now = status(config, BETWEEN).map_err(failure)?;
        let of_workers = |of: fn(&ringstat_collector::fleet::WorkReport) -> u64| {
            now.workers.iter().map(|worker| of(&worker.report)).sum::<u64>()
        };
        let account = Account {
            recorded: sum(|of| of.recorded),
            sent: sum(|of| of.sent),
            dropped: sum(|of| of.dropped.total()),
            ledgers_close: ledgers.iter().all(Ledger::closes),
            datagrams,
            accepted: of_workers(|of| of.accepted),
            duplicates: of_workers(|of| of.duplicates),
            lost: of_workers(|of| of.lost + of.outstanding),
            missing_messages: of_workers(|of| of.missing_messages),
            receivers_close: now.receivers.iter().all(|of| of.report.closes),
            tasks_counted: tasks,
            tasks_stored: fleet.stored("demo_tasks_total"),
            alarms_recorded: alarms,
            alarms_stored: fleet.stored("demo_alarm_total"),
        };
        if is_quiet(&now) && account.is_whole() || Instant::now() >= deadline {
            return Ok(account);
        }
    }
}

/// Whether nothing is on its way.
fn is_quiet(fleet: &FleetStatus) -> bool {
    fleet.receivers.iter().all(|of| of.report.waiting == 0)
        && fleet.workers.iter().all(|of| of.report.lag_messages == 0)
}

impl Account {
    /// Whether everything that was recorded is stored, once.
    fn is_whole(&self) -> bool {
        self.accepted == self.datagrams
            && self.lost + self.missing_messages + self.dropped == 0
            && self.tasks_counted == self.tasks_stored
            && self.alarms_recorded == self.alarms_stored
    }
}

fn verdict(account: &Account) -> Outcome {
    if !account.ledgers_close || !account.receivers_close {
        let bug = "an account does not close: this is a bug in ringstat";
        return Err(Failure::new(Exit::Verdict, bug));
    }
    if !account.is_whole() {
        let what = "not everything that was recorded arrived once";
        return Err(Failure::new(Exit::Verdict, what).hint("Is this machine very busy?"));
    }
    Ok(())
}
