//! The store: series by sender, name, tags, class and unit, within limits.
//!
//! Names and tag sets are interned, so that a record costs one lookup by small numbers. The [`Cache`] remembers these
//! numbers for a datagram, so that a string is hashed once per datagram and not once per record.
//!
//! Everything is charged when it is kept, to its sender and to the total: [`room`](Store::room) says how much a
//! sender's datagram may still take, and [`settle`](Store::settle) charges what it took.

mod cache;
mod common;
mod cut;
mod page_index;
mod series;
mod shares;
mod strings;
mod tags;
mod text;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringstat_core::instrument::Unit;
use ringstat_core::wire::decode::Tags;

use crate::exposition::{Families, FamilyKey, labels};
use crate::limits::{Hits, Limit};
use crate::memory::{Numbers, Room, heap};
use crate::series::{Class, Data};

pub(crate) use cache::Cache;
pub(crate) use common::Common;
use cut::Changes;
pub(crate) use cut::{SeriesRow, ValueRow};
use page_index::PageIndex;
pub(crate) use page_index::PageKey;
pub use series::Series;
use series::{Key, Place};
use shares::Shares;
use strings::Strings;
use tags::TagSets;
pub(crate) use text::Found;

/// All series of a shard.
///
/// ```
/// use ringstat_collector::{Collector, Limits};
/// # use ringstat_core::format::{Header, Prologue};
/// # use ringstat_core::record::{Event, Kind, NoNames};
/// # let mut buf = [0; 512];
/// # let mut encoder = <ringstat_core::wire::Encoder>::new();
/// # let header = Header { sender: 7, epoch: 1, ..Header::default() };
/// # let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
/// # let event: Event = Event::new(Kind::Counter, "cache.miss".into(), 3u8.into(), 0).unwrap();
/// # open.event(&event, &NoNames).unwrap();
/// # let length = open.finish(false);
/// # let datagram = &buf[..length];
///
/// let mut collector = Collector::new(Limits::default());
/// collector.receive(datagram, 0);
/// let store = collector.store();
/// for series in store.iter() {
///     println!("{}", store.name(series));
/// }
/// assert_eq!(store.len(), 1);
/// ```
#[derive(Debug)]
pub struct Store {
    common: Arc<Common>,
    names: Strings,
    tag_sets: TagSets,
    hasher: RandomState,
    index: Numbers,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    shares: Shares,
    shown: PageIndex,
    /// The memory of the series' contents, in bytes.
    data_bytes: usize,
    /// Memory kept elsewhere that counts towards the same limit.
    outside: usize,
    /// Memory kept for lines of StatsD, which counts towards it, too.
    lines: usize,
    /// What is claimed of the memory that all shards share: never less than is kept, but while a datagram is stored.
    claimed: usize,
    /// Where the next search for idle series begins.
    swept: usize,
    /// The number of series made so far.
    made: u64,
    /// Records that went to an overflow series.
    pub overflowed: u64,
    /// How often each limit was reached.
    pub hits: Hits,
    changes: Changes,
}

/// The name of the series that take what is beyond a limit.
pub const OVERFLOW: &str = "ringstat.overflow";

/// The series that a record asks for.
#[derive(Debug)]
pub(crate) struct Wanted<'a, T: TagList + ?Sized> {
    pub(crate) sender: u64,
    /// The name, with its index in the datagram.
    pub(crate) name: (u16, &'a str),
    pub(crate) tags: &'a T,
    pub(crate) class: Class,
    pub(crate) unit: Unit,
    /// Whether the record can be added to others in an overflow series.
    pub(crate) may_overflow: bool,
}

impl<T: TagList + ?Sized> Clone for Wanted<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: TagList + ?Sized> Copy for Wanted<'_, T> {}

/// The tags of a record, in whatever form they came.
pub(crate) trait TagList {
    /// Iterates over keys and values.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)>;
}

impl TagList for Tags<'_> {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
    }
}

impl TagList for [(&str, &str)] {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().copied()
    }
}

impl Store {
    /// The bookkeeping for a series, in bytes: its entry, and its places in index and page.
    const OVERHEAD: usize = size_of::<Option<Series>>() + 10 + PageIndex::OVERHEAD;

