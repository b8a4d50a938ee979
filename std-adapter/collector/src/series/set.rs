//! Distinct members.

use hashbrown::HashTable;

use crate::memory::{Room, table};

/// A set: how many distinct members were seen, exactly up to a bound.
#[derive(Clone, Default, Debug)]
pub struct Set {
    /// Hashes with a secret key, so they are their own hashes.
    members: HashTable<u64>,
    /// Members that came when the set was full: some of them may have been there before.
    beyond: u64,
}

impl Set {
    /// So many members are told apart.
    pub const LIMIT: usize = 4096;

    /// One member, by its hash.
    pub(crate) fn add(&mut self, member: u64, room: &mut Room) {
        if self.members.find(member, |m| *m == member).is_some() {
            return;
        }
        if self.members.len() >= Self::LIMIT || !self.grow(room) {
            self.beyond += 1;
            room.members += 1;
            return;
        }
        self.members.insert_unique(member, member, |m| *m);
    }

    /// Makes place for one more.
    fn grow(&mut self, room: &mut Room) -> bool {
        let (len, before) = (self.members.len(), self.bytes());
        if len < self.members.capacity() {
            return true;
        }
        if !room.take(table(len + 1, size_of::<u64>()).saturating_sub(before)) {
            return false;
        }
        self.members.reserve(1, |m| *m);
        true
    }

    pub(super) fn bytes(&self) -> usize {
        table(self.members.capacity(), size_of::<u64>())
    }

    /// How many there are: exact up to [`Set::LIMIT`], and from there on that.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_exact_up_to_its_bound_and_its_memory_is_charged() {
        let (mut s, mut room) = (Set::default(), Room::new(1 << 20));
        (0..5000).chain(0..10).for_each(|i| s.add(i, &mut room));
        assert_eq!((s.len(), s.beyond), (Set::LIMIT, 5000 - Set::LIMIT as u64));
        assert_eq!(room.taken() as usize, s.bytes());
        assert_eq!(room.members, s.beyond);
    }

    #[test]
    fn without_room_it_stops_growing() {
        let (mut s, mut room) = (Set::default(), Room::new(1000));
        (0..5000).for_each(|i| s.add(i, &mut room));
        assert!(s.bytes() <= 1000 && s.len() > 10 && room.members == 5000 - s.len() as u64);
    }
}
