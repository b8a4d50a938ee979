//! A hash table of numbers that never has to be rehashed as a whole.
//!
//! A table that doubles moves everything it has: at a million entries that takes a quarter of a second, in which no
//! datagram is received. Here the hash chooses one of many small tables, and only that one grows.

use hashbrown::HashTable;

use super::table;

/// The number of small tables: at a million entries, one of them moves 4000, in a fraction of a millisecond.
const PARTS: usize = 256;

/// Numbers by the hash of what they represent, which is stored elsewhere.
#[derive(Debug)]
pub(crate) struct Numbers {
    parts: Box<[HashTable<u32>]>,
    len: usize,
    bytes: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        let parts: Box<[_]> = (0..PARTS).map(|_| HashTable::new()).collect();
        Self { bytes: size_of_val(&*parts), parts, len: 0 }
    }
}

impl Numbers {
    /// Returns the number with this hash for which `is` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.parts[part(hash)].find(hash, is).copied()
    }

    /// Adds a number that is not there yet. `again` hashes what another number represents.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, again: impl Fn(&u32) -> u64) {
        let part = &mut self.parts[part(hash)];
        let before = part.capacity();
        part.insert_unique(hash, number, again);
        if part.capacity() != before {
            self.bytes += of_table(part.capacity()) - of_table(before);
        }
        self.len += 1;
    }

    /// Removes a number, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        if let Ok(found) = self.parts[part(hash)].find_entry(hash, |n| *n == number) {
            found.remove();
            self.len -= 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Shrinks tables that are less than a quarter full.
    pub(crate) fn shrink(&mut self, again: impl Fn(&u32) -> u64) {
        for part in &mut self.parts {
            let before = part.capacity();
            if part.len() < before / 4 {
                part.shrink_to(part.len() * 2, &again);
                self.bytes -= of_table(before) - of_table(part.capacity());
            }
        }
    }

    /// Returns its memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Returns the small table for a hash. It uses other bits than the table itself, which uses the lowest and the highest.
#[inline]
fn part(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}

fn of_table(capacity: usize) -> usize {
    table(capacity, size_of::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> u64 {
        u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn a_hundred_thousand_are_found_and_no_insertion_moves_many() {
        let mut numbers = Numbers::default();
        let empty = numbers.bytes();
        let mut most = 0;
        for n in 0..100_000 {
            let moved = std::cell::Cell::new(0);
            let again = |n: &u32| {
                moved.set(moved.get() + 1);
                hash(*n)
            };
            numbers.insert(hash(n), n, again);
            most = most.max(moved.get());
        }
        // A single table would need 57 344.
        assert!((100..1000).contains(&most), "{most}");
        assert_eq!(numbers.len(), 100_000);
        assert!((0..100_000).all(|n| numbers.find(hash(n), |m| *m == n) == Some(n)));
        let full = numbers.bytes();
        assert!(full > 500_000, "{full}");
        (0..100_000).for_each(|n| numbers.remove(hash(n), n));
        assert_eq!((numbers.len(), numbers.find(hash(7), |m| *m == 7)), (0, None));
        numbers.shrink(|n| hash(*n));
        assert_eq!(numbers.bytes(), empty);
    }
}