    /// The empty store of a shard.
    #[must_use]
    pub(crate) fn new(common: Arc<Common>) -> Self {
        let families = Families::new(common.names.clone());
        Self {
            common,
            names: Strings::default(),
            tag_sets: TagSets::default(),
            hasher: RandomState::default(),
            index: Numbers::default(),
            // Places are numbered from 1.
            series: vec![None],
            free: Vec::new(),
            shares: Shares::default(),
            shown: PageIndex::new(families),
            data_bytes: 0,
            outside: 0,
            lines: 0,
            claimed: 0,
            swept: 0,
            made: 0,
            overflowed: 0,
            hits: Hits::default(),
            changes: Changes::default(),
        }
    }

    /// How much a datagram of this sender may make the store keep.
    #[inline]
    pub(crate) fn room<'b>(&self, common: &'b Common, sender: u64) -> Room<'b> {
        let spare = self.claimed.saturating_sub(self.bytes());
        let free = common.budget.free_bytes().saturating_add(spare);
        Room::of(&common.budget, self.shares.bytes(sender, free).0, spare)
    }

    /// Charges a sender for what its datagram took.
    #[inline]
    pub(crate) fn settle(&mut self, sender: u64, room: &Room<'_>) {
        self.claimed += room.claimed();
        if room.taken() != 0 {
            self.data_bytes = self.data_bytes.saturating_add_signed(room.taken());
            let taken = room.taken();
            self.shares.change(sender, |s| s.bytes = s.bytes.saturating_add_signed(taken));
        }
        self.balance();
        if room.refused + room.coarser + room.estimated > 0 {
            let short = self.short(sender);
            for (limit, times) in [
                (short, room.refused),
                (Limit::Buckets, room.coarser),
                (Limit::Members, room.estimated),
            ] {
                self.hits.count(limit, sender, times);
            }
        }
    }

    /// Which limit keeps a sender from taking more memory.
    fn short(&self, sender: u64) -> Limit {
        let spare = self.claimed.saturating_sub(self.bytes());
        self.shares.bytes(sender, self.common.budget.free_bytes().saturating_add(spare)).1
    }

    /// Claims what is kept, and gives back what was claimed for more.
    fn balance(&mut self) {
        self.claimed = self.common.budget.balance(self.claimed, self.bytes());
    }

    /// Claims so many bytes for what others keep. What they keep is bounded together with the store.
    pub(crate) fn claim(&mut self, bytes: usize) -> bool {
        let lacking = (self.bytes() + bytes).saturating_sub(self.claimed);
        if lacking == 0 {
            return true;
        }
        let claimed = self.common.budget.claim(lacking, true);
        self.claimed += claimed.unwrap_or(0);
        claimed.is_some()
    }

    /// Sets how much memory is kept elsewhere.
    pub(crate) fn set_outside(&mut self, bytes: usize) {
        self.outside = bytes;
        self.balance();
    }

    /// Sets how much memory is kept for lines.
    pub(crate) fn set_lines(&mut self, bytes: usize) {
        if bytes != self.lines {
            self.lines = bytes;
            self.balance();
        }
    }

    /// Returns the series of a record, which is made if necessary. Beyond a limit, returns the sender's overflow series
    /// of that class if the record can be added up there, otherwise `None`.
    #[inline]
    pub(crate) fn series(
        &mut self,
        cache: &mut Cache,
        room: &mut Room<'_>,
        wanted: Wanted<'_, Tags<'_>>,
    ) -> Option<&mut Series> {
        let Wanted { sender, class, unit, .. } = wanted;
        let numbers = (cache.name(self, wanted.name), cache.set(self, wanted.tags));
        let found = match numbers {
            (Some(name), Some(tags)) => self.find(Key { sender, name, tags, class, unit }),
            _ => None,
        };
        let place = match found {
            Some(place) => place,
            None => self.admit(cache, room, wanted)?,
        };
        if !self.changes.knows(place) {
            self.before_change(place);
        }
        self.series.get_mut(place as usize)?.as_mut()
    }

    #[inline]
    fn find(&self, key: Key) -> Option<u32> {
        let is = |place: &u32| {
            self.series
                .get(*place as usize)
                .and_then(Option::as_ref)
                .is_some_and(|s| s.key() == key)
        };
        self.index.find(self.hasher.hash_one(key), is)
    }

    /// Makes a series, or finds the overflow series.
    #[cold]
    fn admit<T: TagList + ?Sized>(
        &mut self,
        cache: &mut Cache,
        room: &mut Room<'_>,
        wanted: Wanted<'_, T>,
    ) -> Option<u32> {
        let Wanted { sender, class, may_overflow, .. } = wanted;
        // There will be no room for this sender before the next datagram.
        if let Some(place) = cache.overflow[class as usize].filter(|_| may_overflow) {
            self.overflowed += 1;
            return Some(place);
        }
        let name = wanted.name.1;
        let Some(limit) = self.refuse(room, &wanted) else {
            return Some(self.insert(sender, name, || wanted.tags.iter(), class, wanted.unit));
        };
        self.hits.count(limit, sender, 1);
        if !may_overflow {
            return None;
        }
        let unit = class.unit();
        let found = self.names.find(OVERFLOW).zip(self.tag_sets.find(&[]));
        let found =
            found.and_then(|(name, tags)| self.find(Key { sender, name, tags, class, unit }));
        let cost = self.cost(OVERFLOW, std::iter::empty(), class);
        let place = match found {
            Some(place) => place,
            None if room.claim(cost, true) => {
                self.common.budget.take_series(true);
                self.insert(sender, OVERFLOW, std::iter::empty, class, unit)
            }
            None => return None,
        };
        self.overflowed += 1;
        cache.overflow[class as usize] = Some(place);
        Some(place)
    }

    /// Why there may not be another series; if there may, its place is taken, and its memory claimed.
    fn refuse<T: TagList + ?Sized>(
        &self,
        room: &mut Room<'_>,
        wanted: &Wanted<'_, T>,
    ) -> Option<Limit> {
        let Wanted { sender, name: (_, name), tags, class, .. } = *wanted;
        let budget = &self.common.budget;
        let refused = self.shares.refuse_series(sender, budget.series(), budget.limits());
        if refused.is_some() {
            return refused;
        }
        if !budget.take_series(false) {
            return Some(Limit::Series);
        }
        if room.spend(self.cost(name, tags.iter(), class)) {
            return None;
        }
        budget.give_series(1);
        Some(self.short(sender))
    }

    /// The largest amount of memory that a new series takes.
    fn cost<'t>(
        &self,
        name: &str,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
        class: Class,
    ) -> usize {
        let strings = Strings::cost(name.len()) + TagSets::cost(tags) + Families::cost(name);
        Self::OVERHEAD + Data::least_bytes(class) + strings
    }

    fn insert<'t, T: Iterator<Item = (&'t str, &'t str)>>(
        &mut self,
        sender: u64,
        sent: &str,
        sent_tags: impl Fn() -> T,
        class: Class,
        unit: Unit,
    ) -> u32 {
        self.made += 1;
        let (name, of_name) = self.names.take(sent, sender);
        let (tags, of_tags) = self.tag_sets.take(sent_tags(), sender);
        let data = Data::new(class);
        self.data_bytes += data.bytes();
        let charge = Self::OVERHEAD + data.bytes() + of_name + of_tags;
        let behind = self.shares.of(sender).newest;
        let series = Series {
            sender,
            data,
            class,
            unit,
            scaled: false,
            seen_ms: 0,
            born: self.made as u32,
            name,
            tags,
            page_key: PageKey::default(),
            twin: 0,
            before: None,
            behind,
        };
        let key = series.key();
        self.before_renewal(self.free.last().copied().unwrap_or(self.series.len() as u32));
        let number = strings::place(&mut self.series, &mut self.free, Some(series));
        let place = Place::new(number);
        let family = FamilyKey::of(name, class, unit);
        let sorted = || self.tag_sets.get(tags);
        let (page_key, twin) = self.shown.insert(family, sent, sender, sorted, number);
        if let Some(series) = self.at(number) {
            (series.page_key, series.twin) = (page_key, twin);
        }
        if let Some(newest) = behind.and_then(|p| self.at(p.get())) {
            newest.before = place;
        }
        let again = |n: &u32| {
            let series = self.series[*n as usize].as_ref();
            series.map_or(0, |s| self.hasher.hash_one(s.key()))
        };
        self.index.insert(self.hasher.hash_one(key), number, again);
        self.shares.change(sender, |share| {
            share.series += 1;
            share.bytes += charge;
            share.newest = place;
        });
        number
    }

    fn at(&mut self, place: u32) -> Option<&mut Series> {
        self.series.get_mut(place as usize)?.as_mut()
    }

    /// Checks the next `count` places, and forgets series not heard from since `before_ms`. Returns how many.
    pub(crate) fn sweep(
        &mut self,
        count: usize,
        before_ms: u64,
        lives: impl Fn(u64) -> bool,
    ) -> usize {
        let end = (self.swept + count).min(self.series.len());
        let mut forgotten = 0;
        let is_old = |s: &Series| s.seen_ms < before_ms && !lives(s.sender);
        for place in self.swept..end {
            if self.series[place].as_ref().is_some_and(is_old) {
                self.remove(place as u32);
                forgotten += 1;
            }
        }
        self.swept = end;
        if end == self.series.len() {
            self.swept = 0;
            self.shrink();
        }
        self.balance();
        forgotten
    }

    /// Releases memory that was needed when there were many more series.
    fn shrink(&mut self) {
        let Self { series, free, index, hasher, .. } = self;
        // The first place is never used.
        strings::trim(series, free, Option::is_none);
        if series.is_empty() {
            series.push(None);
        }
        index.shrink(|n| series[*n as usize].as_ref().map_or(0, |s| hasher.hash_one(s.key())));
        self.names.shrink();
        self.tag_sets.shrink();
        self.shares.shrink();
    }

    /// Forgets all series of a sender. Returns how many.
    pub(crate) fn forget(&mut self, sender: u64) -> usize {
        let mut forgotten = 0;
        while let Some(place) = self.shares.of(sender).newest {
            self.remove(place.get());
            forgotten += 1;
        }
        self.balance();
        forgotten
    }

    fn remove(&mut self, place: u32) {
        self.before_renewal(place);
        let Some(series) = self.series.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        let hash = self.hasher.hash_one(series.key());
        self.index.remove(hash, place);
        if let Some(before) = series.before.and_then(|p| self.at(p.get())) {
            before.behind = series.behind;
        }
        if let Some(behind) = series.behind.and_then(|p| self.at(p.get())) {
            behind.before = series.before;
        }
        self.shown.remove(series.page_key);
        let shares = &mut self.shares;
        let mut back = |owner, bytes| {
            shares.change(owner, |share| share.bytes = share.bytes.saturating_sub(bytes));
        };
        if let Some((owner, bytes)) = self.names.release(series.name) {
            back(owner, bytes);
        }
        self.tag_sets.release(series.tags, back);
        self.free.push(place);
        self.common.budget.give_series(1);
        self.data_bytes -= series.data.bytes();
        self.shares.change(series.sender, |share| {
            share.series -= 1;
            share.bytes = share.bytes.saturating_sub(Self::OVERHEAD + series.data.bytes());
            if series.before.is_none() {
                share.newest = series.behind;
            }
        });
    }

    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// The memory of everything that is kept, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data_bytes
            + self.outside
            + self.lines
            + self.changes.bytes()
            + self.names.bytes()
            + self.tag_sets.bytes()
            + self.shown.bytes()
            + self.shares.memory()
            + self.index.bytes()
            + heap(self.series.capacity() * size_of::<Option<Series>>())
            + heap(self.free.capacity() * size_of::<u32>())
    }

    /// Iterates over all series, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().flatten()
    }

    /// Iterates over the places from `from` on, some of which are empty, so that a reader can pause in between.
    pub(crate) fn places(&self, from: usize) -> impl Iterator<Item = (usize, &Series)> {
        let rest = self.series.iter().enumerate().skip(from);
        rest.filter_map(|(place, series)| Some((place, series.as_ref()?)))
    }

    /// The series of a family after that position on the page.
    pub(crate) fn of_family(
        &self,
        family: u32,
        behind: Option<PageKey>,
    ) -> impl Iterator<Item = (PageKey, &Series)> {
        let all = self.shown.of_family(family, behind);
        all.filter_map(|(page_key, place)| {
            Some((page_key, self.series.get(place as usize)?.as_ref()?))
        })
    }

    /// Notes that a family has a series with values that were scaled up.
    #[cold]
    pub(crate) fn mark_scaled(&mut self, page_key: PageKey) {
        self.shown.mark_scaled(page_key);
    }

    /// Writes the labels of a series.
    pub(crate) fn labels(&self, series: &Series, out: &mut String) {
        labels(out, series.sender, self.tags(series), series.twin);
    }

    /// The name of a series.
    #[must_use]
    pub fn name(&self, series: &Series) -> &str {
        self.names.get(series.name)
    }

    /// The tags of a series, sorted by key.
    pub fn tags<'a>(&'a self, series: &Series) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.tag_sets.get(series.tags)
    }
}
