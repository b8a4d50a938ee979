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
mod groups;
mod page_index;
mod series;
mod shares;
mod strings;
mod tags;
mod text;

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringstat_core::instrument::Unit;
use ringstat_core::wire::decode::Tags;

use crate::exposition::{Families, FamilyKey, labels};
use crate::limits::{Hits, Limit};
use crate::mapping::{Mapped, Style};
use crate::memory::{Numbers, Room, heap};
use crate::series::{Class, Data};

pub(crate) use cache::Cache;
pub(crate) use common::Common;
use cut::Changes;
pub(crate) use cut::{SeriesRow, ValueRow};
use groups::Dropped;
pub(crate) use groups::Pair;
use page_index::PageIndex;
pub(crate) use page_index::PageKey;
pub use series::Series;
use series::{Key, MappedAs, Place, Role, ShownAs};
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
    /// Those that add up others, by what they have in common.
    group_index: Numbers,
    /// The gauges that are parts, behind the places of what they are parts of.
    gauge_parts: BTreeSet<(u32, u32)>,
    /// Names that rules drop.
    dropped: Dropped,
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

/// A series to be made.
#[derive(Clone, Copy)]
struct New<'a> {
    sender: u64,
    class: Class,
    unit: Unit,
    /// What it is shown as,
    mapped: &'a Mapped,
    /// and what it is a part of.
    group: Option<u32>,
}

/// What is known of the sender of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// It lives, and may say again at any time what it has not said for long.
    Living,
    /// It is silent or gone, and not forgotten.
    Silent,
    /// Nothing.
    Forgotten,
}

/// Whether a series is to be forgotten.
fn is_old(common: &Common, series: &Series, now_ms: u64, life: impl Fn(u64) -> Known) -> bool {
    let ttl = common.mapping.as_ref().and_then(|mapping| mapping.ttl(series.style()));
    let after = ttl.unwrap_or(common.budget.limits().series_ttl);
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    if series.seen_ms >= now_ms.saturating_sub(after_ms) {
        return false;
    }
    match series.role() {
        Role::Group { parts, .. } => parts == 0,
        // A rule that names a time holds for series of living senders, too. But what a run has stated may be stated again.
        Role::Own => ttl.is_some() || life(series.sender) != Known::Living,
        Role::Part(_) if series.data.is_stated() => life(series.sender) == Known::Forgotten,
        Role::Part(_) => ttl.is_some() || life(series.sender) != Known::Living,
    }
}

/// Tags as others see them.
fn pairs(tags: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|(key, value)| (&**key, &**value))
}

impl Store {
    /// The bookkeeping for a series, in bytes: its entry, and its places in index and page.
    const OVERHEAD: usize = size_of::<Option<Series>>() + 10 + PageIndex::OVERHEAD;

