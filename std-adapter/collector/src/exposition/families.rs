//! The families on the page of `/metrics`, and how their names are chosen.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::ops::Bound;

use ringstat_core::instrument::Unit;

use super::RESERVED;
use crate::memory::heap;
use crate::series::Class;

/// The Prometheus type of a family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// A histogram or a summary, whichever is asked for.
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

    /// What may follow the family's name in the names of its samples.
    const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge => &[""],
            Self::Distribution => &["", "_bucket", "_sum", "_count"],
        }
    }
}

/// What the series of one family have in common: the number of the name that was sent, and what follows from their
/// class and unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FamilyKey {
    name: u32,
    kind: Kind,
    suffix: &'static str,
}

impl FamilyKey {
    const OF_SETS: &str = "_distinct";

    pub(crate) const fn of(name: u32, class: Class, unit: Unit) -> Self {
        let suffix = match (Kind::of(class), class, unit) {
            (Kind::Counter, ..) => "_total",
            (_, Class::Set, _) => Self::OF_SETS,
            (Kind::Gauge, ..) | (_, _, Unit::None) => "",
            (_, _, Unit::Bytes) => "_bytes",
            (_, _, Unit::Percent) => "_percent",
            _ => "_seconds",
        };
        Self { name, kind: Kind::of(class), suffix }
    }

    /// The number of the name that was sent.
    pub(crate) const fn name(self) -> u32 {
        self.name
    }

    pub(crate) const fn kind(self) -> Kind {
        self.kind
    }

    pub(crate) fn is_of_sets(self) -> bool {
        self.suffix == Self::OF_SETS
    }
}

/// A family that has series.
#[derive(Debug)]
struct Family {
    key: FamilyKey,
    exposed: Box<str>,
    series: usize,
    scaled: bool,
}

/// A family as the page needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FamilyRef<'a> {
    pub(crate) number: u32,
    pub(crate) exposed: &'a str,
    pub(crate) key: FamilyKey,
    /// Whether some of its values were scaled up.
    pub(crate) scaled: bool,
}

/// All families. Once given, a name stays the same as long as the family has series.
#[derive(Default, Debug)]
pub(crate) struct Families {
    entries: Vec<Option<Family>>,
    free: Vec<u32>,
    by_key: HashMap<FamilyKey, u32, rustc_hash::FxBuildHasher>,
    by_name: BTreeMap<Box<str>, u32>,
    bytes: usize,
}

impl Families {
    /// The bookkeeping for a family, in bytes: its entry, and its places in two maps.
    const OVERHEAD: usize = size_of::<Option<Family>>() + 3 * size_of::<FamilyKey>() + 64;

    /// The largest amount of memory that a family of that name takes, in bytes.
    pub(crate) fn cost(sent: &str) -> usize {
        Self::OVERHEAD + 2 * heap(sent.len() + 32)
    }

