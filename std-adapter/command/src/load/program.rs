//! `ringstat load -- COMMAND`: the load is a program of the user's, and what arrives from it is measured.
//!
//! The program gets the address of a collector on loopback as `RINGSTAT_TO`, and in place of each `{}` among its arguments.
//! Nothing is known of its record calls, but its senders say what they have dropped, and their numbers show what was lost
//! on the way.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount};
use ringstat_collector::{Report as Collected, Running, Server, ServerConfig};
use serde::Serialize;

use super::arrivals::Arrivals;
use super::latency::{self, Percentiles};
use super::memory;
use super::objectives::{Check, Objectives};
use super::receiver;
use super::run::percent;
use super::summary::Moment;
use crate::collect;
use crate::common::failure::{Exit, Failure};

/// The interval at which the program is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long the program may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
/// One datagram in so many is examined for the times of its events.
const EVERY: u64 = 8;

/// What came from a program, as `--json` prints it.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct ProgramReport {
    pub(crate) scenario: &'static str,
    pub(crate) command: String,
    /// Its exit code; `null` if a signal ended it.
    pub(crate) exit_code: Option<i32>,
    /// From its start to its end.
    pub(crate) seconds: f64,
    pub(crate) senders: usize,
    pub(crate) datagrams: u64,
    /// Records that arrived: events and the states of instruments.
    pub(crate) delivered: u64,
    pub(crate) delivered_per_second: f64,
    /// Records that its senders say they have dropped.
    pub(crate) dropped: u64,
    pub(crate) drop_percent: f64,
    /// Datagrams that never arrived, by their numbers.
    pub(crate) lost_datagrams: u64,
    pub(crate) datagram_loss_percent: f64,
    /// How many of them the kernel dropped because the collector did not read them in time.
    pub(crate) kernel_drops: u64,
    pub(crate) latency_ns: Latency,
    pub(crate) memory: Memory,
    /// A reading a second.
    pub(crate) timeline: Vec<Moment>,
    pub(crate) checks: Vec<Check>,
    pub(crate) pass: bool,
}

/// Latencies in nanoseconds.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Latency {
    /// From the time that an event is stamped with to the arrival of its datagram.
    pub(crate) end_to_end: Option<Percentiles>,
}

/// Memory, in bytes.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// The peak of the program's resident memory, if the system tells.
    pub(crate) peak: Option<u64>,
}

