//! Native histograms of Prometheus, which its protobuf exposition and remote write have.

use prost::Message;

use super::exponential::{Exponential, Side};
use super::sink::Shown;

/// The schema of native histograms: 32 buckets an octave, each 2.2 % wide.
const SCHEMA: i32 = 5;

/// A distribution in exponential buckets, as Prometheus writes them: only those with values, and each by its difference to
/// the one before.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Native {
    pub(crate) schema: i32,
    /// The number of values: exactly what all buckets have together, or Prometheus would refuse it. At most 2^63 - 1; what
    /// exceeds it, which only a hostile sender can state, is left out of the highest buckets.
    pub(crate) count: u64,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: u64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
}

/// The buckets on one side of zero.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Buckets {
    pub(crate) spans: Vec<Span>,
    pub(crate) deltas: Vec<i64>,
}

/// So many buckets in a row, and how many empty ones lie before them.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Span {
    #[prost(sint32, optional, tag = "1")]
    pub(crate) offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) length: Option<u32>,
}

impl Native {
    pub(crate) fn of(shown: &Shown<'_>) -> Self {
        let all = Exponential::of(shown.distribution, shown.scale, SCHEMA);
        let mut left = i64::MAX;
        let zero_count = take(all.zero, &mut left).cast_unsigned();
        let negative = Buckets::of(&all.negative, &mut left);
        let positive = Buckets::of(&all.positive, &mut left);
        Self {
            schema: SCHEMA,
            count: (i64::MAX - left).cast_unsigned(),
            zero_threshold: shown.distribution.least() / shown.scale,
            zero_count,
            positive,
            negative,
        }
    }
}

impl Buckets {
    /// Takes the counts of one side from what is `left`.
    fn of(side: &Side, left: &mut i64) -> Self {
        let mut all = Self::default();
        let (mut next, mut before) = (None, 0);
        for (index, count) in side {
            // Here a bucket has the index of its upper bound, there that of its lower one.
            let index = index + 1;
            match all.spans.last_mut().zip(next).filter(|(_, next)| *next == index) {
                Some((span, _)) => span.length = span.length.map(|length| length + 1),
                None => {
                    let offset = index - next.unwrap_or(0);
                    all.spans.push(Span { offset: Some(offset), length: Some(1) });
                }
            }
            let count = take(*count, left);
            all.deltas.push(count - before);
            (next, before) = (Some(index + 1), count);
        }
        all
    }
}

/// Takes a count from what is left, or all that is.
fn take(count: u64, left: &mut i64) -> i64 {
    let count = i64::try_from(count).unwrap_or(i64::MAX).min(*left);
    *left -= count;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Distributions;

    /// The index and count of each bucket that the spans and differences say.
    fn read(side: &Buckets) -> Vec<(i32, i64)> {
        let (mut index, mut count, mut deltas) = (0, 0, side.deltas.iter());
        let mut all = Vec::new();
        for span in &side.spans {
            index += span.offset.unwrap();
            for _ in 0..span.length.unwrap() {
                count += deltas.next().unwrap();
                all.push((index, count));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        all
    }

    #[test]
    fn buckets_are_numbered_by_their_upper_bounds_and_written_as_differences() {
        // A bucket with the index 0 of OpenTelemetry ends at 2^(1/32), which has the index 1 of Prometheus.
        let side = [(-33, 7), (-32, 9), (-1, 2), (0, 2), (40, 1)].into_iter().collect();
        let buckets = Buckets::of(&side, &mut 21);
        assert_eq!(read(&buckets), [(-32, 7), (-31, 9), (0, 2), (1, 2), (41, 1)]);
        assert_eq!(buckets.deltas, [7, 2, -7, 0, -1]);
        let spans = [(-32, 2), (30, 2), (39, 1)];
        let spans = spans.map(|(o, l)| Span { offset: Some(o), length: Some(l) });
        assert_eq!(buckets.spans, spans);
    }

    #[test]
    fn each_sample_lies_in_the_bucket_that_has_the_middle_of_its_own() {
        let mut room = crate::memory::Room::new(1 << 20);
        let mut distribution = crate::series::Distribution::of_events();
        let samples: Vec<f64> = (1..2000).map(|n| f64::from(n) * 0.37).collect();
        samples.iter().for_each(|sample| assert!(distribution.add(-sample, 1, &mut room)));
        assert!(distribution.add(0.0, 3, &mut room));
        let as_ = Distributions::Histograms;
        let shown = Shown { distribution: &distribution, as_, scale: 1e3, bounds: &[] };
        let native = Native::of(&shown);
        assert_eq!((native.schema, native.zero_count), (5, 3));
        assert_eq!(native.zero_threshold, (-20f64).exp2() / 1e3);
        assert_eq!(read(&native.positive), [], "none is positive");
        let buckets = read(&native.negative);
        assert_eq!(buckets.iter().map(|(_, n)| n).sum::<i64>(), 1999);
        // In order, each sample is within the bounds of its bucket but for half a bucket of ours.
        let mut sorted = samples.iter();
        for (index, count) in buckets {
            let upper = (f64::from(index) / 32.0).exp2() * 1e3;
            let lower = (f64::from(index - 1) / 32.0).exp2() * 1e3;
            for sample in sorted.by_ref().take(count as usize) {
                assert!(
                    (lower * 0.969..=upper * 1.032).contains(sample),
                    "{sample} {lower} {upper}"
                );
            }
        }
        assert_eq!(native.count, 2002);
    }

    #[test]
    fn the_count_is_that_of_the_buckets_whatever_is_stated() {
        let room = &mut crate::memory::Room::new(1 << 20);
        let mut distribution = crate::series::Distribution::of_events();
        let layout = ringstat_core::instrument::Layout { precision: 4, min_exponent: -20 };
        let buckets = [(0, 5), (400, u64::MAX - 1), (500, u64::MAX)];
        distribution.state((1, 0), layout, 1.0, buckets.into_iter(), room, |_, _| {});
        let as_ = Distributions::Histograms;
        let shown = Shown { distribution: &distribution, as_, scale: 1.0, bounds: &[] };
        let native = Native::of(&shown);
        let counts: Vec<_> = read(&native.positive).into_iter().map(|(_, n)| n).collect();
        let in_all = counts.iter().map(|n| n.cast_unsigned()).sum::<u64>() + native.zero_count;
        assert_eq!((native.count, in_all), (i64::MAX as u64, i64::MAX as u64), "{counts:?}");
    }
}
