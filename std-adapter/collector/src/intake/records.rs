//! From the records of a datagram to the series that hold them.

use std::hash::RandomState;
use std::sync::Arc;

use ringstat_core::format::Header;
use ringstat_core::instrument::Details;
use ringstat_core::receive::{IdWindow, Seen};
use ringstat_core::record::Kind;
use ringstat_core::wire::DecodeError;
use ringstat_core::wire::decode::{Body, Content, Datagram, Event, Record};

use super::replies::RunCounts;
use super::{Counts, MemberKey, Replies, Sender, SenderInfo};
use crate::memory::Room;
use crate::series::{Class, Data, say};
use crate::store::{Cache, Common, Series, Store, Wanted};

/// Where the records of one datagram are stored.
pub(super) struct Target<'a, 'b> {
    pub(super) store: &'a mut Store,
    pub(super) cache: &'a mut Cache,
    pub(super) members: &'a MemberKey,
    /// The sender's id.
    pub(super) id: u64,
    pub(super) header: Header,
    /// The sender's run. Counts that start again with each run do so when it changes.
    pub(super) run: u32,
    pub(super) now_ms: u64,
    pub(super) ids: Option<&'a mut IdWindow>,
    /// Whether only critical events are stored, as the rest is lost.
    pub(super) only_critical: bool,
    /// What the sender says of itself.
    pub(super) info: &'a mut Option<Box<SenderInfo>>,
    /// How much the series may grow.
    pub(super) room: Room<'b>,
    /// How much those that add up series may grow, if rules add any up.
    pub(super) groups_room: Option<Room<'b>>,
    /// Whether the collector has listened since the run began, so that all that it has counted is new.
    pub(super) whole: bool,
    pub(super) gained: Vec<(u16, u64)>,
    pub(super) tally: Tally,
}

/// What became of the records of a datagram.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tally {
    pub(super) read: u64,
    pub(super) stored: u64,
    /// Critical events that had been received before.
    pub(super) repeated: u64,
    /// Amounts and samples that are infinite or not a number, and negative amounts.
    pub(super) refused_values: u64,
    /// Records that rules drop.
    pub(super) mapped_away: u64,
    /// What the sender says of itself takes so many bytes more.
    pub(super) grown: isize,
    /// Events without an identifier.
    pub(super) events: u64,
    /// Critical events that are new.
    pub(super) critical: u64,
}

/// Stores the records of datagrams, and keeps what is used again for the next datagram.
#[derive(Debug)]
pub(super) struct RecordSink {
    common: Arc<Common>,
    cache: Cache,
    hasher: RandomState,
    /// The key with which members of sets are hashed.
    pub(super) members: MemberKey,
}

/// The result of storing a datagram.
pub(super) struct Stored {
    /// The replies that the sender asks for.
    pub(super) replies: Replies,
    /// How many bytes more the collector now keeps about the sender.
    pub(super) grown: isize,
    /// Whether the datagram brought critical events that had not been received before.
    pub(super) critical: bool,
    /// How often the sender had restarted when its epoch began.
    pub(super) resyncs: u32,
}

impl RecordSink {
    pub(super) fn new(common: Arc<Common>, hasher: RandomState) -> Self {
        Self { common, cache: Cache::default(), hasher, members: MemberKey::random() }
    }

    /// Stores a datagram's records and counts them.
    #[inline]
    pub(super) fn store(
        &mut self,
        store: &mut Store,
        counts: &mut Counts,
        id: u64,
        sender: &mut Sender,
        opened: &mut Datagram<'_>,
        now_ms: u64,
    ) -> Stored {
        let (header, prologue) = (*opened.header(), *opened.prologue());
        counts.accepted += 1;
        if sender.received.as_ref().is_none_or(|received| !received.counts(&header)) {
            sender.received = Some(RunCounts::new(&self.hasher, &header));
        }
        sender.take_prologue(&header, prologue, now_ms);
        self.store_records(store, counts, (id, sender), opened, now_ms, false)
    }

    /// Stores the critical events of a datagram that was received in a life before, and is not counted.
    pub(super) fn store_critical(
        &mut self,
        store: &mut Store,
        counts: &mut Counts,
        id: u64,
        sender: &mut Sender,
        opened: &mut Datagram<'_>,
        now_ms: u64,
    ) -> Stored {
        self.store_records(store, counts, (id, sender), opened, now_ms, true)
    }

