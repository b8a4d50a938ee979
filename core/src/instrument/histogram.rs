//! Histograms with log-linear buckets.

use super::total::Total;
use super::{Buckets, Head, Instrument, State, Unit, described_by_head};
use crate::record::{Tag, Value};
use crate::sync::{AtomicUsize, Ordering, mutant};
use core::time::Duration;

/// The bucket bounds of a histogram: each octave from `2^min_exponent` on is divided into `2^precision` buckets of
/// equal width.
///
/// Bucket 0 holds everything below the first octave. Taking a value for the middle of its bucket is wrong by at most `1
/// / 2^(precision + 1)` of the value: 6.3 % with precision 3, 3.1 % with 4, 1.6 % with 5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The number of buckets in an octave, as a power of two: from 1 to 8.
    pub precision: u8,
    /// The lowest bound, as a power of two.
    pub min_exponent: i8,
}

impl Layout {
    /// The bucket of an integer. Takes constant time, and only 32-bit arithmetic for values that fit in 32 bits.
    #[inline]
    #[must_use]
    pub const fn index(self, value: u64) -> usize {
        if value == 0 {
            return 0;
        }
        let precision = self.precision as u32 & 15;
        // The bits after the leading one, moved to the top of a word; the topmost of them choose the bucket.
        let (exponent, mantissa) = if value >> 32 == 0 {
            let zeros = (value as u32).leading_zeros();
            (31 - zeros, ((value as u32) << zeros << 1) >> (32 - precision))
        } else {
            let zeros = value.leading_zeros();
            (63 - zeros, ((value << zeros << 1) >> (64 - precision)) as u32)
        };
        let octave = exponent as i32 - self.min_exponent as i32;
        if octave < 0 { 0 } else { 1 + ((octave as usize) << precision | mantissa as usize) }
    }

    /// The bucket of a float; 0 for values below the lowest bound, negative values and NaN.
    #[inline]
    #[must_use]
    pub fn index_f64(self, value: f64) -> usize {
        let bits = value.to_bits();
        let octave = (bits >> 52) as i32 - 1023 - i32::from(self.min_exponent);
        if bits >> 63 != 0 || octave < 0 || value.is_nan() {
            return 0;
        }
        let precision = u32::from(self.precision) & 15;
        let mantissa = (bits & ((1 << 52) - 1)) >> (52 - precision);
        1 + ((octave as usize) << precision | mantissa as usize)
    }

    /// The lower bound of a bucket: 0 for the first bucket, infinity where the bound exceeds an `f64`.
    #[must_use]
    pub fn lower_bound(self, index: usize) -> f64 {
        let Some(index) = index.checked_sub(1) else { return 0.0 };
        let precision = u32::from(self.precision) & 15;
        let exponent = (index >> precision) as i64 + i64::from(self.min_exponent);
        if exponent > 1023 {
            return f64::INFINITY;
        }
        let mantissa = (index & ((1 << precision) - 1)) as u64;
        f64::from_bits(((exponent + 1023) as u64) << 52 | mantissa << (52 - precision))
    }

    /// The middle of a bucket, which stands for all values in it.
    #[must_use]
    pub fn middle(self, index: usize) -> f64 {
        f64::midpoint(self.lower_bound(index), self.lower_bound(index + 1))
    }

    /// The same, rounded down; `u64::MAX` beyond that. On a chip, floats take some ten kilobytes of code.
    #[must_use]
    pub const fn whole_middle(self, index: usize) -> u64 {
        let precision = self.precision as u32 & 15;
        // The middle is `numerator` times 2 to the power of `exponent`.
        let (numerator, exponent) = match index.checked_sub(1) {
            None => (1, self.min_exponent as i64 - 1),
            Some(index) => {
                let mantissa = (index & ((1 << precision) - 1)) as u64;
                let octave = (index >> precision) as i64 + self.min_exponent as i64;
                ((2 << precision) + 2 * mantissa + 1, octave - precision as i64 - 1)
            }
        };
        match exponent {
            ..-63 => 0,
            -63..0 => numerator >> -exponent,
            0..64 if numerator.leading_zeros() as i64 >= exponent => numerator << exponent,
            _ => u64::MAX,
        }
    }
}

