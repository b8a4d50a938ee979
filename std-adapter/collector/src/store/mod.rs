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

mod cache;
mod strings;
mod tags;

pub(crate) use cache::Cache;
use strings::Strings;
use tags::TagSets;

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
    tag_sets: TagSets,
    index: HashMap<Key, u32, FxBuildHasher>,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    per_sender: HashMap<u64, usize, FxBuildHasher>,
    data_bytes: usize,
    /// How many series it has made so far.
    made: u64,
    /// Records that went to an overflow series.
    pub overflowed: u64,
}

/// The name of the series that take what is beyond a limit.
pub const OVERFLOW: &str = "ringstat.overflow";

impl Store {
    /// Bytes of bookkeeping for a series.
    const OVERHEAD: usize = size_of::<Series>() + size_of::<Key>() + 16;

    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            names: Strings::default(),
            tag_sets: TagSets::default(),
            index: HashMap::default(),
            series: Vec::new(),
            free: Vec::new(),
            per_sender: HashMap::default(),
            data_bytes: 0,
            made: 0,
            overflowed: 0,
        }
    }

    /// The series of a record, made if need be. Beyond a limit the sender's overflow series of that class if
    /// `may_overflow` (amounts can be added up there), else `None`.
    #[inline]
    pub(crate) fn series(
        &mut self,
        cache: &mut Cache,
        sender: u64,
        name: (u16, &str),
        tags: &Tags<'_>,
        class: Class,
        may_overflow: bool,
    ) -> Option<&mut Series> {
        let numbers = (cache.name(self, name), cache.set(self, tags));
        let found = match numbers {
            (Some(name), Some(set)) => self.index.get(&Key(sender, name, set, class)).copied(),
            _ => None,
        };
        let place = match found {
            Some(place) => place,
            None => self.admit(cache, sender, name.1, tags, class, may_overflow)?,
        };
        self.series.get_mut(place as usize)?.as_mut()
    }

    /// Makes a series, or finds the one for overflow.
    #[cold]
    fn admit(
        &mut self,
        cache: &mut Cache,
        sender: u64,
        name: &str,
        tags: &Tags<'_>,
        class: Class,
        may_overflow: bool,
    ) -> Option<u32> {
        // There will be no room for this sender before the next datagram.
        if let Some(place) = cache.overflow[class as usize].filter(|_| may_overflow) {
            self.overflowed += 1;
            return Some(place);
        }
        let of_sender = self.per_sender.get(&sender).copied().unwrap_or(0);
        let room = self.len() < self.limits.series
            && of_sender < self.limits.series_per_sender
            && self.bytes() < self.limits.bytes;
        if room {
            return Some(self.insert(sender, name, tags.iter(), class));
        }
        if !may_overflow {
            return None;
        }
        self.overflowed += 1;
        let found = self.names.find(OVERFLOW).zip(self.tag_sets.find(&[]));
        let found =
            found.and_then(|(name, tags)| self.index.get(&Key(sender, name, tags, class)).copied());
        // There is at most one for each sender and class, so the limits stay limits.
        let place =
            found.unwrap_or_else(|| self.insert(sender, OVERFLOW, std::iter::empty(), class));
        cache.overflow[class as usize] = Some(place);
        Some(place)
    }

    fn insert<'t>(
        &mut self,
        sender: u64,
        name: &str,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
        class: Class,
    ) -> u32 {
        self.made += 1;
        let (name, tags) = (self.names.take(name), self.tag_sets.take(tags));
        let data = Data::new(class);
        self.data_bytes += Self::OVERHEAD + data.bytes();
        let series = Series { sender, data, class, seen_ms: 0, scaled: false, name, tags };
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
                self.data_bytes += Self::OVERHEAD + series.data.bytes();
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
        self.data_bytes + self.names.bytes() + self.tag_sets.bytes()
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
        self.tag_sets.get(series.tags)
    }
}
