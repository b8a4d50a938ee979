//! Tag sets that are interned under small numbers.
//!
//! A set is found by the numbers of its tags and not by their text, so that each of a datagram's tags is looked up
//! once, however many sets contain it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::strings::{Strings, place, trim};
use crate::memory::{Numbers, heap};

/// The separator of key and value in the text under which a tag is interned: a character that no sensible tag contains.
const KEY_END: char = '\u{1f}';

/// Tag sets, each of which is freed with the last series that uses it.
#[derive(Debug, Default)]
pub(super) struct TagSets {
    tags: Strings,
    hasher: RandomState,
    numbers: Numbers,
    entries: Vec<Entry>,
    free: Vec<u32>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// The tags in the order of their numbers, so that the order in which a sender gives its tags does not matter.
    members: Box<[u32]>,
    /// The sender that used it first, and is charged for it.
    owner: u64,
    users: u32,
}

impl TagSets {
    /// The approximate bookkeeping for an entry, in bytes; [`bytes`](Self::bytes) is exact.
    const OVERHEAD: usize = size_of::<Entry>() + 10;

    /// The number of a tag. `text` is a scratch buffer.
    pub(super) fn find_tag(&self, (key, value): (&str, &str), text: &mut String) -> Option<u32> {
        spell(key, value, text);
        self.tags.find(text)
    }

    /// The number of the set of these tags, which must be in the order of their numbers.
    pub(super) fn find(&self, members: &[u32]) -> Option<u32> {
        let hash = self.hasher.hash_one(members);
        self.numbers.find(hash, |n| *self.entries[*n as usize].members == *members)
    }

    /// The largest amount of memory that a new set takes.
    pub(super) fn cost<'t>(tags: impl Iterator<Item = (&'t str, &'t str)>) -> usize {
        let (mut count, mut strings) = (0, 0);
        for (key, value) in tags {
            count += 1;
            strings += Strings::cost(key.len() + value.len() + KEY_END.len_utf8());
        }
        Self::OVERHEAD + heap(count * size_of::<u32>()) + strings
    }

    /// Adds a user to a set, and returns its number and what its owner is charged for it.
    pub(super) fn take<'t>(
        &mut self,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
        owner: u64,
    ) -> (u32, usize) {
        let mut text = String::new();
        let mut charge = 0;
        let take = |(key, value)| {
            spell(key, value, &mut text);
            let (number, cost) = self.tags.take(&text, owner);
            charge += cost;
            number
        };
        let mut members: Vec<u32> = tags.map(take).collect();
        members.sort_unstable();
        if let Some(number) = self.find(&members) {
            self.entries[number as usize].users += 1;
            // The set uses them already, so none of them is freed.
            members.into_iter().for_each(|tag| _ = self.tags.release(tag));
            return (number, charge);
        }
        let hash = self.hasher.hash_one(&*members);
        let memory = heap(size_of_val(&*members));
        self.bytes += memory;
        let entry = Entry { members: members.into(), owner, users: 1 };
        let number = place(&mut self.entries, &mut self.free, entry);
        let again = |n: &u32| self.hasher.hash_one(&*self.entries[*n as usize].members);
        self.numbers.insert(hash, number, again);
        (number, charge + memory + Self::OVERHEAD)
    }

    /// Removes a user. For everything that is freed with the last user, `back` is called with the owner and the bytes
    /// to give back.
    pub(super) fn release(&mut self, number: u32, mut back: impl FnMut(u64, usize)) {
        let entry = &mut self.entries[number as usize];
        entry.users -= 1;
        if entry.users > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&*entry.members);
        self.numbers.remove(hash, number);
        let Entry { members, owner, .. } = std::mem::take(entry);
        let memory = heap(size_of_val(&*members));
        self.bytes -= memory;
        self.free.push(number);
        back(owner, memory + Self::OVERHEAD);
        for (owner, cost) in members.iter().filter_map(|tag| self.tags.release(*tag)) {
            back(owner, cost);
        }
    }

    /// The keys and values of a set, sorted.
    pub(super) fn get(&self, number: u32) -> impl Iterator<Item = (&str, &str)> {
        let members = self.entries.get(number as usize).map_or(&[][..], |e| &e.members);
        let mut tags: Vec<_> = members.iter().map(|tag| self.tag(*tag)).collect();
        tags.sort_unstable();
        tags.into_iter()
    }

    /// Releases memory that was needed when there were many more sets.
    pub(super) fn shrink(&mut self) {
        let Self { hasher, numbers, entries, free, .. } = self;
        trim(entries, free, |e| e.users == 0);
        numbers.shrink(|n| hasher.hash_one(&*entries[*n as usize].members));
        self.tags.shrink();
    }

    /// The memory of these tables, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
            + self.tags.bytes()
            + self.numbers.bytes()
            + heap(self.entries.capacity() * size_of::<Entry>())
            + heap(self.free.capacity() * size_of::<u32>())
    }

    fn tag(&self, number: u32) -> (&str, &str) {
        let text = self.tags.get(number);
        text.split_once(KEY_END).unwrap_or((text, ""))
    }
}

