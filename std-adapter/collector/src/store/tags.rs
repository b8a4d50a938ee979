//! Tag sets with small numbers.
//!
//! A set is found by the numbers of its tags and not by their text, so that a datagram's tags are each looked up once,
//! however many sets they are in.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::strings::Strings;

/// Between key and value in the text that a tag is interned under. A character that is in no sensible tag.
const KEY_END: char = '\u{1f}';

/// Tag sets, freed when the last series that uses one is gone.
#[derive(Debug, Default)]
pub(super) struct TagSets {
    tags: Strings,
    /// By the tags' numbers, in their order: the order in which a sender gives its tags does not matter.
    numbers: HashMap<Box<[u32]>, u32, RandomState>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// The tags in the order of their text.
    shown: Box<[u32]>,
    users: u32,
}

impl TagSets {
    /// Bytes of bookkeeping for an entry.
    const OVERHEAD: usize = 96;

    /// The number of a tag. `text` is room to work in.
    pub(super) fn find_tag(&self, (key, value): (&str, &str), text: &mut String) -> Option<u32> {
        spell(key, value, text);
        self.tags.find(text)
    }

    /// The number of the set of these tags, in the order of their numbers.
    pub(super) fn find(&self, members: &[u32]) -> Option<u32> {
        self.numbers.get(members).copied()
    }

    /// The number of a set, with one more user.
    pub(super) fn take<'t>(&mut self, tags: impl Iterator<Item = (&'t str, &'t str)>) -> u32 {
        let mut text = String::new();
        let take = |(key, value)| {
            spell(key, value, &mut text);
            self.tags.take(&text)
        };
        let mut members: Vec<u32> = tags.map(take).collect();
        members.sort_unstable();
        if let Some(number) = self.find(&members) {
            self.entries[number as usize].users += 1;
            // The set has them already.
            members.into_iter().for_each(|tag| self.tags.release(tag));
            return number;
        }
        let mut shown = members.clone();
        shown.sort_unstable_by(|a, b| self.tag(*a).cmp(&self.tag(*b)));
        let entry = Entry { shown: shown.into(), users: 1 };
        self.bytes += 2 * size_of_val(&*entry.shown) + Self::OVERHEAD;
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.numbers.insert(members.into(), number);
        number
    }

    /// One user less.
    pub(super) fn release(&mut self, number: u32) {
        let entry = &mut self.entries[number as usize];
        entry.users -= 1;
        if entry.users > 0 {
            return;
        }
        let mut members = std::mem::take(&mut entry.shown);
        self.bytes -= 2 * size_of_val(&*members) + Self::OVERHEAD;
        self.free.push(number);
        members.sort_unstable();
        self.numbers.remove(&members);
        members.iter().for_each(|tag| self.tags.release(*tag));
    }

    /// Keys and values of a set, sorted.
    pub(super) fn get(&self, number: u32) -> impl Iterator<Item = (&str, &str)> {
        let entry = self.entries.get(number as usize);
        entry.into_iter().flat_map(|entry| &entry.shown).map(|tag| self.tag(*tag))
    }

    /// Their memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.tags.bytes()
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
        let ab = sets.take([a, b].into_iter());
        assert_eq!(sets.take([b, a].into_iter()), ab);
        let ac = sets.take([a, c].into_iter());
        let none = sets.take(std::iter::empty());
        assert!(ab != ac && ab != none && ac != none);
        assert_eq!(find(&sets, &[b, a]), Some(ab));
        assert_eq!(find(&sets, &[]), Some(none));
        assert_eq!(find(&sets, &[a]), None);
        assert_eq!(find(&sets, &[a, a]), None);
        assert_eq!(sets.get(ab).collect::<Vec<_>>(), [b, a], "sorted by key");
    }

    #[test]
    fn what_nobody_uses_is_gone() {
        let mut sets = TagSets::default();
        let (a, b) = (("zone", "eu"), ("host", "web-1"));
        let ab = sets.take([a, b].into_iter());
        sets.take([b, a].into_iter());
        let twice = sets.take([a, a].into_iter());
        sets.release(ab);
        assert_eq!(find(&sets, &[a, b]), Some(ab), "it has another user");
        sets.release(ab);
        assert_eq!(find(&sets, &[a, b]), None);
        assert_eq!(sets.find_tag(b, &mut String::new()), None, "its tag went with it");
        assert_eq!(sets.get(twice).collect::<Vec<_>>(), [a, a]);
        sets.release(twice);
        assert_eq!(sets.bytes(), 0);
        assert_eq!(sets.take([a].into_iter()), twice, "numbers are used again");
    }
}
