//! The sender: drains the ring, walks the instruments, fills datagrams and keeps the account.
//!
//! It is a state machine without IO. [`Sender::poll`] is given the time, what there is to send and a buffer, and says
//! either "send these bytes" or "wake me then". What became of each datagram is reported with [`Sender::sent`] or
//! [`Sender::gave_up`]; until then its events are in flight. An adapter is a loop around these three calls.
//!
//! This file decides when something is due. What goes into a datagram is in [`datagram`] and [`fill`], critical events
//! are kept in [`keep`], what receivers answer is read in [`replies`], and what became of datagrams is noted in
//! [`outcome`].

mod datagram;
mod fill;
mod keep;
mod outcome;
mod replies;
mod step;
#[cfg(all(test, not(loom)))]
mod tests;

use heapless::Vec;

use super::backoff::Backoff;
use super::batch::{BatchLimits, Batcher};
use super::config::units;
use super::critical::Critical;
use super::{ArrayStore, Identity, SenderConfig, Store, Time, Totals};
use crate::format::{Format, PAYLOAD_MAX, PAYLOAD_MIN, TimeUnit};
use crate::instrument::Instruments;
use crate::instrument::walk::Walk;
use crate::record::Resolve;
use crate::ring::Source;
pub use replies::AckError;
pub use step::{Inputs, Packed, SAMPLE_ONE_IN, Step};

/// The state machine that packs datagrams and accounts for every event.
///
/// `E` is the encoder of its [`Format`]. `K` is the [`Store`] in which critical events are kept until they are
/// acknowledged, and determines the size of events; by default it keeps none. `CARRY` events are taken from the ring at
/// a time. The usual combinations have names: [`LeanSender`](super::LeanSender) for chips, `HostSender` for servers,
/// `TextSender` for agents.
///
/// ```
/// use ringstat_core::prelude::*;
///
/// fn millis() -> u64 { 0 } // the clock
/// static STATS: Stats<16> = Stats::new(event_ring!(16), Clock::millis(millis));
///
/// let mut sender = STATS.sender(Identity { sender: 7, epoch: 1 }, &STATS.config());
/// STATS.count("cache.miss", 1u8).record();
/// sender.flush();
/// let mut buf = [0; 1472];
/// match STATS.poll(&mut sender, Time { monotonic: 0, wall: 0 }, &mut buf) {
///     Step::Send(packed) => {
///         // Send `&buf[..packed.len]`, then report it:
///         sender.sent(packed);
///     }
///     Step::Wait(_) => unreachable!("an event waits"),
/// }
/// assert_eq!(STATS.ledger(&sender).sent, 1);
/// ```
pub struct Sender<E, K: Store = ArrayStore<0>, const CARRY: usize = 32> {
    identity: Identity,
    payload: usize,
    unit: TimeUnit,
    since_boot: bool,
    /// The time since 1970 minus the time of the clock that stamps events.
    shift: u64,
    pad_full: bool,
    heartbeat: u64,
    encoder: E,
    batcher: Batcher,
    walk: Walk,
    /// Events taken from the ring but not packed yet, from `carried` on.
    carry: Vec<K::Event, CARRY>,
    carried: usize,
    critical: Critical<K>,
    /// Whether everything that was waiting is to be sent, whatever its age.
    flushing: bool,
    /// Whether the next datagram asks for a sign of life.
    asking: bool,
    sequence: u32,
    last_packed: Option<u64>,
    /// The number of given-up events that the last datagram stated.
    told: u64,
    /// How many more events until one is measured.
    until_sample: u32,
    totals: Totals,
}

impl<E: Format + Default, K: Store + Default, const CARRY: usize> Sender<E, K, CARRY> {
    /// Creates a sender that has sent nothing yet. A payload limit outside [`PAYLOAD_MIN`]`..=`[`PAYLOAD_MAX`] is
    /// clamped.
    #[must_use]
    pub fn new(identity: Identity, config: &SenderConfig) -> Self {
        Self::with_parts(identity, config, E::default(), K::default())
    }
}

impl<E: Format, K: Store, const CARRY: usize> Sender<E, K, CARRY> {
    /// Like [`new`](Sender::new), with an encoder and a store that cannot be created from their types alone.
    #[must_use]
    pub fn with_parts(identity: Identity, config: &SenderConfig, encoder: E, mut store: K) -> Self {
        const { assert!(CARRY > 0) };
        let payload = config.payload.clamp(PAYLOAD_MIN, PAYLOAD_MAX);
        if let Some(retention) = store.retention_mut() {
            let [first, longest] = [config.retry.timeout, config.retry.timeout_max];
            let waits = (units(first, config.unit), units(longest, config.unit));
            retention.start(identity, Backoff::new(waits.0, waits.1, identity.seed()));
        }
        Self {
            identity,
            payload,
            unit: config.unit,
            since_boot: config.since_boot,
            shift: 0,
            pad_full: config.pad_full,
            heartbeat: units(config.heartbeat_interval, config.unit),
            encoder,
            batcher: Batcher::new(BatchLimits {
                least: config.batch_least,
                events: config.batch_events,
                bytes: payload,
                age: units(config.batch_age, config.unit),
            }),
            walk: Walk::new(
                units(config.flush_interval, config.unit),
                units(config.refresh_interval, config.unit),
            ),
            carry: Vec::new(),
            carried: 0,
            critical: Critical::new(
                store,
                config.retry,
                |d| units(d, config.unit),
                identity.seed(),
            ),
            flushing: false,
            asking: false,
            sequence: 0,
            last_packed: None,
            told: 0,
            until_sample: 0,
            totals: Totals::default(),
        }
    }

