//! The background thread: a loop around the sender of `ringstat-core`.
//!
//! It looks into the rings by itself, so that recorders never pay a system call to wake it: often while there is
//! something to send, less and less often while there is not.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ringstat_core::breaker::{self, Breaker, Permit};
use ringstat_core::encode::Encode;
use ringstat_core::event::DEFAULT_INLINE;
use ringstat_core::ledger::Cause;
use ringstat_core::sender::{self, Inputs, Packed, Poll, Sender};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::transport::{SendError, Transport};
use ringstat_core::wire::{self, TimeUnit};

use crate::client::{Shared, TransportFn};
use crate::config::{Config, Protocol};
use crate::resolve::Target;
use crate::rings::Consumer;
use crate::udp::{MAX_SEGMENTS, Udp};

/// Where datagrams go.
pub(crate) enum Outlet {
    Udp(Udp, Target),
    Custom(Arc<TransportFn>),
}

/// So many failures in a row open the circuit breaker.
const BREAKER_FAILURES: u32 = 5;

/// The shortest pause between two looks into the rings.
const BUSY_SLEEP: Duration = Duration::from_micros(50);

/// Starts the worker in a thread, with the encoder of the protocol that is asked for.
pub(crate) fn start(
    thread: thread::Builder,
    shared: Arc<Shared>,
    config: &Config,
    outlet: Outlet,
) -> io::Result<JoinHandle<()>> {
    let lines =
        |dialect| <text::Encoder<_>>::new(dialect, Growing::new()).timestamps(config.timestamps);
    match config.protocol {
        Protocol::Native => spawn(thread, shared, config, outlet, <wire::Encoder>::new()),
        Protocol::DogStatsD => spawn(thread, shared, config, outlet, lines(Dialect::DogStatsD)),
        Protocol::StatsD => spawn(thread, shared, config, outlet, lines(Dialect::StatsD)),
    }
}

fn spawn<E: Encode + Send + 'static>(
    thread: thread::Builder,
    shared: Arc<Shared>,
    config: &Config,
    outlet: Outlet,
    encoder: E,
) -> io::Result<JoinHandle<()>> {
    let worker = Worker::new(shared, config, outlet, encoder);
    thread.spawn(move || worker.run())
}

struct Worker<E> {
    shared: Arc<Shared>,
    sender: Sender<DEFAULT_INLINE, 256, 4096, 32, E>,
    outlet: Outlet,
    breaker: Breaker,
    idle_sleep: Duration,
    /// Room for as many datagrams as go out in one call.
    buf: Box<[u8]>,
    /// The datagrams in `buf` that are still to be sent.
    held: heapless::Vec<Packed, MAX_SEGMENTS>,
    /// The flush that is under way.
    flushing: Option<u64>,
}

