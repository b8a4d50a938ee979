//! The path to one receiver: whether to send on it now, and what became of what was sent.
//!
//! A [`Path`] combines a [`Breaker`] and the receiver's [`Liveness`], so that both adapters decide alike:
//!
//! ```text
//!            failures in a row, or silence               backoff is over
//!  Clear ─────────────────────────────────────► Wait ─────────────────────► Probe
//!    ▲                                            ▲      no answer in time     │
//!    │                                            └────────────────────────────┤
//!    └──────────────────────────────── an answer ──────────────────────────────┘
//! ```
//!
//! A probe is an empty datagram that asks for a receipt, so that no event is risked to find out. One is also sent when
//! an answer is late, since there may be no other datagram to ask with. If the receiver cannot answer, the next
//! datagram is the probe, and counts as successful when the network accepts it.

use crate::format::TimeUnit;
use crate::send::{
    Breaker, BreakerConfig, BreakerState, Liveness, LivenessConfig, Packed, Permit, ReceiptError,
};
use crate::wire::receipt::Receipt;

/// What to do with a path at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Send whatever there is to send.
    Clear,
    /// Send [a probe](crate::send::Sender::probe) and nothing else.
    Probe,
    /// Send nothing before this time. An answer that arrives earlier clears the path.
    Wait(u64),
}

/// The path to one receiver: its circuit breaker and its signs of life, combined into a [`Way`].
///
/// Times are in the unit of the client's clock.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::send::{BreakerConfig, Path, Way};
///
/// // A receiver that cannot answer: only the network's refusals count.
/// let mut path = Path::new(BreakerConfig::new(2, 100, 1000), None, TimeUnit::Millis, 7);
/// assert_eq!(path.way(0), Way::Clear);
/// path.failed(0);
/// path.failed(0);
/// assert!(matches!(path.way(1), Way::Wait(_)));
/// ```
#[derive(Clone, Debug)]
pub struct Path {
    breaker: Breaker,
    /// `None` if the receiver cannot answer.
    liveness: Option<Liveness>,
    /// How long to wait for a probe's answer.
    probe_timeout: u64,
    /// The time since which the receiver has been probed.
    probing: Option<u64>,
}

/// How often a probe is repeated before the breaker opens again.
const PROBES: u32 = 4;

impl Path {
    /// Creates a path that has not been used yet. `liveness` is `None` if the receiver has no way to answer; `seed`
    /// should differ between senders.
    #[must_use]
    pub fn new(
        breaker: BreakerConfig,
        liveness: Option<&LivenessConfig>,
        unit: TimeUnit,
        seed: u32,
    ) -> Self {
        let probe_timeout = liveness
            .map_or(0, |config| super::config::units(config.retry.saturating_mul(PROBES), unit));
        Self {
            breaker: Breaker::new(breaker, seed),
            liveness: liveness.map(|config| Liveness::new(config, unit)),
            probe_timeout,
            probing: None,
        }
    }

    /// What to do at `now`.
    pub fn way(&mut self, now: u64) -> Way {
        let closed = self.breaker.state() == BreakerState::Closed;
        if closed && self.liveness.as_ref().is_some_and(|liveness| liveness.is_silent(now)) {
            self.breaker.trip(now);
        }
        if let Permit::Wait(until) = self.breaker.permit(now) {
            self.probing = None;
            return Way::Wait(until);
        }
        match &mut self.liveness {
            Some(liveness) if self.breaker.state() == BreakerState::HalfOpen => {
                let since = *self.probing.get_or_insert_with(|| {
                    // An answer to a question from before the path was closed says nothing about the present.
                    liveness.ask_anew();
                    now
                });
                let end = since.saturating_add(self.probe_timeout);
                if now >= end || now < since {
                    self.breaker.failed(now);
                    return self.way(now);
                }
                if liveness.is_due(now) {
                    Way::Probe
                } else {
                    Way::Wait(liveness.deadline().min(end))
                }
            }
            Some(liveness) if liveness.owes() && now >= liveness.deadline() => Way::Probe,
            _ => Way::Clear,
        }
    }

    /// Whether the next datagram should ask for a receipt.
    #[must_use]
    pub fn asks(&self, now: u64) -> bool {
        self.liveness.as_ref().is_some_and(|liveness| liveness.is_due(now))
    }

