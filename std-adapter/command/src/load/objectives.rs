//! What a load has to achieve: the checks of the report, and their limits, which a file may replace.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::latency::Percentiles;
use super::program::ProgramReport;
use super::run::percent;
use super::summary::Report;
use crate::common::failure::{Exit, Failure};

/// The limits of the checks. What is `None` is not checked.
///
/// A file has them as TOML, each under the name of its field: `end_to_end_p99_ms = 50`. What a file does not name keeps
/// its default.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Objectives {
    /// How much of the intended load must be generated; otherwise the test would be of another load.
    generated_percent: Limit,
    /// The share of the events that may be lost, at whatever stage.
    lost_percent: Limit,
    /// How many sends may fail.
    failed_sends: Limit,
    /// The rate at which events have to arrive.
    delivered_per_second: Option<Limit>,
    record_p50_ns: Option<Limit>,
    record_p99_ns: Option<Limit>,
    record_p999_ns: Option<Limit>,
    end_to_end_p50_ms: Option<Limit>,
    end_to_end_p99_ms: Option<Limit>,
    end_to_end_p999_ms: Option<Limit>,
    /// The highest use of the client's rings.
    buffer_percent: Option<Limit>,
    /// The memory that the run adds to the process, in megabytes.
    memory_mb: Option<Limit>,
    /// In the scenario `network-failure`: the time until the breaker has opened, and the time after the failure until it
    /// has closed, in seconds.
    opened_within_s: Limit,
    recovered_within_s: Limit,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            generated_percent: Limit(99.0),
            lost_percent: Limit(1.0),
            failed_sends: Limit(0.0),
            delivered_per_second: None,
            record_p50_ns: None,
            record_p99_ns: None,
            record_p999_ns: None,
            end_to_end_p50_ms: None,
            end_to_end_p99_ms: Some(Limit(100.0)),
            end_to_end_p999_ms: None,
            buffer_percent: None,
            memory_mb: Some(Limit(10.0)),
            opened_within_s: Limit(5.0),
            // Two of the longest pauses between probes.
            recovered_within_s: Limit(10.0),
        }
    }
}

/// A limit that a number may have to be below as well as above.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
#[serde(try_from = "f64")]
struct Limit(f64);

impl TryFrom<f64> for Limit {
    type Error = &'static str;

    fn try_from(limit: f64) -> Result<Self, Self::Error> {
        let allowed = (0.0..=1e18).contains(&limit);
        if allowed { Ok(Self(limit)) } else { Err("limits are numbers from 0 to 1e18") }
    }
}

/// A check of whether something is good enough.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub(crate) struct Check {
    pub(crate) what: &'static str,
    /// `null` if it has not happened, or could not be measured although it was asked for.
    pub(crate) measured: Option<f64>,
    pub(crate) bound: Bound,
    pub(crate) limit: f64,
    pub(crate) unit: &'static str,
    pub(crate) pass: bool,
}

/// On which side of the limit a number has to be.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast,
    AtMost,
}

/// The checks of a report, as they are made.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn at_least(
        &mut self,
        what: &'static str,
        measured: Option<f64>,
        limit: impl Into<Option<Limit>>,
        unit: &'static str,
    ) {
        self.add(what, measured, Bound::AtLeast, limit.into(), unit);
    }

    fn at_most(
        &mut self,
        what: &'static str,
        measured: Option<f64>,
        limit: impl Into<Option<Limit>>,
        unit: &'static str,
    ) {
        self.add(what, measured, Bound::AtMost, limit.into(), unit);
    }

    /// Without a limit there is nothing to check.
    fn add(
        &mut self,
        what: &'static str,
        measured: Option<f64>,
        bound: Bound,
        limit: Option<Limit>,
        unit: &'static str,
    ) {
        let Some(Limit(limit)) = limit else { return };
        let pass = measured.is_some_and(|measured| match bound {
            Bound::AtLeast => measured >= limit,
            Bound::AtMost => measured <= limit,
        });
        self.0.push(Check { what, measured, bound, limit, unit, pass });
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, measured, bound, limit, unit, pass } = self;
        let verdict = if *pass { "pass" } else { "FAIL" };
        let sign = match bound {
            Bound::AtLeast => '≥',
            Bound::AtMost => '≤',
        };
        let with_unit = |number: f64| {
            let digits = if number.fract() == 0.0 { 0 } else { 2 };
            let separator = if unit.is_empty() { "" } else { " " };
            format!("{number:.digits$}{separator}{unit}")
        };
        let measured = measured.map_or_else(|| "never".into(), with_unit);
        write!(f, "{verdict}  {what}: {measured} ({sign} {})", with_unit(*limit))
    }
}