    /// The payload limit in force, in bytes.
    #[must_use]
    pub fn payload(&self) -> usize {
        self.payload
    }

    /// What became of the events that were taken from the ring so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The unit of the clock that it was made for.
    #[must_use]
    pub fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// Takes note of the date: the time since 1970 is the time of the clock that stamps events plus `shift`. From the next
    /// datagram on all times are sent as times since 1970, also those of earlier records.
    pub fn set_wall(&mut self, shift: u64) {
        (self.since_boot, self.shift) = (false, shift);
    }

    /// Makes the next polls send everything that waits, and all instruments that have changed.
    pub fn flush(&mut self) {
        self.flushing = true;
        self.walk.flush();
    }

    /// Sends all instruments again, whether or not they have changed, because the datagrams that carried them may be
    /// lost.
    pub fn resend_instruments(&mut self) {
        self.walk.resend_all();
        self.walk.flush();
    }

    /// The number of events that closes a batch at the moment: a caller that sleeps until about this many have arrived
    /// wakes no more often than once per batch.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batcher.size()
    }

    /// Packs the next datagram into `buf`, or returns when to call again.
    ///
    /// `buf` should have [`payload`](Self::payload) bytes. Of a longer buffer only that many are used, and nothing is
    /// packed into a buffer shorter than [`PAYLOAD_MIN`].
    pub fn poll<S, I, N>(
        &mut self,
        now: Time,
        inputs: &mut Inputs<'_, S, I, N>,
        buf: &mut [u8],
    ) -> Step
    where
        S: Source<K::Event> + ?Sized,
        I: Instruments + ?Sized,
        N: Resolve,
    {
        let limit = buf.len().min(self.payload);
        let buf = &mut buf[..limit];
        if limit < PAYLOAD_MIN {
            return Step::Wait(self.deadline(now));
        }
        loop {
            let events_due = match self.look(now, inputs) {
                Ok(events_due) => events_due,
                Err(until) => return Step::Wait(until),
            };
            let instruments_due = self.walk.due(now.monotonic, inputs.instruments);
            let refused = self.totals.dropped.total();
            if let Some(packed) = self.fill_in(now, inputs, buf, events_due, false) {
                return Step::Send(packed);
            }
            // None of it could be expressed, and what was refused is no longer due. A ring whose recorder is preempted
            // in the middle of a push returns nothing either; that is worth waiting for.
            if !instruments_due && self.totals.dropped.total() == refused {
                return Step::Wait(self.deadline(now));
            }
        }
    }

    /// Whether there is something to send, for adapters whose buffer is there only once the network has room for a datagram:
    /// they wait for room, then [`pack`](Self::pack).
    ///
    /// # Errors
    /// When to come back if there is nothing.
    pub fn due<S, I, N>(&mut self, now: Time, inputs: &mut Inputs<'_, S, I, N>) -> Result<(), u64>
    where
        S: Source<K::Event> + ?Sized,
        I: Instruments + ?Sized,
    {
        self.look(now, inputs).map(|_| ())
    }

    /// Packs what there is to send into `buf`, whatever its age; without anything a heartbeat. The buffer is as for
    /// [`poll`](Self::poll); `None` if it is too short, or the format has no heartbeats.
    pub fn pack<S, I, N>(
        &mut self,
        now: Time,
        inputs: &mut Inputs<'_, S, I, N>,
        buf: &mut [u8],
    ) -> Option<Packed>
    where
        S: Source<K::Event> + ?Sized,
        I: Instruments + ?Sized,
        N: Resolve,
    {
        let limit = buf.len().min(self.payload);
        self.fill_in(now, inputs, &mut buf[..limit], true, true)
    }

    /// Whether events are due, if anything is; else when to come back.
    fn look<S, I, N>(&mut self, now: Time, inputs: &mut Inputs<'_, S, I, N>) -> Result<bool, u64>
    where
        S: Source<K::Event> + ?Sized,
        I: Instruments + ?Sized,
    {
        if let Some(recovery) = self.recovery() {
            return recovery.due(now.monotonic).map(|()| false);
        }
        let waiting = inputs.events.len() + (self.carry.len() - self.carried);
        let events_due = self.batcher.ready(waiting, inputs.events.fill(), now.monotonic)
            || (self.flushing && waiting > 0);
        let instruments_due = self.walk.due(now.monotonic, inputs.instruments);
        let critical_due = self.critical.is_due(now.monotonic);
        if !events_due && !instruments_due && !critical_due {
            // The last datagram of a flush cannot state what was given up while it was packed.
            let flushed = core::mem::take(&mut self.flushing);
            let untold = flushed && self.given_up(inputs.dropped) != self.told;
            if !E::HEARTBEATS || !(untold || self.heartbeat_due(now)) {
                return Err(self.deadline(now));
            }
        }
        Ok(events_due)
    }

    /// The number of events given up so far: `dropped` by recorders, plus those given up here.
    fn given_up(&self, dropped: u64) -> u64 {
        dropped.wrapping_add(self.totals.dropped.total())
    }

    fn heartbeat_due(&self, now: Time) -> bool {
        self.last_packed.is_none_or(|last| {
            now.monotonic.saturating_sub(last) >= self.heartbeat || now.monotonic < last
        })
    }

    fn deadline(&self, now: Time) -> u64 {
        let mut deadline = self.walk.deadline();
        if E::HEARTBEATS {
            let last = self.last_packed.unwrap_or(now.monotonic);
            deadline = deadline.min(last.saturating_add(self.heartbeat));
        }
        let others = [self.batcher.deadline(), self.critical.deadline()];
        others.into_iter().flatten().fold(deadline, u64::min)
    }
}
