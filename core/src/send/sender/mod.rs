//! The sender: drains the ring, walks the instruments, fills datagrams and keeps the account.
//!
//! It is a state machine without IO. [`Sender::poll`] is given the time, what there is to send and a buffer, and says
//! either "send these bytes" or "wake me then". What became of each datagram is reported with [`Sender::sent`] or
//! [`Sender::gave_up`]; until then its events are in flight. An adapter is a loop around these three calls.

use heapless::Vec;

use super::backoff::Backoff;
use super::batch::{BatchLimits, Batcher};
use super::config::units;
use super::critical::{Critical, Packing};
use super::{ArrayStore, Identity, Recovered, Retention, SenderConfig, Store, Time, Totals};
use crate::format::{
    AnyEvent, Format, Header, PAYLOAD_MAX, PAYLOAD_MIN, Packer, Prologue, Refused, TimeUnit,
};
use crate::instrument::Instruments;
use crate::instrument::walk::Walk;
use crate::ledger::Cause;
use crate::record::Resolve;
use crate::ring::Source;
use crate::wire::DecodeError;
use crate::wire::ack::Ack;
use crate::wire::receipt::Receipt;

mod fill;
#[cfg(all(test, not(loom)))]
mod tests;

use fill::{fill, walk};

/// What a [`Sender`] reads from at a poll.
#[derive(Debug)]
pub struct Inputs<'a, S: ?Sized, I: ?Sized, N: ?Sized> {
    /// The consuming end of the ring, or of several.
    pub events: &'a mut S,
    /// The instruments whose state is sent.
    pub instruments: &'a I,
    /// The interner that knows the names and strings made at run time, and the memory for long tags.
    pub names: &'a N,
    /// How many events the recorders have given up so far. Every datagram carries the number.
    pub dropped: u64,
}

/// What to do next, as returned by [`Sender::poll`].
#[derive(Debug)]
#[must_use = "a packed datagram is in flight until `sent` or `gave_up` is told"]
pub enum Step {
    /// Send the first `Packed::len` bytes of the buffer, then report what became of them.
    Send(Packed),
    /// There is nothing to send before this time of the monotonic clock, unless events arrive.
    Wait(u64),
}

/// A datagram in flight. It is returned to the sender by value, once.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a packed datagram is in flight until `sent` or `gave_up` is told"]
pub struct Packed {
    /// The length of the datagram, in bytes.
    pub len: usize,
    /// The datagram's sequence number.
    pub sequence: u32,
    /// Whether it asks the receiver for a sign of life.
    pub asks: bool,
    /// The number of events in the datagram, without instruments.
    pub events: u16,
    /// The recording time of one of its events, by the wall clock, for one event in [`SAMPLE_ONE_IN`], so that an
    /// adapter can measure how long records take.
    pub recorded: Option<u64>,
}

