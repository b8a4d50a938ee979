//! Counts in log-linear buckets, in bounded memory.

use ringstat_core::instrument::Layout;
use serde::{Deserialize, Serialize};

use super::Gain;
use crate::memory::{Room, heap};

/// A [`Layout`] as it is saved.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Layout")]
pub(super) struct SavedLayout {
    precision: u8,
    min_exponent: i8,
}

/// Adjacent buckets, from the lowest to the highest one in use.
///
/// There are at most [`SPAN`](Self::SPAN): if values are further apart, pairs of neighbours are merged until they fit,
/// as in OpenTelemetry's exponential histograms. With 16 buckets an octave, that happens beyond 32 octaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dense {
    #[serde(with = "SavedLayout")]
    layout: Layout,
    /// The count below the lowest bound, kept separately because it would be far from all others. It is read back as 0.
    below: u64,
    first: usize,
    counts: Vec<u64>,
}

impl Dense {
    /// The largest number of buckets, except with one bucket an octave, which never needs more than 1152.
    pub(super) const SPAN: usize = 512;
    /// Buckets are allocated in steps of this many.
    const STEP: usize = 16;

    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, below: 0, first: 0, counts: Vec::new() }
    }

    /// Counts a value.
    #[inline]
    pub(super) fn add(&mut self, value: f64, count: u64, room: &mut Room) {
        let index = self.layout.index_f64(value);
        match self.counts.get_mut(index.wrapping_sub(self.first)) {
            Some(n) if index > 0 => *n = n.saturating_add(count),
            _ => self.add_beyond(index, count, room),
        }
    }

    /// Counts values in a bucket that may not exist yet.
    #[cold]
    fn add_beyond(&mut self, mut index: usize, count: u64, room: &mut Room) {
        if index == 0 {
            self.below = self.below.saturating_add(count);
            return;
        }
        while self.layout.precision > 0 && self.span_with(index) > Self::SPAN {
            self.fold(room);
            room.coarser += 1;
            index = 1 + ((index - 1) >> 1);
        }
        if !self.reach(index, room) {
            // The nearest bucket that exists.
            room.coarser += 1;
            match self.counts.len() {
                0 => self.below = self.below.saturating_add(count),
                len => {
                    let nearest = index.clamp(self.first, self.first + len - 1) - self.first;
                    self.counts[nearest] = self.counts[nearest].saturating_add(count);
                }
            }
            return;
        }
        let n = &mut self.counts[index - self.first];
        *n = n.saturating_add(count);
    }

    /// The number of buckets if this one is included.
    fn span_with(&self, index: usize) -> usize {
        match self.counts.len() {
            0 => 1,
            len => (self.first + len).max(index + 1) - self.first.min(index),
        }
    }

    /// Merges each pair of neighbours.
    fn fold(&mut self, room: &mut Room) {
        let half = |index: usize| 1 + ((index - 1) >> 1);
        self.layout.precision -= 1;
        let Some(last) = self.counts.len().checked_sub(1) else { return };
        let (first, last) = (half(self.first), half(self.first + last));
        for offset in 0..self.counts.len() {
            let count = std::mem::take(&mut self.counts[offset]);
            let to = &mut self.counts[half(self.first + offset) - first];
            *to = to.saturating_add(count);
        }
        self.first = first;
        room.give(self.bytes());
        self.counts.truncate(last - first + 1);
        self.counts.shrink_to_fit();
        // It is less than what was given back.
        let _ = room.take(self.bytes());
    }

    /// Extends the range to this bucket if there is room.
    fn reach(&mut self, index: usize, room: &mut Room) -> bool {
        let span = self.span_with(index);
        if span > self.counts.capacity() {
            let capacity = span.next_multiple_of(Self::STEP);
            if !room.take(heap(capacity * 8) - self.bytes()) {
                return false;
            }
            self.counts.reserve_exact(capacity - self.counts.len());
        }
        if self.counts.is_empty() {
            self.first = index;
        }
        let missing = self.first.saturating_sub(index);
        self.counts.resize(span, 0);
        self.counts.rotate_right(missing);
        self.first -= missing;
        true
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().fold(self.below, |sum, n| sum.saturating_add(*n))
    }

    /// Iterates over the value that each bucket is read back as, and its count, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let below = (self.below > 0).then_some((0.0, self.below));
        let all = (self.first..).zip(&self.counts).filter(|(_, n)| **n > 0);
        below.into_iter().chain(all.map(|(index, n)| (self.layout.middle(index), *n)))
    }

    pub(super) fn bytes(&self) -> usize {
        heap(self.counts.capacity() * 8)
    }

    /// Whether they can have come about from buckets of that layout, and were not read from damaged memory.
    pub(super) fn is_sound(&self, of: Layout) -> bool {
        let Layout { precision, min_exponent } = self.layout;
        let layout = precision <= of.precision && min_exponent == of.min_exponent;
        // Octaves of all exponents that there are.
        let most = (2 * 1152_usize).checked_shl(precision.into());
        let reach = self.first.saturating_add(self.counts.len());
        let placed = self.counts.is_empty() || self.first > 0;
        layout && placed && most.is_some_and(|most| reach <= most)
    }
}

/// Buckets as the sender states them, each stored by itself, because a datagram names only those that changed.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Sparse(Vec<(u16, u64)>);