/// The value below which the share `quantile` (0 to 1) of all recorded values lies, within the layout's relative error,
/// or `None` if nothing has been recorded. Takes time linear in the number of buckets.
#[must_use]
pub fn percentile(buckets: &dyn Buckets, quantile: f64) -> Option<f64> {
    let counts = || (0..buckets.buckets()).map(|i| buckets.bucket_count(i));
    let count: u64 = counts().sum();
    if count == 0 {
        return None;
    }
    let rank = ((quantile.clamp(0.0, 1.0) * count as f64) as u64).min(count - 1);
    let mut seen = 0;
    let index = counts().position(|n| {
        seen += n;
        seen > rank
    });
    // Values may arrive between the two passes, but none disappear.
    Some(buckets.layout().middle(index.unwrap_or(buckets.buckets() - 1)))
}

/// The default number of buckets: 8 an octave from 1 to 2^40 (18 minutes in nanoseconds).
pub const DEFAULT_BUCKETS: usize = 1 + 40 * 8;

/// The ordering with which a bucket is incremented: a reader that sees a value in its bucket also sees it in the sum.
#[inline(always)]
fn count() -> Ordering {
    if mutant("histogram_count") { Ordering::Relaxed } else { Ordering::Release }
}
#[inline(always)]
fn counted() -> Ordering {
    if mutant("histogram_counted") { Ordering::Relaxed } else { Ordering::Acquire }
}

/// A histogram of integers, such as nanoseconds. Recording is two wait-free additions.
///
/// A reader that comes between the two additions sees the value in the sum but not yet in its bucket, never the
/// reverse. The sum therefore includes every value counted by a [`version`](Instrument::version) that was read before
/// it, and what is sent under a version is complete. A reader that takes the sum before the buckets, as the encoder does,
/// may find values in a bucket that were recorded after it read the sum; the version has changed by then, and the state
/// is sent again.
///
/// The default layout has 8 buckets an octave from 1 on, and so a relative error of at most 6.3 %. Values beyond the
/// last bucket are counted in it. A bucket counts up to `usize::MAX`; the sum wraps at 2^64.
///
/// ```
/// use core::time::Duration;
/// use ringstat_core::instrument::{Histogram, Unit};
///
/// static LATENCY: Histogram = Histogram::new("http.latency").unit(Unit::Nanoseconds);
///
/// for millis in 1..=100 {
///     LATENCY.record_duration(Duration::from_millis(millis));
/// }
/// let median = LATENCY.percentile(0.5).unwrap();
/// assert!((median / 50e6 - 1.0).abs() < 0.07, "within the layout's 6.3 %");
/// ```
#[derive(Debug)]
pub struct Histogram<const N: usize = DEFAULT_BUCKETS> {
    head: Head,
    layout: Layout,
    sum: Total,
    buckets: [AtomicUsize; N],
}

impl<const N: usize> Histogram<N> {
    /// Creates an empty histogram.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        const { assert!(N >= 2 && N <= 1 << 16, "2 to 65536 buckets") };
        Self {
            head: Head::new(name),
            layout: Layout { precision: 3, min_exponent: 0 },
            sum: Total::new(),
            buckets: [const { AtomicUsize::new(0) }; N],
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn for_model() -> Self {
        Self {
            head: Head::new("h"),
            layout: Layout { precision: 3, min_exponent: 0 },
            sum: Total::new(),
            buckets: core::array::from_fn(|_| AtomicUsize::new(0)),
        }
    }

    /// Sets the histogram's tags.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [Tag]) -> Self {
        self.head.tags = tags;
        self
    }

    /// Sets the unit of the recorded values.
    #[must_use]
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.head.unit = unit;
        self
    }

    /// Sets the layout of the buckets.
    ///
    /// # Panics
    /// If the precision is not from 1 to 8. In a `static` that is a compile error.
    #[must_use]
    pub const fn layout(mut self, layout: Layout) -> Self {
        assert!(layout.precision >= 1 && layout.precision <= 8, "a precision is 1 to 8");
        self.layout = layout;
        self
    }

    /// Records a value.
    #[inline]
    pub fn record(&self, value: u64) {
        let index = self.layout.index(value).min(N - 1);
        if mutant("histogram_sum_last") {
            self.buckets[index].fetch_add(1, count());
        }
        self.sum.add(value);
        if let Some(bucket) = self.buckets.get(index)
            && !mutant("histogram_sum_last")
        {
            bucket.fetch_add(1, count());
        }
    }

    /// Records a duration in nanoseconds, for a histogram of [`Unit::Nanoseconds`]. Durations beyond 584 years saturate.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The number of recorded values.
    #[must_use]
    pub fn count(&self) -> u64 {
        (0..N).fold(0, |sum, i| sum + self.bucket_count(i))
    }

    /// The value below which the share `quantile` (0 to 1) of all recorded values lies; see [`percentile`].
    #[must_use]
    pub fn percentile(&self, quantile: f64) -> Option<f64> {
        percentile(self, quantile)
    }
}

