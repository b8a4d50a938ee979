//! One round of the worker: receive, pack, send.

use std::time::Instant;

use ringstat_core::format::Format;
use ringstat_core::format::PAYLOAD_MIN;
use ringstat_core::ledger::Cause;
use ringstat_core::ring::Source;
use ringstat_core::send::{BreakerState, Inputs, Liveness, Packed, Step, Time, Way};
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;

use super::Worker;
use super::aggregate::Aggregated;
use super::route::{Handed, Route};
use crate::rings::Consumer;

/// What to do after a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Another round at once, because there may be more to do.
    Again,
    /// The same again soon, because nobody announces when it will be possible: a full socket buffer, an expected reply.
    Retry,
    /// Nothing until this time of the monotonic clock, unless events arrive. It is `urgent` if events wait for it;
    /// otherwise a little later is fine.
    Wait { until: u64, urgent: bool },
}

/// The interval at which to look for a probe's answer, in nanoseconds.
const PROBE_LOOK: u64 = 10_000_000;

/// The largest number of routes: one, or two for redundant sending.
const ROUTES: usize = 2;

/// Whether there is more to pack.
enum Due {
    Now,
    /// Nothing until this time, unless events arrive.
    At(u64),
}

impl<E: Format> Worker<E> {
    /// Packs and sends once.
    pub(super) fn round(&mut self, events: &mut Consumer) -> Next {
        let now = self.shared.clock.advance();
        self.observe(events, now);
        self.hear(now);
        if let Some(mut critical) = self.shared.rings.critical() {
            self.sender.keep(now, &mut critical);
        }
        // While every path is closed, everything waits in the ring, where the drop policy applies to it.
        if let Some(until) = self.closed(now) {
            self.publish();
            let wait = Next::Wait { until, urgent: true };
            return if self.flushing.is_some() { Next::Retry } else { wait };
        }
        if self.routes.iter().any(|route| route.asks(now.monotonic)) {
            self.sender.ask();
        }
        let due = self.pack(events, now);
        let sent = self.pool.is_empty() || self.send(now);
        self.publish();
        let Due::At(until) = due else { return if sent { Next::Again } else { Next::Retry } };
        let unacknowledged = self.sender.unacknowledged() > 0;
        if sent && !unacknowledged && self.flushing.is_some() && self.has_merged() {
            // Once is enough: everything recorded before the flush has left the rings by now.
            self.merged_before = u64::MAX;
            self.sender.flush();
            return Next::Again;
        }
        if sent
            && !unacknowledged
            && let Some(flush) = self.flushing.take()
        {
            self.shared.control.lock().flush_done = flush;
            self.shared.control.changed();
        }
        if !sent || self.flushing.is_some() {
            return Next::Retry;
        }
        Next::Wait { until, urgent: unacknowledged || events.len() > 0 }
    }

    /// If every path is closed, the time until which they are. A receiver in doubt is probed.
    fn closed(&mut self, now: Time) -> Option<u64> {
        let (mut clear, mut doubt, mut until) = (false, false, u64::MAX);
        for route in &mut self.routes {
            match route.way(now.monotonic) {
                Way::Clear => clear = true,
                Way::Probe => {
                    doubt = true;
                    // The answer may only be late: until it is overdue, the path is not closed.
                    clear |= route.is_clear();
                }
                Way::Wait(at) => until = until.min(at),
            }
            if route.breaker().state() == BreakerState::HalfOpen {
                until = until.min(now.monotonic + PROBE_LOOK);
            }
        }
        if doubt {
            self.probe(now);
        }
        (!clear).then_some(until)
    }

    /// Asks every receiver for a sign of life, without risking an event.
    pub(super) fn probe(&mut self, now: Time) {
        let mut buf = [0; PAYLOAD_MIN];
        let dropped = self.shared.rings.drops().total();
        if let Some(packed) = self.sender.probe(now, dropped, &mut buf) {
            self.send_apart(packed, &buf, now);
        }
    }

    /// The same, and tells every receiver that nothing follows. Returns whether the network took it.
    pub(super) fn goodbye(&mut self, now: Time) -> bool {
        let mut buf = [0; PAYLOAD_MIN];
        let dropped = self.shared.rings.drops().total();
        let packed = self.sender.goodbye(now, dropped, &mut buf);
        packed.is_some_and(|packed| self.send_apart(packed, &buf, now))
    }

    /// Sends a datagram without records on every route.
    fn send_apart(&mut self, packed: Packed, buf: &[u8], now: Time) -> bool {
        let (mut taken, mut missed) = (false, Vec::new());
        for route in &mut self.routes {
            if !matches!(route.way(now.monotonic), Way::Wait(_))
                && route.probe(&packed, &buf[..packed.len], now.monotonic, &mut self.tally)
            {
                taken = true;
            } else {
                missed.push(route);
            }
        }
        if taken {
            missed.into_iter().for_each(|route| route.passed_by(&packed));
            self.sender.sent(packed);
        } else {
            self.sender.withdraw(packed);
        }
        taken
    }

