//! The families on the page of `/metrics`, and how their names are chosen: the same for all shards.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use super::RESERVED;
use crate::memory::{Numbers, heap};
use crate::series::Class;

/// The Prometheus type of a family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// A histogram or a summary, as the collector is configured.
    Distribution,
}

impl Kind {
    pub(crate) const fn of(class: Class) -> Self {
        match class {
            Class::Counter | Class::Event => Self::Counter,
            Class::Gauge | Class::Set => Self::Gauge,
            Class::Timing | Class::Distribution | Class::Histogram => Self::Distribution,
        }
    }

    /// The suffixes that the names of the family's samples may have.
    const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge => &[""],
            Self::Distribution => &["", "_bucket", "_sum", "_count", "_created"],
        }
    }
}

/// The suffix of families whose values are numbers of members.
pub(super) const OF_SETS: &str = "_distinct";

/// What distinguishes families: the name that was sent, the type, and the suffix that follows from class and unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Nature<'a> {
    pub(crate) sent: &'a str,
    pub(crate) kind: Kind,
    pub(crate) suffix: &'static str,
}

/// A family as the page needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Family {
    pub(crate) number: u32,
    /// The name on the page.
    pub(crate) name: Arc<str>,
    /// The name that was sent.
    pub(crate) sent: Arc<str>,
    pub(crate) kind: Kind,
    suffix: &'static str,
    /// What it means, if a sender has said so.
    pub(crate) text: Option<Arc<str>>,
    /// Whether some of its values were scaled up, or estimated.
    pub(crate) scaled: bool,
    /// The number of shards that have series of the family.
    shards: usize,
}

impl Family {
    /// Whether its values are numbers of members.
    pub(crate) fn is_of_sets(&self) -> bool {
        self.suffix == OF_SETS
    }

    fn nature(&self) -> Nature<'_> {
        Nature { sent: &self.sent, kind: self.kind, suffix: self.suffix }
    }
}

/// The families of all shards. A name, once given, stays as long as a shard has series of the family.
///
/// Its lock is rarely contended: a shard takes it only when a family is new to it or gone, and the page once per family.
#[derive(Default, Debug)]
pub(crate) struct Names(Mutex<Table>);

#[derive(Default, Debug)]
struct Table {
    entries: Vec<Option<Family>>,
    free: Vec<u32>,
    hasher: RandomState,
    numbers: Numbers,
    by_name: BTreeMap<Arc<str>, u32>,
}

impl Names {
    /// The most memory that a family of that name takes, in bytes: its entry, its places in two maps, and both names.
    pub(crate) fn cost(sent: &str) -> usize {
        size_of::<Option<Family>>() + 64 + 2 * heap(sent.len() + 48)
    }

    /// Returns the number of a family, which one more shard now uses.
    pub(crate) fn take(&self, nature: Nature<'_>) -> u32 {
        self.table().take(nature)
    }

    /// Notes that a shard no longer has series of the family.
    pub(crate) fn release(&self, number: u32) {
        self.table().release(number);
    }

    /// Notes that a family has a series with values that were scaled up.
    pub(crate) fn mark_scaled(&self, number: u32) {
        if let Some(Some(family)) = self.table().entries.get_mut(number as usize) {
            family.scaled = true;
        }
    }

    /// Gives a family a text. Returns by how many bytes it is longer than the one before, or `None` if it is the same.
    pub(crate) fn describe(&self, number: u32, text: &Arc<str>) -> Option<isize> {
        let mut table = self.table();
        let family = table.entries.get_mut(number as usize)?.as_mut()?;
        if family.text.as_ref() == Some(text) {
            return None;
        }
        let before = family.text.replace(text.clone()).map_or(0, |text| text.len());
        Some(text.len().cast_signed() - before.cast_signed())
    }

