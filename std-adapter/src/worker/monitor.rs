//! How the client is doing: its health, and the throttle that follows it.
//!
//! All of this runs in the worker and costs recorders nothing.

use ringstat_core::ledger::{Cause, Ledger};
use ringstat_core::observe::BreakerUse;
use ringstat_core::observe::{Health, HealthCounts, HealthLimits, HealthWindow, Readings};
use ringstat_core::policy::{Pressure, Throttle};
use ringstat_core::send::BreakerState;

/// The interval at which health is graded, in nanoseconds: a window of ten such ticks spans ten seconds.
const TICK: u64 = 1_000_000_000;
/// The interval at which the throttle takes a reading.
const THROTTLE_TICK: u64 = 100_000_000;

/// The readings of one round.
#[derive(Clone, Copy, Default)]
pub(crate) struct Look {
    pub(crate) monotonic: u64,
    pub(crate) ledger: Ledger,
    pub(crate) sends: u64,
    pub(crate) send_errors: u64,
    pub(crate) fullest_percent: u8,
    pub(crate) breaker: BreakerUse,
    /// How much of the room for critical events waits for acknowledgements, in percent.
    pub(crate) unacknowledged_percent: u8,
    /// The number of names and of instruments refused so far.
    pub(crate) names_refused: u64,
    pub(crate) instruments_refused: u64,
    /// How long the receiver has owed an answer, in milliseconds.
    pub(crate) silent_ms: u64,
    /// How often the transport panicked.
    pub(crate) panics: u64,
    pub(crate) memory_bytes: u64,
}

/// Measures the client while it works, for the [`Snapshot`](ringstat_core::observe::Snapshot) and the throttle.
#[derive(Debug)]
pub(crate) struct Monitor {
    limits: HealthLimits,
    /// Whether the receiver answers.
    heard: bool,
    window: HealthWindow,
    health: Health,
    next_tick: u64,
    /// The number of records timed, and of slow ones among them.
    timed: u64,
    slow: u64,
    throttle: Option<Throttle>,
    next_throttle: u64,
    /// As of the throttle's last reading: records, and those given up for lack of room.
    before: (u64, u64),
    memory_limit: Option<u64>,
}

impl Monitor {
    /// Creates a monitor with or without a throttle; `heard` says whether the receiver answers.
    pub(crate) fn new(
        limits: HealthLimits,
        heard: bool,
        throttle: Option<Throttle>,
        memory_limit: Option<u64>,
    ) -> Self {
        let health = Health::default();
        Self {
            limits,
            heard,
            window: HealthWindow::new(),
            health: if heard { health } else { health.unheard() },
            next_tick: TICK,
            timed: 0,
            slow: 0,
            throttle,
            next_throttle: 0,
            before: (0, 0),
            memory_limit,
        }
    }

    /// Adds a measurement of how long a record took from the record call to the socket.
    pub(crate) fn timed(&mut self, nanos: u64) {
        self.timed += 1;
        self.slow += u64::from(nanos / 1_000_000 >= self.limits.latency_ms);
    }

    /// Whether it is time for a [reading](Self::look).
    pub(crate) fn is_due(&self, monotonic: u64) -> bool {
        monotonic >= self.next_tick || (self.throttle.is_some() && monotonic >= self.next_throttle)
    }