    /// Receives acknowledgements and signs of life.
    fn hear(&mut self, now: Time) {
        // More replies than this in one round would not be answers to us.
        const REPLIES: usize = 64;
        if self.sender.unacknowledged() == 0 && !self.routes.iter().any(Route::awaits) {
            return;
        }
        // One byte more than the longest reply, to recognize longer ones.
        let mut buf = [0; Ack::MAX_LEN + 1];
        for route in &mut self.routes {
            for _ in 0..REPLIES {
                let Some(length) = route.receive(&mut buf) else { break };
                let reply = &buf[..length];
                let taken = if Receipt::is_one(reply) {
                    let receipt = self.sender.receipt(reply);
                    receipt.is_ok_and(|receipt| route.answered(&receipt, now.monotonic))
                } else {
                    self.sender.acknowledged(reply, &self.shared.said()).is_ok()
                };
                self.tally.bad_replies += u64::from(!taken);
            }
            route.heard(now.monotonic);
        }
        self.confirm();
    }

    /// Reports to the sender what is known about the events that left.
    fn confirm(&mut self) {
        let totals = self.sender.totals();
        let left = totals.sent - totals.acknowledged;
        match &self.routes[..] {
            [route] => {
                let Some(liveness) = route.liveness() else { return };
                self.sender.confirmed(liveness.unconfirmed(), liveness.lost());
            }
            // What one receiver misses, the other may have: only what the better one is known to have is certain.
            routes => {
                let arrived = routes.iter().map(|route| route.liveness().map(Liveness::arrived));
                let Some(most) = arrived.max().flatten() else { return };
                self.sender.confirmed(left.saturating_sub(most), 0);
            }
        }
    }

    /// Fills the pool with datagrams.
    fn pack(&mut self, events: &mut Consumer, now: Time) -> Due {
        let registry = self.shared.registry.walk();
        let names = &self.shared.said();
        let aggregate = self.aggregate.as_mut();
        let mut events = Aggregated { events, aggregate, registry: &registry, names };
        let mut inputs = Inputs {
            events: &mut events,
            instruments: &registry,
            names,
            dropped: self.shared.rings.drops().total(),
        };
        while self.pool.held().len() < self.pool.capacity() {
            let Some(room) = self.pool.place() else { return Due::Now };
            match self.sender.poll(now, &mut inputs, room) {
                Step::Wait(until) => return Due::At(until),
                Step::Send(packed) => {
                    if let Some(recorded) = packed.recorded {
                        self.shared.timings.in_buffer.record(now.wall.saturating_sub(recorded));
                    }
                    let whole = packed.len == self.sender.payload();
                    if let Err(packed) = self.pool.keep(packed) {
                        self.sender.gave_up(packed, Cause::SendError);
                    }
                    // Only the last segment of a call may be shorter than the others.
                    if !whole {
                        return Due::Now;
                    }
                }
            }
        }
        Due::Now
    }

    /// Sends the contents of the pool on every route. Returns `false` if it has to wait.
    ///
    /// A datagram counts as sent if one route accepts it; a route that cannot accept it, now or ever, misses it.
    fn send(&mut self, now: Time) -> bool {
        let begun = Instant::now();
        let mut handed = [0; ROUTES];
        let mut later = false;
        for (route, handed) in self.routes.iter_mut().zip(&mut handed) {
            match route.send(&self.pool, now.monotonic, &mut self.tally) {
                Handed::Taken => *handed = u64::MAX,
                Handed::Some(some) => *handed = some,
                Handed::Later => later = true,
                Handed::Never => {}
            }
        }
        let taken = handed.iter().fold(0, |all, some| all | some);
        if taken == 0 && later {
            return false;
        }
        for (route, handed) in self.routes.iter_mut().zip(handed) {
            for (i, packed) in self.pool.held().iter().enumerate() {
                if handed >> i & 1 != 0 {
                    route.handed(packed, now.monotonic);
                } else if taken >> i & 1 != 0 {
                    route.passed_by(packed);
                }
            }
        }
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.shared.timings.send.record(took);
        self.tally.batches += 1;
        let mut index = 0;
        let (sender, monitor) = (&mut self.sender, &mut self.monitor);
        self.pool.release(|packed: Packed| {
            if taken >> index & 1 == 0 {
                sender.gave_up(packed, Cause::SendError);
            } else {
                if let Some(recorded) = packed.recorded {
                    let total = now.wall.saturating_sub(recorded).saturating_add(took);
                    self.shared.timings.total.record(total);
                    monitor.timed(total);
                }
                sender.sent(packed);
            }
            index += 1;
        });
        self.confirm();
        true
    }
}
