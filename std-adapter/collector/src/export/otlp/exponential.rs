//! Exponential buckets as OpenTelemetry writes them.
//!
//! A bucket is 4.4 % wide at [`SCALE`]. If the values are so far apart that there would be too many buckets, pairs of
//! neighbours become one, as the data model provides for.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

use crate::metrics::Exponential;

/// The finest scale: 16 buckets an octave, as many as the collector has for events.
pub(super) const SCALE: i32 = 4;
/// The largest number of buckets of a point on each side of zero.
const BUCKETS: i32 = 320;

/// The scale, and the buckets of both sides at it.
pub(super) fn buckets(of: &Exponential) -> (i32, Option<Buckets>, Option<Buckets>) {
    let span = |side: &BTreeMap<i32, u64>, shift: i32| {
        let ends = side.first_key_value().zip(side.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| (last >> shift) - (first >> shift) + 1)
    };
    let mut shift = 0;
    while span(&of.positive, shift).max(span(&of.negative, shift)) > BUCKETS {
        shift += 1;
    }
    (SCALE - shift, dense(&of.positive, shift), dense(&of.negative, shift))
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
    fn there_are_never_too_many_buckets_and_none_is_lost() {
        let all = Exponential {
            zero: 1,
            positive: side(&[(-500, 1), (0, 2), (700, 3)]),
            negative: side(&[(3, 4)]),
        };
        let (scale, positive, negative) = buckets(&all);
        assert_eq!((scale, all.count()), (SCALE - 2, 11));
        let positive = positive.unwrap();
        assert_eq!((positive.offset, positive.bucket_counts.len()), (-125, 301));
        assert_eq!(positive.bucket_counts.iter().sum::<u64>(), 6);
        assert_eq!((positive.bucket_counts[125], positive.bucket_counts[300]), (2, 3));
        let negative = negative.unwrap();
        assert_eq!((negative.offset, &negative.bucket_counts[..]), (0, &[4][..]));
        assert_eq!(buckets(&Exponential::default()), (SCALE, None, None));
    }
}
