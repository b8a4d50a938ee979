//! Strings with small numbers.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::memory::{heap, table};

/// Strings, freed when the last user of one is gone.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Seeded, so that nobody outside can tell which strings collide.
    hasher: RandomState,
    numbers: HashTable<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    text: Box<str>,
    /// The sender that brought it, and is charged for it.
    owner: u64,
    users: u32,
}

impl Strings {
    /// Bytes of bookkeeping for an entry, roughly; [`bytes`](Self::bytes) knows better.
    const OVERHEAD: usize = size_of::<Entry>() + 10;

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.numbers.find(hash, |n| *self.entries[*n as usize].text == *text).copied()
    }

    /// What one that is not here takes.
    pub(super) const fn cost(length: usize) -> usize {
        Self::OVERHEAD + heap(length)
    }

    /// The number of `text`, with one more user; and what its owner is to be charged for it.
    pub(super) fn take(&mut self, text: &str, owner: u64) -> (u32, usize) {
        if let Some(number) = self.find(text) {
            self.entries[number as usize].users += 1;
            return (number, 0);
        }
        let entry = Entry { text: text.into(), owner, users: 1 };
        let number = place(&mut self.entries, &mut self.free, entry);
        self.bytes += heap(text.len());
        let hash = self.hasher.hash_one(text);
        let again = |n: &u32| self.hasher.hash_one(&*self.entries[*n as usize].text);
        self.numbers.insert_unique(hash, number, again);
        (number, Self::cost(text.len()))
    }

    /// One user less. If it was the last one: who owned it, and what comes back to that sender.
    pub(super) fn release(&mut self, number: u32) -> Option<(u64, usize)> {
        let entry = &mut self.entries[number as usize];
        entry.users -= 1;
        if entry.users > 0 {
            return None;
        }
        let hash = self.hasher.hash_one(&*entry.text);
        if let Ok(found) = self.numbers.find_entry(hash, |n| *n == number) {
            found.remove();
        }
        let Entry { text, owner, .. } = std::mem::take(entry);
        self.bytes -= heap(text.len());
        self.free.push(number);
        Some((owner, Self::cost(text.len())))
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.entries.get(number as usize).map_or("", |e| &e.text)
    }

    /// Gives back what was needed when there were many more.
    pub(super) fn shrink(&mut self) {
        let Self { hasher, numbers, entries, free, .. } = self;
        trim(entries, free, |e| e.users == 0);
        shrink(numbers, |n| hasher.hash_one(&*entries[*n as usize].text));
    }

    /// What the table would take more with one more entry.
    pub(super) fn growth(&self) -> usize {
        growth(&self.numbers)
    }

    /// Their memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
            + table(self.numbers.capacity(), size_of::<u32>())
            + heap(self.entries.capacity() * size_of::<Entry>())
            + heap(self.free.capacity() * size_of::<u32>())
    }
}

/// What a table of numbers would take more with one more entry.
pub(super) fn growth(numbers: &HashTable<u32>) -> usize {
    let (len, capacity) = (numbers.len(), numbers.capacity());
    let grown = if len < capacity { capacity } else { len + 1 };
    table(grown, size_of::<u32>()) - table(capacity, size_of::<u32>())
}

/// Puts an entry where one was, or behind all. A vector grows by an eighth and not by as much again, since memory is
/// bounded.
pub(super) fn place<T>(entries: &mut Vec<T>, free: &mut Vec<u32>, entry: T) -> u32 {
    match free.pop() {
        Some(number) => {
            entries[number as usize] = entry;
            number
        }
        None => {
            if entries.len() == entries.capacity() {
                entries.reserve_exact(entries.len() / 8 + 16);
            }
            entries.push(entry);
            entries.len() as u32 - 1
        }
    }
}

/// Takes the unused places at the end away when more than half of all are unused.
pub(super) fn trim<T>(entries: &mut Vec<T>, free: &mut Vec<u32>, is_unused: impl Fn(&T) -> bool) {
    if free.len() <= entries.len() / 2 {
        return;
    }
    let used = entries.iter().rposition(|e| !is_unused(e)).map_or(0, |last| last + 1);
    entries.truncate(used);
    entries.shrink_to_fit();
    free.retain(|place| (*place as usize) < used);
    free.shrink_to_fit();
}

/// Makes a table smaller that is less than a quarter full.
pub(super) fn shrink(numbers: &mut HashTable<u32>, hash: impl Fn(&u32) -> u64) {
    if numbers.len() < numbers.capacity() / 4 {
        numbers.shrink_to(numbers.len() * 2, hash);
    }
}
