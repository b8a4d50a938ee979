//! Series that add up others, and what rules drop.
//!
//! A series that is added up is stored like any other, as a *part*: it counts towards its sender's limits, and keeps what
//! cannot be added up as it arrives, which are totals and gauges. What it gains goes to a *group* at once, so that a group
//! never goes down, whichever of its parts restarts or vanishes, and a reader looks at one group and not at all its parts.
//! Gauges are the exception: theirs are looked at together when they are shown.
//!
//! What groups keep is charged to all of them together, which may take as much as a single sender.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Bound;

use foldhash::fast::RandomState;
use ringstat_core::instrument::Unit;
use siphasher::sip::SipHasher13;

use super::admit::pairs;
use super::series::{Key, MappedAs, Role, ShownAs};
use super::strings::{self, Strings};
use super::tags::TagSets;
use super::{Common, PageKey, Series, Store, ValueRow};
use crate::exposition::{Families, FamilyKey};
use crate::limits::Limit;
use crate::mapping::{Mapped, Style};
use crate::memory::{Room, heap};
use crate::series::{Class, Data};

/// Who is charged for what groups keep.
pub(super) const GROUPS: u64 = u64::MAX;
/// The largest number of names that are known to be dropped.
const DROPPED: usize = 4096;

/// The names that rules drop, of the classes in these bits, so that the rules are not asked for each record.
#[derive(Default, Debug)]
pub(super) struct Dropped(HashMap<Box<str>, u8, RandomState>);

impl Dropped {
    /// What that takes at most, in bytes: it is not charged to senders.
    const BYTES: usize = DROPPED * (size_of::<(Box<str>, u8)>() + heap(255));

    fn has(&self, name: &str, class: Class) -> bool {
        self.0.get(name).is_some_and(|classes| classes >> class as u8 & 1 != 0)
    }

    fn insert(&mut self, name: &str, class: Class) {
        // Begins anew, which costs no more than asking the rules again.
        if self.0.len() >= DROPPED && !self.0.contains_key(name) {
            self.0.clear();
        }
        *self.0.entry(name.into()).or_default() |= 1 << class as u8;
    }
}

/// A part of a group, and the group.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) part: &'a mut Series,
    pub(crate) group: &'a mut Series,
}

impl Store {
    /// Whether rules drop series of that name and class.
    pub(super) fn is_dropped(&mut self, name: &str, class: Class) -> bool {
        let Some(mapping) = &self.common.mapping else { return false };
        if self.dropped.has(name, class) {
            return true;
        }
        let drops = mapping.drops(name, class);
        if drops {
            self.dropped.insert(name, class);
        }
        drops
    }

    /// What a new series that is not dropped is shown as.
    pub(super) fn map<'t>(
        &self,
        sender: u64,
        name: &str,
        class: Class,
        unit: Unit,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> Mapped {
        let mapping = self.common.mapping.as_ref();
        let mut mapped =
            mapping.map_or_else(Mapped::default, |mapping| mapping.apply(name, class, tags));
        self.map_as_described(&mut mapped, sender, name, class, unit);
        mapped
    }

    /// The place of what a new series is to be a part of, if it is to be, which is made if necessary.
    pub(super) fn group_for(
        &mut self,
        room: &mut Room<'_>,
        sender: u64,
        name: &str,
        class: Class,
        unit: Unit,
        mapped: &Mapped,
    ) -> Result<Option<u32>, Limit> {
        let Some(by) = &mapped.group else { return Ok(None) };
        let sender = by.of_sender.then_some(sender);
        let name = mapped.name.as_deref().unwrap_or(name);
        let unit = mapped.unit.unwrap_or(unit);
        if let Some(found) = self.find_group(sender, (name, &by.tags), class, unit) {
            self.restyle(found, mapped.style);
            return Ok(Some(found));
        }
        let budget = &self.common.budget;
        let cost = Self::OVERHEAD
            + Data::least_bytes(class)
            + MappedAs::BYTES
            + Strings::cost(name.len())
            + TagSets::cost(pairs(&by.tags))
            + Families::cost(name);
        if !budget.take_series(false) {
            return Err(Limit::Series);
        }
        if !room.spend(cost) {
            budget.give_series(1);
            return Err(Limit::Bytes);
        }
        Ok(Some(self.insert_group(sender, (name, &by.tags), class, unit, mapped.style)))
    }

