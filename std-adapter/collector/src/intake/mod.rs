//! The collector without IO: it is given datagrams and the time, and accounts for everything.
//!
//! A datagram is checked, tracked by its sequence number, and stored. A datagram that was received before is not stored
//! again, so several sockets, or two paths through the network, may feed one collector.

mod baseline;
mod counts;
mod critical;
mod cut;
mod info;
mod lines;
mod members;
mod parts;
mod records;
mod replies;
mod sender;
mod senders;
mod shards;
mod source;

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use ringstat_core::format::Header;
use ringstat_core::receive::Verdict;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::Ack;

use crate::exposition::Names;
use crate::journal::{Journal, Topic};
use crate::limits::{Hits, Limit, Limits};
use crate::mapping::Mapping;
use crate::memory::heap;
use crate::statsd;
use crate::store::{Common, Known, Store};
pub(crate) use baseline::Baseline;
pub use counts::Counts;
pub(crate) use critical::{Critical, Entry};
use cut::Begun;
pub(crate) use cut::{SenderRow, ShardRow};
pub use info::SenderInfo;
pub(crate) use lines::Examples;
use lines::LineSink;
pub use lines::{GaugeSign, LineAccount};
pub(crate) use members::MemberKey;
use records::{RecordSink, Stored};
pub use replies::Replies;
pub use sender::{Life, Sender};
use senders::Senders;
#[cfg(target_os = "linux")]
pub(crate) use shards::MIX;
pub(crate) use shards::shard_of_sender;
pub use shards::{Shards, shard_of};
pub use source::Source;