    /// The empty store of a shard.
    #[must_use]
    pub(crate) fn new(common: Arc<Common>) -> Self {
        let families = Families::new(common.names.clone());
        let hasher = common.hasher.clone();
        Self {
            common,
            names: Strings::default(),
            tag_sets: TagSets::default(),
            hasher: RandomState::default(),
            index: Numbers::default(),
            group_index: Numbers::default(),
            gauge_parts: BTreeSet::new(),
            dropped: Dropped::default(),
            // Places are numbered from 1.
            series: vec![None],
            free: Vec::new(),
            shares: Shares::default(),
            shown: PageIndex::new(families, hasher),
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

    /// Returns the series of a record and its place; it is made if necessary. Beyond a limit, returns the sender's
    /// overflow series of that class if the record can be added up there, otherwise `None`. If rules drop it, returns
    /// `None` as well, and the cache counts it.
    #[inline]
    pub(crate) fn series(
        &mut self,
        cache: &mut Cache,
        room: &mut Room<'_>,
        wanted: Wanted<'_, Tags<'_>>,
    ) -> Option<(u32, &mut Series)> {
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
        Some((place, self.series.get_mut(place as usize)?.as_mut()?))
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
        if self.is_dropped(wanted.name.1, class) {
            cache.dropped += 1;
            return None;
        }
        // There will be no room for this sender before the next datagram.
        if let Some(place) = cache.overflow[class as usize].filter(|_| may_overflow) {
            self.overflowed += 1;
            return Some(place);
        }
        let name = wanted.name.1;
        let tags = || wanted.tags.iter();
        let mapped = self.map(name, class, tags());
        let limit = match self.refuse(room, &wanted, &mapped) {
            Some(limit) => limit,
            None => match self.group_for(room, sender, name, class, wanted.unit, &mapped) {
                Ok(group) => {
                    let new = New { sender, class, unit: wanted.unit, mapped: &mapped, group };
                    return Some(self.insert(new, name, tags));
                }
                Err(limit) => {
                    self.common.budget.give_series(1);
                    limit
                }
            },
        };
        self.hits.count(limit, sender, 1);
        if !may_overflow {
            return None;
        }
        let unit = class.unit();
        let found = self.names.find(OVERFLOW).zip(self.tag_sets.find(&[]));
        let found =
            found.and_then(|(name, tags)| self.find(Key { sender, name, tags, class, unit }));
        let mapped = Mapped::default();
        let cost = self.cost(OVERFLOW, std::iter::empty(), class, &mapped);
        let place = match found {
            Some(place) => place,
            None if room.claim(cost, true) => {
                self.common.budget.take_series(true);
                let new = New { sender, class, unit, mapped: &mapped, group: None };
                self.insert(new, OVERFLOW, std::iter::empty)
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
        mapped: &Mapped,
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
        if room.spend(self.cost(name, tags.iter(), class, mapped)) {
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
        mapped: &Mapped,
    ) -> usize {
        let shown = mapped.name.as_deref().unwrap_or(name);
        let strings = Strings::cost(name.len()) + TagSets::cost(tags) + Families::cost(shown);
        let of_mapped = mapped.name.as_ref().map_or(0, |name| Strings::cost(name.len()))
            + mapped.tags.as_ref().map_or(0, |tags| TagSets::cost(pairs(tags)))
            + if self.common.mapping.is_some() { MappedAs::BYTES } else { 0 };
        Self::OVERHEAD + Data::least_bytes(class) + strings + of_mapped
    }

    fn insert<'t, T: Iterator<Item = (&'t str, &'t str)>>(
        &mut self,
        new: New<'_>,
        sent: &str,
        sent_tags: impl Fn() -> T,
    ) -> u32 {
        let New { sender, class, unit, mapped, group } = new;
        self.made += 1;
        let (name, of_name) = self.names.take(sent, sender);
        let (tags, of_tags) = self.tag_sets.take(sent_tags(), sender);
        let (shown_name, of_shown_name) = match &mapped.name {
            Some(shown) => self.names.take(shown, sender),
            None => (name, 0),
        };
        let (shown_tags, of_shown_tags) = match &mapped.tags {
            Some(shown) => self.tag_sets.take(pairs(shown), sender),
            None => (tags, 0),
        };
        let shown = ShownAs {
            name: shown_name,
            tags: shown_tags,
            unit: mapped.unit.unwrap_or(unit),
            style: mapped.style,
        };
        let data = if group.is_some() { Data::of_part(class) } else { Data::new(class) };
        // One use of each is enough if it is shown as it was sent, and frees nothing.
        if mapped.name.is_some() && shown.name == name {
            let _ = self.names.release(name);
        }
        if mapped.tags.is_some() && shown.tags == tags {
            self.tag_sets.release(tags, |_, _| {});
        }
        let role = group.map_or(Role::Own, Role::Part);
        let as_sent = ShownAs { name, tags, unit, style: Style::default() };
        let is_mapped = shown != as_sent || group.is_some();
        let as_mapped = is_mapped.then(|| Box::new(MappedAs { shown, role }));
        let bytes = data.bytes() + if is_mapped { MappedAs::BYTES } else { 0 };
        self.data_bytes += bytes;
        let of_shown = of_shown_name + of_shown_tags;
        let charge = Self::OVERHEAD + bytes + of_name + of_tags + of_shown;
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
            mapped: as_mapped,
            page_key: PageKey::default(),
            twin: 0,
            before: None,
            behind,
        };
        let key = series.key();
        self.before_renewal(self.free.last().copied().unwrap_or(self.series.len() as u32));
        let number = strings::place(&mut self.series, &mut self.free, Some(series));
        let place = Place::new(number);
        match group {
            Some(group) => self.join(group, number, class),
            None => {
                let family = FamilyKey::of(shown.name, class, shown.unit);
                let sent = mapped.name.as_deref().unwrap_or(sent);
                let sorted = || self.tag_sets.get(shown.tags);
                let of = (family, sent);
                let (page_key, twin) = self.shown.insert(of, false, Some(sender), sorted, number);
                if let Some(series) = self.at(number) {
                    (series.page_key, series.twin) = (page_key, twin);
                }
            }
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

    /// Checks the next `count` places, and forgets series that have not changed for long, as `limits` or a rule say. Returns
    /// how many.
    pub(crate) fn sweep(
        &mut self,
        count: usize,
        now_ms: u64,
        life: impl Fn(u64) -> Known,
    ) -> usize {
        let end = (self.swept + count).min(self.series.len());
        let mut forgotten = 0;
        let common = self.common.clone();
        for place in self.swept..end {
            let series = self.series[place].as_ref();
            if series.is_some_and(|s| is_old(&common, s, now_ms, &life)) {
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
        let Self { series, free, index, group_index, hasher, .. } = self;
        // The first place is never used.
        strings::trim(series, free, Option::is_none);
        if series.is_empty() {
            series.push(None);
        }
        let again = |n: &u32| series[*n as usize].as_ref().map_or(0, |s| hasher.hash_one(s.key()));
        index.shrink(again);
        group_index.shrink(again);
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
        if series.is_group() {
            return self.removed_group(place, &series);
        }
        let hash = self.hasher.hash_one(series.key());
        self.index.remove(hash, place);
        if let Some(before) = series.before.and_then(|p| self.at(p.get())) {
            before.behind = series.behind;
        }
        if let Some(behind) = series.behind.and_then(|p| self.at(p.get())) {
            behind.before = series.before;
        }
        match series.role() {
            Role::Part(group) => self.leave(group, place),
            _ => self.shown.remove(series.page_key, false),
        }
        self.release(&series);
        self.free.push(place);
        self.common.budget.give_series(1);
        self.data_bytes -= series.bytes();
        self.shares.change(series.sender, |share| {
            share.series -= 1;
            share.bytes = share.bytes.saturating_sub(Self::OVERHEAD + series.bytes());
            if series.before.is_none() {
                share.newest = series.behind;
            }
        });
    }

    /// Gives back the strings of a series that is gone.
    fn release(&mut self, series: &Series) {
        let shares = &mut self.shares;
        let mut back = |owner, bytes| {
            shares.change(owner, |share| share.bytes = share.bytes.saturating_sub(bytes));
        };
        let ShownAs { name, tags, .. } = series.shown();
        for name in [Some(series.name), Some(name).filter(|name| *name != series.name)] {
            if let Some((owner, bytes)) = name.and_then(|name| self.names.release(name)) {
                back(owner, bytes);
            }
        }
        for tags in [Some(series.tags), Some(tags).filter(|tags| *tags != series.tags)] {
            tags.into_iter().for_each(|tags| self.tag_sets.release(tags, &mut back));
        }
    }

    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len() + self.group_index.len()
    }

    /// Whether there are no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
            + self.groups_bytes()
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
        let tags = self.tag_sets.get(series.shown().tags);
        labels(out, series.shown_sender(), tags, series.twin);
    }

    /// The upper bounds of a histogram's buckets, if a rule sets them.
    pub(crate) fn buckets(&self, style: Style) -> Option<&[f64]> {
        self.common.mapping.as_ref()?.buckets(style)
    }

    /// The name that a series is shown under, before it is made one that Prometheus takes.
    pub(crate) fn shown_name(&self, series: &Series) -> &str {
        self.names.get(series.shown().name)
    }

    /// The tags that a series is shown with, sorted by key.
    pub(crate) fn shown_tags(&self, series: &Series) -> impl Iterator<Item = (&str, &str)> {
        self.tag_sets.get(series.shown().tags)
    }

    /// The name of a series, as it was sent.
    #[must_use]
    pub fn name(&self, series: &Series) -> &str {
        self.names.get(series.name)
    }

    /// The tags of a series, as they were sent, sorted by key.
    pub fn tags<'a>(&'a self, series: &Series) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.tag_sets.get(series.tags)
    }
}
