//! The ways to the receivers: one, or two for redundant sending, each with a circuit breaker of its own.

use std::sync::Arc;

use ringstat_core::send::{
    Breaker, BreakerConfig, BreakerState, Permit, Pool, SendError, Transport,
};

use crate::client::{RepliesFn, TransportFn};
use crate::resolve::Target;
use crate::udp::{MAX_SEGMENTS, Udp};

/// The datagrams that wait to be sent.
pub(crate) type Datagrams = Pool<Box<[u8]>, MAX_SEGMENTS>;

/// Where datagrams go.
pub(crate) enum Outlet {
    Udp(Udp, Target),
    /// With what gives the receiver's replies, if it replies.
    Custom(Arc<TransportFn>, Option<Arc<RepliesFn>>),
}

impl Outlet {
    fn send(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        match self {
            Self::Udp(udp, _) => udp.send(bytes),
            Self::Custom(transport, _) => transport(bytes),
        }
    }

    /// Has the kernel cut trains into datagrams, or not. Returns whether it ever did.
    fn set_segmentation(&mut self, on: bool) -> bool {
        match self {
            Self::Udp(udp, ..) => udp.set_segmentation(on),
            Self::Custom(..) => false,
        }
    }

    /// How many datagrams of `payload` bytes it takes in one call.
    pub(crate) fn segments(&self, payload: usize) -> usize {
        match self {
            Self::Udp(udp, _) => udp.segments(payload),
            Self::Custom(..) => 1,
        }
    }

    /// Whether the receiver's replies can be heard.
    pub(crate) fn hears(&self) -> bool {
        !matches!(self, Self::Custom(_, None))
    }

    /// The next reply, if one waits; its length.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        match self {
            Self::Udp(udp, _) => udp.receive(buf),
            Self::Custom(_, replies) => replies.as_ref().and_then(|replies| replies(buf)),
        }
    }
}

/// What a route made of the datagrams in the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handed {
    /// It took all.
    Taken,
    /// It took those whose bits are set, and will not take the others.
    Some(u64),
    /// Its buffer is full, or its breaker open: the same again later.
    Later,
    /// It will never take them.
    Never,
}

/// Counts over all routes.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    /// Attempts to send.
    pub(crate) sends: u64,
    /// Attempts that failed, backpressure aside.
    pub(crate) errors: u64,
    /// Attempts that met a full socket buffer.
    pub(crate) backpressure: u64,
    /// Replies that were no acknowledgement of ours.
    pub(crate) bad_replies: u64,
}

/// One way to a receiver.
pub(crate) struct Route {
    outlet: Outlet,
    breaker: Breaker,
    /// Whether a datagram may be sent twice.
    repeats: bool,
    /// When the half-open breaker's probe was sent.
    probed: Option<u64>,
    /// Refusals that the breaker knows of.
    refusals_seen: u64,
    /// Until then datagrams go one by one, since trains of them do not.
    singly_until: Option<u64>,
}

/// So long datagrams go one by one before trains are tried again, in nanoseconds.
const SINGLY: u64 = 60_000_000_000;

/// So long the answer to a probe may take, in nanoseconds.
const PROBE_WAIT: u64 = 10_000_000;

/// So many failures in a row open the circuit breaker.
const BREAKER_FAILURES: u32 = 5;

