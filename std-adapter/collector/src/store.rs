//! The store: series by sender, name, tags and class, within limits.
//!
//! Names and tag sets are interned, so that a record costs one look-up by three small numbers; which numbers, the
//! [`Cache`] remembers for a datagram, so that a string is hashed once a datagram and not once a record.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use ringstat_core::wire::decode::Tags;
use rustc_hash::FxBuildHasher;

use crate::limits::Limits;
use crate::series::{Class, Data};

/// Strings with small numbers, freed when the last series that uses one is gone.
#[derive(Debug, Default)]
struct Strings {
    /// Seeded, so that nobody outside can tell which strings collide; and each string of a datagram is looked up here.
    numbers: HashMap<Box<str>, u32, foldhash::quality::RandomState>,
    entries: Vec<(Box<str>, u32)>,
    free: Vec<u32>,
    bytes: usize,
}

impl Strings {
    /// Bytes of bookkeeping for an entry.
    const OVERHEAD: usize = 64;

    fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The number of `text`, with one more user.
    fn take(&mut self, text: &str) -> u32 {
        if let Some(number) = self.find(text) {
            self.entries[number as usize].1 += 1;
            return number;
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.entries.push((Box::default(), 0));
                self.entries.len() as u32 - 1
            }
        };
        self.bytes += 2 * text.len() + Self::OVERHEAD;
        self.numbers.insert(text.into(), number);
        self.entries[number as usize] = (text.into(), 1);
        number
    }

    fn release(&mut self, number: u32) {
        let (text, users) = &mut self.entries[number as usize];
        *users -= 1;
        if *users == 0 {
            self.bytes -= 2 * text.len() + Self::OVERHEAD;
            self.numbers.remove(&*std::mem::take(text));
            self.free.push(number);
        }
    }

    fn get(&self, number: u32) -> &str {
        self.entries.get(number as usize).map_or("", |e| &e.0)
    }
}

/// One series.
#[derive(Debug)]
pub struct Series {
    /// Its sender.
    pub sender: u64,
    /// What it holds.
    pub data: Data,
    /// Its class.
    pub class: Class,
    /// When something of it last arrived, in milliseconds of the collector's clock.
    pub seen_ms: u64,
    /// Whether some of what it holds was sampled and scaled up.
    pub scaled: bool,
    name: u32,
    tags: u32,
    bytes: usize,
}

/// What names a series: sender, name, tags and class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key(u64, u32, u32, Class);

impl Hash for Key {
    /// Two steps of the hash and not four: it is on the path of every record.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.1) << 32 | u64::from(self.2));
        state.write_u64(self.0.wrapping_add(self.3 as u64));
    }
}

/// All series.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    names: Strings,
    tag_sets: Strings,
    index: HashMap<Key, u32, FxBuildHasher>,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    per_sender: HashMap<u64, usize, FxBuildHasher>,
    data_bytes: usize,
    /// Records that went to an overflow series.
    pub overflowed: u64,
}

/// Between key and value, and between tags, in the text that a tag set is interned under. Characters that are in no
/// sensible tag; one that has them all the same becomes a series of its own.
const KEY_END: char = '\u{1f}';
const TAG_END: char = '\u{1e}';

/// The name of the series that take what is beyond a limit.
pub const OVERFLOW: &str = "ringstat.overflow";

/// What a datagram's indices mean in the store. Kept from datagram to datagram for its memory.
#[derive(Debug, Default)]
pub struct Cache {
    names: Vec<Option<u32>>,
    sets: Vec<Option<u32>>,
    text: String,
    pairs: Vec<(String, String)>,
}

impl Cache {
    /// A new datagram begins.
    pub fn clear(&mut self) {
        self.names.clear();
        self.sets.clear();
    }
}

fn slot(cache: &mut Vec<Option<u32>>, index: u16) -> &mut Option<u32> {
    let index = usize::from(index);
    if index >= cache.len() {
        cache.resize(index + 1, None);
    }
    &mut cache[index]
}

