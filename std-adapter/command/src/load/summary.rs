//! The final report: what was requested, what became of it, how long it took, and whether that is good enough.

use std::io::{self, Write};

use indicatif::{HumanBytes, HumanCount};
use ringstat_core::send::Totals;
use ringstat_std::Ledger;
use serde::Serialize;

use super::latency::{self, Percentiles};
use super::memory::Resident;
use super::objectives::Check;
use super::options::Plan;
use super::outage::OutageReport;
use super::profile::Stage;
use super::run::percent;
use super::scenario::Scenario;
use super::stages::{Account, Loss};
use crate::common::table;

/// The results of a run.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) seconds: f64,
    pub(crate) intended: u64,
    pub(crate) generated: u64,
    pub(crate) ledger: Ledger,
    pub(crate) totals: Totals,
    pub(crate) send_errors: u64,
    pub(crate) delivered: Option<u64>,
    pub(crate) account: Account,
    pub(crate) latency: Latency,
    pub(crate) buffer: Buffer,
    pub(crate) memory: Memory,
    pub(crate) stages: Vec<StageReport>,
    pub(crate) timeline: Vec<Moment>,
    pub(crate) outage: Option<OutageReport>,
}

/// What happened in one stage of the load.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub(crate) struct StageReport {
    pub(crate) name: &'static str,
    /// When it began, in seconds after the start.
    pub(crate) from: f64,
    /// Events per second that were requested at its beginning and at its end.
    pub(crate) rates: (f64, f64),
    pub(crate) generated: u64,
    /// Events that the client dropped while it lasted.
    pub(crate) dropped: u64,
    /// The highest use of the client's rings.
    pub(crate) buffer_percent: f64,
}

impl StageReport {
    pub(crate) fn new(stage: &Stage) -> Self {
        let (name, from, rates) = (stage.name, stage.from.as_secs_f64(), stage.rates);
        Self { name, from, rates, generated: 0, dropped: 0, buffer_percent: 0.0 }
    }
}

/// The state at one moment of the run.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Moment {
    /// Seconds after the start.
    pub(crate) seconds: f64,
    /// Events generated per second since the moment before.
    pub(crate) rate: f64,
    /// Events that the client has dropped so far.
    pub(crate) dropped: u64,
    pub(crate) buffer_percent: f64,
}

/// A run, as `--json` prints it.
#[derive(Serialize, Clone, Debug)]
pub(crate) struct Report {
    pub(crate) scenario: Scenario,
    pub(crate) preset: &'static str,
    pub(crate) protocol: &'static str,
    /// Events per second that were requested, of all threads together.
    pub(crate) rate: u64,
    pub(crate) concurrency: usize,
    /// The time from the first event to the last.
    pub(crate) seconds: f64,
    /// The number of events in the schedule.
    pub(crate) intended: u64,
    /// Record calls made: fewer than intended if the machine cannot generate them in time.
    pub(crate) generated: u64,
    /// Events in datagrams that the kernel accepted.
    pub(crate) sent: u64,
    /// Events that the collector stored, or lines that arrived; `null` if the receiver is external.
    pub(crate) delivered: Option<u64>,
    pub(crate) generated_per_second: f64,
    pub(crate) delivered_per_second: Option<f64>,
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    pub(crate) bytes_per_event: f64,
    /// Attempts to send that failed, because there is no way to the receiver or nobody listens there. UDP reports the
    /// latter only after it has accepted the datagram, so with an external receiver this is the only sign of it.
    pub(crate) send_errors: u64,
    pub(crate) lost: u64,
    pub(crate) drop_percent: f64,
    pub(crate) loss: Loss,
    /// Neither delivered nor lost at any stage: zero, unless ringstat has a bug.
    pub(crate) unaccounted: u64,
    pub(crate) latency_ns: Latency,
    pub(crate) buffer: Buffer,
    pub(crate) memory: Memory,
    /// The stages of the load: one, unless the scenario has several.
    pub(crate) stages: Vec<StageReport>,
    /// A reading a second.
    pub(crate) timeline: Vec<Moment>,
    /// How the client took the failure of the network, if the scenario has one.
    pub(crate) outage: Option<OutageReport>,
    pub(crate) checks: Vec<Check>,
    pub(crate) pass: bool,
}

/// Latencies in nanoseconds.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Latency {
    /// The record call alone, including the cost of the clock.
    pub(crate) record: Option<Percentiles>,
    /// From the time when an event was due to its record call: how late the generator was.
    pub(crate) late: Option<Percentiles>,
    /// From the time when an event was due to the arrival of its datagram at the receiver.
    pub(crate) end_to_end: Option<Percentiles>,
    /// The cost of reading the clock.
    pub(crate) clock_ns: f64,
}

/// The client's rings, in events.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Buffer {
    pub(crate) capacity: u64,
    pub(crate) peak: u64,
    pub(crate) peak_percent: f64,
}

impl Buffer {
    pub(crate) fn new(capacity: u64, peak: u64) -> Self {
        Self { capacity, peak, peak_percent: percent(peak, capacity) }
    }
}

/// Memory, in bytes.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// The memory of the client's rings, as configured.
    pub(crate) rings: u64,
    /// The resident memory of the process before the client was built.
    pub(crate) before: Option<u64>,
    /// The peak of the resident memory.
    pub(crate) peak: Option<u64>,
    /// What the run added: the client, the recording threads, and the growth of the receiver.
    pub(crate) growth: Option<u64>,
}

impl Memory {
    pub(crate) fn new(before: Option<Resident>, after: Option<Resident>, rings: usize) -> Self {
        let (before, peak) = (before.map(|r| r.now), after.map(|r| r.peak));
        let growth = before.zip(peak).map(|(before, peak)| peak.saturating_sub(before));
        Self { rings: rings as u64, before, peak, growth }
    }
}

