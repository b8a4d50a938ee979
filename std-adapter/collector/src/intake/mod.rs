//! The collector without IO: datagrams and time go in, an account of everything comes out.
//!
//! Check, then sequence tracking, then the store. A datagram that was seen before is not stored again, so several
//! sockets, or two ways through the network, may feed one collector.

mod counts;
mod heard;
mod records;
mod senders;

use std::collections::HashMap;
use std::hash::RandomState;
use std::time::Duration;

use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::Ack;

pub use counts::Counts;
pub use heard::Asks;
use heard::Heard;
use records::Target;
pub use senders::Sender;
use senders::{PROBATION, admit, take_prologue};

use crate::limits::Limits;
use crate::store::{Cache, Store};

/// Takes datagrams.
#[derive(Debug)]
pub struct Collector {
    limits: Limits,
    decoder: Box<DecoderDebug>,
    cache: Cache,
    store: Store,
    senders: HashMap<u64, Sender>,
    /// Senders that were heard of once while the table was more than half full, at a place their hash gives.
    probation: Vec<u64>,
    hasher: RandomState,
    counts: Counts,
    swept_ms: u64,
}

/// The decoder, with a `Debug` that does not print its tables.
struct DecoderDebug(Decoder);

impl std::fmt::Debug for DecoderDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

/// As QUIC bounds what it sends to an address that is not validated (RFC 9000, section 8): with less, the bitmap would
/// often be cut, and events sent again that were here; at a loss of one half each way, twenty times as many given up.
const ACK_AMPLIFICATION: usize = 3;

/// How often idle senders and series are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

impl Collector {
    /// A collector that has seen nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            decoder: Box::new(DecoderDebug(Decoder::new())),
            cache: Cache::default(),
            store: Store::new(limits),
            senders: HashMap::new(),
            probation: vec![0; PROBATION],
            hasher: RandomState::new(),
            counts: Counts::default(),
            swept_ms: 0,
        }
    }

    /// One that has counted so much already.
    #[cfg(test)]
    pub(crate) fn with_counts(counts: Counts) -> Self {
        Self { counts, ..Self::new(Limits::default()) }
    }

    /// Takes one datagram that arrived at `now_ms`, in milliseconds of any clock that does not go back. Every
    /// outcome is counted. Returns what the sender asks for in return.
    pub fn receive(&mut self, datagram: &[u8], now_ms: u64) -> Asks {
        self.counts.datagrams += 1;
        self.counts.bytes += datagram.len() as u64;
        let mut opened = match self.decoder.0.open(datagram) {
            Ok(opened) => opened,
            Err(e) => {
                self.counts.malformed[e as usize] += 1;
                return Asks::default();
            }
        };
        let header = *opened.header();
        let admitted =
            admit(&mut self.senders, &mut self.probation, &self.hasher, &self.limits, &header);
        let Some(sender) = admitted else {
            self.counts.refused_senders += 1;
            return Asks::default();
        };
        sender.datagrams += 1;
        sender.seen_ms = now_ms;
        let verdict = sender.tracker.observe(header.epoch, header.sequence);
        if !verdict.is_new() {
            self.counts.duplicates += 1;
            // The answer to the first one may be lost.
            return Asks::of(&opened, &sender.heard);
        }
        self.counts.accepted += 1;
        let asked = opened.prologue().ack_floor;
        if !sender.heard.counts(&header) {
            sender.heard = Heard::new(&self.hasher, &header);
        }
        take_prologue(sender, &header, *opened.prologue());
        if let Some(floor) = asked {
            sender.ids.get_or_insert_default().advance(floor);
        }
        let mut target = Target {
            store: &mut self.store,
            cache: &mut self.cache,
            hasher: &self.hasher,
            header,
            now_ms,
            ids: sender.ids.as_deref_mut(),
            events: 0,
            repeated: 0,
        };
        target.cache.clear();
        let (read, stored, error) = target.take_all(&mut opened);
        sender.heard.count(target.events);
        let repeated = target.repeated;
        sender.records += read;
        self.counts.records += read;
        self.counts.stored += stored;
        self.counts.repeated += repeated;
        self.counts.refused_series += read - stored - repeated;
        if let Some(e) = error {
            self.counts.malformed[e as usize] += 1;
            self.counts.broken += 1;
        }
        Asks::of(&opened, &sender.heard)
    }

    /// Writes what to tell a sender about its critical events, after what it sent is stored; returns the length.
    ///
    /// It is at most three times as long as `asked`, the length of the datagram that it answers: who forges its origin
    /// gains little by it. What is left out is said when lower ones are settled. `None` where there is nothing to
    /// tell, or no room.
    pub fn ack(&mut self, sender: u64, asked: usize, buf: &mut [u8]) -> Option<usize> {
        let known = self.senders.get(&sender)?;
        let ack = known.ids.as_deref()?.ack(sender, known.epoch);
        let limit = asked.saturating_mul(ACK_AMPLIFICATION);
        let room = limit.checked_sub(Ack::MIN_LEN)?.min(ack.bitmap.len());
        let length = Ack { bitmap: &ack.bitmap[..room], ..ack }.emit(buf)?;
        self.counts.acks += 1;
        Some(length)
    }

    /// Forgets what is idle, when it is time to look. Call it once a second or so.
    pub fn tick(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.swept_ms) < SWEEP_EVERY.as_millis() as u64 {
            return;
        }
        self.swept_ms = now_ms;
        let before = now_ms.saturating_sub(millis(self.limits.idle));
        self.counts.forgotten_series += self.store.sweep(before) as u64;
        let senders = self.senders.len();
        self.senders.retain(|_, s| s.seen_ms >= before);
        self.counts.forgotten_senders += (senders - self.senders.len()) as u64;
    }

    /// Ends the account: nothing comes any more, so what is outstanding is lost.
    pub fn finish(&mut self) {
        for sender in self.senders.values_mut() {
            sender.ended = Some(sender.tracker.clone().finish());
        }
    }

    /// Counts of everything so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The series.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The senders, in no order.
    pub fn senders(&self) -> impl Iterator<Item = (u64, &Sender)> {
        self.senders.iter().map(|(id, sender)| (*id, sender))
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What does not fit is longer than any process lives.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