impl<E: Encode> Worker<E> {
    fn new(shared: Arc<Shared>, config: &Config, outlet: Outlet, encoder: E) -> Self {
        let config_of_sender = sender::Config {
            payload: config.payload,
            unit: TimeUnit::Nanos,
            since_boot: false,
            batch_least: if config.batch_least == 0 { usize::MAX } else { config.batch_least },
            batch_events: if config.batch_events == 0 { usize::MAX } else { config.batch_events },
            batch_age: config.batch_age,
            flush_interval: config.flush_interval,
            refresh_interval: config.refresh_interval,
            heartbeat_interval: config.heartbeat_interval,
            pad_full: segments(&outlet, config.payload) > 1,
        };
        let sender = Sender::with_encoder(shared.identity, &config_of_sender, encoder);
        let room = config.payload * segments(&outlet, config.payload);
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let breaker = Breaker::new(
            breaker::Config {
                failures: BREAKER_FAILURES,
                backoff: nanos(config.backoff),
                backoff_max: nanos(config.backoff_max),
            },
            // Another one for each sender and each run, so that not all come back at once.
            shared.identity.sender ^ u64::from(shared.identity.epoch),
        );
        Self {
            breaker,
            shared,
            sender,
            outlet,
            idle_sleep: config.idle_sleep,
            buf: vec![0; room].into_boxed_slice(),
            held: heapless::Vec::new(),
            flushing: None,
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
        // While the breaker is open everything waits where the drop policy reaches it: in the ring.
        if let Permit::Wait(_) = self.breaker.permit(now.monotonic) {
            self.look_up(true);
            self.publish();
            return false;
        }
        let mut idle = true;
        if self.held.is_empty() {
            idle = self.pack(events, now);
        }
        let sent = self.held.is_empty() || self.send(now);
        self.publish();
        if idle
            && sent
            && let Some(flush) = self.flushing.take()
        {
            self.shared.control.lock().flush_done = flush;
            self.shared.control.changed();
        }
        !idle && sent
    }

    fn publish(&self) {
        let mut state = self.shared.control.lock();
        state.totals = *self.sender.totals();
        state.breaker = self.breaker.state();
        state.breaker_opened = self.breaker.times_opened();
    }

    /// Fills the buffer with datagrams. Returns whether nothing is left that is due.
    fn pack(&mut self, events: &mut Consumer, now: sender::Time) -> bool {
        let payload = self.sender.payload();
        let instruments = self.shared.registry.walk();
        let mut inputs = Inputs {
            events,
            instruments: &instruments,
            names: &self.shared.names,
            dropped: self.shared.rings.drops().total(),
        };
        for room in self.buf.chunks_exact_mut(payload) {
            match self.sender.poll(now, &mut inputs, room) {
                Poll::Wait(_) => return true,
                Poll::Send(packed) => {
                    let whole = packed.len == payload;
                    // There are as many places as chunks.
                    let _ = self.held.push(packed);
                    // Only the last segment of a call may be shorter than the others.
                    if !whole {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Sends what is held. Returns `false` when it has to wait.
    fn send(&mut self, now: sender::Time) -> bool {
        let length: usize = self.held.iter().map(|p| p.len).sum();
        let result = match &mut self.outlet {
            Outlet::Udp(udp, _) => udp.send(&self.buf[..length]),
            Outlet::Custom(transport) => transport(&self.buf[..length]),
        };
        match result {
            Ok(()) => {
                self.breaker.succeeded();
                self.held.drain(..).for_each(|packed| self.sender.sent(packed));
            }
            // The ring waits, and its policy decides.
            Err(e) if e.is_backpressure() => return false,
            // A kernel or device that takes segmentation and then does not do it.
            Err(SendError::Other) if self.held.len() > 1 => self.send_each(),
            // Too large: no way will ever carry it, and that says nothing about the way.
            Err(e) if e.is_permanent() => self.give_up(),
            // Nothing left the machine, so nothing is lost yet: it is the probe when the breaker lets one through.
            Err(_) => {
                self.breaker.failed(now.monotonic);
                self.look_up(true);
                return false;
            }
        }
        self.look_up(false);
        true
    }

    fn send_each(&mut self) {
        let mut at = 0;
        for packed in self.held.drain(..) {
            let bytes = &self.buf[at..at + packed.len];
            at += packed.len;
            let result = match &mut self.outlet {
                Outlet::Udp(udp, _) => udp.send(bytes),
                Outlet::Custom(transport) => transport(bytes),
            };
            match result {
                Ok(()) => self.sender.sent(packed),
                Err(_) => self.sender.gave_up(packed, Cause::SendError),
            }
        }
    }

    fn give_up(&mut self) {
        self.held.drain(..).for_each(|packed| self.sender.gave_up(packed, Cause::SendError));
    }

    /// Moves to another address when the receiver's name has one.
    fn look_up(&mut self, failed: bool) {
        let Outlet::Udp(udp, target) = &mut self.outlet else { return };
        if let Ok(current) = udp.peer()
            && let Some(moved) = target.poll(current, failed)
            && let Ok(connected) = Udp::connect(moved, self.sender.payload())
        {
            *udp = connected;
        }
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
        self.sender.flush();
        self.flushing = None;
        // One last try, whatever the breaker says.
        self.breaker.succeeded();
        loop {
            let more = self.round(events);
            if !more && self.held.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                break;
            }
            if !more {
                std::thread::sleep(BUSY_SLEEP);
            }
        }
        self.held.drain(..).for_each(|packed| self.sender.gave_up(packed, Cause::Shutdown));
        self.sender.abandon(events, Cause::Shutdown);
        let mut state = self.shared.control.lock();
        state.totals = *self.sender.totals();
        state.flush_done = state.flush_asked;
        state.stopped = true;
        self.shared.control.changed();
    }
}

fn segments(outlet: &Outlet, payload: usize) -> usize {
    match outlet {
        Outlet::Udp(udp, _) => udp.segments(payload),
        Outlet::Custom(_) => 1,
    }
}
