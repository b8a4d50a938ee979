//! The client under test, in a process of its own: this program started again inside the sender's namespace.
//!
//! It records under load from a thread that must not make any system call except to sleep: a seccomp filter kills the
//! process at any other. "Recording never blocks" is therefore enforced, not measured, whatever happens to the network.
//! The test sends commands on standard input, one per line, and each answer is a line of JSON.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringstat_core::policy::Policy;
use ringstat_std::{BreakerState, Counter, Priority, Recorder};
use seccompiler::{SeccompAction, SeccompFilter};
use serde::{Deserialize, Serialize};

use ringstat_tests::netns::Namespace;
use ringstat_tests::process::{self, Process};

/// The argument that makes this program the client; a [`Setup`] follows it.
pub(crate) const ROLE: &str = "--as-client";

/// The configuration of the client.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Setup {
    pub(crate) to: String,
    pub(crate) sender: u64,
    pub(crate) policy: Policy,
    pub(crate) backoff_max: Duration,
    /// Events recorded between two sleeps of a millisecond.
    pub(crate) burst: u32,
    /// The size of the largest datagram, in bytes.
    pub(crate) payload: usize,
    /// A second address to send to.
    pub(crate) redundant: Option<String>,
}

impl Setup {
    /// Returns the load that all tests begin with: at most 40 000 events a second.
    pub(crate) fn new(to: String, policy: Policy) -> Self {
        Self {
            to,
            policy,
            sender: 1,
            backoff_max: Duration::from_secs(1),
            burst: 40,
            payload: 1472,
            redundant: None,
        }
    }
}

/// What the client knows about itself.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct Status {
    pub(crate) breaker: String,
    pub(crate) opened: u64,
    /// Record calls that the recording thread has made, as counted by that thread.
    pub(crate) calls: u64,
    /// How many of them were critical. Each of those adds its number to the counter of that name.
    pub(crate) critical: u64,
    /// Critical events that were refused at the record call.
    pub(crate) refused: u64,
    /// The totals of both instruments, this one and the next.
    pub(crate) requests: u64,
    pub(crate) seldom: u64,
    pub(crate) recorded: u64,
    /// Events that were sent.
    pub(crate) sent: u64,
    /// Sent events that are known to have arrived, known to be lost, or of unknown fate.
    pub(crate) arrived: u64,
    pub(crate) lost: u64,
    pub(crate) unconfirmed: u64,
    /// Critical events that were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) in_flight: u64,
    pub(crate) dropped: BTreeMap<String, u64>,
    pub(crate) datagrams: u64,
    /// Datagrams that the sender dropped.
    pub(crate) failed: u64,
    /// Resident memory in KiB.
    pub(crate) resident: u64,
}