/// Takes datagrams, and keeps what they say.
///
/// A test, or a transport of your own, needs only one. For several threads there are [`shards`](Self::shards): collectors
/// that share limits and the names of families, and nothing else.
///
/// ```
/// use ringstat_collector::{Collector, Limits};
///
/// let mut collector = Collector::new(Limits::default());
/// collector.receive(b"\x7fneither a datagram nor a line", 0);
/// assert_eq!(collector.counts().malformed_total(), 1);
/// assert!(collector.counts().closes());
/// ```
#[derive(Debug)]
pub struct Collector {
    common: Arc<Common>,
    decoder: Box<DecoderDebug>,
    store: Store,
    senders: Senders,
    sink: RecordSink,
    /// Takes lines of StatsD, unless they are refused.
    lines: Option<LineSink>,
    counts: Counts,
    /// When idle senders and idle series were last looked for.
    swept_ms: (u64, u64),
    hits_before: Baseline<Hits>,
    datagrams_before: Baseline<u64>,
    /// How often each limit had been reached when that was last logged.
    logged_hits: Hits,
    counts_before: Baseline<Counts>,
    /// Where something is kept: critical events on their way to the disk,
    critical: Critical,
    /// whether the next cut is to have everything, the one under way,
    keeps_all: bool,
    cut: Begun,
    /// and what was counted when the last one began.
    kept_row: Option<ShardRow>,
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
        Self::with(Common::new(limits, None, 1))
    }

    /// Collectors for so many threads, at least one. Each datagram goes to the one that [`shard_of`] names, so that all of a
    /// sender meet, and `limits` hold for all of them together. As [`Shards`] they are shown as one.
    #[must_use]
    pub fn shards(limits: Limits, count: usize) -> Vec<Self> {
        Self::mapped_shards(limits, None, count)
    }

    /// The same, with rules for what becomes of the series that are sent.
    #[must_use]
    pub fn mapped_shards(limits: Limits, mapping: Option<Mapping>, count: usize) -> Vec<Self> {
        Self::shards_with_key(limits, mapping, count, MemberKey::random())
    }

    /// The same; members of sets are told apart as in a life before, and by all shards alike.
    pub(crate) fn shards_with_key(
        limits: Limits,
        mapping: Option<Mapping>,
        count: usize,
        key: MemberKey,
    ) -> Vec<Self> {
        let common = Common::new(limits, mapping, count);
        let mut shards: Vec<_> = (0..count.max(1)).map(|_| Self::with(common.clone())).collect();
        shards.iter_mut().for_each(|shard| shard.sink.members = key);
        shards
    }

    fn with(common: Arc<Common>) -> Self {
        let hasher = RandomState::new();
        Self {
            store: Store::new(common.clone()),
            decoder: Box::new(DecoderDebug(Decoder::new())),
            senders: Senders::new(hasher.clone()),
            sink: RecordSink::new(common.clone(), hasher),
            lines: Some(LineSink::new(GaugeSign::default())),
            common,
            counts: Counts::default(),
            swept_ms: (0, 0),
            hits_before: Baseline::new(0, Hits::default()),
            datagrams_before: Baseline::new(0, 0),
            logged_hits: Hits::default(),
            counts_before: Baseline::new(0, Counts::default()),
            critical: Critical::default(),
            keeps_all: false,
            cut: Begun::default(),
            kept_row: None,
        }
    }

    /// Takes one datagram that arrived at `now_ms`, in milliseconds of any clock that does not go back, and counts what
    /// became of it. Returns the answers that the sender asks for.
    pub fn receive(&mut self, datagram: &[u8], now_ms: u64) -> Replies {
        self.receive_from(datagram, None, now_ms)
    }

    /// As [`receive`](Self::receive), for a datagram that came from there.
    pub fn receive_from(&mut self, datagram: &[u8], from: Option<&Source>, now_ms: u64) -> Replies {
        self.counts.datagrams += 1;
        self.counts.bytes += datagram.len() as u64;
        self.arrive(datagram, from, now_ms)
    }

    /// Sets what the sign of a gauge means in lines of StatsD; with `None`, such lines are refused.
    pub fn take_statsd(&mut self, gauges: Option<GaugeSign>) {
        self.lines = gauges.map(LineSink::new);
        self.store.set_lines(0);
    }

    fn arrive(&mut self, datagram: &[u8], from: Option<&Source>, now_ms: u64) -> Replies {
        let mut opened = match self.decoder.0.open(datagram) {
            Ok(opened) => opened,
            Err(_) if statsd::is_text(datagram) && self.lines.is_some() => {
                self.take_lines(datagram, from, now_ms);
                return Replies::default();
            }
            Err(e) => {
                self.counts.malformed[e as usize] += 1;
                self.common.journal.refused(e);
                self.counts.statsd_lines += u64::from(is_statsd(datagram));
                return Replies::default();
            }
        };
        let header = *opened.header();
        let id = self.senders.route(&header);
        let new = || Sender::new(header.sender, &header, now_ms);
        let (admitted, displaced) =
            self.senders.admit(id, new, &self.common.budget, &mut self.store, now_ms);
        self.counts.displaced_senders += displaced.senders;
        self.counts.displaced_series += displaced.series;
        let Some(sender) = admitted else {
            self.counts.refused_senders += 1;
            return Replies::default();
        };
        if sender.datagrams == 0 {
            self.common.journal.sender(Topic::NewSender, &header, now_ms);
        }
        let run = sender.run();
        let verdict = sender.observe(&header, opened.prologue(), now_ms);
        if sender.run() != run {
            self.common.journal.sender(Topic::Restart, &header, now_ms);
        }
        match verdict {
            Verdict::New | Verdict::Late | Verdict::Unconfirmed | Verdict::Jump => {}
            Verdict::Restart if !sender.has_aside() => {}
            Verdict::Restart => return self.begin(id, datagram, from, now_ms),
            Verdict::Stranger => return self.keep_aside(id, datagram),
            Verdict::Twin => return self.tell_apart(id, datagram, from, now_ms),
            refused => {
                *match refused {
                    Verdict::TooLate => &mut self.counts.too_late,
                    Verdict::OldEpoch => &mut self.counts.old_epoch,
                    _ => &mut self.counts.duplicates,
                } += 1;
                // The answer to the first copy may have been lost.
                return Replies::of(&opened, id, sender.received.as_ref());
            }
        }
        let grown = sender.hear_from(from);
        let (store, counts) = (&mut self.store, &mut self.counts);
        let mut stored = self.sink.store(store, counts, id, sender, &mut opened, now_ms);
        stored.grown += grown;
        self.settle(id, datagram, &stored)
    }

    /// Takes the lines of StatsD in a datagram.
    fn take_lines(&mut self, datagram: &[u8], from: Option<&Source>, now_ms: u64) {
        let Some(lines) = &mut self.lines else { return };
        let taker = lines::Taker {
            common: &self.common,
            sink: lines,
            store: &mut self.store,
            senders: &mut self.senders,
            members: &self.sink.members,
            counts: &mut self.counts,
            from,
            now_ms,
        };
        taker.take(datagram);
    }

    /// Takes a datagram that the sender's tracker has counted already.
    fn take(&mut self, id: u64, datagram: &[u8], now_ms: u64) -> Replies {
        // It was sound when it came.
        let (Ok(mut opened), Some(sender)) =
            (self.decoder.0.open(datagram), self.senders.get_mut(id))
        else {
            return Replies::default();
        };
        let (store, counts) = (&mut self.store, &mut self.counts);
        let stored = self.sink.store(store, counts, id, sender, &mut opened, now_ms);
        self.settle(id, datagram, &stored)
    }

    /// Accounts for a datagram that was stored, and returns the replies that its sender asks for.
    #[inline]
    fn settle(&mut self, id: u64, datagram: &[u8], stored: &Stored) -> Replies {
        self.grow(stored.grown);
        if stored.critical {
            self.critical.add(id, stored.resyncs, datagram);
        }
        stored.replies
    }

    /// Takes note that senders keep so much more memory.
    #[inline]
    fn grow(&mut self, bytes: isize) {
        if bytes != 0 {
            self.senders.grow(bytes);
            self.store.set_outside(self.senders.bytes());
        }
    }

    /// Keeps a datagram of another run aside, if there is room.
    #[cold]
    fn keep_aside(&mut self, id: u64, datagram: &[u8]) -> Replies {
        self.counts.strangers += 1;
        let has_room = self.store.claim(heap(datagram.len()) + 64);
        if let Some(sender) = self.senders.get_mut(id) {
            let before = sender.bytes();
            sender.keep_aside(datagram, has_room);
            let grown = sender.bytes() as isize - before as isize;
            self.grow(grown);
        }
        // It is not known yet whether this will have been received.
        Replies::default()
    }

    /// What was kept aside for a sender of a datagram's epoch, and is that no longer.
    fn take_aside(&mut self, id: u64, datagram: &[u8]) -> Vec<Box<[u8]>> {
        let (Ok(header), Some(sender)) = (Header::parse(datagram), self.senders.get_mut(id)) else {
            return Vec::new();
        };
        let before = sender.bytes();
        let aside = sender.take_aside(header.epoch);
        let grown = sender.bytes() as isize - before as isize;
        self.grow(grown);
        aside
    }

    /// A run begins with this datagram and those kept aside that are of it.
    #[cold]
    fn begin(&mut self, id: u64, datagram: &[u8], from: Option<&Source>, now_ms: u64) -> Replies {
        for aside in self.take_aside(id, datagram) {
            self.counts.believed += 1;
            self.take(id, &aside, now_ms);
        }
        if let Some(sender) = self.senders.get_mut(id) {
            let grown = sender.hear_from(from);
            self.grow(grown);
        }
        self.take(id, datagram, now_ms)
    }

    /// Two processes send under one number: the one whose run is not the current one gets an id of its own.
    #[cold]
    fn tell_apart(
        &mut self,
        id: u64,
        datagram: &[u8],
        from: Option<&Source>,
        now_ms: u64,
    ) -> Replies {
        let aside = self.take_aside(id, datagram);
        let twin = Header::parse(datagram).ok().and_then(|h| self.senders.tell_apart(&h, now_ms));
        let Some(twin) = twin else {
            self.store.hits.count(Limit::Senders, id, 1);
            self.counts.refused_senders += 1;
            return Replies::default();
        };
        for aside in aside {
            self.counts.believed += 1;
            self.arrive(&aside, from, now_ms);
        }
        let replies = self.arrive(datagram, from, now_ms);
        self.senders.pair(id, twin);
        let at = |id| self.senders.get(id).and_then(Sender::source).map(Source::to_string);
        self.common.journal.twins((id, at(id)), (twin, at(twin)), now_ms);
        replies
    }

    /// Writes an acknowledgement of the sender's critical events, once they are stored, and returns its length.
    ///
    /// It is at most three times as long as `asked`, the length of the datagram that it answers, so that forging the
    /// origin of a datagram gains little. What is left out follows when lower identifiers are settled. Returns `None`
    /// if there is nothing to acknowledge, or no room.
    pub fn ack(&mut self, sender: u64, asked: usize, buf: &mut [u8]) -> Option<usize> {
        let length = self.write_ack(sender, asked, buf)?;
        self.count_acks(1);
        Some(length)
    }

    /// The same, without counting it.
    pub(crate) fn write_ack(&self, sender: u64, asked: usize, buf: &mut [u8]) -> Option<usize> {
        let ack = self.senders.get(sender)?.ack()?;
        let limit = asked.saturating_mul(ACK_AMPLIFICATION);
        let room = limit.checked_sub(Ack::MIN_LEN)?.min(ack.bitmap.len());
        Ack { bitmap: &ack.bitmap[..room], ..ack }.emit(buf)
    }

    /// Counts acknowledgements that were sent.
    pub(crate) fn count_acks(&mut self, acks: u64) {
        self.counts.acks += acks;
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
            self.counts.forgotten_series += {
                let senders = &self.senders;
                let life = |id| match senders.get(id) {
                    Some(s) if s.seen_ms >= before && s.life(now_ms) == Life::Living => {
                        Known::Living
                    }
                    Some(_) => Known::Silent,
                    None => Known::Forgotten,
                };
                self.store.sweep(SWEEP_PLACES, now_ms, life) as u64
            };
        }
        if now_ms.saturating_sub(self.swept_ms.1) >= millis(SWEEP_SENDERS) {
            self.swept_ms.1 = now_ms;
            for (id, life) in self.senders.changes(now_ms) {
                match life {
                    Life::Silent => self.common.journal.life(Topic::Silent, id, now_ms),
                    Life::Gone => self.common.journal.life(Topic::Gone, id, now_ms),
                    Life::Living => {}
                }
            }
            self.counts.forgotten_senders +=
                self.senders.sweep(&self.common.budget, now_ms, before) as u64;
            self.store.set_outside(self.senders.bytes());
            self.tell(now_ms);
            let hits = &self.store.hits;
            self.hits_before.rotate(now_ms, || hits.clone());
            self.datagrams_before.rotate(now_ms, || self.counts.datagrams);
            self.counts_before.rotate(now_ms, || self.counts.clone());
        }
    }

    /// Logs which limits were reached since the last time.
    fn tell(&mut self, now_ms: u64) {
        let hits = &self.store.hits;
        for limit in Limit::ALL {
            let more = hits.times(limit) - self.logged_hits.times(limit);
            let by = hits.by(limit).unwrap_or_default();
            self.common.journal.limit(limit, by, more, now_ms);
        }
        self.logged_hits.clone_from(hits);
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

    /// Examples of the lines that were refused.
    pub(crate) fn refused_examples(&self) -> Option<&Examples> {
        self.lines.as_ref().map(LineSink::examples)
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
    pub(crate) fn received_recently(&self) -> u64 {
        self.counts.datagrams - self.datagrams_before.before()
    }

    /// What had been counted some minutes ago.
    pub(crate) fn counts_before(&self) -> &Counts {
        self.counts_before.before()
    }

    /// The journal of all shards.
    pub(crate) fn journal(&self) -> &Journal {
        &self.common.journal
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.common.budget.limits()
    }

    /// Whether rules may add up series.
    pub(crate) fn is_mapped(&self) -> bool {
        self.common.mapping.is_some()
    }

    /// Whether the gauges of that sender say nothing any more.
    pub(crate) fn is_stale(&self, sender: u64, now_ms: u64) -> bool {
        self.senders.get(sender).is_some_and(|s| s.gauges_are_over(now_ms))
    }

    /// The names of all shards' families.
    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.common.names
    }
}

/// Whether a datagram is lines of StatsD: `name:value|type`, printable.
fn is_statsd(datagram: &[u8]) -> bool {
    let line = datagram.split(|b| *b == b'\n').next().unwrap_or_default();
    let value = line.iter().position(|b| *b == b':').map_or(&[][..], |colon| &line[colon + 1..]);
    value.contains(&b'|') && line.iter().all(|b| (b' '..0x7F).contains(b))
}

/// Saturates at a time that exceeds the life of any process.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
