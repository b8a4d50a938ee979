//! What senders say that names mean: the unit and the text of families.
//!
//! What a sender says holds for its own series alone, as another one may mean something else by the same name: they are
//! shown in the unit that it names, unless a rule names one. The text of a family, which all senders have in common, is what
//! was said last and had not been said before by the same sender.
//!
//! A description that arrives after the series that it is about takes effect when the [sweep](Store::sweep) comes by, so that
//! no datagram makes more work than its length.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringstat_core::instrument::{Meaning, Unit};

#[cfg(feature = "otlp")]
use super::Series;
use super::series::{MappedAs, Role, ShownAs};
use super::{Known, Store};
use crate::exposition::FamilyKey;
use crate::mapping::Mapped;
use crate::memory::{Room, heap};
use crate::series::Class;

/// What one sender says of a name.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) unit: Unit,
    pub(super) text: Arc<str>,
    /// Another number, and never 0, whenever it says something else.
    version: u8,
}

impl Said {
    /// The unit that a series of this class has by it, if that follows from nothing else.
    pub(super) fn unit_of(&self, class: Class, own: Unit) -> Option<Unit> {
        let takes_one = match class {
            Class::Counter | Class::Gauge | Class::Distribution | Class::Histogram => true,
            Class::Timing | Class::Set | Class::Event => false,
        };
        (takes_one && own == Unit::None && self.unit != Unit::None).then_some(self.unit)
    }
}

/// What all senders of a shard say of names.
#[derive(Default, Debug)]
pub(super) struct Descriptions {
    by_sender: BTreeMap<u64, HashMap<Box<str>, Said, RandomState>>,
    /// How many places the sweep has to visit until all series are as the latest descriptions say.
    stale: usize,
    /// The sender that was last looked for.
    looked_for: u64,
}

impl Descriptions {
    /// What a description takes, in bytes.
    fn cost(name: &str, text: &str) -> usize {
        // An entry of a table that is half empty, and an `Arc`'s counts.
        2 * size_of::<(Box<str>, Said)>() + heap(name.len()) + heap(text.len() + 16)
    }

    pub(super) fn get(&self, sender: u64, name: &str) -> Option<&Said> {
        self.by_sender.get(&sender)?.get(name)
    }

    /// Removes all that a sender said, and returns how many bytes that were.
    fn remove(&mut self, sender: u64) -> usize {
        let said = self.by_sender.remove(&sender).unwrap_or_default();
        said.iter().map(|(name, said)| Self::cost(name, &said.text)).sum()
    }

    /// The next sender after the one that was last looked for.
    fn next(&mut self) -> Option<u64> {
        let behind = (Bound::Excluded(self.looked_for), Bound::Unbounded);
        let next = self.by_sender.range(behind).next().map(|(sender, _)| *sender);
        self.looked_for = next.unwrap_or(0);
        next
    }
}

impl Store {
    /// Keeps what a sender says of a name, if there is room. Returns whether it is kept.
    #[cold]
    pub(crate) fn describe(
        &mut self,
        room: &mut Room<'_>,
        sender: u64,
        name: &str,
        meaning: &Meaning<&str>,
    ) -> bool {
        let Meaning { unit, text } = *meaning;
        let known = self.descriptions.get(sender, name);
        if known.is_some_and(|said| said.unit == unit && &*said.text == text) {
            return true;
        }
        let before = known.map_or(0, |said| Descriptions::cost(name, &said.text));
        let version = known.map_or(1, |said| said.version.checked_add(1).unwrap_or(1));
        if !room.take(Descriptions::cost(name, text).saturating_sub(before)) {
            return false;
        }
        room.give(before.saturating_sub(Descriptions::cost(name, text)));
        let said = Said { unit, text: text.into(), version };
        self.descriptions.by_sender.entry(sender).or_default().insert(name.into(), said);
        self.descriptions.stale = self.series.len();
        true
    }

    /// Puts back what a sender said of a name in a life before.
    pub(super) fn restore_description(&mut self, sender: u64, name: &str, said: &Meaning<&str>) {
        let common = self.common.clone();
        let mut room = self.room(&common, sender);
        self.describe(&mut room, sender, name, said);
        self.settle(sender, &room);
    }