impl<const N: usize> Buckets for Histogram<N> {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn sum(&self) -> Value {
        Value::U64(self.sum.get())
    }

    fn bucket_count(&self, index: usize) -> u64 {
        self.buckets.get(index).map_or(0, |b| b.load(counted()) as u64)
    }

    fn buckets(&self) -> usize {
        N
    }
}

impl<const N: usize> Instrument for Histogram<N> {
    described_by_head!();

    fn state(&self) -> State<'_> {
        State::Buckets(self)
    }

    fn version(&self) -> u32 {
        self.count() as u32
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn buckets_tile_the_integers() {
        for precision in 1..=8 {
            let layout = Layout { precision, min_exponent: 0 };
            assert_eq!((layout.index(0), layout.index(1)), (0, 1));
            assert_eq!(layout.index(u64::MAX), 64 << precision);
            let mut last = 0;
            for value in
                (0..100_000).chain((17..64).flat_map(|e| [(1u64 << e) - 1, 1 << e, (1 << e) + 1]))
            {
                let index = layout.index(value);
                assert!(index >= last, "monotone");
                last = index;
            }
        }
    }

    proptest! {
        #[test]
        fn a_middle_is_the_same_without_floats(
            precision in 1..=8u8, min_exponent in any::<i8>(), index in 0..20_000usize,
        ) {
            let layout = Layout { precision, min_exponent };
            prop_assert_eq!(layout.whole_middle(index), layout.middle(index) as u64);
        }

        #[test]
        fn a_value_lies_in_its_bucket(v in any::<u64>(), shift in 0u32..64, precision in 1u8..=8, e in -20i8..20) {
            let layout = Layout { precision, min_exponent: e };
            let v = v >> shift;
            let index = layout.index(v);
            // Above 2^53 the comparison with a float is not exact.
            if v < 1 << 53 {
                prop_assert_eq!(index, layout.index_f64(v as f64));
                prop_assert!(layout.lower_bound(index) <= v as f64);
                prop_assert!((v as f64) < layout.lower_bound(index + 1));
            }
        }

        #[test]
        fn percentiles_are_within_the_stated_error(
            mut values in proptest::collection::vec(1u64..1 << 38, 1..500),
            quantile in 0.0f64..=1.0,
            precision in 3u8..=6,
        ) {
            let histogram: Histogram<4000> = Histogram::new("h").layout(Layout { precision, min_exponent: 0 });
            values.iter().for_each(|v| histogram.record(*v));
            values.sort_unstable();
            let rank = ((quantile * values.len() as f64) as usize).min(values.len() - 1);
            let exact = values[rank] as f64;
            let read = histogram.percentile(quantile).unwrap();
            let bound = 1.0 / f64::from(1u32 << (precision + 1)) + 1e-12;
            // An integer below 2^precision has a bucket to itself, and is read back as the middle of it.
            prop_assert!((read - exact).abs() <= (exact * bound).max(0.5), "{} for {}", read, exact);
            prop_assert_eq!(histogram.count(), values.len() as u64);
            prop_assert_eq!(histogram.sum(), Value::U64(values.iter().sum()));
        }
    }

    #[test]
    fn floats_without_a_place_count_at_the_bottom() {
        let layout = Layout { precision: 3, min_exponent: -10 };
        for value in [0.0, -0.0, -5.0, f64::NAN, f64::NEG_INFINITY, 1e-9] {
            assert_eq!(layout.index_f64(value), 0, "{value}");
        }
        assert!(layout.index_f64(f64::INFINITY) >= layout.index_f64(f64::MAX));
    }

    #[test]
    fn what_is_beyond_the_last_bucket_counts_there() {
        static HISTOGRAM: Histogram<9> = Histogram::new("h").unit(Unit::Nanoseconds);
        assert_eq!(HISTOGRAM.percentile(0.5), None);
        HISTOGRAM.record_duration(Duration::MAX);
        HISTOGRAM.record(0);
        let counts: Vec<_> = (0..9).map(|i| HISTOGRAM.bucket_count(i)).collect();
        assert_eq!(counts, [1, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
