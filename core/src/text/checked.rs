//! Static strings that were examined before, recognized by their address.
//!
//! A static name needs to be searched for reserved characters only once; a static tag set is written out once and
//! copied from then on. Anything `'static` never changes, so comparing address and length is enough.

use heapless::Vec;

use crate::record::Tag;

/// A table of `SLOTS` names and tag sets, with `ARENA` bytes for tags in the form in which they are written. Whatever
/// does not fit is examined each time, which is correct but slower.
pub(super) struct CheckedStrings<const SLOTS: usize, const ARENA: usize> {
    slots: [Slot; SLOTS],
    arena: Vec<u8, ARENA>,
}

/// No string has address 0: such a slot is empty.
#[derive(Clone, Copy)]
struct Slot {
    address: usize,
    /// The number of bytes of a name, or of tags of a set.
    length: usize,
    /// Where a set begins in the arena; unused for a name.
    start: u16,
    end: u16,
}

/// How many slots are examined for one string.
const PROBES: usize = 4;

impl<const SLOTS: usize, const ARENA: usize> CheckedStrings<SLOTS, ARENA> {
    pub(super) const fn new() -> Self {
        const { assert!(ARENA <= u16::MAX as usize, "the arena has at most 65535 bytes") };
        const EMPTY: Slot = Slot { address: 0, length: 0, start: 0, end: 0 };
        Self { slots: [EMPTY; SLOTS], arena: Vec::new() }
    }

    /// Whether a name is known to contain nothing reserved.
    #[inline]
    pub(super) fn has_name(&self, name: &'static str) -> bool {
        self.find(name.as_ptr().addr(), name.len()).is_some()
    }

    /// Remembers that a name contains nothing reserved.
    pub(super) fn add_name(&mut self, name: &'static str) {
        self.put(Slot { address: name.as_ptr().addr(), length: name.len(), start: 0, end: 0 });
    }

    /// The tags in the form in which they are written, if they are remembered.
    #[inline]
    pub(super) fn set(&self, tags: &'static [Tag]) -> Option<&[u8]> {
        let slot = self.find(tags.as_ptr().addr(), tags.len())?;
        self.arena.get(usize::from(slot.start)..usize::from(slot.end))
    }

    /// Remembers tags in the form in which they are written.
    pub(super) fn add_set(&mut self, tags: &'static [Tag], written: &[u8]) {
        let start = self.arena.len();
        if self.arena.extend_from_slice(written).is_err() {
            return;
        }
        // Both are within `ARENA`, which fits into 16 bits.
        let (start, end) = (start as u16, self.arena.len() as u16);
        if !self.put(Slot { address: tags.as_ptr().addr(), length: tags.len(), start, end }) {
            self.arena.truncate(usize::from(start));
        }
    }

    #[inline]
    fn places(address: usize) -> impl Iterator<Item = usize> {
        // Strings lie next to each other in memory, so the low bits differ most.
        let hash = (address as u32).wrapping_mul(0x9E37_79B1) >> 15;
        (0..PROBES.min(SLOTS)).map(move |probe| (hash as usize + probe) % SLOTS.max(1))
    }

    #[inline]
    fn find(&self, address: usize, length: usize) -> Option<&Slot> {
        Self::places(address)
            .filter_map(|at| self.slots.get(at))
            .find(|slot| slot.address == address && slot.length == length)
    }

    /// Stores an entry, and returns whether there was room.
    fn put(&mut self, new: Slot) -> bool {
        let free = Self::places(new.address)
            .find(|at| self.slots.get(*at).is_some_and(|slot| slot.address == 0));
        match free.and_then(|at| self.slots.get_mut(at)) {
            Some(slot) => *slot = new,
            None => return false,
        }
        true
    }
}