    #[inline]
    fn store_records(
        &mut self,
        store: &mut Store,
        counts: &mut Counts,
        (id, sender): (u64, &mut Sender),
        opened: &mut Datagram<'_>,
        now_ms: u64,
        only_critical: bool,
    ) -> Stored {
        let Self { common, cache, members, .. } = self;
        if let Some(floor) = opened.prologue().ack_floor {
            sender.ids.get_or_insert_default().advance(floor);
        }
        let mut target = Target {
            room: store.room(common, id),
            groups_room: common.mapping.as_ref().map(|_| store.room_of_groups(common)),
            whole: common.mapping.is_some() && sender.is_whole(),
            gained: Vec::new(),
            store,
            cache,
            members,
            id,
            header: *opened.header(),
            run: sender.run(),
            now_ms,
            ids: sender.ids.as_deref_mut(),
            only_critical,
            info: &mut sender.info,
            tally: Tally::default(),
        };
        target.cache.clear();
        let error = target.take_all(opened);
        target.tally.mapped_away = target.cache.dropped;
        let Target { room, groups_room, tally, store, .. } = target;
        store.settle(id, &room);
        if let Some(room) = groups_room {
            store.settle_groups(&room);
        }
        if let Some(received) = sender.received.as_mut().filter(|_| !only_critical) {
            received.count(tally.events);
        }
        sender.records += tally.read;
        counts.add(&tally);
        // A datagram of which only critical events are taken was not accepted, and is not broken either.
        if let Some(e) = error.filter(|_| !only_critical) {
            counts.malformed[e as usize] += 1;
            counts.broken += 1;
            common.journal.refused(e);
        }
        Stored {
            replies: Replies::of(opened, id, sender.received.as_ref()),
            grown: tally.grown,
            critical: tally.critical > 0,
            resyncs: sender.resyncs(),
        }
    }
}

impl Target<'_, '_> {
    /// Stores all records up to the first malformed one, and returns what is wrong with that.
    pub(super) fn take_all(&mut self, datagram: &mut Datagram<'_>) -> Option<DecodeError> {
        let base_time = datagram.base_time_ns();
        while let Some(record) = datagram.next() {
            let record = match record {
                Ok(record) => record,
                Err(e) => return Some(e),
            };
            let critical = matches!(&record.body, Body::Event(event) if event.id.is_some());
            if self.only_critical && !critical {
                continue;
            }
            self.tally.read += 1;
            if let Body::Event(event) = &record.body {
                self.tally.events += u64::from(event.id.is_none());
                if let Some((id, ids)) = event.id.zip(self.ids.as_deref_mut()) {
                    if ids.insert(id) != Seen::New {
                        self.tally.repeated += 1;
                        continue;
                    }
                    self.tally.critical += 1;
                }
            }
            let (class, may_overflow) = match &record.body {
                Body::Event(event) => (class_of(event.kind), true),
                Body::Total(_) => (Class::Counter, false),
                Body::Level(_) => (Class::Gauge, true),
                Body::Buckets(_) => (Class::Histogram, false),
                Body::Info(details) => {
                    self.tally.stored += u64::from(self.introduce(&record, details));
                    continue;
                }
                Body::Description(meaning) => {
                    let name = record.name.text;
                    let kept = self.store.describe(&mut self.room, self.id, name, meaning);
                    self.tally.stored += u64::from(kept);
                    continue;
                }
            };
            let unit = match &record.body {
                Body::Buckets(buckets) => buckets.unit,
                _ => class.unit(),
            };
            let wanted = Wanted {
                sender: self.id,
                name: (record.name.index, record.name.text),
                tags: &record.tags,
                class,
                unit,
                may_overflow,
            };
            let Some((place, series)) = self.store.series(self.cache, &mut self.room, wanted)
            else {
                continue;
            };
            series.seen_ms = self.now_ms;
            if let Some(group) = series.group() {
                let stored = self.add_up((place, group), &record.body, base_time);
                self.tally.stored += u64::from(stored);
                self.tally.refused_values += u64::from(!stored);
                continue;
            }
            let (scaled, page_key) = (series.scaled, series.page_key());
            let stored = apply(
                series,
                &record.body,
                (&self.header, self.run),
                base_time,
                self.members,
                &mut self.room,
            );
            if series.scaled && !scaled {
                self.store.mark_scaled(page_key);
            }
            self.tally.stored += u64::from(stored);
            self.tally.refused_values += u64::from(!stored);
        }
        None
    }
}