impl Report {
    pub(crate) fn new(plan: &Plan, facts: Facts) -> Self {
        let Facts { seconds, intended, generated, ledger, totals, delivered, .. } = facts;
        let lost = facts.account.loss.total();
        let a_second = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
        let mut report = Self {
            scenario: plan.scenario,
            preset: plan.preset.as_str(),
            protocol: plan.config.protocol.as_str(),
            rate: plan.numbers.rate,
            concurrency: plan.numbers.concurrency,
            seconds,
            intended,
            generated,
            sent: ledger.left(),
            delivered,
            generated_per_second: a_second(generated),
            delivered_per_second: delivered.map(a_second),
            datagrams: totals.datagrams,
            bytes: totals.bytes,
            bytes_per_event: totals.bytes as f64 / ledger.left().max(1) as f64,
            send_errors: facts.send_errors,
            lost,
            drop_percent: percent(lost, generated),
            loss: facts.account.loss,
            unaccounted: facts.account.unaccounted,
            latency_ns: facts.latency,
            buffer: facts.buffer,
            memory: facts.memory,
            stages: facts.stages,
            timeline: facts.timeline,
            outage: facts.outage,
            checks: Vec::new(),
            pass: false,
        };
        report.checks = plan.objectives.check(&report);
        report.pass = report.unaccounted == 0 && report.checks.iter().all(|c| c.pass);
        report
    }

    /// Whether everything that was requested was generated and arrived.
    pub(crate) fn without_loss(&self) -> bool {
        self.lost == 0 && self.unaccounted == 0 && self.checks.first().is_some_and(|c| c.pass)
    }

    /// Prints the report for people.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let count = |n: u64| HumanCount(n).to_string();
        writeln!(
            out,
            "{}: {} events/s from {} threads, preset {}, {}",
            self.scenario.as_str(),
            count(self.rate),
            self.concurrency,
            self.preset,
            self.protocol
        )?;
        let line = |out: &mut io::StdoutLock<'_>, what: &str, n: u64, more: String| {
            writeln!(out, "{what:28} {:>14}  {more}", count(n))
        };
        let a_second = |rate: f64| format!("{}/s", count(rate.round() as u64));
        line(&mut out, "generated", self.generated, a_second(self.generated_per_second))?;
        let datagrams = count(self.datagrams);
        let size = format!("{datagrams} datagrams, {:.1} B an event", self.bytes_per_event);
        line(&mut out, "sent", self.sent, size)?;
        if self.send_errors > 0 {
            let hint = "does anybody listen there? what it got is not known".into();
            line(&mut out, "sends that failed", self.send_errors, hint)?;
        }
        if let (Some(n), Some(rate)) = (self.delivered, self.delivered_per_second) {
            line(&mut out, "delivered", n, a_second(rate))?;
        }
        line(&mut out, "lost", self.lost, format!("{:.3} %", self.drop_percent))?;
        for (stage, n) in self.loss.stages() {
            match n {
                Some(n) => writeln!(out, "  {stage:26} {:>14}", count(n))?,
                None => writeln!(out, "  {stage:26} {:>14}", "not known")?,
            }
        }
        if self.unaccounted > 0 {
            line(&mut out, "unaccounted", self.unaccounted, "this is a bug in ringstat".into())?;
        }
        writeln!(out, "{}", self.latencies())?;
        let peak = format!("{:.1} % of {}", self.buffer.peak_percent, count(self.buffer.capacity));
        line(&mut out, "buffer, at most", self.buffer.peak, peak)?;
        if let Memory { growth: Some(growth), peak: Some(peak), rings, .. } = self.memory {
            let bytes = |n| HumanBytes(n).to_string();
            writeln!(
                out,
                "{:28} {:>14}  process {} at most, rings {} if used",
                "memory added",
                bytes(growth),
                bytes(peak),
                bytes(rings)
            )?;
        }
        if self.stages.len() > 1 {
            writeln!(out, "{}", self.stage_table())?;
        }
        for check in &self.checks {
            writeln!(out, "{check}")?;
        }
        Ok(())
    }

    fn stage_table(&self) -> String {
        const COLUMNS: [&str; 5] = ["stage", "events/s", "generated", "dropped", "buffer"];
        let row = |s: &StageReport| {
            let (first, last) = (s.rates.0.round() as u64, s.rates.1.round() as u64);
            let rate = if first == last {
                HumanCount(first).to_string()
            } else {
                format!("{} to {}", HumanCount(first), HumanCount(last))
            };
            let counts = [s.generated, s.dropped].map(|n| HumanCount(n).to_string());
            let [generated, dropped] = counts;
            vec![s.name.to_owned(), rate, generated, dropped, format!("{:.1} %", s.buffer_percent)]
        };
        let rows: Vec<Vec<String>> = self.stages.iter().map(row).collect();
        table::render(&COLUMNS, &rows, 1)
    }

    fn latencies(&self) -> String {
        const COLUMNS: [&str; 6] = ["latency", "p50", "p95", "p99", "p999", "longest"];
        let row = |(what, p): (&str, Option<Percentiles>)| {
            let p = p?;
            let shown = [p.p50, p.p95, p.p99, p.p999, p.max].map(latency::show);
            Some(std::iter::once(what.to_owned()).chain(shown).collect())
        };
        let call = format!("record call (clock: {:.0} ns)", self.latency_ns.clock_ns);
        let rows = [
            (call.as_str(), self.latency_ns.record),
            ("generator late", self.latency_ns.late),
            ("end to end, from due time", self.latency_ns.end_to_end),
        ];
        let rows: Vec<Vec<String>> = rows.into_iter().filter_map(row).collect();
        table::render(&COLUMNS, &rows, 1)
    }
}
