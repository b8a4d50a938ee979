//! A histogram of floats, which the facade records.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use ringstat_core::instrument::{Buckets, Instrument, Layout, Mark, State, Unit};
use ringstat_core::record::{Tag, Value};

use crate::threads;

/// A histogram with buckets from a billionth (2^-30) to four trillion (2^42), 8 per octave: enough for seconds in
/// nanosecond steps as well as for terabytes, to within 6.3 %. Larger values are counted in the last bucket, smaller
/// and negative ones in the first. Takes 6 KiB.
///
/// Recording is one atomic addition, and a plain one to the sum in a cell that the thread owns.
#[derive(Debug)]
pub(crate) struct FloatHistogram {
    buckets: Box<[AtomicU64]>,
    /// The bits of `f64`s: a sum for each thread that owns one, and a last one that all others share.
    sums: [CachePadded<AtomicU64>; threads::OWNERS + 1],
    unit: AtomicU8,
    mark: Mark,
}

const LAYOUT: Layout = Layout { precision: 3, min_exponent: -30 };
const BUCKETS: usize = 1 + 72 * 8;

impl FloatHistogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sums: Default::default(),
            unit: AtomicU8::new(Unit::None as u8),
            mark: Mark::new(),
        }
    }

    pub(crate) fn set_unit(&self, unit: Unit) {
        self.unit.store(unit as u8, Ordering::Relaxed);
    }

    /// Records a value `count` times. Returns `false`, and changes nothing, for NaN and infinities.
    #[inline]
    pub(crate) fn record_many(&self, value: f64, count: u64) -> bool {
        if !value.is_finite() {
            return false;
        }
        let index = LAYOUT.index_f64(value).min(BUCKETS - 1);
        self.add_to_sum(value * count as f64);
        if let Some(bucket) = self.buckets.get(index) {
            // Release, paired with the acquire of readers: values that are counted are in the sum.
            bucket.fetch_add(count, Ordering::Release);
        }
        true
    }

    #[inline]
    fn add_to_sum(&self, value: f64) {
        let owner = threads::number();
        let sum = &self.sums[owner.min(threads::OWNERS)];
        let add = |bits| (f64::from_bits(bits) + value).to_bits();
        if owner < threads::OWNERS {
            // Nobody else writes it.
            sum.store(add(sum.load(Ordering::Relaxed)), Ordering::Relaxed);
        } else {
            let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| Some(add(bits)));
        }
    }

    fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, b| sum.wrapping_add(b.load(Ordering::Acquire)))
    }
}

impl Buckets for FloatHistogram {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn sum(&self) -> Value {
        let sum: f64 = self.sums.iter().map(|s| f64::from_bits(s.load(Ordering::Relaxed))).sum();
        // The sum of finite numbers can become infinite, but receivers only accept finite ones.
        Value::F64(sum.clamp(f64::MIN, f64::MAX))
    }

    fn bucket_count(&self, index: usize) -> u64 {
        self.buckets.get(index).map_or(0, |b| b.load(Ordering::Acquire))
    }

    fn buckets(&self) -> usize {
        BUCKETS
    }
}

/// Name and tags are those of the registry entry around it.
impl Instrument for FloatHistogram {
    fn name(&self) -> &str {
        ""
    }
    fn tag(&self, _: usize) -> Option<(&str, &str)> {
        None
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }
    fn unit(&self) -> Unit {
        Unit::from_code(self.unit.load(Ordering::Relaxed)).unwrap_or_default()
    }
    fn state(&self) -> State<'_> {
        State::Buckets(self)
    }
    fn version(&self) -> u32 {
        self.count() as u32
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::instrument::percentile;

    #[test]
    fn seconds_and_terabytes_are_read_back_within_the_stated_error() {
        for value in [1e-9, 0.000_25, 0.3, 1.0, 17.0, 3.9e12] {
            let histogram = FloatHistogram::new();
            assert!(histogram.record_many(value, 3));
            let read = percentile(&histogram, 0.5).unwrap();
            assert!((read / value - 1.0).abs() <= 0.0625, "{read} for {value}");
            assert_eq!(histogram.sum(), Value::F64(value * 3.0));
            assert_eq!((histogram.count(), histogram.version()), (3, 3));
        }
    }

    #[test]
    fn what_is_out_of_range_counts_and_what_is_no_number_does_not() {
        let histogram = FloatHistogram::new();
        for value in [0.0, -5.0, 1e-300, 1e300] {
            assert!(histogram.record_many(value, 1));
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!histogram.record_many(value, 1));
        }
        assert_eq!((histogram.bucket_count(0), histogram.bucket_count(BUCKETS - 1)), (3, 1));
        histogram.record_many(f64::MAX, 100);
        assert_eq!(histogram.sum(), Value::F64(f64::MAX));
    }

    #[test]
    fn threads_lose_nothing_of_the_sum() {
        let histogram = FloatHistogram::new();
        std::thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| (0..10_000).for_each(|_| _ = histogram.record_many(0.5, 1)));
            }
        });
        assert_eq!((histogram.count(), histogram.sum()), (120_000, Value::F64(60_000.0)));
    }
}
