//! The background thread: a loop around the sender of `ringstat-core`.
//!
//! It looks into the rings by itself, so that recorders never pay a system call to wake it: often while there is
//! something to send, less and less often while there is not.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringstat_core::format::{Format, TimeUnit};
use ringstat_core::ledger::Cause;
use ringstat_core::observe::{BreakerUse, Output, PoolUse};
use ringstat_core::ring::Source;
use ringstat_core::send::{
    BoxedKeep, BreakerState, HostSender, Inputs, Packed, Patience, Sender, SenderConfig, Step,
    Time, Transport,
};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire;
use ringstat_core::wire::ack::Ack;

use crate::config::{ClientConfig, Protocol};
use crate::rings::Consumer;
use crate::shared::Shared;

mod aggregate;
mod monitor;
mod report;
mod route;

use aggregate::{Aggregate, Aggregated};
use monitor::{Look, Monitor};
use report::Report;
use route::{Datagrams, Handed, Route, Tally};

pub(crate) use route::AnyTransport;

/// The shortest pause between two looks into the rings.
const BUSY_SLEEP: Duration = Duration::from_micros(50);

/// Starts the worker in a thread, with the encoder of the protocol that is asked for. There is one transport, or two
/// for redundant sending.
pub(crate) fn start(
    shared: Arc<Shared>,
    config: &ClientConfig,
    transports: Vec<AnyTransport>,
) -> io::Result<JoinHandle<()>> {
    let lines =
        |dialect| <text::Encoder<_>>::new(dialect, Growing::new()).timestamps(config.timestamps);
    match config.protocol {
        Protocol::Native => spawn(shared, config, transports, <wire::Encoder>::new()),
        Protocol::DogStatsD => spawn(shared, config, transports, lines(Dialect::DogStatsD)),
        Protocol::StatsD => spawn(shared, config, transports, lines(Dialect::StatsD)),
    }
}

fn spawn<E: Format + Send + 'static>(
    shared: Arc<Shared>,
    config: &ClientConfig,
    transports: Vec<AnyTransport>,
    encoder: E,
) -> io::Result<JoinHandle<()>> {
    let worker = Worker::new(shared, config, transports, encoder);
    thread::Builder::new().name("ringstat".into()).spawn(move || worker.run())
}

/// Bytes that a worker takes, its pool included.
pub(crate) fn bytes(config: &ClientConfig, transports: &[AnyTransport]) -> usize {
    size_of::<Worker<wire::Encoder>>() + config.payload * segments(config, transports)
}

/// As many datagrams go out in one call as every transport takes.
fn segments(config: &ClientConfig, transports: &[AnyTransport]) -> usize {
    transports.iter().map(|t| t.segments(config.payload)).min().unwrap_or(1).max(1)
}

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
    batches: u64,
    idle_sleep: Duration,
    /// The flush that is under way.
    flushing: Option<u64>,
}

impl<E: Format> Worker<E> {
    fn new(
        shared: Arc<Shared>,
        config: &ClientConfig,
        transports: Vec<AnyTransport>,
        encoder: E,
    ) -> Self {
        let segments = segments(config, &transports);
        let at_most = |events: usize| if events == 0 { usize::MAX } else { events };
        let config_of_sender = SenderConfig {
            payload: config.payload,
            unit: TimeUnit::Nanos,
            since_boot: false,
            batch_least: at_most(config.batch_least),
            batch_events: at_most(config.batch_events),
            batch_age: config.batch_age,
            flush_interval: config.flush_interval,
            refresh_interval: config.refresh_interval,
            heartbeat_interval: config.heartbeat_interval,
            patience: Patience {
                timeout: config.ack_timeout,
                timeout_max: config.ack_timeout_max,
                attempts: config.ack_attempts,
            },
            pad_full: segments > 1,
        };
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let backoff = (nanos(config.backoff), nanos(config.backoff_max));
        let seed = shared.identity.seed();
        let route =
            |(i, transport)| Route::new(transport, backoff, seed.wrapping_add(i), E::NUMBERED);
        Self {
            sender: Sender::with_parts(
                shared.identity,
                &config_of_sender,
                encoder,
                BoxedKeep::new(shared.rings.critical().map_or(0, |ring| ring.capacity())),
            ),
            routes: (0..).zip(transports).map(route).collect(),
            pool: Datagrams::new(
                vec![0; config.payload * segments].into_boxed_slice(),
                config.payload,
            ),
            aggregate: config.aggregate.then(Aggregate::default),
            monitor: Monitor::new(config.throttle, config.memory_limit),
            report: config.report_interval.map(Report::new),
            tally: Tally::default(),
            batches: 0,
            idle_sleep: config.idle_sleep,
            flushing: None,
            shared,
        }
    }

    fn run(mut self) {
        // One worker a client, so the drain is free.
        let Some(mut events) = self.shared.rings.consumer() else { return };
        let mut sleep = BUSY_SLEEP;
        let deadline = loop {
            let progress = self.round(&mut events);
            if let Some(deadline) = self.requests() {
                break deadline;
            }
            if progress {
                sleep = BUSY_SLEEP;
            } else {
                std::thread::park_timeout(sleep);
                sleep = (sleep * 2).min(self.idle_sleep).max(BUSY_SLEEP);
            }
        };
        self.finish(&mut events, deadline);
    }

