//! Sets of places in the store.

use crate::memory::heap;

/// A set of places: one bit each.
#[derive(Clone, Default, Debug)]
pub(super) struct PlaceSet(Vec<u64>);

impl PlaceSet {
    #[inline]
    pub(super) fn contains(&self, place: u32) -> bool {
        self.0.get(place as usize / 64).is_some_and(|word| word >> (place % 64) & 1 != 0)
    }

    pub(super) fn insert(&mut self, place: u32) {
        let word = place as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (place % 64);
    }

    /// Removes a place. Returns whether it was in the set.
    pub(super) fn remove(&mut self, place: u32) -> bool {
        let was = self.contains(place);
        if was {
            self.0[place as usize / 64] &= !(1 << (place % 64));
        }
        was
    }

    /// The first place in the set from `from` on.
    pub(super) fn next(&self, from: usize) -> Option<u32> {
        let mut bits = self.0.get(from / 64)? & (u64::MAX << (from % 64));
        let mut word = from / 64;
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some((word * 64) as u32 + bits.trailing_zeros())
    }

    /// Adds all places of another set.
    pub(super) fn extend(&mut self, others: &Self) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn up_to(places: usize) -> Self {
        Self(vec![u64::MAX; places.div_ceil(64)])
    }

    pub(super) fn bytes(&self) -> usize {
        heap(self.0.capacity() * size_of::<u64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_their_order() {
        let mut places = PlaceSet::default();
        for place in [0, 5, 63, 64, 1000] {
            places.insert(place);
        }
        let mut found = Vec::new();
        while let Some(place) = places.next(found.last().map_or(0, |p| *p as usize + 1)) {
            found.push(place);
        }
        assert_eq!(found, [0, 5, 63, 64, 1000]);
        assert!(places.remove(64) && !places.remove(64) && !places.remove(5000));
        let mut others = PlaceSet::default();
        others.insert(2000);
        places.extend(&others);
        assert_eq!(places.next(64), Some(1000));
        assert_eq!(places.next(1001), Some(2000));
        assert_eq!((PlaceSet::up_to(1).next(0), PlaceSet::default().next(0)), (Some(0), None));
    }
}