/// Runs the command to its end, or for `duration`, or until `stop` is set.
pub(crate) fn run(
    command: &[OsString],
    duration: Option<Duration>,
    objectives: &Objectives,
    stop: &AtomicBool,
) -> Result<ProgramReport, Failure> {
    let times = Arc::new(Times::default());
    let (running, to) = receive(&times)?;
    let mut program = Program::start(command, to)?;
    let begun = Instant::now();
    let (mut timeline, mut peak, mut before) = (Vec::new(), None, (begun, 0));
    let status = loop {
        if let Some(status) = program.ended()? {
            break status;
        }
        if stop.load(Ordering::Relaxed) || duration.is_some_and(|most| begun.elapsed() >= most) {
            break program.end()?;
        }
        std::thread::sleep(LOOK);
        peak = memory::peak_of(program.0.id()).or(peak);
        let since = before.0.elapsed();
        if since >= Duration::from_secs(1) {
            let report = running.report(0);
            let delivered = delivered(&report);
            timeline.push(Moment {
                seconds: begun.elapsed().as_secs_f64(),
                rate: (delivered - before.1) as f64 / since.as_secs_f64(),
                dropped: dropped(&report),
                // Only the program knows.
                buffer_percent: 0.0,
            });
            before = (Instant::now(), delivered);
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    // How many there are, only the program knows.
    receiver::wait_for(&running, u64::MAX);
    let report = running.stop(0);
    let (delivered, dropped) = (delivered(&report), dropped(&report));
    let received: u64 = report.senders.iter().map(|sender| sender.received).sum();
    let lost: u64 = report.senders.iter().filter_map(|sender| sender.lost).sum();
    let mut result = ProgramReport {
        scenario: "program",
        command: shown(command),
        exit_code: status.code(),
        seconds,
        senders: report.senders.len(),
        datagrams: report.datagrams,
        delivered,
        delivered_per_second: delivered as f64 / seconds,
        dropped,
        drop_percent: percent(dropped, delivered + dropped),
        lost_datagrams: lost,
        datagram_loss_percent: percent(lost, received + lost),
        kernel_drops: report.kernel_drops,
        latency_ns: Latency { end_to_end: times.percentiles() },
        memory: Memory { peak },
        timeline,
        checks: Vec::new(),
        pass: false,
    };
    result.checks = objectives.check_program(&result);
    result.pass = result.checks.iter().all(|check| check.pass);
    Ok(result)
}

fn receive(times: &Arc<Times>) -> Result<(Running, SocketAddr), Failure> {
    let config = ServerConfig {
        udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        http: None,
        ..ServerConfig::default()
    };
    let tap = times.clone();
    let started = Server::start_tapped(config, Arc::new(move |d: &[u8]| tap.look(d)));
    let running = started.map_err(collect::cannot_start)?;
    let to = running.udp().first().copied();
    let to = to.ok_or_else(|| Failure::new(Exit::Environment, "the collector has no address"))?;
    Ok((running, to))
}

fn delivered(report: &Collected) -> u64 {
    report.senders.iter().map(|sender| sender.records).sum()
}

fn dropped(report: &Collected) -> u64 {
    report.senders.iter().filter_map(|sender| sender.dropped_at_sender).sum()
}

fn shown(command: &[OsString]) -> String {
    command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The user's program. Dropping it kills it.
struct Program(Child);

impl Program {
    fn start(command: &[OsString], to: SocketAddr) -> Result<Self, Failure> {
        let to = to.to_string();
        let mut words = command.iter().map(|word| match word.to_str() {
            Some(text) => text.replace("{}", &to).into(),
            None => word.clone(),
        });
        let program = words.next().unwrap_or_default();
        // Standard output is for the report.
        let spawned = Command::new(&program)
            .args(words)
            .env("RINGSTAT_TO", &to)
            .stdout(Stdio::from(io::stderr()))
            .spawn();
        spawned.map(Self).map_err(|e| {
            let what = format_args!("cannot start '{}': {e}", program.to_string_lossy());
            Failure::new(Exit::Environment, what.to_string())
        })
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.0.try_wait()?)
    }

    /// Asks it to end, and ends it if it does not.
    fn end(&mut self) -> Result<ExitStatus, Failure> {
        terminate(&mut self.0);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK);
        }
        self.0.kill()?;
        Ok(self.0.wait()?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    // A process that has ended already is found by the next look.
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    let _ = child.kill();
}

/// What has arrived, of which one datagram in so many is examined for the times of its events.
#[derive(Default)]
struct Times {
    seen: AtomicU64,
    arrivals: Mutex<Arrivals>,
}

impl Times {
    fn look(&self, datagram: &[u8]) {
        if self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY) {
            self.arrivals
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .examine(datagram, |_| true);
        }
    }

    fn percentiles(&self) -> Option<Percentiles> {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.latencies.percentiles()
    }
}

impl ProgramReport {
    /// Prints the report for people.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let count = |n: u64| HumanCount(n).to_string();
        let code = self.exit_code.map_or("a signal".into(), |code| format!("exit code {code}"));
        writeln!(out, "{}: {:.1} s, {code}", self.command, self.seconds)?;
        let senders = format!(
            "{}/s in {} datagrams of {} senders",
            count(self.delivered_per_second.round() as u64),
            count(self.datagrams),
            count(self.senders as u64)
        );
        writeln!(out, "{:28} {:>14}  {senders}", "records delivered", count(self.delivered))?;
        let lines = [
            ("dropped by the program", self.dropped, self.drop_percent),
            ("datagrams lost", self.lost_datagrams, self.datagram_loss_percent),
        ];
        for (what, n, share) in lines {
            writeln!(out, "{what:28} {:>14}  {share:.3} %", count(n))?;
        }
        if let Some(p) = self.latency_ns.end_to_end {
            let [p50, p99, p999] = [p.p50, p.p99, p.p999].map(latency::show);
            let shown = format!("p50 {p50}, p99 {p99}, p999 {p999}");
            writeln!(out, "{:28} {shown}", "end to end")?;
        }
        if let Some(peak) = self.memory.peak {
            writeln!(out, "{:28} {:>14}", "memory at most", HumanBytes(peak).to_string())?;
        }
        for check in &self.checks {
            writeln!(out, "{check}")?;
        }
        Ok(())
    }
}