fn spell(key: &str, value: &str, text: &mut String) {
    text.clear();
    text.push_str(key);
    text.push(KEY_END);
    text.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(sets: &TagSets, tags: &[(&str, &str)]) -> Option<u32> {
        let mut text = String::new();
        let members: Option<Vec<u32>> =
            tags.iter().map(|tag| sets.find_tag(*tag, &mut text)).collect();
        let mut members = members?;
        members.sort_unstable();
        sets.find(&members)
    }

    #[test]
    fn sets_are_found_whatever_the_order_of_their_tags() {
        let mut sets = TagSets::default();
        let (a, b, c) = (("zone", "eu"), ("host", "web-1"), ("host", "web-2"));
        let ab = sets.take([a, b].into_iter(), 1).0;
        assert_eq!(sets.take([b, a].into_iter(), 2), (ab, 0));
        let ac = sets.take([a, c].into_iter(), 1).0;
        let none = sets.take(std::iter::empty(), 1).0;
        assert!(ab != ac && ab != none && ac != none);
        assert_eq!(find(&sets, &[b, a]), Some(ab));
        assert_eq!(find(&sets, &[]), Some(none));
        assert_eq!(find(&sets, &[a]), None);
        assert_eq!(find(&sets, &[a, a]), None);
        assert_eq!(sets.get(ab).collect::<Vec<_>>(), [b, a], "sorted by key");
    }

    #[test]
    fn what_nobody_uses_is_gone_and_comes_back_to_who_brought_it() {
        let mut sets = TagSets::default();
        let (a, b) = (("zone", "eu"), ("host", "web-1"));
        let (ab, charge) = sets.take([a, b].into_iter(), 1);
        assert!(charge <= TagSets::cost([a, b].into_iter()));
        assert_eq!(sets.take([b, a].into_iter(), 2), (ab, 0));
        let (twice, _) = sets.take([a, a].into_iter(), 2);
        let mut back = Vec::new();
        sets.release(ab, |owner, bytes| back.push((owner, bytes)));
        assert_eq!((find(&sets, &[a, b]), &*back), (Some(ab), &[][..]), "it has another user");
        sets.release(ab, |owner, bytes| back.push((owner, bytes)));
        assert_eq!(find(&sets, &[a, b]), None);
        assert_eq!(sets.find_tag(b, &mut String::new()), None, "its tag went with it");
        assert_eq!(sets.get(twice).collect::<Vec<_>>(), [a, a]);
        sets.release(twice, |owner, bytes| back.push((owner, bytes)));
        let of = |owner| back.iter().filter(|b| b.0 == owner).map(|b| b.1).sum::<usize>();
        assert_eq!(of(1), charge, "the tag that both used was brought by the first");
        assert_eq!(sets.take([a].into_iter(), 1).0, twice, "numbers are used again");
    }
}
