//! From a record to its series, which is made if there is room for another one.

use std::hash::BuildHasher;

use ringstat_core::instrument::Unit;
use ringstat_core::wire::decode::Tags;

use super::page_index::PageKey;
use super::series::{Key, MappedAs, Place, Role, ShownAs};
use super::strings::{self, Strings};
use super::tags::TagSets;
use super::{Cache, OVERFLOW, Series, Store, TagList, Wanted};
use crate::exposition::{Families, FamilyKey};
use crate::limits::Limit;
use crate::mapping::{Mapped, Style};
use crate::memory::Room;
use crate::series::{Class, Data};

/// A series to be made.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    pub(super) sender: u64,
    pub(super) class: Class,
    pub(super) unit: Unit,
    /// What it is shown as,
    pub(super) mapped: &'a Mapped,
    /// and what it is a part of.
    pub(super) group: Option<u32>,
}

impl Store {
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
    pub(super) fn find(&self, key: Key) -> Option<u32> {
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
    pub(super) fn admit<T: TagList + ?Sized>(
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
        let mapped = self.map(sender, name, class, wanted.unit, tags());
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
    pub(super) fn cost<'t>(
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
            + if self.common.mapping.is_some() || mapped.unit.is_some() {
                MappedAs::BYTES
            } else {
                0
            };
        Self::OVERHEAD + Data::least_bytes(class) + strings + of_mapped
    }

    pub(super) fn insert<'t, T: Iterator<Item = (&'t str, &'t str)>>(
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
            described: 0,
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
        self.show_description(number);
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
}

/// Tags as others see them.
pub(super) fn pairs(tags: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|(key, value)| (&**key, &**value))
}
