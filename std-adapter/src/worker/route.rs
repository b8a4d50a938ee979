//! The ways to the receivers: one, or two for redundant sending, each with a circuit breaker of its own.

use ringstat_core::send::{
    Breaker, BreakerConfig, BreakerState, Permit, Pool, SendError, Transport,
};

use crate::transport::MAX_SEGMENTS;

/// The datagrams that wait to be sent.
pub(crate) type Datagrams = Pool<Box<[u8]>, MAX_SEGMENTS>;

/// Whatever datagrams go through.
pub(crate) type AnyTransport = Box<dyn Transport + Send>;

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

/// What the worker counts, over all routes.
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
    /// Groups of datagrams handed over together.
    pub(crate) batches: u64,
    /// How often the worker woke up.
    pub(crate) wakes: u64,
}

/// One way to a receiver.
pub(crate) struct Route {
    transport: AnyTransport,
    breaker: Breaker,
    /// Whether a datagram may be sent twice.
    repeats: bool,
    /// When the half-open breaker's probe was sent.
    probed: Option<u64>,
    /// The system has said that nobody listened to an earlier datagram.
    refused: bool,
}

/// So long the answer to a probe may take, in nanoseconds.
const PROBE_WAIT: u64 = 10_000_000;

/// So many failures in a row open the circuit breaker.
const BREAKER_FAILURES: u32 = 5;

impl Route {
    /// `backoff` is the first and the longest time for which the breaker stays open, in nanoseconds; `repeats` says that
    /// the receiver drops a datagram that it had before.
    pub(crate) fn new(
        transport: AnyTransport,
        (backoff, backoff_max): (u64, u64),
        seed: u32,
        repeats: bool,
    ) -> Self {
        let config = BreakerConfig { failures: BREAKER_FAILURES, backoff, backoff_max };
        let breaker = Breaker::new(config, seed);
        Self { transport, breaker, repeats, probed: None, refused: false }
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Until when nothing may be sent this way, if nothing may.
    pub(crate) fn opens(&mut self, now: u64) -> Option<u64> {
        match self.breaker.permit(now) {
            Permit::Send => None,
            Permit::Wait(until) => Some(until),
        }
    }

    /// Closes the breaker, for a last try.
    pub(crate) fn try_again(&mut self) {
        self.breaker.succeeded();
    }

    /// Whether a probe is on its way whose answer is to be heard.
    pub(crate) fn is_probing(&self) -> bool {
        self.probed.is_some()
    }

    /// The next reply of the receiver, if one waits; its length.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        loop {
            match self.transport.receive(buf) {
                Ok(length) => return Some(length),
                // Said once for each datagram that met nobody, and a reply may wait behind it.
                Err(SendError::Refused) if !self.refused => self.refused = true,
                Err(_) => return None,
            }
        }
    }

    /// Sends what the pool holds.
    ///
    /// A UDP socket takes a datagram for a receiver that is not there, too, and says so only afterwards. So a probe
    /// counts as a success when no refusal has followed for a while; what it carried is kept until then, and sent again,
    /// where receivers drop duplicates.
    pub(crate) fn send(&mut self, pool: &Datagrams, now: u64, tally: &mut Tally) -> Handed {
        if self.opens(now).is_some() {
            return Handed::Later;
        }
        let probes = self.breaker.state() == BreakerState::HalfOpen
            && self.repeats
            && self.transport.hears();
        if probes && let Some(at) = self.probed {
            if std::mem::take(&mut self.refused) {
                return self.failed(now, tally);
            }
            if now.saturating_sub(at) < PROBE_WAIT {
                return Handed::Later;
            }
            self.probed = None;
            self.breaker.succeeded();
        }
        let probes = probes && self.breaker.state() == BreakerState::HalfOpen;
        tally.sends += 1;
        let sent = self.hand_over(pool, tally);
        // What is left of the time before a probe says nothing about now.
        let refused = std::mem::take(&mut self.refused) && !probes;
        if refused {
            tally.errors += 1;
            self.fail(now);
        }
        match sent {
            Ok(taken) if refused => taken,
            Ok(_) if probes => {
                self.probed = Some(now);
                Handed::Later
            }
            Ok(taken) => {
                self.breaker.succeeded();
                taken
            }
            // The ring waits, and its policy decides.
            Err(e) if e.is_backpressure() => {
                tally.backpressure += 1;
                Handed::Later
            }
            // Too large: no way will ever carry it, and that says nothing about the way.
            Err(e) if e.is_permanent() => {
                tally.errors += 1;
                Handed::Never
            }
            // Nothing left the machine, so nothing is lost yet: it is the probe when the breaker lets one through.
            Err(_) => self.failed(now, tally),
        }
    }

    fn failed(&mut self, now: u64, tally: &mut Tally) -> Handed {
        tally.errors += 1;
        self.fail(now);
        Handed::Later
    }

    /// Tells the breaker of a failure, and the transport when that opens it: another address may do.
    fn fail(&mut self, now: u64) {
        self.probed = None;
        let opened = self.breaker.times_opened();
        self.breaker.failed(now);
        if self.breaker.times_opened() > opened {
            self.transport.reconnect();
        }
    }

    /// Hands the pool to the transport: in one call where it takes so many datagrams.
    fn hand_over(&mut self, pool: &Datagrams, tally: &mut Tally) -> Result<Handed, SendError> {
        let size = pool.place_size();
        match self.again_if_refused(|transport| transport.send_segments(pool.bytes(), size)) {
            Ok(()) => Ok(Handed::Taken),
            Err(SendError::TooLarge) if pool.held().len() > 1 => self.send_each(pool, tally),
            Err(e) => Err(e),
        }
    }

    fn send_each(&mut self, pool: &Datagrams, tally: &mut Tally) -> Result<Handed, SendError> {
        let mut taken = 0;
        for (i, (_, bytes)) in pool.datagrams().enumerate() {
            match self.again_if_refused(|transport| transport.send(bytes)) {
                Ok(()) => taken |= 1 << i,
                // All of them again, later, where the receiver drops those that it had.
                Err(e) if !e.is_permanent() && (self.repeats || taken == 0) => return Err(e),
                Err(_) => tally.errors += 1,
            }
        }
        Ok(Handed::Some(taken))
    }

    /// A refusal answers an earlier datagram, and this one was not sent: it is tried again at once.
    fn again_if_refused(
        &mut self,
        mut send: impl FnMut(&mut AnyTransport) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        match send(&mut self.transport) {
            Err(SendError::Refused) => {
                self.refused = true;
                send(&mut self.transport)
            }
            result => result,
        }
    }
}