    fn find_group(
        &self,
        sender: Option<u64>,
        (name, tags): (&str, &[(String, String)]),
        class: Class,
        unit: Unit,
    ) -> Option<u32> {
        let mut text = String::new();
        let name = self.names.find(name)?;
        let tag = |tag| self.tag_sets.find_tag(tag, &mut text);
        let mut members: Vec<u32> = pairs(tags).map(tag).collect::<Option<_>>()?;
        members.sort_unstable();
        let tags = self.tag_sets.find(&members)?;
        let of_sender = sender.is_some();
        let key = Key { sender: sender.unwrap_or_default(), name, tags, class, unit };
        let is = |place: &u32| {
            let group = self.series.get(*place as usize).and_then(Option::as_ref);
            group.is_some_and(|s| s.key() == key && s.shown_sender().is_some() == of_sender)
        };
        self.group_index.find(self.hasher.hash_one(key), is)
    }

    fn insert_group(
        &mut self,
        sender: Option<u64>,
        (sent, sent_tags): (&str, &[(String, String)]),
        class: Class,
        unit: Unit,
        style: Style,
    ) -> u32 {
        let (name, of_name) = self.names.take(sent, GROUPS);
        let (tags, of_tags) = self.tag_sets.take(pairs(sent_tags), GROUPS);
        let data = Data::new(class);
        let bytes = data.bytes() + MappedAs::BYTES;
        let charge = Self::OVERHEAD + bytes + of_name + of_tags;
        self.data_bytes += bytes;
        let group = Series {
            sender: sender.unwrap_or_default(),
            data,
            class,
            unit,
            scaled: false,
            seen_ms: 0,
            name,
            tags,
            mapped: Some(Box::new(MappedAs {
                shown: ShownAs { name, tags, unit, style },
                role: Role::Group { parts: 0, of_sender: sender.is_some() },
            })),
            page_key: PageKey::default(),
            twin: 0,
            described: 0,
            before: None,
            behind: None,
            born: self.made as u32,
        };
        let hash = self.hasher.hash_one(group.key());
        self.before_renewal(self.free.last().copied().unwrap_or(self.series.len() as u32));
        let number = strings::place(&mut self.series, &mut self.free, Some(group));
        let sorted = || self.tag_sets.get(tags);
        let of = (FamilyKey::of(name, class, unit), sent);
        let (page_key, twin) = self.shown.insert(of, true, sender, sorted, number);
        if let Some(group) = self.at(number) {
            (group.page_key, group.twin) = (page_key, twin);
        }
        let again = |n: &u32| {
            let series = self.series[*n as usize].as_ref();
            series.map_or(0, |s| self.hasher.hash_one(s.key()))
        };
        self.group_index.insert(hash, number, again);
        self.shares.change(GROUPS, |share| {
            share.series += 1;
            share.bytes += charge;
        });
        number
    }

    /// Takes note that a series is a part of a group.
    pub(super) fn join(&mut self, group: u32, part: u32, class: Class) {
        if let Some(parts) = self.parts_of(group) {
            *parts += 1;
        }
        if class == Class::Gauge {
            self.gauge_parts.insert((group, part));
        }
    }

    /// How many parts the group at that place has.
    fn parts_of(&mut self, group: u32) -> Option<&mut u32> {
        match &mut self.at(group)?.mapped.as_mut()?.role {
            Role::Group { parts, .. } => Some(parts),
            _ => None,
        }
    }

    /// Takes note that a part is gone. What it has brought stays.
    pub(super) fn leave(&mut self, group: u32, part: u32) {
        if let Some(parts) = self.parts_of(group) {
            *parts -= 1;
        }
        self.gauge_parts.remove(&(group, part));
    }

    /// Forgets a group that was taken from its place.
    pub(super) fn removed_group(&mut self, place: u32, group: &Series) {
        self.group_index.remove(self.hasher.hash_one(group.key()), place);
        self.shown.remove(group.page_key, true);
        self.release(group);
        self.free.push(place);
        self.common.budget.give_series(1);
        self.data_bytes -= group.bytes();
        self.shares.change(GROUPS, |share| {
            share.series -= 1;
            share.bytes = share.bytes.saturating_sub(Self::OVERHEAD + group.bytes());
        });
    }

