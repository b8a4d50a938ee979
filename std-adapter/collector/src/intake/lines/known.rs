//! Remembers which series a line belongs to, by its text, so that the names and tags of most lines are not taken apart.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::memory::heap;
use crate::series::Class;
use crate::store::Found;

/// What identifies a series in a line: its sender, its class, and the text of its name and tags as it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineKey<'a> {
    pub(super) sender: u64,
    pub(super) class: Class,
    pub(super) head: &'a str,
    pub(super) tags: &'a str,
}

/// Series by the text of lines. It forgets some of them rather than to grow beyond the number of series.
#[derive(Default, Debug)]
pub(super) struct KnownLines {
    /// Seeded, so that nobody outside can predict which lines share a place.
    hasher: RandomState,
    /// A power of two of places, or none.
    places: Vec<Option<Entry>>,
    len: usize,
    /// The memory of the texts.
    texts: usize,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    sender: u64,
    found: Found,
    /// Name and tags, one behind the other.
    text: Box<str>,
    name_len: u32,
    class: Class,
}

impl Entry {
    #[inline]
    fn is(&self, hash: u64, key: &LineKey<'_>) -> bool {
        let name_len = key.head.len();
        self.hash == hash
            && (self.sender, self.class, self.name_len as usize)
                == (key.sender, key.class, name_len)
            && self.text.len() == name_len + key.tags.len()
            && self.text.as_bytes()[..name_len] == *key.head.as_bytes()
            && self.text.as_bytes()[name_len..] == *key.tags.as_bytes()
    }
}

/// An entry is in one of so many places from the one that its hash names.
const REACH: usize = 8;
/// Longer texts are taken apart each time.
const LONGEST: usize = 1024;
/// The number of places to begin with.
const FIRST: usize = 256;

impl KnownLines {
    /// The hash of a key.
    #[inline]
    pub(super) fn hash(&self, key: &LineKey<'_>) -> u64 {
        self.hasher.hash_one((key.sender ^ (key.class as u64) << 32, key.head, key.tags))
    }

    /// The series of a line, as far as it is known. Whether the series is still there, the store knows.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &LineKey<'_>) -> Option<Found> {
        let mask = self.places.len().checked_sub(1)?;
        (0..REACH).find_map(|step| {
            let entry = self.places[(hash as usize).wrapping_add(step) & mask].as_ref()?;
            entry.is(hash, key).then_some(entry.found)
        })
    }

    /// Remembers a series, if its text is not too long, and there is room: `most` is the largest number of entries, and
    /// `claim` is asked for memory.
    #[cold]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: &LineKey<'_>,
        found: Found,
        most: usize,
        claim: impl FnOnce(usize) -> bool,
    ) {
        let text = [key.head, key.tags].concat();
        if text.len() > LONGEST {
            return;
        }
        let grows = self.places.is_empty() || (self.len * 2 > self.places.len() && self.len < most);
        let more = if grows { (self.places.len() * 2).max(FIRST) } else { 0 };
        // While it grows, there are both.
        if !claim(heap(text.len()) + heap(more * size_of::<Option<Entry>>())) {
            return;
        }
        if grows {
            let empty = std::iter::repeat_with(|| None).take(more).collect();
            let before = std::mem::replace(&mut self.places, empty);
            (self.len, self.texts) = (0, 0);
            before.into_iter().flatten().for_each(|entry| self.put(entry));
        }
        let LineKey { sender, class, head, .. } = *key;
        let name_len = head.len() as u32;
        self.put(Entry { hash, sender, found, text: text.into(), name_len, class });
    }

    /// Puts an entry into a place: that of the same line before, an empty one, or that of another.
    fn put(&mut self, entry: Entry) {
        let mask = self.places.len() - 1;
        let hash = entry.hash;
        let place = |step: usize| (hash as usize).wrapping_add(step) & mask;
        let same =
            |step: &usize| self.places[place(*step)].as_ref().is_some_and(|e| e.hash == hash);
        let empty = |step: &usize| self.places[place(*step)].is_none();
        let step = (0..REACH).find(same).or_else(|| (0..REACH).find(empty));
        let step = step.unwrap_or((hash >> 61) as usize);
        self.texts += heap(entry.text.len());
        match self.places[place(step)].replace(entry) {
            Some(gone) => self.texts -= heap(gone.text.len()),
            None => self.len += 1,
        }
    }

    /// Its memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.texts + heap(self.places.capacity() * size_of::<Option<Entry>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_what_was_put_in_last_and_it_stays_small() {
        let mut known = KnownLines::default();
        let mut hits = 0;
        for round in 0..3u32 {
            for n in 0..5000u32 {
                let head = format!("name.{n}");
                let key = LineKey { sender: 1, class: Class::Counter, head: &head, tags: "a:b" };
                let hash = known.hash(&key);
                let found = known.find(hash, &key);
                if let Some(found) = found {
                    assert_eq!((found.place, found.born), (n, round - 1));
                    hits += 1;
                }
                known.insert(
                    hash,
                    &key,
                    Found { place: n, born: round, is_own: true },
                    4096,
                    |_| true,
                );
                assert_eq!(known.find(hash, &key).unwrap().born, round);
                for other in [
                    LineKey { sender: 2, ..key },
                    LineKey { class: Class::Gauge, ..key },
                    LineKey { tags: "a:c", ..key },
                    LineKey { head: "name", tags: &head[4..], ..key },
                ] {
                    assert_eq!(known.find(known.hash(&other), &other), None);
                }
            }
        }
        assert!(hits > 5000, "{hits} of 10000");
        assert!(known.places.len() <= 8192, "{}", known.places.len());
        let texts: usize = known.places.iter().flatten().map(|e| heap(e.text.len())).sum();
        assert_eq!((known.texts, known.len), (texts, known.places.iter().flatten().count()));
    }

    #[test]
    fn without_memory_it_remembers_nothing() {
        let mut known = KnownLines::default();
        let key = LineKey { sender: 1, class: Class::Set, head: "a", tags: "" };
        let hash = known.hash(&key);
        known.insert(hash, &key, Found { place: 1, born: 1, is_own: true }, 100, |_| false);
        assert_eq!((known.find(hash, &key), known.bytes()), (None, 0));
        let long = "x".repeat(LONGEST + 1);
        known.insert(
            hash,
            &LineKey { tags: &long, ..key },
            Found { place: 1, born: 1, is_own: true },
            100,
            |_| true,
        );
        assert_eq!(known.bytes(), 0);
    }
}
