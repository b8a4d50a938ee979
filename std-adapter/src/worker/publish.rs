//! What the worker reports to the handles of its client.

use ringstat_core::format::Format;
use ringstat_core::observe::{BreakerUse, Output, PoolUse};
use ringstat_core::ring::{Source, percent};
use ringstat_core::send::{BreakerState, Time};

use super::Worker;
use super::monitor::Look;
use super::route::Route;
use crate::rings::Consumer;

impl<E: Format> Worker<E> {
    /// Takes readings if it is time.
    pub(super) fn observe(&mut self, events: &Consumer, now: Time) {
        let waiting = events.len() as u64;
        {
            let mut state = self.shared.control.lock();
            state.peak = state.peak.max(waiting);
        }
        if self.monitor.is_due(now.monotonic) {
            let level = self.monitor.look(&Look {
                monotonic: now.monotonic,
                ledger: self.shared.ledger(),
                sends: self.tally.sends,
                send_errors: self.tally.errors,
                fullest_percent: events.fill(),
                breaker: self.breaker(),
                unacknowledged_percent: match self.shared.rings.critical() {
                    Some(ring) => percent(self.sender.unacknowledged(), ring.capacity()),
                    None => 0,
                },
                names_refused: self.shared.names.refused().into(),
                instruments_refused: self.shared.registry.refused(),
                silent_ms: self.silence(now) / 1_000_000,
                panics: self.panics(),
                memory_bytes: self.shared.memory_bytes(),
            });
            self.shared.valve.throttle(level);
        }
        if self.report.as_ref().is_some_and(|report| report.is_due(now.monotonic)) {
            self.write_report(now);
        }
    }

    pub(super) fn write_report(&mut self, now: Time) {
        self.publish();
        if let Some(report) = &mut self.report {
            let shared = &self.shared;
            report.write(&shared.registry, &shared.timings, &shared.snapshot(), now.monotonic);
        }
    }

    /// The state of the breaker that is closest to closed, and how often any of them has opened.
    fn breaker(&self) -> BreakerUse {
        let states = || self.routes.iter().map(|r| r.breaker().state());
        let best = [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open];
        BreakerUse {
            state: best.into_iter().find(|s| states().any(|t| t == *s)).unwrap_or_default(),
            opened: self.routes.iter().map(|r| r.breaker().times_opened()).sum(),
        }
    }

    /// How long every receiver has owed an answer, in nanoseconds; 0 where one of them does not.
    fn silence(&self, now: Time) -> u64 {
        let silences = self.routes.iter().map(|route| route.silence(now.monotonic));
        silences.min().unwrap_or(0)
    }

    /// How often a transport panicked.
    fn panics(&self) -> u64 {
        self.routes.iter().map(Route::panics).sum()
    }

    pub(super) fn publish(&self) {
        let totals = *self.sender.totals();
        let (hits, misses) = self.pool.hits_and_misses();
        let mut state = self.shared.control.lock();
        state.totals = totals;
        state.aggregated = self.aggregate.as_ref().map_or(0, |a| a.merged);
        state.breaker = self.breaker();
        state.output = Output {
            batches: self.tally.batches,
            datagrams: totals.datagrams,
            bytes: totals.bytes,
            failed: totals.failed,
            send_errors: self.tally.errors,
            acknowledged: totals.acknowledged,
            repeated: totals.repeated,
            unacknowledged: self.sender.unacknowledged() as u64,
            bad_replies: self.tally.bad_replies,
            altered: totals.altered,
            unsendable: totals.unsendable,
            wakes: self.tally.wakes,
            backpressure: self.tally.backpressure,
            panics: self.panics(),
        };
        state.pool = PoolUse {
            capacity: self.pool.capacity() as u64,
            used: self.pool.held().len() as u64,
            hits,
            misses,
        };
        state.health = self.monitor.health();
        state.throttle = self.monitor.throttle_level();
    }
}