    /// The first family after `name`, in the order of names.
    pub(crate) fn after(&self, name: Option<&str>) -> Option<Family> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let table = self.table();
        let (_, number) = table.by_name.range::<str, _>((from, Bound::Unbounded)).next()?;
        table.entries.get(*number as usize)?.clone()
    }

    /// Whether it is a counter whose name without its ending belongs to another family, too: OpenMetrics knows a counter by
    /// the name without the ending.
    pub(crate) fn is_ambiguous(&self, family: &Family) -> bool {
        let Some(stem) = family.name.strip_suffix("_total") else { return false };
        let table = self.table();
        let created = format!("{stem}_created");
        let has = |name: &str| table.by_name.contains_key(name) || table.is_of_distribution(name);
        family.kind == Kind::Counter && (has(stem) || has(&created))
    }

    /// Whether the family of that number still has that name.
    pub(crate) fn is_family(&self, number: u32, name: &str) -> bool {
        self.table().by_name.get(name) == Some(&number)
    }

    /// Every operation leaves the state consistent, so a poisoned lock is fine.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn take(&mut self, nature: Nature<'_>) -> u32 {
        let hash = self.hasher.hash_one(nature);
        let is = |n: &u32| self.entries[*n as usize].as_ref().is_some_and(|f| f.nature() == nature);
        if let Some(number) = self.numbers.find(hash, is) {
            if let Some(family) = &mut self.entries[number as usize] {
                family.shards += 1;
            }
            return number;
        }
        let name: Arc<str> = self.choose(nature).into();
        let number = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        let Nature { sent, kind, suffix } = nature;
        self.entries[number as usize] = Some(Family {
            number,
            name: name.clone(),
            sent: sent.into(),
            kind,
            suffix,
            text: None,
            scaled: false,
            shards: 1,
        });
        let again = |n: &u32| {
            let family = self.entries[*n as usize].as_ref();
            family.map_or(0, |f| self.hasher.hash_one(f.nature()))
        };
        self.numbers.insert(hash, number, again);
        self.by_name.insert(name, number);
        number
    }

    fn release(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        let Some(family) = entry else { return };
        family.shards -= 1;
        if family.shards > 0 {
            return;
        }
        let hash = self.hasher.hash_one(family.nature());
        self.by_name.remove(&family.name);
        *entry = None;
        self.numbers.remove(hash, number);
        self.free.push(number);
    }

    /// Chooses a name that no other family has.
    fn choose(&self, nature: Nature<'_>) -> String {
        let Nature { sent, kind, suffix } = nature;
        let mut stem = clean(sent);
        // As a whole, or what it begins with: `sent_bytes` becomes `sent_bytes_total`.
        let in_parts = suffix.strip_suffix("_total").map(|unit| {
            let stem = stem.strip_suffix("_total").unwrap_or(&stem);
            stem.strip_suffix(unit).unwrap_or(stem)
        });
        stem.truncate(stem.strip_suffix(suffix).or(in_parts).unwrap_or(&stem).len());
        let mut name = format!("{stem}{suffix}");
        let mut salt = 0u64;
        while self.is_taken(&name, kind) {
            name.clear();
            let _ = write!(name, "{stem}_{:08x}{suffix}", hash(sent, salt));
            // A name whose hash begins like a reserved name counts as taken.
            if RESERVED.iter().any(|r| name.starts_with(r)) {
                name.insert_str(0, "sent_");
            }
            salt += 1;
        }
        name
    }

    /// Whether a sample of a family with that name and kind could be mistaken for a sample of another family.
    fn is_taken(&self, name: &str, kind: Kind) -> bool {
        let has = |name: &str| self.by_name.contains_key(name);
        kind.endings().iter().any(|ending| {
            let name = format!("{name}{ending}");
            RESERVED.iter().any(|r| name.starts_with(r))
                || has(&name)
                || self.is_of_distribution(&name)
        })
    }
}

