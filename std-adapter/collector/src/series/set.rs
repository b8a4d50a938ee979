//! Distinct members.

use std::hash::BuildHasherDefault;
use std::ops::Neg;

use hashbrown::HashTable;
use hyperloglockless::HyperLogLog;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize, Serializer};

use super::saved::{SavedMembers, SavedSet};
use crate::memory::{Room, heap, table};

/// A set: the number of distinct members. Exact up to [`Set::LIMIT`], estimated beyond.
#[derive(Debug, Deserialize)]
#[serde(try_from = "SavedSet<Vec<u64>>")]
pub struct Set {
    members: Members,
    exact: bool,
}

#[derive(Debug)]
enum Members {
    /// The hashes of the members. They are made with a secret key, and so serve as their own hashes.
    Known(HashTable<u64>),
    /// HyperLogLog with 4096 registers: 4 KiB, and a standard error of 1.6 %.
    Estimated(Estimator),
}

/// The hasher is never used: members come as hashes.
type Estimator = HyperLogLog<BuildHasherDefault<FxHasher>>;

/// The logarithm of the number of registers.
const PRECISION: u8 = 12;

fn estimator() -> Estimator {
    Estimator::with_hasher(PRECISION, BuildHasherDefault::default())
}

impl Default for Set {
    fn default() -> Self {
        Self { members: Members::Known(HashTable::new()), exact: true }
    }
}

impl Set {
    /// The largest number of members that are told apart, if there is memory for them.
    pub const LIMIT: usize = 4096;
    /// The memory of an estimator: a byte for each register.
    const ESTIMATOR: usize = heap(1 << PRECISION);

    /// Adds one member, given by its hash.
    pub(crate) fn add(&mut self, member: u64, room: &mut Room) {
        let members = match &mut self.members {
            Members::Known(members) => members,
            Members::Estimated(estimator) => return estimator.insert_hash(member),
        };
        if members.find(member, |m| *m == member).is_some() {
            return;
        }
        if members.len() < Self::LIMIT && grow(members, room) {
            members.insert_unique(member, member, |m| *m);
        } else {
            self.estimate(Some(member), room);
        }
    }

    /// Switches to an estimate, and adds a member if there is one.
    #[cold]
    fn estimate(&mut self, member: Option<u64>, room: &mut Room) {
        room.estimated += 1;
        self.exact = false;
        let Members::Known(members) = &self.members else { return };
        let before = self.bytes();
        // If there is not even room for that, the set stays as large as it is.
        if before < Self::ESTIMATOR && !room.take(Self::ESTIMATOR - before) {
            return;
        }
        room.give(before.saturating_sub(Self::ESTIMATOR));
        let mut estimator = estimator();
        members.iter().chain(&member).for_each(|m| estimator.insert_hash(*m));
        self.members = Members::Estimated(estimator);
    }

    /// Adds the members of another one.
    pub(crate) fn absorb(&mut self, other: &Self, room: &mut Room<'_>) {
        match &other.members {
            Members::Known(members) => members.iter().for_each(|m| self.add(*m, room)),
            Members::Estimated(of_other) => {
                if let Members::Known(_) = self.members {
                    self.estimate(None, room);
                }
                if let Members::Estimated(own) = &mut self.members {
                    // All of them have as many registers.
                    let _ = own.union(of_other);
                }
            }
        }
        self.exact &= other.exact;
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.members {
            Members::Known(members) => table(members.capacity(), size_of::<u64>()),
            Members::Estimated(_) => Self::ESTIMATOR,
        }
    }

    /// The number of members, or an estimate of it.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.members {
            Members::Known(members) => members.len(),
            Members::Estimated(estimator) => estimator.count(),
        }
    }

    /// Whether the number is exact: neither an estimate nor, for lack of memory, a lower bound.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether the set has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Serialize for Set {
    /// Writes the hashes while they are few, and the estimator's registers after that.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = match &self.members {
            Members::Known(members) => SavedMembers::Known(Hashes(members)),
            Members::Estimated(estimator) => SavedMembers::Estimated(estimator.parts().0.into()),
        };
        SavedSet { members, exact: self.exact }.serialize(serializer)
    }
}

/// One behind the other, in no order.
struct Hashes<'a>(&'a HashTable<u64>);

impl Serialize for Hashes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0)
    }
}

impl TryFrom<SavedSet<Vec<u64>>> for Set {
    type Error = &'static str;

    fn try_from(saved: SavedSet<Vec<u64>>) -> Result<Self, Self::Error> {
        let members = match saved.members {
            SavedMembers::Known(known) if known.len() <= Self::LIMIT => {
                let mut members = HashTable::with_capacity(known.len());
                for member in known {
                    members.entry(member, |m| *m == member, |m| *m).or_insert(member);
                }
                Members::Known(members)
            }
            SavedMembers::Known(_) => return Err("a set with too many members"),
            SavedMembers::Estimated(registers) => {
                // The greatest is one more than the number of zeros in a hash.
                if registers.len() != 1 << PRECISION || registers.iter().any(|r| *r > 65) {
                    return Err("registers that no estimator has");
                }
                let zeros = registers.iter().filter(|r| **r == 0).count();
                let sum = registers.iter().map(|r| f64::from(*r).neg().exp2()).sum();
                let hasher = BuildHasherDefault::default();
                Members::Estimated(Estimator::from_parts(registers.into(), hasher, zeros, sum))
            }
        };
        Ok(Self { members, exact: saved.exact })
    }
}

/// Makes room for one more member.
fn grow(members: &mut HashTable<u64>, room: &mut Room) -> bool {
    let bytes = |capacity| table(capacity, size_of::<u64>());
    let (len, capacity) = (members.len(), members.capacity());
    if len < capacity {
        return true;
    }
    if !room.take(bytes(len + 1).saturating_sub(bytes(capacity))) {
        return false;
    }
    members.reserve(1, |m| *m);
    true
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn a_set_is_exact_up_to_its_bound_and_within_some_percent_beyond_it() {
        let (mut s, mut room) = (Set::default(), Room::new(1 << 20));
        let hasher = RandomState::new();
        for member in 0..1_000_000u64 {
            s.add(hasher.hash_one(member), &mut room);
            s.add(hasher.hash_one(member / 2), &mut room);
            let members = member as usize + 1;
            assert_eq!(s.is_exact(), members <= Set::LIMIT);
            if s.is_exact() {
                assert_eq!(s.len(), members);
            } else if member % 1009 == 0 {
                // Five standard errors.
                let error = s.len().abs_diff(members) as f64 / members as f64;
                assert!(error < 0.082, "{} of {members}", s.len());
            }
            assert_eq!(room.taken() as usize, s.bytes());
        }
        assert_eq!(room.estimated, 1);
    }

    #[test]
    fn the_estimator_takes_what_is_charged_for_it() {
        let estimator = estimator();
        assert_eq!(heap(estimator.parts().0.len()), Set::ESTIMATOR);
    }

    #[test]
    fn without_room_it_is_estimated_earlier_or_stops_growing() {
        let hasher = RandomState::new();
        for (left, estimated) in [(1000, false), (5000, true)] {
            let (mut s, mut room) = (Set::default(), Room::new(left));
            (0..5000u64).for_each(|i| s.add(hasher.hash_one(i), &mut room));
            assert!(s.bytes() <= left && room.estimated > 0, "{} of {left}", s.bytes());
            assert_eq!((s.is_exact(), s.len() > 4500), (false, estimated));
        }
    }
}