impl Target<'_, '_> {
    /// Keeps what the sender says of itself, if there is room.
    #[cold]
    fn introduce(&mut self, record: &Record<'_>, details: &Details<&str>) -> bool {
        if self.info.as_ref().is_some_and(|known| known.says(record, details)) {
            return true;
        }
        let info = SenderInfo::of(record, details);
        let before = self.info.as_ref().map_or(0, |known| known.bytes());
        let grown = info.bytes().saturating_sub(before);
        // It is charged with the senders, not with the series.
        if grown > 0 && !self.store.claim(grown) {
            return false;
        }
        self.tally.grown += info.bytes() as isize - before as isize;
        *self.info = Some(Box::new(info));
        true
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

/// Puts one record into its series. Returns whether its value can be one of such a series.
///
/// By what the record is, and only then by what the series holds, although a class has one kind of data: the record is
/// at hand, and the series still on its way from memory.
#[inline]
pub(super) fn apply(
    series: &mut Series,
    body: &Body<'_>,
    (header, run): (&Header, u32),
    base_time: u64,
    members: &MemberKey,
    room: &mut Room<'_>,
) -> bool {
    let data = &mut series.data;
    match body {
        Body::Event(event) => apply_event(series, event, (header, run), members, room),
        Body::Total(total) => {
            let Data::Counter(counter) = data else { return mismatch() };
            counter.total(run, *total);
            true
        }
        Body::Level(level) => {
            let Data::Gauge(gauge) = data else { return mismatch() };
            gauge.state(run, header.sequence, base_time, level.as_f64());
            true
        }
        // These are kept elsewhere.
        Body::Info(_) | Body::Description(_) => mismatch(),
        Body::Buckets(buckets) => {
            let Data::Distribution(distribution) = data else { return mismatch() };
            let from = (run, header.sequence);
            let (sum, each) = (buckets.sum.as_f64(), buckets.iter());
            distribution.state(from, buckets.layout, sum, each, room, |_, _| {});
            true
        }
    }
}

/// Puts an event into its series, as [`apply`] does. No wildcard: a new kind does not compile until it has a place.
#[inline]
pub(super) fn apply_event(
    series: &mut Series,
    event: &Event<'_>,
    (header, run): (&Header, u32),
    members: &MemberKey,
    room: &mut Room,
) -> bool {
    let number = number(event);
    let (data, rate) = (&mut series.data, event.rate);
    match event.kind {
        Kind::Counter => {
            let Data::Counter(counter) = data else { return mismatch() };
            series.scaled |= rate > 1;
            counter.add(run, number * f64::from(rate))
        }
        Kind::Gauge => {
            let Data::Gauge(gauge) = data else { return mismatch() };
            gauge.event(run, header.sequence, event.time_ns, number);
            true
        }
        Kind::Timing | Kind::Distribution => {
            let Data::Distribution(distribution) = data else { return mismatch() };
            series.scaled |= rate > 1;
            distribution.add(number, rate, room)
        }
        Kind::Set => {
            let Data::Set(set) = data else { return mismatch() };
            let member = match event.content {
                Content::Number(_) => members.hash(&number.to_bits().to_le_bytes()),
                Content::Text(text) => members.hash(text.as_bytes()),
            };
            set.add(member, room);
            series.scaled |= !set.is_exact();
            true
        }
        Kind::Event => {
            let Data::Event { count, text } = data else { return mismatch() };
            *count = count.saturating_add(rate.into());
            if let Content::Text(said) = event.content {
                say(text, said, room);
            }
            true
        }
    }
}

/// The number of an event; a text counts once.
pub(super) fn number(event: &Event<'_>) -> f64 {
    match event.content {
        Content::Number(value) => value.as_f64(),
        Content::Text(_) => 1.0,
    }
}

/// A record whose class has other data, which cannot be: a series is looked up by class, and a class has one kind of
/// data. If it were otherwise, the record would be counted as refused.
#[cold]
pub(super) fn mismatch() -> bool {
    debug_assert!(false, "a class has one kind of data");
    false
}
