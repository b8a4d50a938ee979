//! The families that a shard has series of.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ringstat_core::instrument::Unit;
use rustc_hash::FxBuildHasher;

use super::names::{Kind, Names, Nature, OF_SETS};
use crate::series::Class;

/// What the series of one family have in common: the number of the name that was sent, and what follows from their
/// class and unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FamilyKey {
    name: u32,
    kind: Kind,
    suffix: &'static str,
}

impl FamilyKey {
    pub(crate) const fn of(name: u32, class: Class, unit: Unit) -> Self {
        let suffix = match (Kind::of(class), class, unit) {
            (_, Class::Set, _) => OF_SETS,
            (Kind::Counter, _, Unit::None) => "_total",
            (Kind::Counter, _, Unit::Bytes) => "_bytes_total",
            (Kind::Counter, _, Unit::Percent) => "_percent_total",
            (Kind::Counter, ..) => "_seconds_total",
            (_, _, Unit::None) => "",
            (_, _, Unit::Bytes) => "_bytes",
            (_, _, Unit::Percent) => "_percent",
            _ => "_seconds",
        };
        Self { name, kind: Kind::of(class), suffix }
    }
}

/// A family, as long as the shard has series of it.
#[derive(Debug)]
struct Own {
    key: FamilyKey,
    series: usize,
    scaled: bool,
    bytes: usize,
}

/// The families of a shard, by the numbers that all shards know them by.
#[derive(Debug)]
pub(crate) struct Families {
    names: Arc<Names>,
    own: HashMap<u32, Own, FxBuildHasher>,
    by_key: HashMap<FamilyKey, u32, FxBuildHasher>,
    bytes: usize,
}

impl Families {
    /// Bytes of bookkeeping for a family: its places in two maps.
    const OVERHEAD: usize = 3 * size_of::<Own>() + 3 * size_of::<FamilyKey>();

    pub(crate) fn new(names: Arc<Names>) -> Self {
        Self { names, own: HashMap::default(), by_key: HashMap::default(), bytes: 0 }
    }

    /// The largest amount of memory that a family of that name takes, in bytes.
    pub(crate) fn cost(sent: &str) -> usize {
        Self::OVERHEAD + Names::cost(sent)
    }

    /// Adds a series to a family, and returns the family's number. `sent` is the name that the key's number stands for.
    pub(crate) fn take(&mut self, key: FamilyKey, sent: &str) -> u32 {
        let number = match self.by_key.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let FamilyKey { kind, suffix, .. } = key;
                let number = *new.insert(self.names.take(Nature { sent, kind, suffix }));
                let bytes = Self::cost(sent);
                self.own.insert(number, Own { key, series: 0, scaled: false, bytes });
                self.bytes += bytes;
                number
            }
        };
        if let Some(own) = self.own.get_mut(&number) {
            own.series += 1;
        }
        number
    }

    /// Removes a series from a family.
    pub(crate) fn release(&mut self, number: u32) {
        let Entry::Occupied(mut entry) = self.own.entry(number) else { return };
        let own = entry.get_mut();
        own.series -= 1;
        if own.series == 0 {
            self.bytes -= own.bytes;
            self.by_key.remove(&own.key);
            entry.remove();
            self.names.release(number);
        }
    }

    /// Notes that the family has a series with values that were scaled up.
    pub(crate) fn mark_scaled(&mut self, number: u32) {
        if let Some(own) = self.own.get_mut(&number).filter(|own| !own.scaled) {
            own.scaled = true;
            self.names.mark_scaled(number);
        }
    }

    /// Gives the family a text, instead of the one that it has.
    pub(crate) fn describe(&mut self, number: u32, text: &Arc<str>) {
        // It may outlive the description that it comes from. If several shards have the family, each counts it.
        if let Some(own) = self.own.get_mut(&number)
            && let Some(more) = self.names.describe(number, text)
        {
            let bytes = own.bytes.saturating_add_signed(more);
            self.bytes = self.bytes - own.bytes + bytes;
            own.bytes = bytes;
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_agree_on_names_and_each_counts_its_own_series() {
        let names = Arc::<Names>::default();
        let mut shards = [(); 2].map(|()| Families::new(names.clone()));
        let key = |name| FamilyKey::of(name, Class::Gauge, Unit::None);
        // The numbers of names are those of each shard.
        let first = shards[0].take(key(0), "a.b");
        assert_eq!(shards[0].take(key(0), "a.b"), first);
        let second = shards[0].take(key(1), "a_b");
        assert_eq!(shards[1].take(key(0), "a_b"), second);
        shards[1].mark_scaled(second);
        let of = |name| names.after(name).unwrap();
        assert_eq!((of(None).number, of(None).scaled), (first, false));
        assert_eq!((of(Some("a_b")).number, of(Some("a_b")).scaled), (second, true));
        shards[0].release(first);
        shards[0].release(second);
        assert_eq!(of(None).number, first);
        shards[0].release(first);
        assert_eq!((of(None).number, shards[0].bytes()), (second, 0), "the other shard has it");
        shards[1].release(second);
        assert_eq!(names.after(None), None);
    }
}
