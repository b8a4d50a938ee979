//! The circuit breaker: stops sending into a network that is not there, and finds out when it is back.
//!
//! While closed, it lets everything through. After a run of failures it opens for a while; then it lets one datagram
//! through as a probe. If the probe succeeds, the breaker closes; if not, it opens for twice as long, with jitter, up
//! to a bound. Meanwhile events wait in the ring, where the drop policy applies to them. A full socket buffer is not a
//! failure, and the caller does not report it here.
//!
//! ```
//! use ringstat_core::send::{Breaker, BreakerConfig, Permit};
//!
//! let mut breaker = Breaker::new(BreakerConfig::new(2, 100, 1000), 7);
//! assert_eq!(breaker.permit(0), Permit::Send);
//! breaker.failed(0);
//! breaker.failed(0);
//! assert!(matches!(breaker.permit(1), Permit::Wait(_)));
//! assert_eq!(breaker.permit(200), Permit::Send, "one as a probe");
//! breaker.succeeded();
//! assert_eq!(breaker.permit(201), Permit::Send);
//! ```

use core::fmt;

use super::backoff::{Backoff, QUARTER};

/// When a [`Breaker`] opens and for how long. Times are in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakerConfig {
    /// The number of failures in a row that opens the breaker; with 0 it never opens.
    pub failures: u32,
    /// The number of successful probes in a row that closes it; 0 counts as 1.
    pub successes: u32,
    /// How long it stays open at first, plus or minus the jitter. Each failed probe doubles the time.
    pub backoff: u64,
    /// It never stays open for longer than this.
    pub backoff_max: u64,
    /// How far a pause may deviate from its middle, in 256ths of it: 0 to 127.
    pub jitter: u8,
}

impl BreakerConfig {
    /// A breaker that opens after this many failures in a row, for `backoff` plus or minus a quarter, then for twice as
    /// long and so on up to `backoff_max`. One successful probe closes it.
    #[must_use]
    pub const fn new(failures: u32, backoff: u64, backoff_max: u64) -> Self {
        Self { failures, successes: 1, backoff, backoff_max, jitter: QUARTER }
    }
}

/// A [`Breaker`]'s answer to the question whether to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permit {
    /// Send, and report the result to the breaker.
    Send,
    /// Do not send before this time.
    Wait(u64),
}

/// Whether a [`Breaker`] lets datagrams through.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// It lets everything through.
    #[default]
    Closed,
    /// It lets nothing through until its pause has ended.
    Open,
    /// It has let one datagram through as a probe, whose result is not known yet.
    HalfOpen,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// The state machine that decides whether to send: closed, open, or half-open with one probe under way.
///
/// ```
/// use ringstat_core::send::{Breaker, BreakerConfig, BreakerState, Permit};
///
/// let mut breaker = Breaker::new(BreakerConfig::new(1, 100, 1000), 7);
/// breaker.failed(0);
/// assert_eq!(breaker.state(), BreakerState::Open);
/// assert_eq!(breaker.permit(200), Permit::Send, "a probe, after the pause");
/// breaker.succeeded();
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Clone, Debug)]
pub struct Breaker {
    /// The number of failures in a row after which the breaker opens.
    limit: u32,
    /// The number of successful probes after which it closes.
    successes: u32,
    /// How many probes have succeeded in a row.
    succeeded: u32,
    state: BreakerState,
    /// The number of failures in a row while closed.
    failures: u32,
    opened: u64,
    until: u64,
    /// The number of failed probes since it was last closed.
    probes: u32,
    pauses: Backoff,
    times_opened: u64,
}

impl Breaker {
    /// Creates a closed breaker. `seed` should differ between senders, so that they do not all return at once: see
    /// [`Identity::seed`](crate::send::Identity::seed).
    #[must_use]
    pub const fn new(config: BreakerConfig, seed: u32) -> Self {
        Self {
            limit: config.failures,
            successes: config.successes.saturating_sub(1),
            succeeded: 0,
            state: BreakerState::Closed,
            failures: 0,
            opened: 0,
            until: 0,
            probes: 0,
            pauses: Backoff::new(config.backoff, config.backoff_max, seed).jitter(config.jitter),
            times_opened: 0,
        }
    }

    /// Decides whether to send at `now`. After a pause, the next datagram is a probe.
    pub fn permit(&mut self, now: u64) -> Permit {
        match self.state {
            BreakerState::Closed => Permit::Send,
            // If the clock has gone back to before the opening, the wait ends rather than lasting longer.
            BreakerState::Open if now >= self.until || now < self.opened => {
                self.state = BreakerState::HalfOpen;
                Permit::Send
            }
            BreakerState::Open => Permit::Wait(self.until),
            // The result of the probe is not known: a caller that asks again sends the same datagram again.
            BreakerState::HalfOpen => Permit::Send,
        }
    }

    /// Lets one datagram through as a probe, whatever has been reported. A breaker that never opens stays closed.
    pub fn probe(&mut self) {
        if self.limit > 0 {
            self.succeeded = 0;
            self.state = BreakerState::HalfOpen;
        }
    }

    /// Reports that a datagram was sent: the breaker closes, and earlier failures are forgotten.
    pub fn succeeded(&mut self) {
        if self.state == BreakerState::HalfOpen && self.succeeded < self.successes {
            self.succeeded += 1;
        } else {
            self.close();
        }
    }

