//! The background thread: a loop around the sender of `ringstat-core`.
//!
//! ```text
//!  rings ──► aggregate ──► sender: pack ──► pool ──► routes ──► transports
//!              │                              ▲         │ breaker
//!  registry ◄──┘ ─────────────────────────────┘         └─► replies ──► sender
//! ```
//!
//! It looks into the rings by itself, so that recorders never pay a system call to wake it: as often as its
//! [`pace`] says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringstat_core::format::Format;
use ringstat_core::ledger::Cause;
use ringstat_core::ring::Source;
use ringstat_core::send::HostSender;

use crate::rings::Consumer;
use crate::shared::Shared;

mod aggregate;
mod guard;
mod last_word;
mod monitor;
mod pace;
mod publish;
mod report;
mod round;
mod route;
mod start;

use aggregate::Aggregate;
use last_word::{LastWord, Word};
use monitor::Monitor;
use pace::{Pace, Seen};
use report::Report;
use round::Next;
use route::{Datagrams, Route, Tally};

pub(crate) use route::AnyTransport;
pub(crate) use start::{bytes, start};

struct Worker<E> {
    shared: Arc<Shared>,
    sender: HostSender<E>,
    routes: Vec<Route>,
    /// The datagrams that are still to be sent: room for as many as go out in one call.
    pool: Datagrams,
    aggregate: Option<Aggregate>,
    monitor: Monitor,
    report: Option<Report>,
    tally: Tally,
    pace: Pace,
    /// So many events fill the smallest of the rings.
    room: u64,
    /// Records may wake the worker, so it sleeps for long.
    wake_on_first: bool,
    /// The flush that is under way.
    flushing: Option<u64>,
}

/// An idle worker that records may wake looks into the rings so often, in nanoseconds.
const ASLEEP: u64 = 500_000_000;

/// While the last things are sent, so long between two tries.
const LAST_TRIES: Duration = Duration::from_micros(50);

impl<E: Format> Worker<E> {
    fn run(mut self) {
        // One worker a client, so the drain is free.
        let Some(mut events) = self.shared.rings.consumer() else { return };
        self.shared.valve.set_worker();
        let deadline = loop {
            let next = self.round(&mut events);
            if let Some(deadline) = self.requests() {
                break deadline;
            }
            let nanos = match next {
                Next::Again => continue,
                Next::Retry => self.pace.retry(),
                Next::Wait { until, urgent } => self.sleep(&events, until, urgent),
            };
            let asleep = self.shared.valve.is_asleep();
            std::thread::park_timeout(Duration::from_nanos(nanos));
            self.tally.wakes += 1;
            if asleep && !self.shared.valve.is_asleep() {
                // Where one record comes after a pause, more may follow.
                self.pace.hurry();
            }
        };
        self.finish(events, deadline);
    }

    /// How long to sleep when nothing is to be done before `until`: less than that only if it is urgent.
    fn sleep(&mut self, events: &Consumer, until: u64, urgent: bool) -> u64 {
        let now = self.shared.clock.monotonic();
        let look = self.pace.look(Seen {
            now,
            recorded: self.recorded(events),
            batch: self.sender.batch_size() as u64,
            room: self.room,
        });
        if urgent {
            look.min(until.saturating_sub(now))
        } else if !self.wake_on_first || !self.pace.is_idle() {
            look
        } else if self.shared.valve.is_asleep() {
            ASLEEP
        } else {
            // A recorder that is about to push has not seen this: one more look, as late as ever, before the long sleep.
            self.shared.valve.fall_asleep();
            look
        }
    }

    /// Records made so far, as far as they have reached the rings.
    fn recorded(&self, events: &Consumer) -> u64 {
        let aggregated = self.aggregate.as_ref().map_or(0, |a| a.merged);
        let refused = self.shared.rings.drops().total();
        self.sender.totals().taken + aggregated + events.len() as u64 + refused
    }

    /// Takes up what the handles ask for. Returns the deadline once the client is to end.
    fn requests(&mut self) -> Option<Instant> {
        let state = self.shared.control.lock();
        if self.flushing.is_none() && state.flush_asked > state.flush_done {
            self.flushing = Some(state.flush_asked);
            self.sender.flush();
            self.pace.hurry();
        }
        state.stop_at
    }

    /// Sends what is left until `deadline`, and counts the rest.
    fn finish(&mut self, mut events: Consumer, deadline: Instant) {
        if self.report.as_ref().is_some_and(Report::has_begun) {
            self.write_report(self.shared.clock.advance());
        }
        self.sender.flush();
        self.flushing = None;
        // One last try, whatever the breakers say.
        self.routes.iter_mut().for_each(Route::try_again);
        let mut last = LastWord::new(&self.routes);
        while Instant::now() < deadline {
            if matches!(self.round(&mut events), Next::Again) {
                continue;
            }
            if self.pool.is_empty() && self.sender.unacknowledged() == 0 {
                match last.next(&self.routes, self.shared.clock.monotonic()) {
                    Word::Confirmed => break,
                    Word::Awaited => {}
                    Word::Ask => self.probe(self.shared.clock.advance()),
                    Word::Again => self.sender.resend_instruments(),
                }
            }
            std::thread::sleep(LAST_TRIES);
        }
        let sender = &mut self.sender;
        self.pool.release(|packed| sender.gave_up(packed, Cause::Shutdown));
        if let Some(mut critical) = self.shared.rings.critical() {
            self.sender.abandon(&mut critical, Cause::Shutdown, &self.shared.said());
        }
        self.sender.abandon(&mut events, Cause::Shutdown, &self.shared.said());
        // From here on whoever asks for the ledger takes what comes late.
        drop(events);
        self.publish();
        self.routes.iter_mut().for_each(Route::close);
        let mut state = self.shared.control.lock();
        state.flush_done = state.flush_asked;
        state.stopped = true;
        drop(state);
        self.shared.control.changed();
    }
}
