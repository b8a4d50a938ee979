//! The routes to the receivers: one, or two for redundant sending, each with a circuit breaker and signs of life of its
//! own.

use ringstat_core::format::TimeUnit;
use ringstat_core::send::{
    Breaker, BreakerConfig, BreakerState, Liveness, LivenessConfig, Packed, Path, Pool, SendError,
    Transport, Way,
};
use ringstat_core::wire::receipt::Receipt;

use super::guard::Guarded;
use crate::config::MAX_SEGMENTS;

/// The datagrams that wait to be sent.
pub(crate) type Datagrams = Pool<Box<[u8]>, MAX_SEGMENTS>;

/// Any transport.
pub(crate) type AnyTransport = Box<dyn Transport + Send>;

/// What a route did with the datagrams in the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handed {
    /// It accepted all of them.
    Taken,
    /// It accepted those whose bits are set, and will not accept the others.
    Some(u64),
    /// Its buffer is full or its breaker is open: try the same again later.
    Later,
    /// It will never accept them.
    Never,
}

/// What the worker counts, over all routes.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    /// Attempts to send.
    pub(crate) sends: u64,
    /// Attempts that failed, not counting backpressure.
    pub(crate) errors: u64,
    /// Attempts that met a full socket buffer.
    pub(crate) backpressure: u64,
    /// Replies that were not acknowledgements for this client.
    pub(crate) bad_replies: u64,
    /// Groups of datagrams sent together.
    pub(crate) batches: u64,
    /// How often the worker woke up.
    pub(crate) wakes: u64,
}

/// One route to a receiver.
pub(crate) struct Route {
    transport: Guarded,
    path: Path,
    /// Whether a datagram may be sent twice.
    repeats: bool,
    /// Whether a refusal was reported with the last send.
    in_doubt: bool,
    /// Whether the system has reported that nobody listened to an earlier datagram.
    refused: bool,
    /// When the receiver was asked first since its last answer.
    unanswered: Option<u64>,
    /// How many of the receiver's addresses have not been tried yet. None of them once one has answered.
    untried: usize,
}

impl Route {
    /// Creates a route. `repeats` says that the receiver drops duplicates. `liveness` is `None` if the receiver cannot
    /// answer.
    pub(crate) fn new(
        transport: Guarded,
        breaker: BreakerConfig,
        seed: u32,
        repeats: bool,
        liveness: Option<&LivenessConfig>,
    ) -> Self {
        // If the transport cannot receive, nothing is asked for.
        let liveness = liveness.filter(|_| transport.hears());
        let path = Path::new(breaker, liveness, TimeUnit::Nanos, seed);
        let mut route = Self {
            transport,
            path,
            repeats,
            in_doubt: false,
            refused: false,
            unanswered: None,
            untried: 0,
        };
        route.ask_each();
        route
    }

    /// If the receiver has several addresses, asks them in turn for a sign of life before anything else is sent.
    fn ask_each(&mut self) {
        self.untried = self.transport.alternatives();
        if self.untried > 0 {
            self.path.doubt();
        }
    }

    /// Closes the transport.
    pub(crate) fn close(&mut self) {
        self.transport.close();
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        self.path.breaker()
    }

    /// What is known about the receiver; `None` if it cannot answer.
    pub(crate) fn liveness(&self) -> Option<&Liveness> {
        self.path.liveness()
    }

    /// What to do with the route now. If silence has closed it, the transport is told, because another address may
    /// work.
    pub(crate) fn way(&mut self, now: u64) -> Way {
        let opened = self.breaker().times_opened();
        let way = self.path.way(now);
        self.reconnect_if_opened(opened);
        way
    }

    /// Whether the next datagram should ask the receiver for a sign of life.
    pub(crate) fn asks(&self, now: u64) -> bool {
        self.path.asks(now)
    }

    /// How long the receiver has owed an answer, in nanoseconds, counted from the first question since its last answer.
    pub(crate) fn silence(&self, now: u64) -> u64 {
        self.unanswered.map_or(0, |since| now.saturating_sub(since))
    }

