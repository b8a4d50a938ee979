//! The way to the collector: whether to send on it now, and what is known about what was sent.
//!
//! There are two, chosen by type, because a program that needs only the small one should not contain the other: core's
//! [`Path`] asks the collector for receipts, [`NoReceipts`] believes the network stack.

use embassy_time::Duration;
use ringstat_core::format::TimeUnit;
use ringstat_core::send::{BreakerConfig, Liveness, LivenessConfig, Packed, Path, Way};
use ringstat_core::wire::receipt::Receipt;

/// How a task finds out whether the collector is there. Implemented by [`Path`], which is the usual one, and [`NoReceipts`].
///
/// No other type can implement it.
pub trait Route: sealed::Route {}

impl Route for Path {}
impl Route for NoReceipts {}

/// How a [`Path`] is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathConfig {
    /// When to stop trying while the stack knows no route to the collector, or the collector is silent. Times are in
    /// microseconds.
    pub breaker: BreakerConfig,
    /// When to ask the collector for a sign of life, and how long to tolerate its silence.
    pub liveness: LivenessConfig,
}

/// A route on which no receipts are asked for: what the network stack takes counts as sent, whether or not it arrives.
///
/// While the stack knows no route to the collector, it is asked again after a pause that is always the same.
#[derive(Debug)]
pub struct NoReceipts {
    pause: u64,
    until: u64,
}

/// What both have in common.
pub(crate) mod sealed {
    use super::{Duration, Liveness, Packed, Receipt, Way};

    pub trait Route {
        /// How it is watched.
        type Config;
        /// Whether the collector's receipts are read.
        const ASKS: bool;

        /// Asks no more often than this.
        fn ask_every(config: &mut Self::Config, interval: Duration);
        fn new(config: Self::Config, seed: u32) -> Self;
        fn way(&mut self, now: u64) -> Way;
        fn asks(&self, now: u64) -> bool;
        fn deadline(&self) -> u64;
        fn handed(&mut self, packed: &Packed, now: u64);
        fn failed(&mut self, now: u64);
        fn answered(&mut self, receipt: &Receipt, now: u64);
        fn changed(&mut self);
        fn liveness(&self) -> Option<&Liveness>;
    }
}

impl sealed::Route for Path {
    type Config = PathConfig;
    const ASKS: bool = true;

    fn ask_every(config: &mut PathConfig, interval: Duration) {
        config.liveness.interval = core::time::Duration::from_micros(interval.as_micros());
    }

    fn new(config: PathConfig, seed: u32) -> Self {
        let PathConfig { breaker, liveness } = config;
        Self::new(breaker, Some(&liveness), TimeUnit::Micros, seed)
    }

    fn way(&mut self, now: u64) -> Way {
        self.way(now)
    }

    fn asks(&self, now: u64) -> bool {
        self.asks(now)
    }

    fn deadline(&self) -> u64 {
        self.deadline()
    }

    fn handed(&mut self, packed: &Packed, now: u64) {
        self.handed(packed, now);
    }

    fn failed(&mut self, now: u64) {
        self.failed(now);
    }

    fn answered(&mut self, receipt: &Receipt, now: u64) {
        // A faulty one changes nothing, and is asked for again.
        let _ = self.answered(receipt, now);
    }

    fn changed(&mut self) {
        self.changed();
    }

    fn liveness(&self) -> Option<&Liveness> {
        self.liveness()
    }
}

impl sealed::Route for NoReceipts {
    type Config = Duration;
    const ASKS: bool = false;

    fn ask_every(_: &mut Duration, _: Duration) {}

    fn new(pause: Duration, _: u32) -> Self {
        Self { pause: pause.as_micros(), until: 0 }
    }

    fn way(&mut self, now: u64) -> Way {
        if now < self.until { Way::Wait(self.until) } else { Way::Clear }
    }

    fn asks(&self, _: u64) -> bool {
        false
    }

    fn deadline(&self) -> u64 {
        u64::MAX
    }

    fn handed(&mut self, _: &Packed, _: u64) {}

    fn failed(&mut self, now: u64) {
        self.until = now.saturating_add(self.pause);
    }

    fn answered(&mut self, _: &Receipt, _: u64) {}

    fn changed(&mut self) {
        self.until = 0;
    }

    fn liveness(&self) -> Option<&Liveness> {
        None
    }
}
