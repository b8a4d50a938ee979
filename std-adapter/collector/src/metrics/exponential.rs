//! Distributions in exponential buckets, as OpenTelemetry and Prometheus have them.
//!
//! The collector's own buckets divide an octave into equal widths, these into equal ratios. A sample is counted in the
//! bucket that contains the middle of its own, which is off by at most 3.1 % for events, and by half a bucket of the layout
//! for an instrument.

use std::collections::BTreeMap;

use crate::series::Distribution;

/// The samples on one side of zero, by bucket.
pub(crate) type Side = BTreeMap<i32, u64>;

/// How many samples lie in each bucket. Bucket *i* of a schema *s* is above 2^(*i* / 2^*s*) and up to 2^((*i* + 1) / 2^*s*).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Exponential {
    pub(crate) zero: u64,
    pub(crate) positive: Side,
    pub(crate) negative: Side,
}

impl Exponential {
    /// The samples, divided by `scale`, in the buckets of a schema of at most 8.
    pub(crate) fn of(distribution: &Distribution, scale: f64, schema: i32) -> Self {
        let mut all = Self::default();
        for (value, count) in distribution.values() {
            let value = value / scale;
            let of = if value > 0.0 {
                all.positive.entry(index(value, schema)).or_default()
            } else if value < 0.0 {
                all.negative.entry(index(-value, schema)).or_default()
            } else {
                &mut all.zero
            };
            *of = of.saturating_add(count);
        }
        all
    }

    /// The number of samples.
    #[cfg(feature = "otlp")]
    pub(crate) fn count(&self) -> u64 {
        let sides = self.positive.values().chain(self.negative.values());
        sides.fold(self.zero, |sum, n| sum.saturating_add(*n))
    }

    /// Adds the samples of another one.
    #[cfg(feature = "otlp")]
    pub(crate) fn add(&mut self, other: &Self) {
        self.zero = self.zero.saturating_add(other.zero);
        for (side, more) in
            [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)]
        {
            for (index, count) in more {
                let of = side.entry(*index).or_default();
                *of = of.saturating_add(*count);
            }
        }
    }

    /// Returns the difference from `before`, which had fewer samples. Buckets that were merged in between are treated as
    /// merged in both.
    #[cfg(feature = "otlp")]
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            zero: self.zero.saturating_sub(before.zero),
            positive: since(&self.positive, &before.positive),
            negative: since(&self.negative, &before.negative),
        }
    }
}

/// The bucket of a positive value: its upper bound belongs to it.
fn index(value: f64, schema: i32) -> i32 {
    // At most 2^19 in size, as doubles have exponents of 11 bits.
    (value.log2() * f64::from(1 << schema)).ceil() as i32 - 1
}

/// Returns by how much each count has grown. What a bucket has lost moved to its nearest neighbours, and is subtracted
/// from their growth.
#[cfg(any(feature = "otlp", test))]
fn since(now: &Side, before: &Side) -> Side {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn side(counts: &[(i32, u64)]) -> BTreeMap<i32, u64> {
        counts.iter().copied().collect()
    }

    #[test]
    fn a_value_lies_within_the_bounds_of_its_bucket() {
        for value in [f64::MIN_POSITIVE, 1e-9, 0.3, 1.0, 1.5, 2.0, 1e9, f64::MAX] {
            let index = index(value, 4);
            let bound = |index: i32| (f64::from(index) / 16.0).exp2();
            let (below, above) = (bound(index), bound(index + 1));
            assert!(below * 0.999_999 < value && value <= above * 1.000_001, "{value}");
        }
        assert_eq!([1.0, 2.0, 0.5, 1.01].map(|value| index(value, 4)), [-1, 15, -17, 0]);
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