    /// How often the transport panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.transport.panics()
    }

    /// Clears the route for one last attempt. If the receiver has several addresses, they are asked first.
    pub(crate) fn try_again(&mut self) {
        self.path.try_again();
        self.ask_each();
    }

    /// Clears the route, whether anybody has answered or not.
    pub(crate) fn insist(&mut self) {
        if !self.is_clear() {
            self.path.try_again();
        }
    }

    /// Whether nothing speaks against sending.
    pub(crate) fn is_clear(&self) -> bool {
        self.breaker().state() == BreakerState::Closed
    }

    /// Whether the receiver owes an answer.
    pub(crate) fn awaits(&self) -> bool {
        self.liveness().is_some_and(Liveness::owes)
    }

    /// Takes the receiver's sign of life. Returns whether it answers a question that was asked.
    pub(crate) fn answered(&mut self, receipt: &Receipt, now: u64) -> bool {
        let answers = self.path.answered(receipt, now).is_ok();
        if answers {
            (self.unanswered, self.untried) = (None, 0);
        }
        answers
    }

    /// Sends a single datagram, a probe. Returns whether the network accepted it.
    pub(crate) fn probe(
        &mut self,
        packed: &Packed,
        bytes: &[u8],
        now: u64,
        tally: &mut Tally,
    ) -> bool {
        tally.sends += 1;
        let sent = self.again_if_refused(|transport| transport.send(bytes));
        // Up to now, a refusal was the answer to an earlier datagram.
        self.refused = false;
        match sent {
            Ok(()) => self.left(packed, now),
            Err(e) if e.is_backpressure() => {
                tally.backpressure += 1;
                return false;
            }
            Err(_) => {
                let _ = self.failed(now, tally);
                return false;
            }
        }
        true
    }

    /// Receives the next reply, if one waits, and returns its length.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        loop {
            match self.transport.receive(buf) {
                Ok(length) => return Some(length),
                // Reported once for each datagram that nobody received; a reply may wait behind it.
                Err(SendError::Refused) if !self.refused => self.refused = true,
                Err(_) => return None,
            }
        }
    }

    /// Reports that no more replies wait. A refusal is the answer to a probe.
    pub(crate) fn heard(&mut self, now: u64) {
        if self.breaker().state() == BreakerState::HalfOpen && std::mem::take(&mut self.refused) {
            self.fail(now);
        }
    }

    /// Sends the contents of the pool if the route is clear.
    pub(crate) fn send(&mut self, pool: &Datagrams, now: u64, tally: &mut Tally) -> Handed {
        if self.way(now) == Way::Clear || self.is_clear() {
            tally.sends += 1;
        } else {
            return Handed::Later;
        }
        let sent = self.hand_over(pool, tally);
        let refused = std::mem::take(&mut self.refused);
        // The refusal answers an earlier datagram: that the network accepted this one proves nothing better.
        self.in_doubt = refused;
        if refused {
            tally.errors += 1;
            self.fail(now);
        }
        match sent {
            Ok(handed) => handed,
            // The events wait in the ring, and its policy decides.
            Err(e) if e.is_backpressure() => {
                tally.backpressure += 1;
                Handed::Later
            }
            // Too large: no route will ever carry it, but that says nothing about the route.
            Err(e) if e.is_permanent() => {
                tally.errors += 1;
                Handed::Never
            }
            // Nothing left the machine, so nothing is lost yet.
            Err(_) => self.failed(now, tally),
        }
    }

    /// Reports that the network accepted this datagram from [`send`](Self::send), or that another route did.
    pub(crate) fn handed(&mut self, packed: &Packed, now: u64) {
        // If nobody answers, only what is accepted without a refusal is a success.
        if self.liveness().is_some() || !self.in_doubt {
            self.left(packed, now);
        }
    }

    /// The network took this datagram.
    fn left(&mut self, packed: &Packed, now: u64) {
        self.path.handed(packed, now);
        if packed.asks && self.liveness().is_some() {
            self.unanswered.get_or_insert(now);
        }
    }

    /// Reports that another route sent this datagram and this one did not.
    pub(crate) fn passed_by(&mut self, packed: &Packed) {
        self.path.passed_by(packed);
    }

    fn failed(&mut self, now: u64, tally: &mut Tally) -> Handed {
        tally.errors += 1;
        self.fail(now);
        Handed::Later
    }

    /// Reports a failure to the breaker.
    fn fail(&mut self, now: u64) {
        let opened = self.breaker().times_opened();
        self.path.failed(now);
        self.reconnect_if_opened(opened);
    }

    /// Tells the transport if the breaker has just opened, because another address may work. One that has not been tried
    /// yet is asked at once.
    fn reconnect_if_opened(&mut self, before: u64) {
        if self.breaker().times_opened() > before {
            self.transport.reconnect();
            if self.untried > 0 {
                self.untried -= 1;
                self.path.doubt();
            }
        }
    }

    /// Passes the pool to the transport, in one call if it accepts that many datagrams.
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
                // All of them are sent again later, if the receiver drops duplicates.
                Err(e) if !e.is_permanent() && (self.repeats || taken == 0) => return Err(e),
                Err(_) => tally.errors += 1,
            }
        }
        Ok(Handed::Some(taken))
    }

    /// A refusal answers an earlier datagram and this one was not sent, so it is tried again at once.
    fn again_if_refused(
        &mut self,
        mut send: impl FnMut(&mut Guarded) -> Result<(), SendError>,
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
