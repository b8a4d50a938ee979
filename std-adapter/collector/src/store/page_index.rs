//! Which series are on the page, in the order of the page: by family, and within a family in a stable order.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::exposition::{Families, FamilyKey, labels};

/// The position of a series on the page: its family, and the hash of its labels, which is unique.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub(crate) struct PageKey {
    family: u32,
    labels: u64,
}

/// The series of a shard that `/metrics` shows, in the order of the page.
#[derive(Debug)]
pub(super) struct PageIndex {
    families: Families,
    series: BTreeMap<PageKey, u32>,
    /// The series that add up others, which all shards have at the same keys.
    groups: BTreeMap<PageKey, u32>,
    /// Seeded, so that nobody outside can make two series collide; the same in all shards.
    hasher: RandomState,
    text: String,
}

impl PageIndex {
    /// The memory for a series, in bytes: a third of the places in a tree's nodes are empty.
    pub(super) const OVERHEAD: usize = (size_of::<PageKey>() + size_of::<u32>()) * 3 / 2 + 8;

    pub(super) fn new(families: Families, hasher: RandomState) -> Self {
        Self {
            families,
            series: BTreeMap::new(),
            groups: BTreeMap::new(),
            hasher,
            text: String::new(),
        }
    }

    /// Takes a series in: where it is, and what tells it apart from others that would look like it; 0: nothing has to.
    pub(super) fn insert<'t, T: Iterator<Item = (&'t str, &'t str)>>(
        &mut self,
        (key, sent): (FamilyKey, &str),
        is_group: bool,
        sender: Option<u64>,
        tags: impl Fn() -> T,
        place: u32,
    ) -> (PageKey, u64) {
        let family = self.families.take(key, sent);
        let all = if is_group { &mut self.groups } else { &mut self.series };
        let mut twin = 0;
        loop {
            self.text.clear();
            labels(&mut self.text, sender, tags(), twin);
            let page_key = PageKey { family, labels: self.hasher.hash_one(&self.text) };
            if let std::collections::btree_map::Entry::Vacant(vacant) = all.entry(page_key) {
                vacant.insert(place);
                return (page_key, twin);
            }
            twin = if twin == 0 { fingerprint(tags()) } else { twin.wrapping_add(1).max(1) };
        }
    }

    pub(super) fn remove(&mut self, page_key: PageKey, is_group: bool) {
        if is_group {
            self.groups.remove(&page_key);
        } else {
            self.series.remove(&page_key);
        }
        self.families.release(page_key.family);
    }

    /// Notes that a series of this family has values that were scaled up.
    pub(super) fn mark_scaled(&mut self, page_key: PageKey) {
        self.families.mark_scaled(page_key.family);
    }

    /// Gives the family of that position a text.
    pub(super) fn describe(&mut self, page_key: PageKey, text: &Arc<str>) {
        self.families.describe(page_key.family, text);
    }

    /// The places of a family's series after that position, or all of them.
    pub(super) fn of_family(
        &self,
        family: u32,
        behind: Option<PageKey>,
    ) -> impl Iterator<Item = (PageKey, u32)> + '_ {
        self.series.range(range(family, behind)).map(|(page_key, place)| (*page_key, *place))
    }

    /// The same of series that add up others.
    pub(super) fn groups_of_family(
        &self,
        family: u32,
        behind: Option<PageKey>,
    ) -> impl Iterator<Item = (PageKey, u32)> + '_ {
        self.groups.range(range(family, behind)).map(|(page_key, place)| (*page_key, *place))
    }

    /// The place of the series that adds up others at that page_key.
    pub(super) fn group(&self, page_key: PageKey) -> Option<u32> {
        self.groups.get(&page_key).copied()
    }

    /// The memory of this table, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let series = self.series.len() + self.groups.len();
        self.families.bytes() + series * Self::OVERHEAD
    }
}

/// The keys of a family after one of them, or all.
fn range(family: u32, behind: Option<PageKey>) -> (Bound<PageKey>, Bound<PageKey>) {
    let from = match behind {
        Some(page_key) => Bound::Excluded(page_key),
        None => Bound::Included(PageKey { family, labels: 0 }),
    };
    (from, Bound::Included(PageKey { family, labels: u64::MAX }))
}

/// What was sent, as a number: the same in every life of the collector, whichever shard it is and whatever else came. No
/// two that somebody can think of are equal, so that many look-alikes are not tried one by one.
fn fingerprint<'t>(tags: impl Iterator<Item = (&'t str, &'t str)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    tags.for_each(|tag| tag.hash(&mut hasher));
    hasher.finish().max(1)
}