    /// How much more groups may keep, while a datagram has so much left.
    pub(crate) fn room_of_groups<'b>(&self, common: &'b Common) -> Room<'b> {
        let free = common.budget.free_bytes();
        Room::of(&common.budget, self.shares.bytes(GROUPS, free).0, 0)
    }

    /// Charges what groups have taken of that.
    pub(crate) fn settle_groups(&mut self, room: &Room<'_>) {
        self.settle(GROUPS, room);
    }

    /// A part and its group, both of which are about to change.
    #[inline]
    pub(crate) fn pair(&mut self, part: u32, group: u32) -> Option<Pair<'_>> {
        if !self.changes.knows(group) {
            self.before_change(group);
        }
        let [part, group] = self.series.get_disjoint_mut([part as usize, group as usize]).ok()?;
        Some(Pair { part: part.as_mut()?, group: group.as_mut()? })
    }

    /// The groups of a family after a page_key.
    pub(crate) fn groups_of_family(
        &self,
        family: u32,
        behind: Option<PageKey>,
    ) -> impl Iterator<Item = (PageKey, &Series)> {
        let all = self.shown.groups_of_family(family, behind);
        all.filter_map(|(page_key, place)| {
            Some((page_key, self.series.get(place as usize)?.as_ref()?))
        })
    }

    /// The group at a page_key, which is the same one in all shards.
    pub(crate) fn group_at(&self, page_key: PageKey) -> Option<&Series> {
        self.series.get(self.shown.group(page_key)? as usize)?.as_ref()
    }

    /// The gauges of a group after one of them, with their places.
    pub(crate) fn gauges_at(
        &self,
        page_key: PageKey,
        behind: u32,
    ) -> impl Iterator<Item = (u32, &Series)> {
        let group = self.shown.group(page_key).unwrap_or_default();
        let parts = (Bound::Excluded((group, behind)), Bound::Included((group, u32::MAX)));
        let parts = self.gauge_parts.range(parts);
        parts.filter_map(|(_, place)| Some((*place, self.series.get(*place as usize)?.as_ref()?)))
    }

    /// The memory of what is kept about groups beside the series, in bytes.
    pub(super) fn groups_bytes(&self) -> usize {
        // A third of the places in a tree's nodes are empty.
        let gauges = self.gauge_parts.len() * size_of::<(u32, u32)>() * 3 / 2;
        let dropped = if self.dropped.0.is_empty() { 0 } else { Dropped::BYTES };
        self.group_index.bytes() + gauges + dropped
    }

    /// What identifies a group in every life of the collector.
    pub(super) fn identity(&self, group: &Series) -> u64 {
        let mut hasher = SipHasher13::new();
        let of = (self.name(group), group.class, group.unit as u8, group.shown_sender());
        of.hash(&mut hasher);
        self.tags(group).for_each(|tag| tag.hash(&mut hasher));
        hasher.finish()
    }

    /// Puts back a group of a life before, or adds it to the one that is here already: that of another shard.
    pub(super) fn restore_group(
        &mut self,
        sender: Option<u64>,
        (name, tags): (&str, &[(String, String)]),
        class: Class,
        unit: Unit,
        value: &ValueRow,
    ) {
        let found = self.find_group(sender, (name, tags), class, unit);
        let place = found.unwrap_or_else(|| {
            self.common.budget.take_series(true);
            self.insert_group(sender, (name, tags), class, unit, Style::default())
        });
        self.absorb(place, value);
    }

    /// Adds to a group what a series had before it became a part of it, or what another shard had.
    pub(super) fn absorb(&mut self, place: u32, value: &ValueRow) {
        let common = self.common.clone();
        let mut room = self.room(&common, GROUPS);
        let Some(group) = self.at(place) else { return };
        group.data.absorb(&value.data, &mut room);
        group.seen_ms = group.seen_ms.max(value.seen_ms);
        group.scaled |= value.scaled;
        let page_key = group.page_key;
        if value.scaled {
            self.mark_scaled(page_key);
        }
        self.settle(GROUPS, &room);
    }

    /// Takes over how a group is shown from the rules that hold now.
    fn restyle(&mut self, place: u32, style: Style) {
        if let Some(mapped) = self.at(place).and_then(|group| group.mapped.as_mut()) {
            mapped.shown.style = style;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_known_by_name_and_class_and_bounded() {
        let mut dropped = Dropped::default();
        dropped.insert("a", Class::Timing);
        dropped.insert("a", Class::Histogram);
        assert!(dropped.has("a", Class::Timing) && dropped.has("a", Class::Histogram));
        assert!(!dropped.has("a", Class::Counter) && !dropped.has("b", Class::Timing));
        (0..10_000).for_each(|n| dropped.insert(&n.to_string(), Class::Set));
        assert!(dropped.0.len() <= DROPPED);
    }
}
