//! Self-monitoring: the client's own instruments, its health, and the throttle that follows from it.
//!
//! All of it is the worker's; recorders pay nothing for it. Latency is that of one event in
//! [`SAMPLE_ONE_IN`](ringstat_core::send::SAMPLE_ONE_IN), as exact as the cheap clock that stamps events.

use std::time::Duration;

use ringstat_core::ledger::{Cause, Ledger};
use ringstat_core::observe::{
    Health, HealthCounts, HealthWindow, Latency, Readings, Reason, SLOW_NANOS, Snapshot,
};
use ringstat_core::policy::{Level, Pressure, Throttle};
use ringstat_core::send::BreakerState;

use crate::registry::{OwnedCounter, OwnedGauge, OwnedHistogram, Registry};

/// Durations, recorded by the worker and read by snapshots.
#[derive(Debug)]
pub(crate) struct Timings {
    pub(crate) in_buffer: OwnedHistogram,
    pub(crate) send: OwnedHistogram,
    pub(crate) total: OwnedHistogram,
}

impl Timings {
    pub(crate) fn new(registry: &Registry) -> Self {
        let histogram =
            |stage| registry.own_histogram("ringstat.client.latency", &[("stage", stage)]);
        Self { in_buffer: histogram("buffer"), send: histogram("send"), total: histogram("total") }
    }

    pub(crate) fn latency(&self) -> Latency {
        Latency {
            one_in: ringstat_core::send::SAMPLE_ONE_IN,
            in_buffer: self.in_buffer.quantiles(),
            send: self.send.quantiles(),
            total: self.total.quantiles(),
        }
    }
}

/// How often the health is judged, in nanoseconds: the window of ten spans ten seconds.
const TICK: u64 = 1_000_000_000;
/// How often the throttle is asked.
const THROTTLE_TICK: u64 = 100_000_000;

/// What the monitor looks at in each round.
pub(crate) struct Look {
    pub(crate) monotonic: u64,
    pub(crate) ledger: Ledger,
    pub(crate) sends: u64,
    pub(crate) send_errors: u64,
    pub(crate) fullest_percent: u8,
    pub(crate) breaker: BreakerState,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Monitor {
    window: HealthWindow,
    health: Health,
    next_tick: u64,
    /// Records timed, and slow ones among them.
    timed: u64,
    slow: u64,
    throttle: Option<Throttle>,
    next_throttle: u64,
    /// As of the throttle's last look: records, and those given up for want of room.
    before: (u64, u64),
    memory_limit: Option<u64>,
}

impl Monitor {
    pub(crate) fn new(throttle: bool, memory_limit: Option<u64>) -> Self {
        Self {
            window: HealthWindow::new(),
            health: Health::default(),
            next_tick: TICK,
            timed: 0,
            slow: 0,
            throttle: throttle.then(Throttle::new),
            next_throttle: 0,
            before: (0, 0),
            memory_limit,
        }
    }

    /// Takes note of how long a record took from the record call to the socket.
    pub(crate) fn timed(&mut self, nanos: u64) {
        self.timed += 1;
        self.slow += u64::from(nanos > SLOW_NANOS);
    }

    /// Whether it is time to [look](Self::look).
    pub(crate) fn is_due(&self, monotonic: u64) -> bool {
        monotonic >= self.next_tick || (self.throttle.is_some() && monotonic >= self.next_throttle)
    }

    /// Judges the health where it is time. Returns the throttle's level.
    pub(crate) fn look(&mut self, now: &Look) -> u8 {
        let counts = HealthCounts {
            recorded: now.ledger.recorded,
            dropped: now.ledger.dropped.total(),
            sends: now.sends,
            send_errors: now.send_errors,
            timed: self.timed,
            slow: self.slow,
        };
        let lately = self.window.growth(counts);
        self.health = Health::judge(&Readings {
            buffer_percent: now.fullest_percent,
            recorded: lately.recorded,
            dropped: lately.dropped,
            sends: lately.sends,
            send_errors: lately.send_errors,
            timed: lately.timed,
            slow: lately.slow,
            unreachable: now.breaker != BreakerState::Closed,
        });
        if now.monotonic >= self.next_tick {
            self.window.tick(counts);
            self.next_tick = now.monotonic + TICK;
        }
        self.throttle(now)
    }

    fn throttle(&mut self, now: &Look) -> u8 {
        let Some(throttle) = &mut self.throttle else { return 0 };
        if now.monotonic < self.next_throttle {
            return throttle.level();
        }
        self.next_throttle = now.monotonic + THROTTLE_TICK;
        let crowded_out =
            now.ledger.dropped.get(Cause::Full) + now.ledger.dropped.get(Cause::Evicted);
        let (recorded, dropped) =
            (now.ledger.recorded - self.before.0, crowded_out - self.before.1);
        self.before = (now.ledger.recorded, crowded_out);
        let percent = |part: u64, whole: u64| {
            // Something of nothing is all of it: a memory limit of 0 is one that is reached.
            let share = (part * 100).checked_div(whole).unwrap_or(if part > 0 { 100 } else { 0 });
            u8::try_from(share).unwrap_or(100)
        };
        throttle.observe(Pressure {
            buffer: now.fullest_percent,
            drops: percent(dropped, recorded),
            memory: self
                .memory_limit
                .zip(resident_memory())
                .map_or(0, |(limit, used)| percent(used, limit)),
        })
    }

