//! What a datagram's indices mean in the store.

use super::{Class, Store};
use ringstat_core::wire::decode::Tags;

/// A number of the store, as far as it was looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    NotYet,
    Missing,
    Number(u32),
}

impl Known {
    fn number(self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::NotYet | Self::Missing => None,
        }
    }
}

/// Names, tags and tag sets of a datagram: each is looked up once. Kept from datagram to datagram for its memory.
#[derive(Debug)]
pub struct Cache {
    names: Vec<Known>,
    tags: Vec<Known>,
    sets: Vec<Known>,
    /// The set without tags.
    untagged: Known,
    /// The overflow series by class; once there is one, the sender gets no other series from this datagram.
    pub(super) overflow: [Option<u32>; Class::COUNT],
    text: String,
    members: Vec<u32>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            tags: Vec::new(),
            sets: Vec::new(),
            untagged: Known::NotYet,
            overflow: [None; Class::COUNT],
            text: String::new(),
            members: Vec::new(),
        }
    }
}

/// What is known of an index, for the first time what `find` says.
#[inline]
fn known(all: &mut Vec<Known>, index: u16, find: impl FnOnce() -> Option<u32>) -> Known {
    let index = usize::from(index);
    if index >= all.len() {
        all.resize(index + 1, Known::NotYet);
    }
    if all[index] == Known::NotYet {
        all[index] = find().map_or(Known::Missing, Known::Number);
    }
    all[index]
}

impl Cache {
    /// A new datagram begins, or there is more in the store than there was.
    pub fn clear(&mut self) {
        self.names.clear();
        self.tags.clear();
        self.sets.clear();
        self.untagged = Known::NotYet;
        self.overflow = [None; Class::COUNT];
    }

    /// The number of a name.
    #[inline]
    pub(super) fn name(&mut self, store: &Store, (index, text): (u16, &str)) -> Option<u32> {
        known(&mut self.names, index, || store.names.find(text)).number()
    }

    /// The number of a record's tag set.
    #[inline]
    pub(super) fn set(&mut self, store: &Store, tags: &Tags<'_>) -> Option<u32> {
        if tags.has_dynamic() {
            return self.find_set(store, tags);
        }
        let index = tags.set_index().map(usize::from);
        let now = match index {
            Some(index) => self.sets.get(index).copied().unwrap_or(Known::NotYet),
            None => self.untagged,
        };
        if now != Known::NotYet {
            return now.number();
        }
        let number = self.find_set(store, tags);
        let now = number.map_or(Known::Missing, Known::Number);
        match index {
            Some(index) => {
                if index >= self.sets.len() {
                    self.sets.resize(index + 1, Known::NotYet);
                }
                self.sets[index] = now;
            }
            None => self.untagged = now,
        }
        number
    }

    fn find_set(&mut self, store: &Store, tags: &Tags<'_>) -> Option<u32> {
        let Self { text, members, .. } = self;
        members.clear();
        for index in tags.indices() {
            let find = || store.tag_sets.find_tag(tags.tag(*index)?, text);
            members.push(known(&mut self.tags, *index, find).number()?);
        }
        for tag in tags.dynamic() {
            members.push(store.tag_sets.find_tag(tag, text)?);
        }
        members.sort_unstable();
        store.tag_sets.find(members)
    }
}
