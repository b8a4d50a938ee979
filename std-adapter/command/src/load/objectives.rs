//! What a load has to achieve: the checks of the report, and their limits, which a file may replace.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::program::ProgramReport;
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
    generated_percent: f64,
    /// The share of the events that may be lost, at whatever stage.
    lost_percent: f64,
    /// How many sends may fail.
    failed_sends: f64,
    /// The rate at which events have to arrive.
    delivered_per_second: Option<f64>,
    record_p50_ns: Option<f64>,
    record_p99_ns: Option<f64>,
    record_p999_ns: Option<f64>,
    end_to_end_p50_ms: Option<f64>,
    end_to_end_p99_ms: Option<f64>,
    end_to_end_p999_ms: Option<f64>,
    /// The highest use of the client's rings.
    buffer_percent: Option<f64>,
    /// The memory that the run adds to the process, in megabytes.
    memory_mb: Option<f64>,
    /// In the scenario `network-failure`: the time until the breaker has opened, and the time after the failure until it
    /// has closed, in seconds.
    opened_within_s: f64,
    recovered_within_s: f64,
}

impl Default for Objectives {
    fn default() -> Self {
        Self {
            generated_percent: 99.0,
            lost_percent: 1.0,
            failed_sends: 0.0,
            delivered_per_second: None,
            record_p50_ns: None,
            record_p99_ns: None,
            record_p999_ns: None,
            end_to_end_p50_ms: None,
            end_to_end_p99_ms: Some(100.0),
            end_to_end_p999_ms: None,
            buffer_percent: None,
            memory_mb: Some(10.0),
            opened_within_s: 5.0,
            // Two of the longest pauses between probes.
            recovered_within_s: 10.0,
        }
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

impl Check {
    fn new(
        what: &'static str,
        measured: Option<f64>,
        bound: Bound,
        limit: f64,
        unit: &'static str,
    ) -> Self {
        let pass = measured.is_some_and(|measured| match bound {
            Bound::AtLeast => measured >= limit,
            Bound::AtMost => measured <= limit,
        });
        Self { what, measured, bound, limit, unit, pass }
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
        let read: Self = toml::from_str(&text).map_err(|e| failed(&e))?;
        if read.limits().any(|limit| !(0.0..=1e18).contains(&limit)) {
            return Err(failed(&"limits are numbers from 0 to 1e18"));
        }
        Ok(read)
    }

    fn limits(&self) -> impl Iterator<Item = f64> {
        let fixed = [
            self.generated_percent,
            self.lost_percent,
            self.failed_sends,
            self.opened_within_s,
            self.recovered_within_s,
        ];
        let optional = [
            self.delivered_per_second,
            self.record_p50_ns,
            self.record_p99_ns,
            self.record_p999_ns,
            self.end_to_end_p50_ms,
            self.end_to_end_p99_ms,
            self.end_to_end_p999_ms,
            self.buffer_percent,
            self.memory_mb,
        ];
        fixed.into_iter().chain(optional.into_iter().flatten())
    }

    /// Checks what came from a program of the user's.
    pub(crate) fn check_program(&self, report: &ProgramReport) -> Vec<Check> {
        use Bound::{AtLeast, AtMost};

        let ended = report.exit_code.map(f64::from);
        let mut checks = vec![
            Check::new("exit code", ended, AtMost, 0.0, ""),
            Check::new("records delivered", Some(report.delivered as f64), AtLeast, 1.0, "in all"),
        ];
        let mut add = |what, measured, bound, limit: Option<f64>, unit| {
            checks.extend(limit.map(|limit| Check::new(what, measured, bound, limit, unit)));
        };
        let most = Some(self.lost_percent);
        add("dropped by the program", Some(report.drop_percent), AtMost, most, "%");
        add("datagrams lost", Some(report.datagram_loss_percent), AtMost, most, "%");
        let rate = Some(report.delivered_per_second);
        add("delivered", rate, AtLeast, self.delivered_per_second, "/s");
        // A program without events has no times.
        if let Some(p) = report.latency_ns.end_to_end {
            let ms = |ns: u64| Some(ns as f64 / 1e6);
            add("p50 end to end", ms(p.p50), AtMost, self.end_to_end_p50_ms, "ms");
            add("p99 end to end", ms(p.p99), AtMost, self.end_to_end_p99_ms, "ms");
            add("p999 end to end", ms(p.p999), AtMost, self.end_to_end_p999_ms, "ms");
        }
        checks
    }

    /// Checks a report.
    pub(crate) fn check(&self, report: &Report) -> Vec<Check> {
        use Bound::{AtLeast, AtMost};

        let pace = super::run::percent(report.generated, report.intended);
        let mut checks = vec![Check::new(
            "generated, of what was intended",
            Some(pace),
            AtLeast,
            self.generated_percent,
            "%",
        )];
        let mut add = |what, measured, bound, limit: Option<f64>, unit| {
            checks.extend(limit.map(|limit| Check::new(what, measured, bound, limit, unit)));
        };
        let record = report.latency_ns.record;
        let record = |of: fn(super::latency::Percentiles) -> u64| record.map(|p| of(p) as f64);
        add("p50 of the record call", record(|p| p.p50), AtMost, self.record_p50_ns, "ns");
        add("p99 of the record call", record(|p| p.p99), AtMost, self.record_p99_ns, "ns");
        add("p999 of the record call", record(|p| p.p999), AtMost, self.record_p999_ns, "ns");
        if let Some(outage) = report.outage {
            // What is sent into a network that fails is lost, or late.
            let [opened, recovered] = [outage.opened_after, outage.recovered_after];
            add("breaker open after", opened, AtMost, Some(self.opened_within_s), "s");
            add("sending again after", recovered, AtMost, Some(self.recovered_within_s), "s");
        } else {
            add("lost", Some(report.drop_percent), AtMost, Some(self.lost_percent), "%");
            let failed = Some(report.send_errors as f64);
            add("sends that failed", failed, AtMost, Some(self.failed_sends), "in all");
            // An agent of others cannot be asked what has arrived.
            let known = report.delivered.is_some();
            let rate = report.delivered_per_second;
            add("delivered", rate, AtLeast, self.delivered_per_second.filter(|_| known), "/s");
            let whole = report.latency_ns.end_to_end;
            let whole =
                |of: fn(super::latency::Percentiles) -> u64| whole.map(|p| of(p) as f64 / 1e6);
            let limit = |limit: Option<f64>| limit.filter(|_| known);
            add("p50 end to end", whole(|p| p.p50), AtMost, limit(self.end_to_end_p50_ms), "ms");
            add("p99 end to end", whole(|p| p.p99), AtMost, limit(self.end_to_end_p99_ms), "ms");
            add("p999 end to end", whole(|p| p.p999), AtMost, limit(self.end_to_end_p999_ms), "ms");
            let buffer = Some(report.buffer.peak_percent);
            add("buffer, at most", buffer, AtMost, self.buffer_percent, "%");
        }
        if let Some(growth) = report.memory.growth {
            // What cannot be sent fills the rings; that is what they are for.
            let (what, rings) = match report.outage {
                Some(_) => ("memory added besides the rings", report.memory.rings),
                None => ("memory added", 0),
            };
            let added = growth.saturating_sub(rings);
            add(what, Some(added as f64 / 1e6), AtMost, self.memory_mb, "MB");
        }
        checks
    }
}