impl Route {
    /// `backoff` is the first and the longest time for which the breaker stays open, in nanoseconds; `repeats` says that
    /// the receiver drops a datagram that it had before.
    pub(crate) fn new(
        outlet: Outlet,
        (backoff, backoff_max): (u64, u64),
        seed: u32,
        repeats: bool,
    ) -> Self {
        let config = BreakerConfig { failures: BREAKER_FAILURES, backoff, backoff_max };
        Self {
            outlet,
            breaker: Breaker::new(config, seed),
            repeats,
            probed: None,
            refusals_seen: 0,
            singly_until: None,
        }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Whether it may be tried now.
    pub(crate) fn permits(&mut self, now: u64) -> bool {
        self.breaker.permit(now) == Permit::Send
    }

    /// Closes the breaker, for a last try.
    pub(crate) fn try_again(&mut self) {
        self.breaker.succeeded();
    }

    /// Sends what the pool holds.
    ///
    /// A UDP socket takes a datagram for a receiver that is not there, too, and says so only afterwards. So a probe
    /// counts as a success when no refusal has followed for a while; what it carried is kept until then, and sent again,
    /// where receivers drop duplicates.
    pub(crate) fn send(&mut self, pool: &Datagrams, now: u64, tally: &mut Tally) -> Handed {
        if !self.permits(now) {
            self.look_up(true);
            return Handed::Later;
        }
        if self.repeats
            && self.breaker.state() == BreakerState::HalfOpen
            && let Outlet::Udp(udp, _) = &mut self.outlet
        {
            match self.probed {
                // What is left of the time before says nothing about now.
                None => {
                    udp.take_refusal();
                    self.refusals_seen = udp.refusals();
                }
                Some(at) if now.saturating_sub(at) < PROBE_WAIT => return Handed::Later,
                Some(_) => {
                    self.probed = None;
                    let refused = udp.take_refusal();
                    self.refusals_seen = udp.refusals();
                    if refused {
                        return self.failed(now, tally);
                    }
                    self.breaker.succeeded();
                }
            }
        }
        tally.sends += 1;
        let sent = self.hand_over(pool, now, tally);
        let refusals = self.refusals();
        let refused = std::mem::replace(&mut self.refusals_seen, refusals) < refusals;
        if refused {
            tally.errors += 1;
            self.breaker.failed(now);
        }
        let handed = match sent {
            Ok(taken) if refused => taken,
            Ok(_) if self.repeats && self.is_probing() => {
                self.probed = Some(now);
                return Handed::Later;
            }
            Ok(taken) => {
                self.breaker.succeeded();
                taken
            }
            // The ring waits, and its policy decides.
            Err(e) if e.is_backpressure() => {
                tally.backpressure += 1;
                return Handed::Later;
            }
            // Too large: no way will ever carry it, and that says nothing about the way.
            Err(e) if e.is_permanent() => {
                tally.errors += 1;
                Handed::Never
            }
            // Nothing left the machine, so nothing is lost yet: it is the probe when the breaker lets one through.
            Err(_) => return self.failed(now, tally),
        };
        self.look_up(false);
        handed
    }

    fn failed(&mut self, now: u64, tally: &mut Tally) -> Handed {
        tally.errors += 1;
        self.breaker.failed(now);
        self.look_up(true);
        Handed::Later
    }

    /// Whether what is sent is a probe whose answer is still to come.
    fn is_probing(&self) -> bool {
        self.breaker.state() == BreakerState::HalfOpen && matches!(self.outlet, Outlet::Udp(..))
    }

    fn refusals(&self) -> u64 {
        match &self.outlet {
            Outlet::Udp(udp, _) => udp.refusals(),
            Outlet::Custom(..) => 0,
        }
    }

    /// The next reply of the receiver, if one waits; its length.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.outlet.receive(buf)
    }

    /// Hands the pool to the socket: as one train where the kernel cuts it into datagrams.
    fn hand_over(
        &mut self,
        pool: &Datagrams,
        now: u64,
        tally: &mut Tally,
    ) -> Result<Handed, SendError> {
        if self.singly_until.is_some_and(|until| now >= until) {
            self.outlet.set_segmentation(true);
            self.singly_until = None;
        }
        if self.singly_until.is_none() {
            match self.outlet.send(pool.bytes()) {
                Ok(()) => return Ok(Handed::Taken),
                // The link's packets have become smaller than a segment, or a device takes segmentation and then does
                // not do it. What goes singly the kernel can cut into fragments.
                Err(SendError::TooLarge | SendError::Other)
                    if self.outlet.set_segmentation(false) =>
                {
                    self.singly_until = Some(now.saturating_add(SINGLY));
                }
                Err(e) => return Err(e),
            }
        }
        self.send_each(pool, tally)
    }

    fn send_each(&mut self, pool: &Datagrams, tally: &mut Tally) -> Result<Handed, SendError> {
        let mut taken = 0;
        for (i, (_, bytes)) in pool.datagrams().enumerate() {
            match self.outlet.send(bytes) {
                Ok(()) => taken |= 1 << i,
                // All of them again, later, where the receiver drops those that it had.
                Err(e) if !e.is_permanent() && (self.repeats || taken == 0) => return Err(e),
                Err(_) => tally.errors += 1,
            }
        }
        Ok(Handed::Some(taken))
    }

    /// Moves to another address when the receiver's name has one.
    pub(crate) fn look_up(&mut self, failed: bool) {
        let Outlet::Udp(udp, target) = &mut self.outlet else { return };
        if let Some(moved) = target.poll(udp.peer(), failed)
            && let Ok(connected) = udp.reconnect(moved)
        {
            *udp = connected;
            self.singly_until = None;
        }
    }
}