    /// The time to call [`way`](Self::way) again, whatever else there is to do, because an overdue answer is asked for
    /// again.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.liveness.as_ref().map_or(u64::MAX, Liveness::overdue_at)
    }

    /// Reports that the network accepted this datagram. That counts as a success only if the receiver cannot answer.
    pub fn handed(&mut self, packed: &Packed, now: u64) {
        match &mut self.liveness {
            Some(liveness) => liveness.handed(packed, now),
            None => self.breaker.succeeded(),
        }
    }

    /// Reports that this datagram was sent by another path, by which the same receiver may have got it.
    pub fn passed_by(&mut self, packed: &Packed) {
        if let Some(liveness) = &mut self.liveness {
            liveness.passed_by(packed);
        }
    }

    /// Reports that the network refused a datagram, for a reason other than a full buffer.
    pub fn failed(&mut self, now: u64) {
        self.breaker.failed(now);
    }

    /// Reports the receiver's answer.
    ///
    /// # Errors
    /// As [`Liveness::answered`], and [`ReceiptError::Unasked`] if the receiver cannot answer.
    pub fn answered(&mut self, receipt: &Receipt, now: u64) -> Result<(), ReceiptError> {
        let liveness = self.liveness.as_mut().ok_or(ReceiptError::Unasked)?;
        liveness.answered(receipt, now)?;
        self.breaker.succeeded();
        self.probing = None;
        Ok(())
    }

    /// Reports that the path has changed: earlier questions are no longer waited for, and the next datagram asks again.
    pub fn changed(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.ask_anew();
        }
    }

    /// Reports that nobody knows whether the path leads anywhere: the receiver, if it can answer, is probed before
    /// anything else is sent.
    pub fn doubt(&mut self) {
        if self.liveness.is_some() {
            self.breaker.probe();
            self.probing = None;
        }
    }

    /// Clears the path for one last attempt.
    pub fn try_again(&mut self) {
        self.breaker.close();
        self.changed();
    }

    /// The circuit breaker of this path.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What is known about the receiver; `None` if it cannot answer.
    #[must_use]
    pub fn liveness(&self) -> Option<&Liveness> {
        self.liveness.as_ref()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::time::Duration;

    const BREAKER: BreakerConfig = BreakerConfig::new(5, 100, 5000);
    const LIVENESS: LivenessConfig = LivenessConfig {
        interval: Duration::from_millis(1000),
        retry: Duration::from_millis(250),
        silence: Duration::from_millis(3000),
    };

    fn path() -> Path {
        Path::new(BREAKER, Some(&LIVENESS), TimeUnit::Millis, 1)
    }

    fn packed(sequence: u32, asks: bool) -> Packed {
        Packed { len: 40, sequence, asks, events: 1, recorded: None }
    }

    fn receipt(sequence: u32) -> Receipt {
        let datagrams = u64::from(sequence) + 1;
        Receipt { sender: 1, epoch: 1, sequence, instance: 1, first: 0, datagrams, events: 0 }
    }

    #[test]
    fn silence_closes_the_way_and_an_answer_clears_it() {
        let mut path = path();
        assert!(path.asks(0));
        path.handed(&packed(0, true), 0);
        assert_eq!(path.way(249), Way::Clear);
        assert_eq!(path.way(250), Way::Probe, "asked again");
        assert_eq!(path.way(2999), Way::Probe);
        let Way::Wait(until) = path.way(3000) else { panic!("nobody answered") };
        assert!((3075..=3125).contains(&until), "{until}");
        assert_eq!(path.way(until), Way::Probe);
        path.handed(&packed(1, true), until);
        assert_eq!(path.way(until + 1), Way::Wait(until + 250), "that one's answer is waited for");
        assert_eq!(path.answered(&receipt(0), until + 2), Err(ReceiptError::Unasked), "late news");
        path.answered(&receipt(1), until + 2).unwrap();
        assert_eq!(path.way(until + 2), Way::Clear);
        assert_eq!(path.breaker().times_opened(), 1);
    }

    #[test]
    fn in_doubt_nothing_but_a_probe_is_sent_until_it_is_answered() {
        let mut path = path();
        path.doubt();
        assert_eq!(path.way(0), Way::Probe);
        path.handed(&packed(0, true), 0);
        assert_eq!(path.way(1), Way::Wait(250));
        path.failed(2);
        assert!(matches!(path.way(3), Way::Wait(_)), "it was refused");
        path.doubt();
        assert_eq!(path.way(4), Way::Probe, "at once");
        path.handed(&packed(1, true), 4);
        path.answered(&receipt(1), 5).unwrap();
        assert_eq!(path.way(5), Way::Clear);

        let never = BreakerConfig { failures: 0, ..BREAKER };
        let mut path = Path::new(never, Some(&LIVENESS), TimeUnit::Millis, 1);
        path.doubt();
        assert_eq!(path.way(0), Way::Clear, "a breaker that is off does not open");
        let mut path = Path::new(BREAKER, None, TimeUnit::Millis, 1);
        path.doubt();
        assert_eq!(path.way(0), Way::Clear, "nobody to ask");
    }

    #[test]
    fn probes_that_nobody_answers_are_ever_fewer() {
        let mut path = path();
        path.handed(&packed(0, true), 0);
        let (mut probes, mut now, mut sequence) = (0, 3000, 1);
        while now < 63_000 {
            match path.way(now) {
                Way::Clear => panic!("nobody has answered"),
                Way::Probe => {
                    path.handed(&packed(sequence, true), now);
                    (probes, sequence) = (probes + 1, sequence + 1);
                }
                Way::Wait(until) => {
                    assert!(until > now);
                    now = until;
                }
            }
        }
        assert!((40..=80).contains(&probes), "{probes} in a minute");
        assert_eq!(path.liveness().unwrap().unconfirmed(), sequence.into());
    }

    #[test]
    fn who_cannot_be_asked_is_believed() {
        let mut path = Path::new(BREAKER, None, TimeUnit::Millis, 1);
        assert!(!path.asks(0));
        path.handed(&packed(0, false), 0);
        assert_eq!(path.way(1_000_000), Way::Clear);
        (0..5).for_each(|_| path.failed(0));
        let Way::Wait(until) = path.way(0) else { panic!("five failures in a row") };
        assert_eq!(path.way(until), Way::Clear, "the next datagram is the probe");
        path.handed(&packed(1, false), until);
        assert_eq!(path.breaker().state(), BreakerState::Closed);
        assert_eq!(path.answered(&receipt(1), until), Err(ReceiptError::Unasked));
    }
}
