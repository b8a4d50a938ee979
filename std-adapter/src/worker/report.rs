//! The client's own metrics, which it sends under `ringstat.client.`.

use std::time::Duration;

use ringstat_core::ledger::Cause;
use ringstat_core::observe::{Reason, Snapshot};

use crate::registry::{OwnedCounter, OwnedGauge, Registry};
use crate::shared::Timings;

/// The client's own instruments, fed from snapshots. They are made at the first report.
#[derive(Debug)]
pub(crate) struct Report {
    every: u64,
    next: u64,
    begun: bool,
    counters: [Option<OwnedCounter>; COUNTERS.len()],
    gauges: [Option<OwnedGauge>; GAUGES.len()],
    dropped: [Option<OwnedCounter>; Cause::COUNT],
    reasons: [Option<OwnedGauge>; Reason::COUNT],
}

/// A name after `ringstat.client.`, and how to read its value.
type Reading = (&'static str, fn(&Snapshot) -> u64);

const COUNTERS: [Reading; 20] = [
    ("recorded", |s| s.ledger.recorded),
    ("sent", |s| s.ledger.sent),
    ("lost", |s| s.ledger.lost),
    ("aggregated", |s| s.ledger.aggregated),
    ("batches", |s| s.output.batches),
    ("wakes", |s| s.output.wakes),
    ("datagrams", |s| s.output.datagrams),
    ("bytes", |s| s.output.bytes),
    ("failed", |s| s.output.failed),
    ("altered", |s| s.output.altered),
    ("unsendable", |s| s.output.unsendable),
    ("send_errors", |s| s.output.send_errors),
    ("backpressure", |s| s.output.backpressure),
    ("panics", |s| s.output.panics),
    ("acknowledged", |s| s.output.acknowledged),
    ("repeated", |s| s.output.repeated),
    ("bad_replies", |s| s.output.bad_replies),
    ("pool_hits", |s| s.pool.hits),
    ("pool_misses", |s| s.pool.misses),
    ("breaker_opened", |s| s.breaker.opened),
];

const GAUGES: [Reading; 12] = [
    ("unconfirmed", |s| s.ledger.unconfirmed),
    ("buffer_used", |s| s.buffer.used),
    ("buffer_capacity", |s| s.buffer.capacity),
    ("buffer_peak", |s| s.buffer.peak),
    ("unacknowledged", |s| s.output.unacknowledged),
    ("memory_used", |s| s.memory.used),
    ("memory_budget", |s| s.memory.budget),
    ("names_bytes", |s| s.memory.names),
    ("level", |s| s.degradation.level as u64),
    ("throttle_one_in", |s| s.degradation.throttle_one_in as u64),
    ("breaker", |s| s.breaker.state as u64),
    ("health", |s| s.health.grade() as u64),
];

impl Report {
    pub(crate) fn new(every: Duration) -> Self {
        let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        Self {
            every,
            next: every,
            begun: false,
            counters: [const { None }; COUNTERS.len()],
            gauges: [const { None }; GAUGES.len()],
            dropped: [const { None }; Cause::COUNT],
            reasons: [const { None }; Reason::COUNT],
        }
    }

    /// Whether it is time to [write](Self::write).
    pub(crate) fn is_due(&self, monotonic: u64) -> bool {
        monotonic >= self.next
    }

    /// Whether there was a report: a client that ends before the first one sends no metrics of its own.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Updates the instruments, which are then sent like all others.
    pub(crate) fn write(
        &mut self,
        registry: &Registry,
        timings: &Timings,
        snapshot: &Snapshot,
        monotonic: u64,
    ) {
        self.next = monotonic.saturating_add(self.every);
        if !std::mem::replace(&mut self.begun, true) {
            [&timings.in_buffer, &timings.send, &timings.total]
                .into_iter()
                .for_each(|h| registry.list(h));
        }
        // A counter is there before it counts: an increase from nothing to one is none to Prometheus.
        let grow =
            |counter: &mut Option<OwnedCounter>, name: &str, tags: &[(&str, &str)], to: u64| {
                let counter = counter.get_or_insert_with(|| registry.own_counter(&own(name), tags));
                counter.add(to.saturating_sub(counter.total()));
            };
        let set = |gauge: &mut Option<OwnedGauge>, name: &str, tags: &[(&str, &str)], to: u64| {
            let gauge = gauge.get_or_insert_with(|| registry.own_gauge(&own(name), tags));
            gauge.set(to as f64);
        };
        for (counter, (name, read)) in self.counters.iter_mut().zip(COUNTERS) {
            grow(counter, name, &[], read(snapshot));
        }
        for (counter, cause) in self.dropped.iter_mut().zip(Cause::ALL) {
            let tags = [("cause", cause.as_str())];
            grow(counter, "dropped", &tags, snapshot.ledger.dropped.get(cause));
        }
        for (gauge, (name, read)) in self.gauges.iter_mut().zip(GAUGES) {
            set(gauge, name, &[], read(snapshot));
        }
        for (gauge, reason) in self.reasons.iter_mut().zip(Reason::ALL) {
            let has = snapshot.health.has(reason);
            if has || gauge.is_some() {
                set(gauge, "degraded", &[("reason", reason.as_str())], has.into());
            }
        }
    }
}

fn own(name: &str) -> String {
    format!("ringstat.client.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::instrument::Instruments;

    #[test]
    fn the_report_follows_the_snapshot_and_never_goes_back() {
        let registry = Registry::new(Vec::new(), 0);
        let timings = Timings::new(&registry);
        let mut report = Report::new(Duration::from_secs(5));
        let mut snapshot = Snapshot::default();
        for recorded in [0, 10, 30, 20] {
            snapshot.ledger.recorded = recorded;
            report.write(&registry, &timings, &snapshot, 0);
        }
        assert_eq!(report.counters[0].as_ref().map(OwnedCounter::total), Some(30));
        let always = 3 + COUNTERS.len() + GAUGES.len() + Cause::COUNT;
        assert_eq!(registry.walk().len(), always, "and nothing of reasons that it never had");
        assert!(!report.is_due(1) && report.is_due(5_000_000_000));
    }
}