    pub(crate) fn health(&self) -> Health {
        self.health
    }

    pub(crate) fn throttle_level(&self) -> u8 {
        self.throttle.as_ref().map_or(0, Throttle::level)
    }
}

/// The resident memory of this process in bytes, where the system says.
fn resident_memory() -> Option<u64> {
    // The second number, in pages (proc_pid_statm(5)). Pages are of 4 KiB but on some ARM and POWER kernels, where
    // this understates.
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// The client's own instruments, fed from snapshots. They are made when there is something to say.
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

/// A name behind `ringstat.client.`, and where its value stands.
type Reading = (&'static str, fn(&Snapshot) -> u64);

const COUNTERS: [Reading; 14] = [
    ("recorded", |s| s.ledger.recorded),
    ("sent", |s| s.ledger.sent),
    ("aggregated", |s| s.ledger.aggregated),
    ("batches", |s| s.output.batches),
    ("datagrams", |s| s.output.datagrams),
    ("bytes", |s| s.output.bytes),
    ("send_errors", |s| s.output.send_errors),
    ("backpressure", |s| s.output.backpressure),
    ("acknowledged", |s| s.output.acknowledged),
    ("repeated", |s| s.output.repeated),
    ("bad_replies", |s| s.output.bad_replies),
    ("pool_hits", |s| s.pool.hits),
    ("pool_misses", |s| s.pool.misses),
    ("breaker_opened", |s| s.breaker.opened),
];

const GAUGES: [Reading; 11] = [
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

    /// Whether there was a report: a client that does not run for so long sends nothing of its own.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Brings the instruments up to date. They are sent like all others.
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
        let grow =
            |counter: &mut Option<OwnedCounter>, name: &str, tags: &[(&str, &str)], to: u64| {
                if to > 0 {
                    let counter =
                        counter.get_or_insert_with(|| registry.own_counter(&own(name), tags));
                    counter.add(to.saturating_sub(counter.total()));
                }
            };
        let set = |gauge: &mut Option<OwnedGauge>, name: &str, tags: &[(&str, &str)], to: u64| {
            if gauge.is_some() || to > 0 {
                let gauge = gauge.get_or_insert_with(|| registry.own_gauge(&own(name), tags));
                gauge.set(to as f64);
            }
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
            let tags = [("reason", reason.as_str())];
            set(gauge, "unwell", &tags, u64::from(snapshot.health.has(reason)));
        }
    }
}

fn own(name: &str) -> String {
    format!("ringstat.client.{name}")
}

/// The level of a ring that is so full, as for [`Policy::Graded`](ringstat_core::policy::Policy::Graded).
pub(crate) fn level(fullest_percent: u8) -> Level {
    Level::All.next(usize::from(fullest_percent), 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::instrument::Instruments;
    use ringstat_core::observe::Grade;

    fn look(monotonic: u64, recorded: u64, full: u64) -> Look {
        let mut ledger = Ledger { recorded, ..Ledger::default() };
        ledger.dropped.add(Cause::Full, full);
        Look {
            monotonic,
            ledger,
            sends: 0,
            send_errors: 0,
            fullest_percent: 10,
            breaker: BreakerState::Closed,
        }
    }

    #[test]
    fn health_is_that_of_the_last_ten_seconds() {
        let mut monitor = Monitor::new(false, None);
        monitor.look(&look(TICK, 1000, 0));
        assert_eq!(monitor.health().grade(), Grade::Healthy);
        monitor.look(&look(2 * TICK, 2000, 100));
        assert_eq!(monitor.health(), Health::of([Reason::Drops]));
        for tick in 3..=12 {
            monitor.look(&look(tick * TICK, 1000 * tick, 100));
        }
        assert_eq!(monitor.health().grade(), Grade::Healthy, "that was long ago");
        (0..100).for_each(|n| monitor.timed(if n < 98 { 1 } else { SLOW_NANOS + 1 }));
        monitor.look(&look(13 * TICK, 13_000, 100));
        assert_eq!(monitor.health(), Health::of([Reason::Latency]));
    }

    #[test]
    fn the_throttle_answers_to_what_was_crowded_out_lately() {
        let mut monitor = Monitor::new(true, None);
        let mut levels = Vec::new();
        for (i, full) in [0, 50, 100, 100, 100, 100, 100, 100].into_iter().enumerate() {
            let i = i as u64;
            levels.push(monitor.look(&look(i * THROTTLE_TICK, 1000 * (i + 1), full)));
        }
        assert_eq!(levels, [0, 1, 2, 2, 2, 2, 2, 1]);
        assert_eq!(Monitor::new(false, None).look(&look(0, 1000, 900)), 0, "only where asked for");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_beyond_its_limit_throttles() {
        assert_eq!(Monitor::new(true, Some(4096)).look(&look(0, 0, 0)), 1);
        assert_eq!(Monitor::new(true, Some(1 << 50)).look(&look(0, 0, 0)), 0);
    }

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
        assert_eq!(registry.walk().len(), 3 + 1, "and says nothing of what is 0");
        assert!(!report.is_due(1) && report.is_due(5_000_000_000));
    }
}