    /// Packs and sends once. Returns whether there may be more to do at once.
    fn round(&mut self, events: &mut Consumer) -> bool {
        let now = self.shared.clock.advance();
        self.observe(events, now);
        self.hear();
        if let Some(mut critical) = self.shared.rings.critical() {
            self.sender.keep(now, &mut critical);
        }
        // While every breaker is open, everything waits where the drop policy reaches it: in the ring.
        let mut open = true;
        for route in &mut self.routes {
            open &= !route.permits(now.monotonic);
        }
        if open {
            self.publish();
            return false;
        }
        let idle = self.pack(events, now);
        let sent = self.pool.is_empty() || self.send(now);
        self.publish();
        if idle
            && sent
            && self.sender.unacknowledged() == 0
            && let Some(flush) = self.flushing.take()
        {
            self.shared.control.lock().flush_done = flush;
            self.shared.control.changed();
        }
        !idle && sent
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

    /// Looks at how things are going, where it is time.
    fn observe(&mut self, events: &Consumer, now: Time) {
        let waiting = events.len() as u64;
        {
            let mut state = self.shared.control.lock();
            state.peak = state.peak.max(waiting);
        }
        if self.monitor.is_due(now.monotonic) {
            let level = self.monitor.look(&Look {
                monotonic: now.monotonic,
                ledger: self.shared.ledger(),
                sends: self.tally.sends,
                send_errors: self.tally.errors,
                fullest_percent: events.fill(),
                breaker: self.breaker().state,
            });
            self.shared.valve.throttle(level);
        }
        if self.report.as_ref().is_some_and(|report| report.is_due(now.monotonic)) {
            self.write_report(now);
        }
    }

    fn write_report(&mut self, now: Time) {
        self.publish();
        if let Some(report) = &mut self.report {
            let shared = &self.shared;
            report.write(&shared.registry, &shared.timings, &shared.snapshot(), now.monotonic);
        }
    }

    /// The breaker that is most closed, and how often any has opened.
    fn breaker(&self) -> BreakerUse {
        let states = || self.routes.iter().map(|r| r.breaker().state());
        let best = [BreakerState::Closed, BreakerState::HalfOpen, BreakerState::Open];
        BreakerUse {
            state: best.into_iter().find(|s| states().any(|t| t == *s)).unwrap_or_default(),
            opened: self.routes.iter().map(|r| r.breaker().times_opened()).sum(),
        }
    }

    fn publish(&self) {
        let totals = *self.sender.totals();
        let (hits, misses) = self.pool.hits_and_misses();
        let mut state = self.shared.control.lock();
        state.totals = totals;
        state.aggregated = self.aggregate.as_ref().map_or(0, |a| a.merged);
        state.breaker = self.breaker();
        state.output = Output {
            batches: self.batches,
            datagrams: totals.datagrams,
            bytes: totals.bytes,
            failed: totals.failed,
            send_errors: self.tally.errors,
            acknowledged: totals.acknowledged,
            repeated: totals.repeated,
            unacknowledged: self.sender.unacknowledged() as u64,
            bad_replies: self.tally.bad_replies,
            backpressure: self.tally.backpressure,
        };
        state.pool = PoolUse {
            capacity: self.pool.capacity() as u64,
            used: self.pool.held().len() as u64,
            hits,
            misses,
        };
        state.health = self.monitor.health();
        state.throttle = self.monitor.throttle_level();
    }

    /// Fills the pool with datagrams. Returns whether nothing is left that is due.
    fn pack(&mut self, events: &mut Consumer, now: Time) -> bool {
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
            let Some(room) = self.pool.place() else { return false };
            match self.sender.poll(now, &mut inputs, room) {
                Step::Wait(_) => return true,
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
                        return false;
                    }
                }
            }
        }
        false
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
        self.batches += 1;
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

    /// Takes up what the handles ask for. Returns the deadline once the client is to end.
    fn requests(&mut self) -> Option<Instant> {
        let state = self.shared.control.lock();
        if self.flushing.is_none() && state.flush_asked > state.flush_done {
            self.flushing = Some(state.flush_asked);
            self.sender.flush();
        }
        state.stop_at
    }

    /// Sends what is left until `deadline`, and counts the rest.
    fn finish(&mut self, events: &mut Consumer, deadline: Instant) {
        if self.report.as_ref().is_some_and(Report::has_begun) {
            self.write_report(self.shared.clock.advance());
        }
        self.sender.flush();
        self.flushing = None;
        // One last try, whatever the breakers say.
        self.routes.iter_mut().for_each(Route::try_again);
        loop {
            let more = self.round(events);
            if !more && self.pool.is_empty() && self.sender.unacknowledged() == 0 {
                break;
            }
            if Instant::now() >= deadline {
                break;
            }
            if !more {
                std::thread::sleep(BUSY_SLEEP);
            }
        }
        let sender = &mut self.sender;
        self.pool.release(|packed| sender.gave_up(packed, Cause::Shutdown));
        if let Some(mut critical) = self.shared.rings.critical() {
            self.sender.abandon(&mut critical, Cause::Shutdown);
        }
        self.sender.abandon(events, Cause::Shutdown);
        self.publish();
        let mut state = self.shared.control.lock();
        state.flush_done = state.flush_asked;
        state.stopped = true;
        self.shared.control.changed();
    }
}
