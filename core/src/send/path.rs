//! The way to one receiver: whether to send on it now, and what became of what was sent.
//!
//! A [`Path`] puts a [`Breaker`] and the receiver's [`Liveness`] together, so that both adapters judge alike:
//!
//! ```text
//!            failures in a row, or silence               backoff is over
//!  Clear ─────────────────────────────────────► Wait ─────────────────────► Probe
//!    ▲                                            ▲      no answer in time     │
//!    │                                            └────────────────────────────┤
//!    └──────────────────────────────── an answer ──────────────────────────────┘
//! ```
//!
//! A probe is an empty datagram that asks for a receipt, so that no event is spent on finding out. One also goes out when an
//! answer is late, since there may be nothing else to ask with. Where the receiver
//! cannot answer, the next datagram is the probe, and counts as good when the network takes it.

use crate::format::TimeUnit;
use crate::send::{
    Breaker, BreakerConfig, BreakerState, Liveness, LivenessConfig, Packed, Permit, ReceiptError,
};
use crate::wire::receipt::Receipt;

/// What to do with a path now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Send what there is.
    Clear,
    /// Send [a probe](crate::send::Sender::probe) and nothing else.
    Probe,
    /// Send nothing before this time. An answer that comes before clears the way.
    Wait(u64),
}

/// The way to one receiver: its circuit breaker and its signs of life, judged together by [`Way`].
///
/// Times are in the unit of the client's clock.
#[derive(Clone, Debug)]
pub struct Path {
    breaker: Breaker,
    /// `None` where the receiver cannot answer.
    liveness: Option<Liveness>,
    /// How long a probe's answer is waited for.
    patience: u64,
    /// Since when it is probed.
    probing: Option<u64>,
}

/// Probes are repeated so often before the breaker opens again.
const PROBES: u32 = 4;

impl Path {
    /// A path that was not used yet. `liveness` is `None` where the receiver has no way to answer; `seed` should differ
    /// between senders.
    #[must_use]
    pub fn new(
        breaker: BreakerConfig,
        liveness: Option<&LivenessConfig>,
        unit: TimeUnit,
        seed: u32,
    ) -> Self {
        let patience = liveness
            .map_or(0, |config| super::config::units(config.retry.saturating_mul(PROBES), unit));
        Self {
            breaker: Breaker::new(breaker, seed),
            liveness: liveness.map(|config| Liveness::new(config, unit)),
            patience,
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
                    // An answer to what was asked before the way was closed says nothing about now.
                    liveness.ask_anew();
                    now
                });
                let end = since.saturating_add(self.patience);
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
            Some(liveness) if liveness.retry_at().is_some_and(|at| now >= at) => Way::Probe,
            _ => Way::Clear,
        }
    }

    /// Whether the next datagram should ask for a receipt.
    #[must_use]
    pub fn asks(&self, now: u64) -> bool {
        self.liveness.as_ref().is_some_and(|liveness| liveness.is_due(now))
    }

    /// When to look again, whatever else there is to do: an answer is owed, and is asked for again.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        let Some(liveness) = &self.liveness else { return u64::MAX };
        let both = [liveness.retry_at(), liveness.silent_at()];
        both.into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// The network took this datagram. That is a success only where there is nobody to say more.
    pub fn handed(&mut self, packed: &Packed, now: u64) {
        match &mut self.liveness {
            Some(liveness) => liveness.handed(packed, now),
            None => self.breaker.succeeded(),
        }
    }

    /// This datagram went another way, by which the same receiver may have got it.
    pub fn passed_by(&mut self, packed: &Packed) {
        if let Some(liveness) = &mut self.liveness {
            liveness.passed_by(packed);
        }
    }

    /// The network refused a datagram, for another reason than a full buffer.
    pub fn failed(&mut self, now: u64) {
        self.breaker.failed(now);
    }

    /// The receiver answered.
    ///
    /// # Errors
    /// As of [`Liveness::answered`]; [`ReceiptError::Unasked`] where nothing is ever asked.
    pub fn answered(&mut self, receipt: &Receipt, now: u64) -> Result<(), ReceiptError> {
        let liveness = self.liveness.as_mut().ok_or(ReceiptError::Unasked)?;
        liveness.answered(receipt, now)?;
        self.breaker.succeeded();
        self.probing = None;
        Ok(())
    }

    /// The way has changed: what was asked before is no longer waited for, and the next datagram asks anew.
    pub fn changed(&mut self) {
        if let Some(liveness) = &mut self.liveness {
            liveness.ask_anew();
        }
    }

    /// Clears the way, for a last try.
    pub fn try_again(&mut self) {
        self.breaker.close();
        self.changed();
    }

    /// Its circuit breaker.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What is known of the receiver; `None` where it cannot answer.
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