    /// Grades the health if it is time. Returns the throttle's level.
    pub(crate) fn look(&mut self, now: &Look) -> u8 {
        let dropped = &now.ledger.dropped;
        let counts = HealthCounts {
            recorded: now.ledger.recorded,
            dropped: dropped.total(),
            sends: now.sends,
            send_errors: now.send_errors,
            timed: self.timed,
            slow: self.slow,
            opened: now.breaker.opened,
            unacknowledged: dropped.get(Cause::Unacknowledged),
            tags_refused: [
                Cause::TooManyTags,
                Cause::TagTooLong,
                Cause::TextTooLong,
                Cause::TagMemoryFull,
            ]
            .into_iter()
            .map(|cause| dropped.get(cause))
            .sum(),
            names_refused: now.names_refused,
            instruments_refused: now.instruments_refused,
            left: now.ledger.left(),
            lost: now.ledger.lost,
            panics: now.panics,
        };
        let readings = Readings {
            recent: self.window.growth(counts),
            buffer_percent: now.fullest_percent,
            unacknowledged_percent: now.unacknowledged_percent,
            unreachable: now.breaker.state != BreakerState::Closed,
            memory_bytes: now.memory_bytes,
            unconfirmed: now.ledger.unconfirmed,
            silent_ms: now.silent_ms,
        };
        let health = Health::judge(&readings, &self.limits);
        self.health = if self.heard { health } else { health.unheard() };
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
            // A part of nothing counts as all of it: a memory limit of 0 is always reached.
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

/// The resident memory of this process in bytes, if the system provides it.
fn resident_memory() -> Option<u64> {
    // The second number, in pages (proc_pid_statm(5)). Pages have 4 KiB except on some ARM and POWER kernels, where
    // this understates the size.
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::observe::{Grade, Reason};

    fn look(monotonic: u64, recorded: u64, full: u64) -> Look {
        let mut ledger = Ledger { recorded, ..Ledger::default() };
        ledger.dropped.add(Cause::Full, full);
        Look { monotonic, ledger, fullest_percent: 10, ..Look::default() }
    }

    fn watch(throttle: bool, memory_limit: Option<u64>) -> Monitor {
        let throttle = throttle.then(Throttle::default);
        Monitor::new(HealthLimits::DEFAULT, true, throttle, memory_limit)
    }

    #[test]
    fn health_is_that_of_the_last_ten_seconds() {
        let mut monitor = watch(false, None);
        monitor.look(&look(TICK, 1000, 0));
        assert_eq!(monitor.health().grade(), Grade::Healthy);
        monitor.look(&look(2 * TICK, 2000, 100));
        assert_eq!(monitor.health(), Health::of([Reason::Drops]));
        for tick in 3..=12 {
            monitor.look(&look(tick * TICK, 1000 * tick, 100));
        }
        assert_eq!(monitor.health().grade(), Grade::Healthy, "that was long ago");
        (0..100).for_each(|n| monitor.timed(if n < 98 { 1 } else { 5_000_000_000 }));
        monitor.look(&look(13 * TICK, 13_000, 100));
        assert_eq!(monitor.health(), Health::of([Reason::Latency]));
    }

    #[test]
    fn the_throttle_answers_to_what_was_crowded_out_lately() {
        let mut monitor = watch(true, None);
        let mut levels = Vec::new();
        for (i, full) in [0, 50, 100, 100, 100, 100, 100, 100].into_iter().enumerate() {
            let i = i as u64;
            levels.push(monitor.look(&look(i * THROTTLE_TICK, 1000 * (i + 1), full)));
        }
        assert_eq!(levels, [0, 1, 2, 2, 2, 2, 2, 1]);
        assert_eq!(watch(false, None).look(&look(0, 1000, 900)), 0, "only where asked for");
    }

    #[test]
    fn what_nobody_sees_in_the_rates_is_a_reason_too() {
        let reason = |change: fn(&mut Look)| {
            let mut monitor = watch(false, None);
            let mut now = look(TICK, 1000, 0);
            change(&mut now);
            monitor.look(&now);
            monitor.health()
        };
        assert_eq!(reason(|_| {}), Health::default());
        assert_eq!(reason(|l| l.breaker.opened = 2), Health::of([Reason::Flapping]));
        assert_eq!(reason(|l| l.unacknowledged_percent = 51), Health::of([Reason::Unacknowledged]));
        assert_eq!(reason(|l| l.names_refused = 1), Health::of([Reason::Names]));
        assert_eq!(reason(|l| l.instruments_refused = 1), Health::of([Reason::Instruments]));
        assert_eq!(reason(|l| l.memory_bytes = 1 << 30), Health::of([Reason::Memory]));
        assert_eq!(reason(|l| l.panics = 1), Health::of([Reason::Transport]));
        let unconfirmed = |l: &mut Look| (l.ledger.unconfirmed, l.silent_ms) = (1, 2000);
        assert_eq!(reason(unconfirmed), Health::of([Reason::Unconfirmed]));
        let lossy = |l: &mut Look| (l.ledger.sent, l.ledger.lost) = (90, 10);
        assert_eq!(reason(lossy), Health::of([Reason::Loss]));
        let refused = |cause| {
            let mut now = look(TICK, 1000, 0);
            now.ledger.dropped.add(cause, 1);
            let mut monitor = watch(false, None);
            monitor.look(&now);
            monitor.health()
        };
        assert_eq!(refused(Cause::TooManyTags), Health::of([Reason::Tags]));
        assert_eq!(refused(Cause::Unacknowledged), Health::of([Reason::Unacknowledged]));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_beyond_its_limit_throttles() {
        assert_eq!(watch(true, Some(4096)).look(&look(0, 0, 0)), 1);
        assert_eq!(watch(true, Some(1 << 50)).look(&look(0, 0, 0)), 0);
    }
}
