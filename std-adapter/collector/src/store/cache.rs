//! Remembers what the indices of a datagram mean in the store.

use ringstat_core::wire::decode::Tags;

use super::Store;
use crate::series::Class;

/// A number in the store, as far as it has been looked for.
#[derive(Clone, Copy, Default, Debug)]
enum Known {
    #[default]
    NotYet,
    /// It did not exist when the store had made this many series.
    Missing(u64),
    Number(u32),
}

impl Known {
    /// Returns the number, calling `find` if the store may have it by now.
    #[inline]
    fn get(&mut self, store: &Store, find: impl FnOnce() -> Option<u32>) -> Option<u32> {
        match *self {
            Self::Number(number) => Some(number),
            Self::Missing(made) if made == store.made => None,
            _ => {
                let found = find();
                *self = found.map_or(Self::Missing(store.made), Self::Number);
                found
            }
        }
    }
}

/// The entry for an index.
#[inline]
fn entry(all: &mut Vec<Known>, index: u16) -> &mut Known {
    let index = usize::from(index);
    if index >= all.len() {
        all.resize(index + 1, Known::NotYet);
    }
    &mut all[index]
}

/// The numbers of a datagram's names, tags and tag sets, each of which is looked up once. Reused from datagram to
/// datagram to keep its memory.
#[derive(Default, Debug)]
pub(crate) struct Cache {
    names: Vec<Known>,
    tags: Vec<Known>,
    sets: Vec<Known>,
    /// The empty tag set.
    untagged: Known,
    /// The sender's overflow series by class. Once there is one, the sender gets no other new series from this
    /// datagram.
    pub(super) overflow: [Option<u32>; Class::COUNT],
    /// Records of the datagram that rules drop.
    pub(crate) dropped: u64,
    text: String,
    members: Vec<u32>,
}

impl Cache {
    /// Begins a new datagram.
    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.tags.clear();
        self.sets.clear();
        self.untagged = Known::NotYet;
        self.overflow = [None; Class::COUNT];
        self.dropped = 0;
    }

    /// The store's number for a name.
    #[inline]
    pub(super) fn name(&mut self, store: &Store, (index, text): (u16, &str)) -> Option<u32> {
        entry(&mut self.names, index).get(store, || store.names.find(text))
    }

    /// The store's number for a record's tag set.
    #[inline]
    pub(super) fn set(&mut self, store: &Store, tags: &Tags<'_>) -> Option<u32> {
        let Self { tags: known, text, members, .. } = self;
        let mut find = || find_set(store, tags, known, members, text);
        match tags.set_index() {
            // Dynamic tags may differ in the next record.
            _ if tags.has_dynamic() => find(),
            Some(index) => entry(&mut self.sets, index).get(store, find),
            None => self.untagged.get(store, find),
        }
    }
}

fn find_set(
    store: &Store,
    tags: &Tags<'_>,
    known: &mut Vec<Known>,
    members: &mut Vec<u32>,
    text: &mut String,
) -> Option<u32> {
    members.clear();
    for index in tags.indices() {
        let find = || store.tag_sets.find_tag(tags.tag(*index)?, text);
        members.push(entry(known, *index).get(store, find)?);
    }
    for tag in tags.dynamic() {
        members.push(store.tag_sets.find_tag(tag, text)?);
    }
    members.sort_unstable();
    store.tag_sets.find(members)
}