impl Status {
    pub(crate) fn drops(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// The sum of all critical events. Any other sum means that one is missing or counted twice.
    pub(crate) fn critical_sum(&self) -> u64 {
        self.critical * (self.critical + 1) / 2
    }

    /// Events sent, excluding critical ones, once all of those are settled.
    pub(crate) fn events(&self) -> u64 {
        self.sent - self.critical
    }

    /// Asserts that every record call is accounted for, with nothing in flight.
    pub(crate) fn assert_closed(&self) {
        assert_eq!(self.recorded, self.calls, "every call is counted once: {self:?}");
        assert_eq!(self.in_flight, 0, "{self:?}");
        assert_eq!(self.recorded, self.sent + self.drops(), "{self:?}");
        assert!(self.refused == 0 && !self.dropped.contains_key("unacknowledged"), "{self:?}");
    }
}

/// A running client. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Client {
    process: Process,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Client {
    pub(crate) fn start(machine: &Namespace, setup: &Setup) -> Self {
        let mut command = process::command(std::env::current_exe().expect("this program"));
        command.arg(ROLE).arg(serde_json::to_string(setup).expect("plain data"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = machine.start(command);
        let commands = process.stdin().expect("piped");
        let answers = BufReader::new(process.stdout().expect("piped"));
        Self { process, commands, answers }
    }

    fn ask(&mut self, command: &str) -> Status {
        let mut answer = String::new();
        let asked = writeln!(self.commands, "{command}");
        if asked.and_then(|()| self.answers.read_line(&mut answer)).unwrap_or(0) == 0 {
            let ended = self.process.wait().expect("it has ended");
            panic!(
                "the client ended at '{command}': {ended} (SIGSYS: a record made a system call)"
            );
        }
        let status: Status =
            serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer}"));
        // This holds even while the client is recording: the ledger may lag behind, but nothing counts twice.
        assert!(status.recorded <= status.calls, "{status:?}");
        status
    }

    pub(crate) fn status(&mut self) -> Status {
        self.ask("status")
    }

    /// Polls its status until `done` holds, for at most `within`.
    pub(crate) fn until(
        &mut self,
        what: &str,
        within: Duration,
        mut done: impl FnMut(&Status) -> bool,
    ) -> Status {
        let begun = Instant::now();
        loop {
            let status = self.status();
            if done(&status) {
                return status;
            }
            assert!(begun.elapsed() < within, "not within {within:?}: {what}: {status:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops recording, and sends everything until all critical events are acknowledged.
    pub(crate) fn settle(&mut self) -> Status {
        self.ask("pause");
        self.ask("flush");
        let status = self.until("acknowledged", Duration::from_secs(60), |s| s.in_flight == 0);
        status.assert_closed();
        status
    }

    /// Continues recording.
    pub(crate) fn resume(&mut self) {
        self.ask("resume");
    }

    /// Kills it.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Shuts it down, and returns its final account.
    pub(crate) fn end(mut self) -> Status {
        let status = self.ask("end");
        assert!(self.process.wait().expect("it ends").success());
        status.assert_closed();
        status
    }
}

/// A counter that increases with every event.
static REQUESTS: Counter = Counter::new("requests");
/// A counter that increases once, at the start.
static SELDOM: Counter = Counter::new("seldom");

/// The main function of the client process.
pub(crate) fn run(setup: &str) {
    let setup: Setup = serde_json::from_str(setup).expect("the setup");
    let stats = ringstat_std::Client::builder(&setup.to)
        .instruments(&[&REQUESTS, &SELDOM])
        .policy(setup.policy)
        .refresh_interval(Duration::from_secs(1))
        .backoff_max(setup.backoff_max)
        .sender(Some(setup.sender))
        .payload(setup.payload)
        .redundant(setup.redundant)
        // No critical event may be dropped merely by bad luck.
        .ack_attempts(100)
        .build()
        .expect("a client");
    SELDOM.add(7);
    let load = Arc::new(Load::default());
    let (recorder, shared) = (stats.clone(), load.clone());
    std::thread::spawn(move || shared.record(&recorder, setup.burst));
    for command in std::io::stdin().lines() {
        match command.expect("commands are text").as_str() {
            "status" => {}
            "pause" => load.pause(true),
            "resume" => load.pause(false),
            // If something is not sent in time, the answer shows it.
            "flush" => drop(stats.flush(Duration::from_secs(10))),
            "end" => {
                load.pause(true);
                let after = stats.clone();
                stats.shutdown(Duration::from_secs(10));
                answer(&after, &load);
                // The recording thread cannot even end, since that takes system calls.
                std::process::exit(0);
            }
            other => panic!("no command: {other}"),
        }
        answer(&stats, &load);
    }
}

fn answer(stats: &ringstat_std::Client, load: &Load) {
    let (breaker, opened) = stats.breaker();
    let ledger = stats.ledger();
    assert!(ledger.closes());
    let totals = stats.totals();
    let used = ledger.dropped.iter().filter(|(_, n)| *n > 0);
    let status = Status {
        breaker: match breaker {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        }
        .into(),
        opened,
        recorded: ledger.recorded,
        sent: ledger.left(),
        arrived: ledger.sent,
        lost: ledger.lost,
        unconfirmed: ledger.unconfirmed,
        acknowledged: totals.acknowledged,
        in_flight: ledger.in_flight,
        dropped: used.map(|(cause, n)| (cause.as_str().to_owned(), n)).collect(),
        datagrams: totals.datagrams,
        failed: totals.failed,
        requests: REQUESTS.total(),
        seldom: SELDOM.total(),
        resident: resident(),
        // This is read last, so it includes everything that the ledger has seen.
        critical: load.critical.load(Ordering::Acquire),
        refused: load.refused.load(Ordering::Acquire),
        calls: load.calls.load(Ordering::Acquire),
    };
    println!("{}", serde_json::to_string(&status).expect("plain data"));
}

/// One event in this many rounds is critical: some 500 in the longest outage, for which there must be room.
const CRITICAL_EVERY: u64 = 20;

/// The recording thread's commands and counts.
#[derive(Debug, Default)]
struct Load {
    calls: AtomicU64,
    critical: AtomicU64,
    refused: AtomicU64,
    pause: AtomicBool,
    paused: AtomicBool,
}

impl Load {
    /// Records for ever.
    fn record(&self, stats: &ringstat_std::Client, burst: u32) {
        let once = || {
            // The call is counted first, because the ledger must never know of more calls.
            self.calls.fetch_add(1, Ordering::Release);
            REQUESTS.inc();
            // Events may be dropped; that is what the test is about.
            let _ = stats.count("events", 1u8).record();
        };
        // A thread's first record claims its ring.
        once();
        only_sleep();
        for round in 1_u64.. {
            let pause = self.pause.load(Ordering::Acquire);
            self.paused.store(pause, Ordering::Release);
            if !pause {
                (0..burst).for_each(|_| once());
                if round.is_multiple_of(CRITICAL_EVERY) {
                    self.record_critical(stats);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn record_critical(&self, stats: &ringstat_std::Client) {
        self.calls.fetch_add(1, Ordering::Release);
        let number = self.critical.fetch_add(1, Ordering::Release) + 1;
        let critical = stats.count("critical", number).priority(Priority::Critical);
        if !critical.record().is_recorded() {
            self.refused.fetch_add(1, Ordering::Release);
        }
    }

    /// Pauses or resumes recording, and waits until the thread has done so.
    fn pause(&self, pause: bool) {
        self.pause.store(pause, Ordering::Release);
        while self.paused.load(Ordering::Acquire) != pause {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// From here on, any system call of this thread except for sleeping kills the process.
fn only_sleep() {
    let arch = std::env::consts::ARCH.try_into().expect("a platform that seccompiler knows");
    let sleep = [(nix::libc::SYS_clock_nanosleep, Vec::new())];
    let filter = SeccompFilter::new(
        sleep.into_iter().collect(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        arch,
    );
    let program: seccompiler::BpfProgram = filter.expect("a filter").try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("a kernel with seccomp");
}

/// Resident memory in KiB. `VmRSS` in `status` lags behind; this is exact.
fn resident() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("/proc is there");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
