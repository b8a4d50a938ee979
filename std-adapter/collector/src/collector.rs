//! The collector without IO: datagrams and time go in, an account of everything comes out.
//!
//! Check, then sequence tracking, then the store. A datagram that was seen before is not stored again, so several
//! sockets, or two ways through the network, may feed one collector.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use ringstat_core::format::{Header, Prologue};
use ringstat_core::receive::{Account, IdWindow, Seen, SequenceTracker};
use ringstat_core::record::Kind;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::{Body, Content, Datagram};
use ringstat_core::wire::receipt::Receipt;
use ringstat_core::wire::{DecodeError, Decoder};

use crate::heard::Heard;
use crate::limits::Limits;
use crate::series::{Class, Data};
use crate::store::{Cache, Series, Store};

/// What is known of one sender.
#[derive(Debug)]
pub struct Sender {
    tracker: SequenceTracker,
    /// The final word of the tracker, once the collector has ended.
    ended: Option<Account>,
    /// What it said of itself in its latest datagram.
    pub told: Prologue,
    /// Records received.
    pub records: u64,
    /// Datagrams received, duplicates included.
    pub datagrams: u64,
    /// When it was last heard of, in milliseconds of the collector's clock.
    pub seen_ms: u64,
    /// Of epochs that ended: events dropped and datagrams given up by the sender.
    finished: (u64, u64),
    epoch: u32,
    /// What receipts say.
    heard: Heard,
    /// The critical events of this run, once there are any.
    ids: Option<Box<IdWindow>>,
}

impl Sender {
    /// What the sequence numbers say.
    #[must_use]
    pub fn sequence(&self) -> Account {
        self.ended.unwrap_or_else(|| self.tracker.stats())
    }

    /// Events that the sender says it gave up, over all its runs.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.finished.0 + self.told.dropped
    }

    /// Datagrams that the sender says it gave up, over all its runs.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.finished.1 + self.told.failed
    }

    /// Datagrams lost on the way: missing ones that the sender did not give up itself. Never negative.
    #[must_use]
    pub fn lost_in_network(&self) -> u64 {
        let stats = self.sequence();
        stats.lost.saturating_sub(self.failed())
    }
}

/// Counts of everything that came in.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Datagrams.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams taken: checked, new, from a known sender.
    pub accepted: u64,
    /// Datagrams seen before, or too old to tell.
    pub duplicates: u64,
    /// Datagrams refused because no room was left for their sender.
    pub refused_senders: u64,
    /// Datagrams refused as malformed, by reason in the order of [`DecodeError::ALL`].
    pub malformed: [u64; DecodeError::ALL.len()],
    /// Datagrams taken that had a malformed record: what was before it is stored.
    pub broken: u64,
    /// Records read.
    pub records: u64,
    /// Records stored: in a series of their own or an overflow series.
    pub stored: u64,
    /// Critical events that came again and are not stored twice, or that break the rules for their identifiers.
    pub repeated: u64,
    /// Acknowledgements made.
    pub acks: u64,
    /// States of instruments beyond a limit: they cannot be added up, and are not stored.
    pub refused_series: u64,
    /// Senders forgotten because they were idle.
    pub forgotten_senders: u64,
    /// Series forgotten because they were idle.
    pub forgotten_series: u64,
}

impl Counts {
    /// Malformed datagrams of all reasons.
    #[must_use]
    pub fn malformed_total(&self) -> u64 {
        self.malformed.iter().sum()
    }

    /// Whether every datagram and every record is accounted for.
    #[must_use]
    pub fn closes(&self) -> bool {
        // A broken datagram counts under its reason and as accepted.
        self.datagrams
            == self.accepted + self.duplicates + self.refused_senders + self.malformed_total()
                - self.broken
            && self.records == self.stored + self.repeated + self.refused_series
    }
}

/// How many senders can be waiting to be taken.
const PROBATION: usize = 1024;

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

/// A sender first heard of with a number below this has just begun: what is missing before it is lost. One first heard
/// of later was there before the collector, which then counts from where it came in.
const YOUNG: u32 = 64;

/// The sender of a datagram, if it is known or may become so.
fn admit<'a>(
    senders: &'a mut HashMap<u64, Sender>,
    probation: &mut [u64],
    hasher: &RandomState,
    limits: &Limits,
    header: &Header,
) -> Option<&'a mut Sender> {
    if !senders.contains_key(&header.sender) {
        if senders.len() >= limits.senders {
            return None;
        }
        if senders.len() >= limits.senders / 2 {
            // A random hash, so that nobody can aim at another's place.
            let place = hasher.hash_one(header.sender) as usize % probation.len();
            if std::mem::replace(&mut probation[place], header.sender) != header.sender {
                return None;
            }
        }
    }
    Some(senders.entry(header.sender).or_insert_with(|| Sender {
        tracker: if header.sequence < YOUNG {
            SequenceTracker::from_zero()
        } else {
            SequenceTracker::new()
        },
        ended: None,
        told: Prologue::default(),
        records: 0,
        datagrams: 0,
        seen_ms: 0,
        finished: (0, 0),
        epoch: header.epoch,
        heard: Heard::new(hasher, header),
        ids: None,
    }))
}

