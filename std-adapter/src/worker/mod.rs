//! The background thread: a loop around the sender of `ringstat-core`.
//!
//! ```text
//!  rings ──► aggregate ──► sender: pack ──► pool ──► routes ──► transports
//!              │                              ▲         │ breaker
//!  registry ◄──┘ ─────────────────────────────┘         └─► replies ──► sender
//! ```
//!
//! The worker checks the rings by itself, so that recorders need no system call to wake it: as often as its [`pace`]
//! says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringstat_core::format::Format;
use ringstat_core::ledger::Cause;
use ringstat_core::observe::Reason;
use ringstat_core::ring::Source;
use ringstat_core::send::HostSender;

use crate::rings::Consumer;
use crate::shared::Shared;

mod aggregate;
mod final_flush;
mod guard;
mod monitor;
mod pace;
mod publish;
mod report;
mod round;
mod route;
mod start;

use aggregate::Aggregate;
use final_flush::{FinalFlush, FinalStep};
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
    /// The datagrams that are still to be sent, as many as are sent in one call.
    pool: Datagrams,
    aggregate: Option<Aggregate>,
    monitor: Monitor,
    report: Option<Report>,
    tally: Tally,
    pace: Pace,
    /// The number of events that fills the smallest of the rings.
    room: u64,
    /// Whether records may wake the worker, so that it can sleep for long.
    wake_on_first: bool,
    /// The number of the flush that is under way.
    flushing: Option<u64>,
    /// How many events had been merged when the flush began that is under way.
    merged_before: u64,
}

/// The interval at which an idle worker that records can wake checks the rings, in nanoseconds.
const ASLEEP: u64 = 500_000_000;

/// The pause between two attempts while the last datagrams are sent.
const LAST_TRIES: Duration = Duration::from_micros(50);

impl<E: Format> Worker<E> {
    fn run(mut self) {
        // A client has one worker, so the drain is free.
        let Some(mut events) = self.shared.rings.consumer() else { return };
        self.shared.valve.set_worker();
        // Instruments are the caller's code, too, and may panic. What is counted is counted all the same.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if let Some(deadline) = self.work(&mut events) {
                self.finish(&mut events, deadline);
            }
        }));
        if !self.shared.valve.is_forked() {
            self.settle(events, ended.is_err());
        }
    }

    /// Works until the client is to end, and returns by when. `None` in a child: a transport has forked, the parent
    /// goes on, and the child must not.
    fn work(&mut self, events: &mut Consumer) -> Option<Instant> {
        loop {
            if self.shared.valve.is_forked() {
                return None;
            }
            let next = self.round(events);
            if let Some(deadline) = self.requests() {
                return Some(deadline);
            }
            let nanos = match next {
                Next::Again => continue,
                Next::Retry => self.pace.retry(),
                Next::Wait { until, urgent } => self.sleep(events, until, urgent),
            };
            let asleep = self.shared.valve.is_asleep();
            std::thread::park_timeout(Duration::from_nanos(nanos));
            self.tally.wakes += 1;
            if asleep && !self.shared.valve.is_asleep() {
                // After a pause, one record is often followed by more.
                self.pace.hurry();
            }
        }
    }

    /// Sleeps until `until` if that is `urgent`; otherwise possibly longer, until a record wakes the worker. Returns
    /// how long it slept.
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
            // A recorder that is about to push has not seen this yet: one more check, at the usual pace, before the
            // long sleep.
            self.shared.valve.fall_asleep();
            look
        }
    }

    /// The number of records made so far, as far as they have reached the rings.
    fn recorded(&self, events: &Consumer) -> u64 {
        let aggregated = self.merged();
        let refused = self.shared.rings.drops().total();
        self.sender.totals().taken + aggregated + events.len() as u64 + refused
    }

    /// The number of events that became part of an instrument.
    fn merged(&self) -> u64 {
        self.aggregate.as_ref().map_or(0, |a| a.merged)
    }

    /// Whether events have been merged since the flush began. Its walk may have been past their instruments by then, so it
    /// takes another one.
    fn has_merged(&self) -> bool {
        self.merged() > self.merged_before
    }

    /// Takes up the requests of the handles. Returns the deadline once the client is to end.
    fn requests(&mut self) -> Option<Instant> {
        let state = self.shared.control.lock();
        if self.flushing.is_none() && state.flush_asked > state.flush_done {
            self.flushing = Some(state.flush_asked);
            self.merged_before = self.merged();
            self.sender.flush();
            self.pace.hurry();
        }
        state.stop_at
    }

    /// Sends what is left until `deadline`.
    fn finish(&mut self, events: &mut Consumer, deadline: Instant) {
        if self.report.as_ref().is_some_and(Report::has_begun) {
            self.write_report(self.shared.clock.advance());
        }
        self.sender.flush();
        self.flushing = None;
        self.merged_before = self.merged();
        // One last attempt, whatever the breakers say.
        self.routes.iter_mut().for_each(Route::try_again);
        let mut last = FinalFlush::new(&self.routes);
        let mut said_goodbye = false;
        // Half of the time is for finding out which of a receiver's addresses is served.
        let begun = Instant::now();
        let mut insists_at = Some(begun + deadline.saturating_duration_since(begun) / 2);
        while Instant::now() < deadline {
            if insists_at.take_if(|at| Instant::now() >= *at).is_some() {
                self.routes.iter_mut().for_each(Route::insist);
            }
            if matches!(self.round(events), Next::Again) {
                continue;
            }
            // While every route is closed, what is left waits in the ring.
            let clear = self.routes.iter().any(Route::is_clear);
            if clear && self.pool.is_empty() && self.sender.unacknowledged() == 0 {
                if self.has_merged() {
                    self.merged_before = self.merged();
                    self.sender.flush();
                    continue;
                }
                match last.next(&self.routes, self.shared.clock.monotonic()) {
                    FinalStep::Confirmed => break,
                    FinalStep::Awaited => {}
                    FinalStep::Ask => said_goodbye |= self.goodbye(self.shared.clock.advance()),
                    FinalStep::Again => {
                        said_goodbye = false;
                        self.sender.resend_instruments();
                    }
                }
            }
            std::thread::sleep(LAST_TRIES);
        }
        if !said_goodbye {
            self.goodbye(self.shared.clock.advance());
        }
    }

    /// Counts what was not sent as given up, and says that the worker has ended, by a panic if it `died`.
    fn settle(&mut self, mut events: Consumer, died: bool) {
        self.shared.valve.close();
        let sender = &mut self.sender;
        self.pool.release(|packed| sender.gave_up(packed, Cause::Shutdown));
        if let Some(mut critical) = self.shared.rings.critical() {
            self.sender.abandon(&mut critical, Cause::Shutdown, &self.shared.said());
        }
        self.sender.abandon(&mut events, Cause::Shutdown, &self.shared.said());
        self.sender.give_up_unfinished(Cause::Shutdown);
        // From here on, whoever asks for the ledger collects events that come late.
        drop(events);
        self.publish();
        self.routes.iter_mut().for_each(Route::close);
        let mut state = self.shared.control.lock();
        state.flush_done = state.flush_asked;
        (state.stopped, state.died) = (true, died);
        if died {
            state.health = state.health.because(Reason::Died);
        }
        drop(state);
        self.shared.control.changed();
    }
}