    /// Adds a series to a family, and returns the family's number. `sent` is the name that the key's number stands for.
    pub(crate) fn take(&mut self, key: FamilyKey, sent: &str) -> u32 {
        if let Some(number) = self.by_key.get(&key) {
            if let Some(family) = &mut self.entries[*number as usize] {
                family.series += 1;
            }
            return *number;
        }
        let exposed: Box<str> = self.choose(key, sent).into();
        self.bytes += Self::OVERHEAD + 2 * heap(exposed.len());
        let family = Some(Family { key, exposed: exposed.clone(), series: 1, scaled: false });
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = family;
                number
            }
            None => {
                self.entries.push(family);
                self.entries.len() as u32 - 1
            }
        };
        self.by_key.insert(key, number);
        self.by_name.insert(exposed, number);
        number
    }

    /// Removes a series from a family.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize) else { return };
        let Some(family) = entry else { return };
        family.series -= 1;
        if family.series > 0 {
            return;
        }
        self.bytes -= Self::OVERHEAD + 2 * heap(family.exposed.len());
        self.by_key.remove(&family.key);
        self.by_name.remove(&family.exposed);
        *entry = None;
        self.free.push(number);
    }

    /// The first family after `name`, in the order of names.
    pub(crate) fn after(&self, name: Option<&str>) -> Option<FamilyRef<'_>> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let (exposed, number) = self.by_name.range::<str, _>((from, Bound::Unbounded)).next()?;
        let family = self.entries.get(*number as usize)?.as_ref()?;
        Some(FamilyRef { number: *number, exposed, key: family.key, scaled: family.scaled })
    }

    /// The number of the family of that name.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Notes that the family has a series with values that were scaled up.
    pub(crate) fn mark_scaled(&mut self, number: u32) {
        if let Some(Some(family)) = self.entries.get_mut(number as usize) {
            family.scaled = true;
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Chooses a name that no other family has.
    fn choose(&self, key: FamilyKey, sent: &str) -> String {
        let mut stem = clean(sent);
        if stem.ends_with(key.suffix) {
            stem.truncate(stem.len() - key.suffix.len());
        }
        let mut name = format!("{stem}{}", key.suffix);
        let mut salt = 0u64;
        while self.is_taken(&name, key.kind) {
            name.clear();
            let _ = write!(name, "{stem}_{:08x}{}", hash(sent, salt), key.suffix);
            // A name whose hash begins like a reserved name counts as taken.
            if RESERVED.iter().any(|r| name.starts_with(r)) {
                name.insert_str(0, "sent_");
            }
            salt += 1;
        }
        name
    }

    /// Whether a sample of a family of that name and kind could be taken for a sample of another family.
    fn is_taken(&self, name: &str, kind: Kind) -> bool {
        let has = |name: &str| self.by_name.contains_key(name);
        let of_distribution = |name: &str| {
            let endings = Kind::Distribution.endings().iter().filter(|ending| !ending.is_empty());
            let stem = endings.filter_map(|ending| name.strip_suffix(ending)).next();
            let number = stem.and_then(|stem| self.by_name.get(stem));
            let family = number.and_then(|n| self.entries.get(*n as usize)?.as_ref());
            family.is_some_and(|f| f.key.kind == Kind::Distribution)
        };
        kind.endings().iter().any(|ending| {
            let name = format!("{name}{ending}");
            RESERVED.iter().any(|r| name.starts_with(r)) || has(&name) || of_distribution(&name)
        })
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

/// FNV-1a, folded: the same in every run of the collector.
fn hash(sent: &str, salt: u64) -> u32 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = sent.bytes().chain(salt.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(families: &mut Families, number: u32, sent: &str, class: Class) -> String {
        let number = families.take(FamilyKey::of(number, class, class.unit()), sent);
        families.entries[number as usize].as_ref().unwrap().exposed.to_string()
    }

    #[test]
    fn a_name_says_what_was_sent_and_what_it_is() {
        let mut families = Families::default();
        assert_eq!(name(&mut families, 0, "http.requests", Class::Counter), "http_requests_total");
        assert_eq!(name(&mut families, 0, "http.requests", Class::Event), "http_requests_total");
        assert_eq!(name(&mut families, 0, "http.requests", Class::Gauge), "http_requests");
        assert_eq!(name(&mut families, 0, "http.requests", Class::Set), "http_requests_distinct");
        assert_eq!(name(&mut families, 0, "http.requests", Class::Timing), "http_requests_seconds");
        assert_eq!(name(&mut families, 1, "", Class::Gauge), "_");
        assert_eq!(name(&mut families, 2, "9", Class::Gauge), "_9");
    }

    #[test]
    fn no_name_is_given_twice_and_each_stays() {
        let mut families = Families::default();
        assert_eq!(name(&mut families, 0, "a.b", Class::Gauge), "a_b");
        let other = name(&mut families, 1, "a_b", Class::Gauge);
        assert_eq!(other, format!("a_b_{:08x}", hash("a_b", 0)));
        assert_eq!(name(&mut families, 1, "a_b", Class::Gauge), other);
        let samples = name(&mut families, 0, "a.b", Class::Distribution);
        assert_ne!(samples, "a_b");
        // Neither a distribution's samples nor a name that could be taken for one of them.
        assert_eq!(name(&mut families, 2, "s", Class::Distribution), "s");
        assert_ne!(name(&mut families, 3, "s_sum", Class::Gauge), "s_sum");
        assert_ne!(name(&mut families, 3, "s_bucket", Class::Gauge), "s_bucket");
        assert_eq!(name(&mut families, 4, "t_count", Class::Gauge), "t_count");
        assert_ne!(name(&mut families, 5, "t", Class::Distribution), "t");
        for own in ["ringstat.collector.series", "ringstat_sender_x", "ringstat_collector"] {
            let name = name(&mut families, 6, own, Class::Distribution);
            assert!(!RESERVED.iter().any(|r| format!("{name}_sum").starts_with(r)), "{name}");
            families.release(families.by_name[&*name]);
        }
    }

    #[test]
    fn what_has_no_series_is_gone() {
        let mut families = Families::default();
        let key = FamilyKey::of(0, Class::Gauge, Unit::None);
        let number = families.take(key, "a");
        assert_eq!(families.take(key, "a"), number);
        families.release(number);
        let after = |families: &Families, name| {
            families.after(name).map(|f| (f.number, f.exposed.to_owned(), f.key.kind()))
        };
        assert_eq!(after(&families, None), Some((number, "a".into(), Kind::Gauge)));
        families.release(number);
        assert_eq!((after(&families, None), families.bytes()), (None, 0));
        assert_eq!(families.take(FamilyKey::of(0, Class::Counter, Unit::None), "a"), number);
        assert_eq!(after(&families, Some("a")), Some((number, "a_total".into(), Kind::Counter)));
    }
}