impl Objectives {
    /// Reads them from a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new(Exit::Usage, format_args!("{}: {e}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
        toml::from_str(&text).map_err(|e| failed(&e))
    }

    /// Checks what came from a program of the user's.
    pub(crate) fn check_program(&self, report: &ProgramReport) -> Vec<Check> {
        let mut checks = Checks::default();
        checks.at_most("exit code", report.exit_code.map(f64::from), Limit(0.0), "");
        checks.at_least("records delivered", Some(report.delivered as f64), Limit(1.0), "in all");
        let most = self.lost_percent;
        checks.at_most("dropped by the program", Some(report.drop_percent), most, "%");
        checks.at_most("datagrams lost", Some(report.datagram_loss_percent), most, "%");
        let rate = Some(report.delivered_per_second);
        checks.at_least("delivered", rate, self.delivered_per_second, "/s");
        // A program without events has no times.
        if let Some(latencies) = report.latency_ns.end_to_end {
            self.end_to_end(Some(latencies), &mut checks);
        }
        checks.0
    }

    /// Checks a report.
    pub(crate) fn check(&self, report: &Report) -> Vec<Check> {
        let mut checks = Checks::default();
        let pace = percent(report.generated, report.intended);
        let what = "generated, of what was intended";
        checks.at_least(what, Some(pace), self.generated_percent, "%");
        let record = |of: fn(Percentiles) -> u64| report.latency_ns.record.map(|p| of(p) as f64);
        checks.at_most("p50 of the record call", record(|p| p.p50), self.record_p50_ns, "ns");
        checks.at_most("p99 of the record call", record(|p| p.p99), self.record_p99_ns, "ns");
        checks.at_most("p999 of the record call", record(|p| p.p999), self.record_p999_ns, "ns");
        if let Some(outage) = report.outage {
            // What is sent into a network that fails is lost, or late.
            checks.at_most("breaker open after", outage.opened_after, self.opened_within_s, "s");
            let recovered = outage.recovered_after;
            checks.at_most("sending again after", recovered, self.recovered_within_s, "s");
        } else {
            checks.at_most("lost", Some(report.drop_percent), self.lost_percent, "%");
            let failed = Some(report.send_errors as f64);
            checks.at_most("sends that failed", failed, self.failed_sends, "in all");
            // An agent of others cannot be asked what has arrived.
            if report.delivered.is_some() {
                let rate = report.delivered_per_second;
                checks.at_least("delivered", rate, self.delivered_per_second, "/s");
                self.end_to_end(report.latency_ns.end_to_end, &mut checks);
            }
            let buffer = Some(report.buffer.peak_percent);
            checks.at_most("buffer, at most", buffer, self.buffer_percent, "%");
        }
        if let Some(growth) = report.memory.growth {
            // What cannot be sent fills the rings; that is what they are for.
            let (what, rings) = match report.outage {
                Some(_) => ("memory added besides the rings", report.memory.rings),
                None => ("memory added", 0),
            };
            let added = growth.saturating_sub(rings);
            checks.at_most(what, Some(added as f64 / 1e6), self.memory_mb, "MB");
        }
        checks.0
    }

    fn end_to_end(&self, latencies: Option<Percentiles>, checks: &mut Checks) {
        let ms = |of: fn(Percentiles) -> u64| latencies.map(|p| of(p) as f64 / 1e6);
        checks.at_most("p50 end to end", ms(|p| p.p50), self.end_to_end_p50_ms, "ms");
        checks.at_most("p99 end to end", ms(|p| p.p99), self.end_to_end_p99_ms, "ms");
        checks.at_most("p999 end to end", ms(|p| p.p999), self.end_to_end_p999_ms, "ms");
    }
}
