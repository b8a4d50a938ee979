//! The collector without IO: it is given datagrams and the time, and accounts for everything.
//!
//! A datagram is checked, tracked by its sequence number, and stored. A datagram that was received before is not stored
//! again, so several sockets, or two paths through the network, may feed one collector.

mod counts;
mod heard;
mod lately;
mod records;
mod sender;
mod senders;
mod shards;

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::Ack;

use crate::exposition::Names;
use crate::journal::Topic;
use crate::limits::{Hits, Limit, Limits};
use crate::store::{Cache, Common, Store};
pub use counts::Counts;
pub use heard::Asks;
use heard::Heard;
pub(crate) use lately::Lately;
use records::{Tally, Target};
pub use sender::Sender;
use senders::Senders;
#[cfg(target_os = "linux")]
pub(crate) use shards::MIX;
pub use shards::{Shards, shard_of};

/// Takes datagrams, and keeps what they say.
///
/// One of them is all that a test or a transport of its own needs. For several threads there are
/// [`shards`](Self::shards): collectors that keep within the same limits and agree on names, and otherwise share nothing.
///
/// ```
/// use ringstat_collector::{Collector, Limits};
///
/// let mut collector = Collector::new(Limits::default());
/// collector.receive(b"not a datagram of ours", 0);
/// assert_eq!(collector.counts().malformed_total(), 1);
/// assert!(collector.counts().closes());
/// ```
#[derive(Debug)]
pub struct Collector {
    common: Arc<Common>,
    decoder: Box<DecoderDebug>,
    cache: Cache,
    store: Store,
    senders: Senders,
    hasher: RandomState,
    counts: Counts,
    /// When idle senders and idle series were last looked for.
    swept_ms: (u64, u64),
    hits_before: Lately<Hits>,
    datagrams_before: Lately<u64>,
    /// How often each limit had been reached when the journal was last told.
    told: Hits,
}

/// The decoder, with a `Debug` implementation that does not print its tables.
struct DecoderDebug(Decoder);

impl std::fmt::Debug for DecoderDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

/// QUIC has the same bound for answers to an address that is not validated (RFC 9000, section 8). With a lower one, the
/// bitmap would often be cut off, and events would be repeated that had arrived; at a loss of one half in each
/// direction, twenty times as many would be given up.
const ACK_AMPLIFICATION: usize = 3;

/// The interval at which idle senders are looked for.
const SWEEP_SENDERS: Duration = Duration::from_secs(5);
/// The interval at which a part of the series is checked.
const SWEEP_SERIES: Duration = Duration::from_millis(50);
/// The size of that part: enough to check a million series in half a minute, but never so large that datagrams have to
/// wait.
const SWEEP_PLACES: usize = 2048;