/// What a sender gave up only grows within an epoch; late datagrams change nothing.
fn take_prologue(sender: &mut Sender, header: &Header, told: Prologue) {
    if sender.epoch != header.epoch {
        sender.finished.0 += sender.told.dropped;
        sender.finished.1 += sender.told.failed;
        sender.told = told;
        sender.epoch = header.epoch;
        sender.ids = None;
    }
    if told.dropped >= sender.told.dropped && told.failed >= sender.told.failed {
        sender.told = told;
    }
}

/// What a datagram asks of the collector in return.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Asks {
    /// Its sender, if it asks for an [acknowledgement](Collector::ack) of critical events.
    pub ack: Option<u64>,
    /// The receipt to send, if it asks for a sign of life.
    pub receipt: Option<Receipt>,
}

impl Asks {
    fn of(datagram: &Datagram<'_>, heard: &Heard) -> Self {
        let (header, prologue) = (datagram.header(), datagram.prologue());
        let asks = prologue.wants_receipt && heard.counts(header);
        Self {
            ack: prologue.ack_floor.map(|_| header.sender),
            receipt: asks.then(|| heard.receipt(header)),
        }
    }
}

/// Where the records of one datagram go.
struct Target<'a> {
    store: &'a mut Store,
    cache: &'a mut Cache,
    hasher: &'a RandomState,
    header: Header,
    now_ms: u64,
    ids: Option<&'a mut IdWindow>,
    /// Events without an identifier.
    events: u64,
    /// Events that were here before.
    repeated: u64,
}

impl Target<'_> {
    /// Stores all records up to the first malformed one. Returns how many were read and stored.
    fn take_all(&mut self, datagram: &mut Datagram<'_>) -> (u64, u64, Option<DecodeError>) {
        let (mut read, mut stored) = (0, 0);
        let base_time = datagram.base_time_ns();
        while let Some(record) = datagram.next() {
            let record = match record {
                Ok(record) => record,
                Err(e) => return (read, stored, Some(e)),
            };
            read += 1;
            if let Body::Event(event) = &record.body {
                self.events += u64::from(event.id.is_none());
                if let Some((id, ids)) = event.id.zip(self.ids.as_deref_mut())
                    && ids.insert(id) != Seen::New
                {
                    self.repeated += 1;
                    continue;
                }
            }
            let (class, adds) = match record.body {
                Body::Event(event) => (class_of(event.kind), true),
                Body::Total(_) => (Class::Counter, false),
                Body::Level(_) => (Class::Gauge, true),
                Body::Buckets(_) => (Class::Histogram, false),
            };
            let name = (record.name.index, record.name.text);
            let series =
                self.store.series(self.cache, self.header.sender, name, &record.tags, class, adds);
            let Some(series) = series else { continue };
            series.seen_ms = self.now_ms;
            apply(series, &record.body, &self.header, base_time, self.hasher);
            stored += 1;
        }
        (read, stored, None)
    }
}

fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Counter => Class::Counter,
        Kind::Gauge => Class::Gauge,
        Kind::Timing => Class::Timing,
        Kind::Distribution => Class::Distribution,
        Kind::Set => Class::Set,
        Kind::Event => Class::Event,
    }
}

/// Puts one record into its series.
///
/// By what the record is, and only then by what the series holds, although a class has one kind of data: the record is
/// at hand, and the series still on its way from memory.
#[inline]
fn apply(
    series: &mut Series,
    body: &Body<'_>,
    header: &Header,
    base_time: u64,
    hasher: &RandomState,
) {
    let event = match body {
        Body::Event(event) => event,
        Body::Total(total) => {
            if let Data::Counter(counter) = &mut series.data {
                counter.total(header.epoch, *total);
            }
            return;
        }
        Body::Level(level) => {
            if let Data::Gauge(gauge) = &mut series.data {
                gauge.state(header.epoch, header.sequence, base_time, level.as_f64());
            }
            return;
        }
        Body::Buckets(buckets) => {
            if let Data::Distribution(distribution) = &mut series.data {
                distribution.unit = buckets.unit;
                let sum = buckets.sum.as_f64();
                distribution.state(header.epoch, buckets.layout, sum, buckets.iter());
            }
            return;
        }
    };
    let number = match event.content {
        Content::Number(value) => value.as_f64(),
        Content::Text(_) => 1.0,
    };
    match (event.kind, &mut series.data) {
        (Kind::Counter, Data::Counter(counter)) => {
            counter.add(number * f64::from(event.rate));
            series.scaled |= event.rate > 1;
        }
        (Kind::Gauge, Data::Gauge(gauge)) => {
            gauge.event(header.epoch, header.sequence, event.time_ns, number);
        }
        (Kind::Timing | Kind::Distribution, Data::Distribution(distribution)) => {
            distribution.add(number, event.rate);
            series.scaled |= event.rate > 1;
        }
        (Kind::Set, Data::Set(set)) => set.add(match event.content {
            Content::Number(_) => hasher.hash_one(number.to_bits()),
            Content::Text(text) => hasher.hash_one(text),
        }),
        (Kind::Event, Data::Event { count, text }) => {
            *count += u64::from(event.rate);
            if let Content::Text(said) = event.content
                && text.as_deref() != Some(said)
            {
                *text = Some(said.into());
            }
        }
        _ => {}
    }
}
