//! Strings that are interned under small numbers.

use std::hash::BuildHasher;

use crate::memory::{Numbers, heap};
use foldhash::fast::RandomState;

/// Strings, each of which is freed with its last user.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Seeded, so that nobody outside can predict which strings collide.
    hasher: RandomState,
    numbers: Numbers,
    entries: Vec<Entry>,
    free: Vec<u32>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    text: Box<str>,
    /// The sender that used it first, and is charged for it.
    owner: u64,
    users: u32,
}

impl Strings {
    /// The approximate bookkeeping for an entry, in bytes; [`bytes`](Self::bytes) is exact.
    const OVERHEAD: usize = size_of::<Entry>() + 10;

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.numbers.find(hash, |n| *self.entries[*n as usize].text == *text)
    }

    /// The memory that a new string of that length takes.
    pub(super) const fn cost(length: usize) -> usize {
        Self::OVERHEAD + heap(length)
    }

    /// Adds a user to `text`, and returns its number and what its owner is charged for it.
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
        self.numbers.insert(hash, number, again);
        (number, Self::cost(text.len()))
    }

    /// Removes a user. If it was the last one, returns the owner and the bytes to give back.
    pub(super) fn release(&mut self, number: u32) -> Option<(u64, usize)> {
        let entry = &mut self.entries[number as usize];
        entry.users -= 1;
        if entry.users > 0 {
            return None;
        }
        let hash = self.hasher.hash_one(&*entry.text);
        self.numbers.remove(hash, number);
        let Entry { text, owner, .. } = std::mem::take(entry);
        self.bytes -= heap(text.len());
        self.free.push(number);
        Some((owner, Self::cost(text.len())))
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.entries.get(number as usize).map_or("", |e| &e.text)
    }

    /// Releases memory that was needed when there were many more strings.
    pub(super) fn shrink(&mut self) {
        let Self { hasher, numbers, entries, free, .. } = self;
        trim(entries, free, |e| e.users == 0);
        numbers.shrink(|n| hasher.hash_one(&*entries[*n as usize].text));
    }

    /// The memory of this table, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
            + self.numbers.bytes()
            + heap(self.entries.capacity() * size_of::<Entry>())
            + heap(self.free.capacity() * size_of::<u32>())
    }
}

/// Puts an entry in an unused place, or at the end. A vector grows by an eighth instead of doubling, because memory is
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

/// Removes the unused places at the end when more than half of all places are unused.
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
