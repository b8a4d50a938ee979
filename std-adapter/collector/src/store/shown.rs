//! Which series are on the page, in the order of the page: by family, and within a family in a stable order.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::quality::RandomState;

use crate::exposition::{Families, FamilyKey, FamilyRef, labels};

/// The position of a series on the page: its family, and the hash of its labels, which is unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) struct Spot {
    family: u32,
    labels: u64,
}

/// The series that `/metrics` shows, in the order of the page.
#[derive(Default, Debug)]
pub(super) struct Shown {
    families: Families,
    series: BTreeMap<Spot, u32>,
    /// Seeded, so that nobody outside can make two series collide.
    hasher: RandomState,
    text: String,
}

impl Shown {
    /// The memory for a series, in bytes: a third of the places in a tree's nodes are empty.
    pub(super) const OVERHEAD: usize = (size_of::<Spot>() + size_of::<u32>()) * 3 / 2 + 8;

    /// Adds a series. Returns its position, and its number among series that would look the same.
    pub(super) fn insert<'t, T: Iterator<Item = (&'t str, &'t str)>>(
        &mut self,
        key: FamilyKey,
        sent: &str,
        sender: u64,
        tags: impl Fn() -> T,
        place: u32,
    ) -> (Spot, u32) {
        let family = self.families.take(key, sent);
        let mut twin = 0;
        loop {
            self.text.clear();
            labels(&mut self.text, sender, tags(), twin);
            let spot = Spot { family, labels: self.hasher.hash_one(&self.text) };
            if let std::collections::btree_map::Entry::Vacant(vacant) = self.series.entry(spot) {
                vacant.insert(place);
                return (spot, twin);
            }
            // Far apart, so that many series that look the same are not tried one by one.
            twin = if twin == 0 { place + 1 } else { twin.wrapping_add(1).max(1) };
        }
    }

    pub(super) fn remove(&mut self, spot: Spot) {
        self.series.remove(&spot);
        self.families.release(spot.family);
    }

    /// The first family after `name`.
    pub(super) fn family_after(&self, name: Option<&str>) -> Option<FamilyRef<'_>> {
        self.families.after(name)
    }

    /// Whether the family of that number still has that name.
    pub(super) fn is_family(&self, number: u32, name: &str) -> bool {
        self.families.number(name) == Some(number)
    }

    /// Notes that a series of this family has values that were scaled up.
    pub(super) fn mark_scaled(&mut self, spot: Spot) {
        self.families.mark_scaled(spot.family);
    }

    /// The places of a family's series after a spot, or all of them.
    pub(super) fn of_family(
        &self,
        family: u32,
        behind: Option<Spot>,
    ) -> impl Iterator<Item = (Spot, u32)> + '_ {
        let from = match behind {
            Some(spot) => Bound::Excluded(spot),
            None => Bound::Included(Spot { family, labels: 0 }),
        };
        let to = Bound::Included(Spot { family, labels: u64::MAX });
        self.series.range((from, to)).map(|(spot, place)| (*spot, *place))
    }

    /// The memory of this table, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.families.bytes() + self.series.len() * Self::OVERHEAD
    }
}