    /// Forgets what a sender said of names.
    pub(super) fn forget_descriptions(&mut self, sender: u64) {
        let bytes = self.descriptions.remove(sender);
        self.data_bytes -= bytes;
        self.shares.change(sender, |share| share.bytes = share.bytes.saturating_sub(bytes));
    }

    /// Forgets what some of the senders that were forgotten said.
    pub(super) fn sweep_descriptions(&mut self, life: impl Fn(u64) -> Known) {
        const AT_ONCE: usize = 16;
        for _ in 0..AT_ONCE.min(self.descriptions.by_sender.len()) {
            if let Some(sender) = self.descriptions.next()
                && life(sender) == Known::Forgotten
            {
                self.forget_descriptions(sender);
            }
        }
    }

    /// Adds to what rules make of a new series what its sender says of the name.
    pub(super) fn map_as_described(
        &self,
        mapped: &mut Mapped,
        sender: u64,
        name: &str,
        class: Class,
        unit: Unit,
    ) {
        if mapped.unit.is_none()
            && let Some(said) = self.descriptions.get(sender, name)
        {
            mapped.unit = said.unit_of(class, unit);
        }
    }

    /// What the sender of a series says that it means.
    #[cfg(feature = "otlp")]
    pub(crate) fn description(&self, series: &Series) -> Option<&str> {
        let said = self.descriptions.get(series.sender, self.names.get(series.name))?;
        Some(&said.text)
    }

    /// Gives the family of a new series its text.
    pub(super) fn show_description(&mut self, place: u32) {
        let Some(series) = self.series.get(place as usize).and_then(Option::as_ref) else { return };
        let name = self.names.get(series.name);
        let Some(said) = self.descriptions.get(series.sender, name).cloned() else { return };
        let of = match series.role() {
            Role::Part(group) => self.series.get(group as usize).and_then(Option::as_ref),
            Role::Own | Role::Group { .. } => Some(series),
        };
        if let Some(page_key) = of.map(|series| series.page_key) {
            self.shown.describe(page_key, &said.text);
        }
        if let Some(series) = self.at(place) {
            series.described = said.version;
        }
    }

    /// Whether the sweep has to look at descriptions, of which it is about to see to so many places.
    pub(super) fn has_new_descriptions(&mut self, places: usize) -> bool {
        let stale = &mut self.descriptions.stale;
        let any = *stale > 0;
        *stale = stale.saturating_sub(places);
        any
    }

    /// Shows the series at a place as its sender has described it since it was made.
    pub(super) fn redescribe(&mut self, place: u32) {
        let Some(series) = self.series.get(place as usize).and_then(Option::as_ref) else { return };
        let name = self.names.get(series.name);
        let Some(said) = self.descriptions.get(series.sender, name) else { return };
        if series.is_group() || series.described == said.version {
            return;
        }
        let (class, unit, shown) = (series.class, series.unit, series.shown());
        let of_rules = self.map(series.sender, name, class, unit, self.tag_sets.get(series.tags));
        let now = ShownAs { unit: of_rules.unit.unwrap_or(unit), ..shown };
        self.before_renewal(place);
        // A part keeps the unit in which it has been added up.
        if now != shown && !self.series[place as usize].as_ref().is_some_and(|s| s.is_part()) {
            self.show_as(place, now);
        }
        self.show_description(place);
    }

    /// Shows a series of its own in another unit, and so in another family.
    fn show_as(&mut self, place: u32, shown: ShownAs) {
        let Some(series) = self.at(place) else { return };
        let (before, sender, class) = (series.bytes(), series.sender, series.class);
        series.mapped = Some(Box::new(MappedAs { shown, role: Role::Own }));
        let (more, page_key) = (series.bytes() - before, series.page_key);
        self.data_bytes += more;
        self.shares.change(sender, |share| share.bytes += more);
        self.shown.remove(page_key, false);
        let of = (FamilyKey::of(shown.name, class, shown.unit), self.names.get(shown.name));
        let sorted = || self.tag_sets.get(shown.tags);
        let (page_key, twin) = self.shown.insert(of, false, Some(sender), sorted, place);
        if let Some(series) = self.at(place) {
            (series.page_key, series.twin) = (page_key, twin);
            if series.scaled {
                self.mark_scaled(page_key);
            }
        }
    }
}