impl Table {
    /// Whether a distribution has samples of that name.
    fn is_of_distribution(&self, name: &str) -> bool {
        let endings = Kind::Distribution.endings().iter().filter(|ending| !ending.is_empty());
        let stem = endings.filter_map(|ending| name.strip_suffix(ending)).next();
        let number = stem.and_then(|stem| self.by_name.get(stem));
        let family = number.and_then(|n| self.entries.get(*n as usize)?.as_ref());
        family.is_some_and(|f| f.kind == Kind::Distribution)
    }
}

/// Turns a name into one that the format allows: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
fn clean(sent: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
    let mut name: String = sent.chars().map(allowed).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// FNV-1a, folded. It is the same in every run of the collector, so that names on the page do not change.
fn hash(sent: &str, salt: u64) -> u32 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = sent.bytes().chain(salt.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(names: &Names, sent: &str, kind: Kind, suffix: &'static str) -> u32 {
        names.take(Nature { sent, kind, suffix })
    }

    fn name(names: &Names, sent: &str, kind: Kind, suffix: &'static str) -> String {
        let number = take(names, sent, kind, suffix);
        names.table().entries[number as usize].as_ref().unwrap().name.to_string()
    }

    #[test]
    fn a_name_says_what_was_sent_and_what_it_is() {
        let names = Names::default();
        assert_eq!(name(&names, "http.requests", Kind::Counter, "_total"), "http_requests_total");
        assert_eq!(name(&names, "http.requests", Kind::Gauge, ""), "http_requests");
        assert_eq!(name(&names, "up_total", Kind::Counter, "_total"), "up_total");
        for sent in ["sent", "sent_bytes", "sent.total", "sent_bytes_total"] {
            let names = Names::default();
            let name = name(&names, sent, Kind::Counter, "_bytes_total");
            assert_eq!(name, "sent_bytes_total", "{sent}");
        }
        assert_eq!(name(&names, "", Kind::Gauge, ""), "_");
        assert_eq!(name(&names, "9", Kind::Gauge, ""), "_9");
    }

    #[test]
    fn no_name_is_given_twice_and_each_stays() {
        let names = Names::default();
        assert_eq!(name(&names, "a.b", Kind::Gauge, ""), "a_b");
        let other = name(&names, "a_b", Kind::Gauge, "");
        assert_eq!(other, format!("a_b_{:08x}", hash("a_b", 0)));
        assert_eq!(name(&names, "a_b", Kind::Gauge, ""), other);
        let summary = name(&names, "a.b", Kind::Distribution, "");
        assert_ne!(summary, "a_b");
        // Neither a summary's sum nor a name that could be taken for it.
        assert_eq!(name(&names, "s", Kind::Distribution, ""), "s");
        assert_ne!(name(&names, "s_sum", Kind::Gauge, ""), "s_sum");
        assert_ne!(name(&names, "s_bucket", Kind::Gauge, ""), "s_bucket");
        assert_eq!(name(&names, "t_count", Kind::Gauge, ""), "t_count");
        assert_ne!(name(&names, "t", Kind::Distribution, ""), "t");
        for own in ["ringstat.collector.series", "ringstat_sender_x", "ringstat_collector"] {
            let name = name(&names, own, Kind::Distribution, "");
            assert!(!RESERVED.iter().any(|r| format!("{name}_sum").starts_with(r)), "{name}");
        }
    }

    #[test]
    fn a_family_is_gone_with_the_last_shard_that_has_it() {
        let names = Names::default();
        let number = take(&names, "a", Kind::Gauge, "");
        assert_eq!(take(&names, "a", Kind::Gauge, ""), number);
        names.release(number);
        let after = |name| names.after(name).map(|f| (f.number, f.name.to_string(), f.kind));
        assert_eq!(after(None), Some((number, "a".into(), Kind::Gauge)));
        names.release(number);
        assert_eq!((after(None), names.is_family(number, "a")), (None, false));
        assert_eq!(take(&names, "a", Kind::Counter, "_total"), number);
        assert_eq!(after(Some("a")), Some((number, "a_total".into(), Kind::Counter)));
    }
}