    /// Closes the breaker, whatever has been reported.
    pub fn close(&mut self) {
        self.succeeded = 0;
        self.state = BreakerState::Closed;
        self.failures = 0;
        self.probes = 0;
    }

    /// Reports that a datagram could not be sent, for a reason other than backpressure.
    pub fn failed(&mut self, now: u64) {
        self.failures = self.failures.saturating_add(1);
        let probing = self.state == BreakerState::HalfOpen;
        if self.limit > 0 && (probing || self.failures >= self.limit) {
            self.succeeded = 0;
            self.probes = self.probes.saturating_add(probing.into());
            self.state = BreakerState::Open;
            self.opened = now;
            self.until = now.saturating_add(self.pauses.pause(self.probes));
            self.times_opened += 1;
        }
    }

    /// Opens at once, regardless of earlier failures, because the receiver is known to be gone.
    pub fn trip(&mut self, now: u64) {
        self.failures = self.limit;
        self.failed(now);
    }

    /// Whether it lets datagrams through now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// How often the breaker has opened.
    #[must_use]
    pub fn times_opened(&self) -> u64 {
        self.times_opened
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: BreakerConfig = BreakerConfig::new(3, 100, 1000);

    fn waits(b: &mut Breaker, now: u64) -> u64 {
        match b.permit(now) {
            Permit::Wait(until) => until - now,
            Permit::Send => 0,
        }
    }

    #[test]
    fn opens_on_a_run_and_not_on_scattered_failures() {
        let mut b = Breaker::new(CONFIG, 1);
        for _ in 0..100 {
            b.failed(0);
            b.failed(0);
            b.succeeded();
        }
        assert_eq!((b.state(), b.times_opened()), (BreakerState::Closed, 0));
        (0..3).for_each(|_| b.failed(0));
        assert_eq!((b.state(), b.times_opened()), (BreakerState::Open, 1));
    }

    #[test]
    fn one_probe_at_a_time_and_longer_waits_up_to_the_bound() {
        let mut b = Breaker::new(CONFIG, 1);
        (0..3).for_each(|_| b.failed(0));
        let (mut now, mut last) = (0, 0);
        for round in 0..20 {
            let wait = waits(&mut b, now);
            assert!((75..=1000).contains(&wait), "{wait}");
            assert!(round >= 3 || wait > last, "grows: {wait} after {last}");
            last = wait;
            now += wait;
            assert_eq!(b.permit(now), Permit::Send);
            assert_eq!(b.state(), BreakerState::HalfOpen);
            b.failed(now);
        }
        let wait = waits(&mut b, now);
        assert!(wait >= 750, "at the bound: {wait}");
        now += wait;
        assert_eq!(b.permit(now), Permit::Send);
        b.succeeded();
        (0..3).for_each(|_| b.failed(now));
        assert!(waits(&mut b, now) <= 125, "a success forgets the past");
    }

    #[test]
    fn it_closes_after_as_many_probes_as_asked_and_never_opens_where_it_is_off() {
        let mut b = Breaker::new(BreakerConfig { successes: 3, ..CONFIG }, 1);
        (0..3).for_each(|_| b.failed(0));
        assert_eq!(b.permit(1000), Permit::Send);
        b.succeeded();
        b.succeeded();
        assert_eq!(b.state(), BreakerState::HalfOpen);
        b.failed(1000);
        assert_eq!(b.state(), BreakerState::Open, "one that fails begins anew");
        assert_eq!(b.permit(2000), Permit::Send);
        (0..2).for_each(|_| b.succeeded());
        assert_eq!(b.state(), BreakerState::HalfOpen);
        b.succeeded();
        assert_eq!(b.state(), BreakerState::Closed);

        let mut off = Breaker::new(BreakerConfig { failures: 0, ..CONFIG }, 1);
        (0..1000).for_each(|_| off.failed(0));
        assert_eq!((off.permit(0), off.times_opened()), (Permit::Send, 0));
    }

    #[test]
    fn without_jitter_all_pauses_are_the_same() {
        for seed in 0..50 {
            let mut b = Breaker::new(BreakerConfig { jitter: 0, ..CONFIG }, seed);
            (0..3).for_each(|_| b.failed(0));
            assert_eq!(waits(&mut b, 0), 100);
        }
    }

    #[test]
    fn a_clock_that_goes_back_does_not_keep_it_open() {
        let mut b = Breaker::new(CONFIG, 1);
        (0..3).for_each(|_| b.failed(1_000_000));
        assert_eq!(b.permit(5), Permit::Send);
    }

    proptest! {
        #[test]
        fn it_never_waits_beyond_the_bound(
            failures in any::<u32>(), backoff in any::<u64>(), backoff_max in any::<u64>(), seed in any::<u32>(),
            steps in proptest::collection::vec((any::<bool>(), any::<u64>()), 0..50),
        ) {
            let mut b = Breaker::new(BreakerConfig::new(failures, backoff, backoff_max), seed);
            for (fail, now) in steps {
                if let Permit::Wait(until) = b.permit(now) {
                    prop_assert!(until > now && until - now <= backoff_max);
                } else if fail {
                    b.failed(now);
                } else {
                    b.succeeded();
                    prop_assert_eq!(b.state(), BreakerState::Closed);
                }
            }
        }
    }
}