/// The latency of one event in this many is measured, and of at most one per datagram.
pub const SAMPLE_ONE_IN: u32 = 64;

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

    /// Notes what signs of life say about the events sent so far: of how many it is not known whether they arrived, and
    /// how many were lost. With one receiver, the numbers are those of its [`Liveness`](crate::send::Liveness).
    pub fn confirmed(&mut self, unconfirmed: u64, lost: u64) {
        self.totals.unconfirmed = unconfirmed.min(self.totals.sent);
        self.totals.lost = lost.min(self.totals.sent - self.totals.unconfirmed);
    }

    /// Makes the next datagram ask the receiver for a sign of life. Formats without heartbeats have no way to ask, and
    /// ignore this.
    pub fn ask(&mut self) {
        self.asking = E::HEARTBEATS;
    }

    /// Packs a datagram without records that asks for a sign of life, to find out whether the receiver is there without
    /// risking an event. `dropped` is as in [`Inputs`].
    ///
    /// Returns `None` if the format cannot ask, the buffer has fewer than [`PAYLOAD_MIN`] bytes, or the sender
    /// [is recovering](Self::is_recovering).
    pub fn probe(&mut self, now: Time, dropped: u64, buf: &mut [u8]) -> Option<Packed> {
        self.empty(now, dropped, buf, false)
    }

    /// Packs a datagram without records which says that the sender ends, and asks for a sign of life. The receiver then
    /// knows that nothing is amiss when nothing follows. A datagram that is packed later takes it back. `dropped` is as
    /// in [`Inputs`].
    ///
    /// `None` as for [`probe`](Self::probe).
    pub fn goodbye(&mut self, now: Time, dropped: u64, buf: &mut [u8]) -> Option<Packed> {
        self.empty(now, dropped, buf, true)
    }

    #[inline(always)]
    fn empty(&mut self, now: Time, dropped: u64, buf: &mut [u8], goodbye: bool) -> Option<Packed> {
        // The first datagram of this run would end the one before.
        if !E::HEARTBEATS || self.is_recovering() {
            return None;
        }
        let (header, prologue) = self.opening(now, dropped, true);
        let prologue = Prologue { goodbye, ..prologue };
        let len =
            self.encoder.begin(buf.get_mut(..PAYLOAD_MIN)?, &header, &prologue).ok()?.finish(false);
        self.told = prologue.dropped;
        self.last_packed = Some(now.monotonic);
        let sequence = self.next_sequence();
        Some(Packed { len, sequence, asks: true, events: 0, recorded: None })
    }

    /// Takes back a probe that the network did not accept: nothing is lost with it, and its number is used for the next
    /// datagram, unless one was packed meanwhile.
    pub fn withdraw(&mut self, probe: Packed) {
        if probe.events == 0 && probe.sequence.wrapping_add(1) == self.sequence {
            self.sequence = probe.sequence;
        } else {
            self.gave_up(probe, Cause::SendError);
        }
    }

    /// Reads the answer to a datagram that asked for a sign of life.
    ///
    /// # Errors
    /// What is wrong with the datagram, or that it is for another sender or epoch.
    pub fn receipt(&self, datagram: &[u8]) -> Result<Receipt, AckError> {
        let receipt = Receipt::parse(datagram).map_err(AckError::Malformed)?;
        if (receipt.sender, receipt.epoch) == (self.identity.sender, self.identity.epoch) {
            Ok(receipt)
        } else {
            Err(AckError::Foreign)
        }
    }

    /// Moves critical events from their ring into the store, as many as it has room for, to be sent at the next poll.
    pub fn keep<S>(&mut self, now: Time, events: &mut S)
    where
        S: Source<K::Event> + ?Sized,
    {
        let critical = &mut self.critical;
        let taken = events.drain(critical.room(), |event| {
            // A source returns at most as many events as it was asked for.
            let _ = critical.keep(event, now.monotonic);
        });
        self.totals.taken += taken as u64;
    }

    /// The same, and writes those events to the memory that outlives a reset, if the store has one. While it
    /// [is recovering](Self::is_recovering) it takes none. `names` is as in [`Inputs`].
    pub fn keep_with<S>(&mut self, now: Time, events: &mut S, names: &impl Resolve)
    where
        S: Source<K::Event> + ?Sized,
    {
        if self.is_recovering() {
            return;
        }
        let before = self.critical.len();
        self.keep(now, events);
        if self.critical.retention().is_none() {
            return;
        }
        for offset in before..self.critical.len() {
            let Some((place, id, event)) = self.critical.get(offset) else { continue };
            let (header, prologue) = self.opening(now, 0, false);
            let prologue = Prologue { ack_floor: Some(id), ..prologue };
            if let Some(retention) = self.critical.retention_mut() {
                let opening = (&header, &prologue, self.shift);
                retention.keep(place, &event, opening, &mut self.encoder, names);
            }
        }
    }

    /// Whether it sends what an earlier run has left behind in memory that outlives a reset, and nothing else until that is
    /// acknowledged. An adapter asks for no signs of life meanwhile.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.critical.retention().is_some_and(Retention::is_recovering)
    }

    /// What became of the events that a reset left behind.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.critical.retention().map_or(Recovered::default(), Retention::recovered)
    }

    fn recovery(&mut self) -> Option<&mut Retention> {
        self.critical.retention_mut().filter(|retention| retention.is_recovering())
    }

    /// Takes a datagram from the receiver, and returns how many events it settles. `names` is as in [`Inputs`].
    ///
    /// # Errors
    /// What is wrong with the datagram, that it is for another sender or epoch, or that no receiver can have written
    /// it. Nothing is changed then.
    pub fn acknowledged(&mut self, datagram: &[u8], names: &impl Resolve) -> Result<u64, AckError> {
        let ack = Ack::parse(datagram).map_err(AckError::Malformed)?;
        if let Some(settled) = self.recovery().and_then(|recovery| recovery.acknowledged(&ack)) {
            return Ok(settled);
        }
        if (ack.sender, ack.epoch) != (self.identity.sender, self.identity.epoch) {
            return Err(AckError::Foreign);
        }
        let settled = self.critical.acknowledged(&ack, names).ok_or(AckError::Impossible)?;
        self.totals.sent += settled;
        self.totals.acknowledged += settled;
        Ok(settled)
    }

    /// The number of events that closes a batch at the moment: a caller that sleeps until about this many have arrived
    /// wakes no more often than once per batch.
    #[must_use]
    pub fn batch_size(&self) -> usize {
        self.batcher.size()
    }

    /// The number of critical events that wait for their acknowledgement, those of an earlier run included.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.critical.open() + self.critical.retention().map_or(0, Retention::open)
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

    /// The header and prologue of the next datagram.
    fn opening(&self, now: Time, dropped: u64, wants_receipt: bool) -> (Header, Prologue) {
        let header = Header {
            sender: self.identity.sender,
            epoch: self.identity.epoch,
            sequence: self.sequence,
            ..Header::default()
        };
        let prologue = Prologue {
            since_boot: self.since_boot,
            unit: self.unit,
            base_time: now.wall.wrapping_add(self.shift),
            dropped: self.given_up(dropped),
            failed: self.totals.failed,
            ack_floor: self.critical.floor(),
            wants_receipt,
            ..Prologue::default()
        };
        (header, prologue)
    }

    /// The number of the datagram that was packed: each datagram takes one.
    fn next_sequence(&mut self) -> u32 {
        let next = self.sequence.wrapping_add(1);
        if let Some(retention) = self.critical.retention() {
            retention.number(next);
        }
        core::mem::replace(&mut self.sequence, next)
    }

    /// Fills a datagram. With `anyway` it goes out even if nothing is in it.
    fn fill_in<S, I, N>(
        &mut self,
        now: Time,
        inputs: &mut Inputs<'_, S, I, N>,
        buf: &mut [u8],
        events_due: bool,
        anyway: bool,
    ) -> Option<Packed>
    where
        S: Source<K::Event> + ?Sized,
        I: Instruments + ?Sized,
        N: Resolve,
    {
        if let Some(packed) = self.recovery().and_then(|r| r.pack(now.monotonic, buf)) {
            return Some(packed);
        }
        let (header, prologue) = self.opening(now, inputs.dropped, self.asking);
        let mut events = 0;
        let mut full = false;
        let heartbeat_due = self.heartbeat_due(now);
        let mut recorded = None;
        let mut datagram = self.encoder.begin(buf, &header, &prologue).ok()?;
        datagram.shift(self.shift);
        if self.critical.is_due(now.monotonic) {
            let totals = &mut self.totals;
            let repeated = &mut totals.repeated;
            full = self.critical.pack(
                now.monotonic,
                &mut totals.dropped,
                inputs.names,
                |event, above, again| {
                    let packing = match event.pack_identified(&mut datagram, inputs.names, above) {
                        Ok(()) => Packing::Packed,
                        Err(Refused::Full) if datagram.records() > 0 => Packing::Full,
                        Err(Refused::Full) => Packing::TooLarge,
                        Err(Refused::UnknownSymbol) => Packing::Never(Cause::Encode),
                        Err(Refused::Unsupported) => Packing::Never(Cause::Unsupported),
                    };
                    *repeated += u64::from(again && packing == Packing::Packed);
                    packing
                },
            );
        }
        if events_due && !full {
            let empty = datagram.size();
            let mut sample = |event: &K::Event| {
                // A time that the caller set says nothing about how long the event waited.
                if self.until_sample > 0 {
                    self.until_sample -= 1;
                } else if let Some(time) = event.recorded() {
                    self.until_sample = SAMPLE_ONE_IN - 1;
                    recorded = Some(time);
                }
            };
            let carry = (&mut self.carry, &mut self.carried);
            (events, full) = fill(&mut datagram, carry, &mut self.totals, inputs, &mut sample);
            let bytes = datagram.size() - empty;
            self.batcher.packed(usize::from(events), bytes, now.monotonic);
        }
        if !full {
            let totals = &mut self.totals;
            full = walk(&mut self.walk, &mut datagram, totals, now, inputs.instruments);
        }
        let empty = datagram.records() == 0;
        let len = datagram.finish(full && self.pad_full && !empty);
        self.totals.altered = self.encoder.altered();
        // The source had fewer events than it seemed: an empty datagram is sent as a heartbeat, or not at all.
        let untold = prologue.dropped != self.told;
        if empty && !(E::HEARTBEATS && (full || heartbeat_due || untold || anyway)) {
            return None;
        }
        self.told = prologue.dropped;
        let sequence = self.next_sequence();
        self.last_packed = Some(now.monotonic);
        let asks = core::mem::take(&mut self.asking);
        Some(Packed { len, sequence, asks, events, recorded })
    }

    /// Reports that the transport accepted the datagram.
    pub fn sent(&mut self, packed: Packed) {
        self.totals.sent += u64::from(packed.events);
        self.totals.datagrams += 1;
        self.totals.bytes += packed.len as u64;
        self.encoder.settle(packed.sequence, true);
    }

    /// Reports that the datagram will not be sent. Its number stays used up, so that the receiver's gap shows it; all
    /// instruments are sent again.
    pub fn gave_up(&mut self, packed: Packed, cause: Cause) {
        self.encoder.settle(packed.sequence, false);
        self.totals.dropped.add(cause, u64::from(packed.events));
        self.totals.failed += 1;
        self.walk.resend_all();
    }

    /// Gives up everything that still waits in ring and sender, counted as `cause`, and returns how many events that
    /// was. `names` is as in [`Inputs`].
    pub fn abandon<S>(&mut self, events: &mut S, cause: Cause, names: &impl Resolve) -> u64
    where
        S: Source<K::Event> + ?Sized,
    {
        let left = self.carry.get(self.carried..).unwrap_or(&[]);
        left.iter().for_each(|event| event.give_back(names));
        let mut given_up = left.len() as u64;
        self.carry.clear();
        self.carried = 0;
        // Events that arrive meanwhile are taken too, but a recorder that never stops does not keep this from
        // returning.
        let drained = events.drain(events.len(), |event| event.give_back(names)) as u64;
        self.totals.taken += drained;
        given_up += drained;
        self.totals.dropped.add(cause, given_up);
        given_up + self.critical.abandon(&mut self.totals.dropped, cause, names)
    }

    /// Counts as `cause` what is in flight although no datagram has it: a caller's instrument panicked while the
    /// datagram was packed. Comes after [`abandon`](Self::abandon).
    pub fn give_up_unfinished(&mut self, cause: Cause) {
        self.totals.dropped.add(cause, self.totals.in_flight());
    }
}

/// Why an acknowledgement was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AckError {
    /// It is not an acknowledgement, or it is damaged.
    Malformed(DecodeError),
    /// It is for another sender, or for another run of this one.
    Foreign,
    /// It settles an event that was never sent.
    Impossible,
}

impl core::fmt::Display for AckError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(_) => f.write_str("the datagram is no acknowledgement"),
            Self::Foreign => f.write_str("the acknowledgement is for another sender or epoch"),
            Self::Impossible => f.write_str("the acknowledgement settles what was never sent"),
        }
    }
}

impl core::error::Error for AckError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(e) => Some(e),
            Self::Foreign | Self::Impossible => None,
        }
    }
}