impl Collector {
    /// Creates a collector that has received nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with(Common::new(limits, 1))
    }

    /// Collectors for so many threads, at least one. Each datagram goes to the one that [`shard_of`] names, so that all of a
    /// sender meet, and `limits` hold for all of them together. As [`Shards`] they are shown as one.
    #[must_use]
    pub fn shards(limits: Limits, count: usize) -> Vec<Self> {
        let common = Common::new(limits, count);
        (0..count.max(1)).map(|_| Self::with(common.clone())).collect()
    }

    fn with(common: Arc<Common>) -> Self {
        let hasher = RandomState::new();
        Self {
            store: Store::new(common.clone()),
            common,
            decoder: Box::new(DecoderDebug(Decoder::new())),
            cache: Cache::default(),
            senders: Senders::new(hasher.clone()),
            hasher,
            counts: Counts::default(),
            swept_ms: (0, 0),
            hits_before: Lately::new(0, Hits::default()),
            datagrams_before: Lately::new(0, 0),
            told: Hits::default(),
        }
    }

    /// Takes one datagram that arrived at `now_ms`, in milliseconds of any clock that does not go back, and counts what
    /// became of it. Returns the answers that the sender asks for.
    pub fn receive(&mut self, datagram: &[u8], now_ms: u64) -> Asks {
        self.counts.datagrams += 1;
        self.counts.bytes += datagram.len() as u64;
        let mut opened = match self.decoder.0.open(datagram) {
            Ok(opened) => opened,
            Err(e) => {
                self.counts.malformed[e as usize] += 1;
                self.common.journal.refused(e);
                return Asks::default();
            }
        };
        let header = *opened.header();
        let (admitted, displaced) =
            self.senders.admit(&header, &self.common.budget, &mut self.store, now_ms);
        self.counts.displaced_senders += displaced.senders;
        self.counts.displaced_series += displaced.series;
        let Some(sender) = admitted else {
            self.counts.refused_senders += 1;
            return Asks::default();
        };
        if sender.datagrams == 0 {
            self.common.journal.sender(Topic::NewSender, &header, now_ms);
        }
        if !sender.observe(&header, now_ms).is_new() {
            self.counts.duplicates += 1;
            // The answer to the first copy may have been lost.
            return Asks::of(&opened, &sender.heard);
        }
        self.counts.accepted += 1;
        if !sender.heard.counts(&header) {
            self.common.journal.sender(Topic::Restart, &header, now_ms);
            sender.heard = Heard::new(&self.hasher, &header);
        }
        sender.take_prologue(&header, *opened.prologue());
        if let Some(floor) = opened.prologue().ack_floor {
            sender.ids.get_or_insert_default().advance(floor);
        }
        let mut target = Target {
            room: self.store.room(&self.common, header.sender),
            store: &mut self.store,
            cache: &mut self.cache,
            hasher: &self.hasher,
            header,
            run: sender.run(),
            now_ms,
            ids: sender.ids.as_deref_mut(),
            tally: Tally::default(),
        };
        target.cache.clear();
        let error = target.take_all(&mut opened);
        let Target { room, tally, .. } = target;
        self.store.settle(header.sender, &room);
        sender.heard.count(tally.events);
        sender.records += tally.read;
        self.counts.add(&tally);
        if let Some(e) = error {
            self.counts.malformed[e as usize] += 1;
            self.counts.broken += 1;
            self.common.journal.refused(e);
        }
        Asks::of(&opened, &sender.heard)
    }

    /// Writes an acknowledgement of the sender's critical events, once they are stored, and returns its length.
    ///
    /// It is at most three times as long as `asked`, the length of the datagram that it answers, so that forging the
    /// origin of a datagram gains little. What is left out follows when lower identifiers are settled. Returns `None`
    /// if there is nothing to acknowledge, or no room.
    pub fn ack(&mut self, sender: u64, asked: usize, buf: &mut [u8]) -> Option<usize> {
        let known = self.senders.get(sender)?;
        let ack = known.ids.as_deref()?.ack(sender, known.epoch());
        let limit = asked.saturating_mul(ACK_AMPLIFICATION);
        let room = limit.checked_sub(Ack::MIN_LEN)?.min(ack.bitmap.len());
        let length = Ack { bitmap: &ack.bitmap[..room], ..ack }.emit(buf)?;
        self.counts.acks += 1;
        Some(length)
    }

    /// Does what is due: forgets idle senders and series, and logs which limits were reached. Call it often; each call
    /// does little.
    pub fn tick(&mut self, now_ms: u64) {
        let before = now_ms.saturating_sub(millis(self.limits().idle));
        if now_ms.saturating_sub(self.swept_ms.0) >= millis(SWEEP_SERIES) {
            self.swept_ms.0 = now_ms;
            let gone = self.senders.give_way(&self.common.budget, &mut self.store, now_ms);
            self.counts.displaced_senders += gone.senders;
            self.counts.displaced_series += gone.series;
            self.counts.forgotten_series += self.store.sweep(SWEEP_PLACES, before) as u64;
        }
        if now_ms.saturating_sub(self.swept_ms.1) >= millis(SWEEP_SENDERS) {
            self.swept_ms.1 = now_ms;
            self.counts.forgotten_senders +=
                self.senders.sweep(&self.common.budget, now_ms, before) as u64;
            self.store.set_outside(self.senders.bytes());
            self.tell(now_ms);
            let hits = &self.store.hits;
            self.hits_before.turn(now_ms, || hits.clone());
            self.datagrams_before.turn(now_ms, || self.counts.datagrams);
        }
    }

    /// Logs which limits were reached since the last time.
    fn tell(&mut self, now_ms: u64) {
        let hits = &self.store.hits;
        for limit in Limit::ALL {
            let more = hits.times(limit) - self.told.times(limit);
            let by = hits.by(limit).unwrap_or_default();
            self.common.journal.limit(limit, by, more, now_ms);
        }
        self.told.clone_from(hits);
        self.common.journal.tick(now_ms);
    }

    /// Counts series that did not fit on the page of `/metrics`.
    pub fn cut_page(&mut self, series: u64) {
        self.store.hits.count(Limit::Page, 0, series);
    }

    /// Ends the account: nothing more will arrive, so whatever is outstanding is lost.
    pub fn finish(&mut self) {
        self.senders.finish();
    }

    /// All counts so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The store of all series.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// All senders, in no particular order.
    pub fn senders(&self) -> impl Iterator<Item = (u64, &Sender)> {
        self.senders.iter()
    }

    /// The sender with that id, if it is known.
    #[must_use]
    pub fn sender(&self, id: u64) -> Option<&Sender> {
        self.senders.get(id)
    }

    /// The number of known senders.
    #[must_use]
    pub fn sender_count(&self) -> usize {
        self.senders.len()
    }

    /// How often each limit had been reached some minutes ago.
    pub(crate) fn hits_before(&self) -> &Hits {
        self.hits_before.before()
    }

    /// The number of datagrams received in the last minutes.
    pub(crate) fn received_lately(&self) -> u64 {
        self.counts.datagrams - self.datagrams_before.before()
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.common.budget.limits()
    }

    /// The names of all shards' families.
    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.common.names
    }
}

/// Saturates at a time that exceeds the life of any process.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