impl Store {
    /// Bytes of bookkeeping for a series.
    const OVERHEAD: usize = size_of::<Series>() + size_of::<Key>() + 16;

    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            names: Strings::default(),
            tag_sets: Strings::default(),
            index: HashMap::default(),
            series: Vec::new(),
            free: Vec::new(),
            per_sender: HashMap::default(),
            data_bytes: 0,
            overflowed: 0,
        }
    }

    /// The series of a record, made if need be. Beyond a limit the sender's overflow series of that class if
    /// `may_overflow` (amounts can be added up there), else `None`.
    #[inline]
    pub fn series(
        &mut self,
        cache: &mut Cache,
        sender: u64,
        name: (u16, &str),
        tags: &Tags<'_>,
        class: Class,
        may_overflow: bool,
    ) -> Option<&mut Series> {
        let name_number = match *slot(&mut cache.names, name.0) {
            Some(number) => Some(number),
            None => {
                let number = self.names.find(name.1);
                *slot(&mut cache.names, name.0) = number;
                number
            }
        };
        let set = tags.set_index().filter(|_| !tags.has_dynamic());
        let known_set = set.and_then(|index| *slot(&mut cache.sets, index));
        let set_number = match known_set {
            Some(number) => Some(number),
            None => {
                tag_text(tags, &mut cache.text, &mut cache.pairs);
                let number = self.tag_sets.find(&cache.text);
                if let Some(index) = set {
                    *slot(&mut cache.sets, index) = number;
                }
                number
            }
        };
        let found = match (name_number, set_number) {
            (Some(name), Some(set)) => self.index.get(&Key(sender, name, set, class)).copied(),
            _ => None,
        };
        let place = match found {
            Some(place) => place,
            None => {
                tag_text(tags, &mut cache.text, &mut cache.pairs);
                self.admit(sender, name.1, &cache.text, class, may_overflow)?
            }
        };
        self.series.get_mut(place as usize)?.as_mut()
    }

    /// Makes a series, or finds the one for overflow.
    #[cold]
    fn admit(
        &mut self,
        sender: u64,
        name: &str,
        tags: &str,
        class: Class,
        may_overflow: bool,
    ) -> Option<u32> {
        let of_sender = self.per_sender.get(&sender).copied().unwrap_or(0);
        let room = self.len() < self.limits.series
            && of_sender < self.limits.series_per_sender
            && self.bytes() < self.limits.bytes;
        if room {
            return Some(self.insert(sender, name, tags, class));
        }
        if !may_overflow {
            return None;
        }
        self.overflowed += 1;
        let found = self.names.find(OVERFLOW).zip(self.tag_sets.find(""));
        let found =
            found.and_then(|(name, tags)| self.index.get(&Key(sender, name, tags, class)).copied());
        // There is at most one for each sender and class, so the limits stay limits.
        Some(found.unwrap_or_else(|| self.insert(sender, OVERFLOW, "", class)))
    }

    fn insert(&mut self, sender: u64, name: &str, tags: &str, class: Class) -> u32 {
        let (name, tags) = (self.names.take(name), self.tag_sets.take(tags));
        let data = Data::new(class);
        let bytes = Self::OVERHEAD + data.bytes();
        self.data_bytes += bytes;
        let series = Series { sender, data, class, seen_ms: 0, scaled: false, name, tags, bytes };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.series.push(None);
                self.series.len() as u32 - 1
            }
        };
        self.series[place as usize] = Some(series);
        self.index.insert(Key(sender, name, tags, class), place);
        *self.per_sender.entry(sender).or_default() += 1;
        place
    }

    /// Measures the series again, and forgets those not heard of since `before_ms`. Returns how many were forgotten.
    pub fn sweep(&mut self, before_ms: u64) -> usize {
        let mut forgotten = 0;
        self.data_bytes = 0;
        for place in 0..self.series.len() {
            let Some(series) = &mut self.series[place] else { continue };
            if series.seen_ms < before_ms {
                self.remove(place);
                forgotten += 1;
            } else {
                series.bytes = Self::OVERHEAD + series.data.bytes();
                self.data_bytes += series.bytes;
            }
        }
        forgotten
    }

    fn remove(&mut self, place: usize) {
        let Some(series) = self.series[place].take() else { return };
        self.index.remove(&Key(series.sender, series.name, series.tags, series.class));
        self.names.release(series.name);
        self.tag_sets.release(series.tags);
        self.free.push(place as u32);
        if let Some(count) = self.per_sender.get_mut(&series.sender) {
            *count -= 1;
            if *count == 0 {
                self.per_sender.remove(&series.sender);
            }
        }
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Memory of all series, in bytes, roughly; distributions and sets as of the last [`sweep`](Self::sweep).
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data_bytes + self.names.bytes + self.tag_sets.bytes
    }

    /// Every series, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().flatten()
    }

    /// A series' name.
    #[must_use]
    pub fn name(&self, series: &Series) -> &str {
        self.names.get(series.name)
    }

    /// A series' tags, sorted by key.
    pub fn tags<'a>(&'a self, series: &Series) -> impl Iterator<Item = (&'a str, &'a str)> {
        let text = self.tag_sets.get(series.tags);
        text.split_terminator(TAG_END).map(|tag| tag.split_once(KEY_END).unwrap_or((tag, "")))
    }
}

/// Writes the text that a tag set is interned under: sorted, so that the order of tags does not matter.
fn tag_text(tags: &Tags<'_>, text: &mut String, pairs: &mut Vec<(String, String)>) {
    text.clear();
    let mut last = ("", "");
    for tag in tags.iter() {
        if tag < last {
            return sorted_text(tags, text, pairs);
        }
        push_tag(text, tag.0, tag.1);
        last = tag;
    }
}

fn push_tag(text: &mut String, key: &str, value: &str) {
    text.push_str(key);
    text.push(KEY_END);
    text.push_str(value);
    text.push(TAG_END);
}

/// The same for tags that come in another order.
fn sorted_text(tags: &Tags<'_>, text: &mut String, pairs: &mut Vec<(String, String)>) {
    text.clear();
    let mut count = 0;
    for (key, value) in tags.iter() {
        if count == pairs.len() {
            pairs.push(Default::default());
        }
        let (k, v) = &mut pairs[count];
        k.clear();
        k.push_str(key);
        v.clear();
        v.push_str(value);
        count += 1;
    }
    pairs[..count].sort_unstable();
    for (key, value) in &pairs[..count] {
        push_tag(text, key, value);
    }
}
