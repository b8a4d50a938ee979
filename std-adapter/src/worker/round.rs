//! One round of the worker: hear, pack, send.

use std::time::Instant;

use ringstat_core::format::Format;
use ringstat_core::ledger::Cause;
use ringstat_core::ring::Source;
use ringstat_core::send::{Inputs, Packed, Step, Time};
use ringstat_core::wire::ack::Ack;

use super::Worker;
use super::aggregate::Aggregated;
use super::route::{Handed, Route};
use crate::rings::Consumer;

/// What follows a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Another one at once: there may be more to do.
    Again,
    /// The same again soon, as nobody says when it can be done: a full socket buffer, a reply that is awaited.
    Retry,
    /// Nothing to do before this time of the monotonic clock, unless events arrive. It is `urgent` where events wait for
    /// it; else a little later will do.
    Wait { until: u64, urgent: bool },
}

/// Whether there is more to pack.
enum Due {
    Now,
    /// Not before this time, unless events arrive.
    At(u64),
}

impl<E: Format> Worker<E> {
    /// Packs and sends once.
    pub(super) fn round(&mut self, events: &mut Consumer) -> Next {
        let now = self.shared.clock.advance();
        self.observe(events, now);
        self.hear();
        if let Some(mut critical) = self.shared.rings.critical() {
            self.sender.keep(now, &mut critical);
        }
        // While every breaker is open, everything waits where the drop policy reaches it: in the ring.
        let opens = self.routes.iter_mut().map(|route| route.opens(now.monotonic)).min().flatten();
        if let Some(until) = opens {
            self.publish();
            let wait = Next::Wait { until, urgent: true };
            return if self.flushing.is_some() { Next::Retry } else { wait };
        }
        let due = self.pack(events, now);
        let sent = self.pool.is_empty() || self.send(now);
        self.publish();
        let Due::At(until) = due else { return if sent { Next::Again } else { Next::Retry } };
        let unacknowledged = self.sender.unacknowledged() > 0;
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

    /// Takes the receivers' acknowledgements.
    fn hear(&mut self) {
        // More than are answered in a round would be somebody else's.
        const REPLIES: usize = 64;
        if self.sender.unacknowledged() == 0 && !self.routes.iter().any(Route::is_probing) {
            return;
        }
        // One byte more than the longest one, to tell what is longer.
        let mut buf = [0; Ack::MAX_LEN + 1];
        for route in &mut self.routes {
            for _ in 0..REPLIES {
                let Some(length) = route.receive(&mut buf) else { break };
                if self.sender.acknowledged(&buf[..length]).is_err() {
                    self.tally.bad_replies += 1;
                }
            }
        }
    }

    /// Fills the pool with datagrams.
    fn pack(&mut self, events: &mut Consumer, now: Time) -> Due {
        let registry = self.shared.registry.walk();
        let mut events = Aggregated {
            events,
            aggregate: self.aggregate.as_mut(),
            registry: &registry,
            names: &self.shared.names,
        };
        let mut inputs = Inputs {
            events: &mut events,
            instruments: &registry,
            names: &self.shared.names,
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

    /// Sends what the pool holds, on every route. Returns `false` when it has to wait.
    ///
    /// What one route takes is sent; a route that cannot take it now, or ever, misses it.
    fn send(&mut self, now: Time) -> bool {
        let begun = Instant::now();
        let (mut taken, mut later) = (0, false);
        for route in &mut self.routes {
            match route.send(&self.pool, now.monotonic, &mut self.tally) {
                Handed::Taken => taken = u64::MAX,
                Handed::Some(some) => taken |= some,
                Handed::Later => later = true,
                Handed::Never => {}
            }
        }
        if taken == 0 && later {
            return false;
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
        true
    }
}