impl Sparse {
    /// The largest number of buckets. Only the finest instruments over more than 16 octaves have more.
    pub(super) const LIMIT: usize = 2048;
    const ENTRY: usize = size_of::<(u16, u64)>();

    /// Takes over buckets, which must be in ascending order. A count lower than the known one is older, and ignored.
    /// Calls `gained` with each bucket that has more than was known.
    pub(super) fn update(
        &mut self,
        buckets: impl Iterator<Item = (u16, u64)>,
        room: &mut Room<'_>,
        mut gained: impl FnMut(u16, Gain<u64>),
    ) {
        let mut at = 0;
        for (index, count) in buckets.filter(|(_, n)| *n > 0) {
            at += self.0[at..].partition_point(|(i, _)| *i < index);
            if let Some((_, known)) = self.0.get_mut(at).filter(|(i, _)| *i == index) {
                gained(index, Gain { is_first: false, by: count.saturating_sub(*known) });
                *known = count.max(*known);
            } else if self.grow(room) {
                gained(index, Gain { is_first: true, by: count });
                self.0.insert(at, (index, count));
            } else {
                room.coarser += 1;
            }
        }
    }

    fn grow(&mut self, room: &mut Room) -> bool {
        let len = self.0.len();
        if len < self.0.capacity() {
            return true;
        }
        let more = (len / 4).max(8).min(Self::LIMIT.saturating_sub(len));
        if more == 0 || !room.take(heap((len + more) * Self::ENTRY) - self.bytes()) {
            return false;
        }
        self.0.reserve_exact(more);
        true
    }

    /// Forgets all buckets.
    pub(super) fn clear(&mut self, room: &mut Room) {
        room.give(self.bytes());
        self.0 = Vec::new();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.0.iter().map(|(index, n)| (usize::from(*index), *n))
    }

    pub(super) fn bytes(&self) -> usize {
        heap(self.0.capacity() * Self::ENTRY)
    }

    /// Whether they can have come about, and were not read from damaged memory.
    pub(super) fn is_sound(&self) -> bool {
        self.0.len() <= Self::LIMIT && self.0.is_sorted_by(|(a, _), (b, _)| a < b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { precision: 4, min_exponent: -20 };

    #[test]
    fn neighbours_become_one_and_no_count_is_lost() {
        let (mut dense, mut room) = (Dense::new(LAYOUT), Room::new(1 << 20));
        let values: Vec<f64> = (0..2000).map(|n| 10f64.powf(f64::from(n) * 0.3 - 300.0)).collect();
        for (n, value) in values.iter().enumerate() {
            dense.add(*value, 2, &mut room);
            assert_eq!(dense.count(), 2 * (n as u64 + 1));
            assert_eq!(room.taken() as usize, dense.bytes());
        }
        assert!(dense.bytes() < 10_000 && room.coarser > 0, "{}", dense.bytes());
        // In the order of the values, each in the bucket of its octave.
        let read: Vec<f64> =
            dense.iter().flat_map(|(value, n)| vec![value; n as usize / 2]).collect();
        for (value, read) in values.iter().zip(read).filter(|(v, _)| **v > 1e-5) {
            assert!(read / value < 2.0 && value / read < 2.0, "{value} became {read}");
        }
    }

    #[test]
    fn thirty_two_octaves_and_zero_stay_as_they_are() {
        let (mut dense, mut room) = (Dense::new(LAYOUT), Room::new(1 << 20));
        dense.add(0.0, 1, &mut room);
        (0..32).for_each(|n| dense.add(f64::from(n).exp2(), 1, &mut room));
        assert_eq!((dense.layout.precision, room.coarser, dense.count()), (4, 0, 33));
    }

    #[test]
    fn without_room_the_nearest_bucket_counts() {
        let (mut dense, mut room) = (Dense::new(LAYOUT), Room::new(heap(16 * 8)));
        [1.0, 1e9, 1e-5, 1.1].into_iter().for_each(|v| dense.add(v, 1, &mut room));
        assert_eq!((dense.count(), room.coarser), (4, 2));
        let (mut dense, mut room) = (Dense::new(LAYOUT), Room::new(0));
        dense.add(1.0, 1, &mut room);
        assert_eq!(dense.count(), 1);
    }

    #[test]
    fn states_are_bounded_and_charged() {
        let (mut sparse, mut room) = (Sparse::default(), Room::new(1 << 20));
        sparse.update((0..3000).map(|i| (i * 20, 1)), &mut room, |_, _| {});
        assert_eq!((sparse.0.len(), room.coarser), (Sparse::LIMIT, 3000 - 2048));
        let mut gains = Vec::new();
        let gained = |index, gain: Gain<u64>| gains.push((index, gain.is_first, gain.by));
        sparse.update([(0, 5), (20, 0), (40, 3)].into_iter(), &mut room, gained);
        assert_eq!(gains, [(0, false, 4), (40, false, 2)]);
        assert_eq!(sparse.0[..3], [(0, 5), (20, 1), (40, 3)]);
        assert_eq!(room.taken() as usize, sparse.bytes());
        sparse.clear(&mut room);
        assert_eq!((sparse.0.len(), room.taken()), (0, 0));
    }
}
