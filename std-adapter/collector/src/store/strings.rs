//! Strings with small numbers.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Strings, freed when the last user of one is gone.
#[derive(Debug, Default)]
pub(super) struct Strings {
    /// Seeded, so that nobody outside can tell which strings collide; and each string of a datagram is looked up here.
    numbers: HashMap<Box<str>, u32, RandomState>,
    entries: Vec<(Box<str>, u32)>,
    free: Vec<u32>,
    bytes: usize,
}

impl Strings {
    /// Bytes of bookkeeping for an entry.
    const OVERHEAD: usize = 64;

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The number of `text`, with one more user.
    pub(super) fn take(&mut self, text: &str) -> u32 {
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

    /// One user less.
    pub(super) fn release(&mut self, number: u32) {
        let (text, users) = &mut self.entries[number as usize];
        *users -= 1;
        if *users == 0 {
            self.bytes -= 2 * text.len() + Self::OVERHEAD;
            self.numbers.remove(&*std::mem::take(text));
            self.free.push(number);
        }
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.entries.get(number as usize).map_or("", |e| &e.0)
    }

    /// Their memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
