//! Distributions in the exponential buckets of OpenTelemetry.
//!
//! The collector's own buckets divide an octave into equal widths, these into equal ratios. A sample is counted in the
//! bucket that contains the middle of its own: its value is off by at most 3.1 % for events, and a bucket here is 4.4 % wide at
//! [`SCALE`]. If the values are so far apart that there would be too many buckets, pairs of neighbours become one, as
//! the data model provides for.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use crate::series::Distribution;

/// The finest scale: 16 buckets an octave, as many as the collector has for events.
pub(super) const SCALE: i32 = 4;
/// The largest number of buckets of a point on each side of zero.
const BUCKETS: i32 = 320;

/// How many samples lie in each bucket of the finest scale.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Exponential {
    pub(super) zero: u64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

impl Exponential {
    pub(super) fn of(distribution: &Distribution) -> Self {
        let mut all = Self::default();
        for (value, count) in distribution.values() {
            let of = if value > 0.0 {
                all.positive.entry(index(value)).or_default()
            } else if value < 0.0 {
                all.negative.entry(index(-value)).or_default()
            } else {
                &mut all.zero
            };
            *of = of.saturating_add(count);
        }
        all
    }

    /// The number of samples.
    pub(super) fn count(&self) -> u64 {
        let sides = self.positive.values().chain(self.negative.values());
        sides.fold(self.zero, |sum, n| sum.saturating_add(*n))
    }

    /// Returns the difference from `before`, which had fewer samples. Buckets that were merged in between are treated as
    /// merged in both.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            zero: self.zero.saturating_sub(before.zero),
            positive: since(&self.positive, &before.positive),
            negative: since(&self.negative, &before.negative),
        }
    }

    /// The scale, and the buckets of both sides at it.
    pub(super) fn buckets(&self) -> (i32, Option<Buckets>, Option<Buckets>) {
        let span = |side: &BTreeMap<i32, u64>, shift: i32| {
            let ends = side.first_key_value().zip(side.last_key_value());
            ends.map_or(0, |((first, _), (last, _))| (last >> shift) - (first >> shift) + 1)
        };
        let mut shift = 0;
        while span(&self.positive, shift).max(span(&self.negative, shift)) > BUCKETS {
            shift += 1;
        }
        (SCALE - shift, dense(&self.positive, shift), dense(&self.negative, shift))
    }
}

/// The bucket of a positive value: its upper bound belongs to it.
fn index(value: f64) -> i32 {
    // At most 2^15 in size, as doubles have exponents of 11 bits.
    (value.log2() * f64::from(1 << SCALE)).ceil() as i32 - 1
}

/// Returns by how much each count has grown. What a bucket has lost moved to its nearest neighbours, and is subtracted
/// from their growth.
fn since(now: &BTreeMap<i32, u64>, before: &BTreeMap<i32, u64>) -> BTreeMap<i32, u64> {
    let mut gained = BTreeMap::new();
    for (index, count) in now {
        let more = count.saturating_sub(before.get(index).copied().unwrap_or(0));
        if more > 0 {
            gained.insert(*index, more);
        }
    }
    for (index, count) in before {
        let mut lost = count.saturating_sub(now.get(index).copied().unwrap_or(0));
        while lost > 0 {
            let nearest = gained.keys().min_by_key(|of| of.abs_diff(*index)).copied();
            let Some(nearest) = nearest else { break };
            let Some(there) = gained.get_mut(&nearest) else { break };
            let taken = lost.min(*there);
            (*there, lost) = (*there - taken, lost - taken);
            if *there == 0 {
                gained.remove(&nearest);
            }
        }
    }
    gained
}

fn dense(side: &BTreeMap<i32, u64>, shift: i32) -> Option<Buckets> {
    let ((first, _), (last, _)) = side.first_key_value().zip(side.last_key_value())?;
    let offset = first >> shift;
    let mut bucket_counts = vec![0u64; ((last >> shift) - offset + 1) as usize];
    for (index, count) in side {
        let bucket = &mut bucket_counts[((index >> shift) - offset) as usize];
        *bucket = bucket.saturating_add(*count);
    }
    Some(Buckets { offset, bucket_counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(counts: &[(i32, u64)]) -> BTreeMap<i32, u64> {
        counts.iter().copied().collect()
    }

    #[test]
    fn a_value_lies_within_the_bounds_of_its_bucket() {
        for value in [f64::MIN_POSITIVE, 1e-9, 0.3, 1.0, 1.5, 2.0, 1e9, f64::MAX] {
            let index = index(value);
            let bound = |index: i32| (f64::from(index) / 16.0).exp2();
            let (below, above) = (bound(index), bound(index + 1));
            assert!(below * 0.999_999 < value && value <= above * 1.000_001, "{value}");
        }
        assert_eq!([index(1.0), index(2.0), index(0.5), index(1.01)], [-1, 15, -17, 0]);
    }

    #[test]
    fn there_are_never_too_many_buckets_and_none_is_lost() {
        let all = Exponential {
            zero: 1,
            positive: side(&[(-500, 1), (0, 2), (700, 3)]),
            negative: side(&[(3, 4)]),
        };
        let (scale, positive, negative) = all.buckets();
        assert_eq!((scale, all.count()), (SCALE - 2, 11));
        let positive = positive.unwrap();
        assert_eq!((positive.offset, positive.bucket_counts.len()), (-125, 301));
        assert_eq!(positive.bucket_counts.iter().sum::<u64>(), 6);
        assert_eq!((positive.bucket_counts[125], positive.bucket_counts[300]), (2, 3));
        let negative = negative.unwrap();
        assert_eq!((negative.offset, &negative.bucket_counts[..]), (0, &[4][..]));
        assert_eq!(Exponential::default().buckets(), (SCALE, None, None));
    }

    #[test]
    fn what_came_since_is_exact_though_buckets_became_one() {
        let before = side(&[(1, 5), (2, 7), (9, 1)]);
        assert_eq!(
            since(&side(&[(1, 6), (2, 7), (9, 1), (4, 2)]), &before),
            side(&[(1, 1), (4, 2)])
        );
        // The first became one with the second, and three came there.
        assert_eq!(since(&side(&[(2, 15), (9, 2)]), &before), side(&[(2, 3), (9, 1)]));
    }
}
