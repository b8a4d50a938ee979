//! The collector without IO: it is given datagrams and the time, and accounts for everything.
//!
//! A datagram is checked, tracked by its sequence number, and stored. A datagram that was received before is not stored
//! again, so several sockets, or two paths through the network, may feed one collector.

mod arrive;
mod baseline;
mod counts;
mod critical;
mod cut;
mod info;
mod lines;
mod members;
mod other_runs;
mod parts;
mod records;
mod replies;
mod sender;
mod senders;
mod shards;
mod source;
mod tick;

use std::hash::RandomState;
use std::sync::Arc;

use ringstat_core::wire::Decoder;

use crate::exposition::Names;
use crate::journal::Journal;
use crate::limits::{Hits, Limit, Limits};
use crate::mapping::Mapping;
use crate::store::{Common, Store};
pub(crate) use arrive::Arrival;
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
use records::RecordSink;
#[cfg(feature = "nats")]
pub(crate) use replies::ACK_AMPLIFICATION;
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
    /// What became of the datagram that came last.
    arrival: Arrival,
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
            arrival: Arrival::Refused,
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

    /// Shows quantiles of the last four to five minutes in summaries instead of those of all time. It costs memory, which is
    /// charged to the senders. Whatever was received before `now_ms` is no longer among them.
    pub fn keep_windows(&mut self, now_ms: u64) {
        self.store.keep_windows(now_ms);
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

    /// What became of the datagram that came last.
    pub(crate) fn arrival(&self) -> Arrival {
        self.arrival
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
