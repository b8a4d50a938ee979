//! Gauges.

use super::{Head, Instrument, State, described_by_head};
use crate::record::{Tag, Value};
use crate::sync::{AtomicU64, Ordering, const_fn};

/// A gauge: the latest value of something, as a float or an integer.
///
/// Setting is one relaxed store, wait-free, and never tears; on parts without 64-bit atomics, interrupts are masked for
/// a handful of instructions. Integers are stored as integers, so a chip without a floating-point unit needs no
/// floating-point code.
///
/// ```
/// use ringstat_core::instrument::Gauge;
///
/// static TEMPERATURE: Gauge = Gauge::new("board.celsius");
///
/// assert!(TEMPERATURE.set(21.5));
/// assert!(!TEMPERATURE.set(f64::NAN), "refused, and the value stays");
/// assert_eq!(TEMPERATURE.get(), 21.5.into());
/// ```
#[derive(Debug)]
pub struct Gauge {
    head: Head,
    /// A finite float is stored as it is; a 32-bit integer is stored in the payload of a NaN, which a gauge never holds
    /// otherwise.
    bits: AtomicU64,
}

const INTEGER: u64 = 0x7FF9_0000_0000_0000;

impl Gauge {
    const_fn! {
        /// Creates a gauge at 0.
        #[must_use]
        pub const fn new(name: &'static str) -> Self {
            Self { head: Head::new(name), bits: AtomicU64::new(INTEGER) }
        }
    }

    /// Sets the gauge's tags.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [Tag]) -> Self {
        self.head.tags = tags;
        self
    }

    /// Sets the value. Returns `false`, and leaves the gauge as it is, for NaN and infinities.
    #[inline]
    pub fn set(&self, value: f64) -> bool {
        if value.is_finite() {
            self.bits.store(value.to_bits(), Ordering::Relaxed);
        }
        value.is_finite()
    }

    /// Sets an integer value without using floating point.
    #[inline]
    pub fn set_int(&self, value: i32) {
        self.bits.store(INTEGER | u64::from(value as u32), Ordering::Relaxed);
    }

    /// Adds `amount`, which may be negative, to the value. Lock-free. Returns `false`, and leaves the gauge as it is,
    /// if the sum would not be finite.
    pub fn add(&self, amount: f64) -> bool {
        self.bits
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                let sum = value(bits).as_f64() + amount;
                sum.is_finite().then_some(sum.to_bits())
            })
            .is_ok()
    }

    /// The value that was set last, or 0.
    #[must_use]
    pub fn get(&self) -> Value {
        value(self.bits.load(Ordering::Relaxed))
    }
}

fn value(bits: u64) -> Value {
    if bits & INTEGER == INTEGER {
        Value::I64(i64::from(bits as u32 as i32))
    } else {
        Value::F64(f64::from_bits(bits))
    }
}

impl Instrument for Gauge {
    described_by_head!();

    fn state(&self) -> State<'_> {
        State::Level(self.get())
    }

    fn version(&self) -> u32 {
        let bits = self.bits.load(Ordering::Relaxed);
        // Both halves take part, and a gauge that was never set has version 0.
        (bits >> 32) as u32 ^ (bits as u32).rotate_left(16) ^ (INTEGER >> 32) as u32
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn holds_floats_and_integers() {
        let gauge = Gauge::new("g");
        assert_eq!((gauge.get(), gauge.version()), (Value::I64(0), 0));
        assert!(gauge.set(21.5));
        assert_eq!(gauge.get(), Value::F64(21.5));
        gauge.set_int(-7);
        assert_eq!(gauge.get(), Value::I64(-7));
        assert!(gauge.add(0.5));
        assert_eq!(gauge.get(), Value::F64(-6.5));
        assert!(gauge.set(f64::MAX) && gauge.set(f64::MIN));
    }

    #[test]
    fn what_is_not_a_number_changes_nothing() {
        let gauge = Gauge::new("g");
        gauge.set(1.0);
        assert!(!gauge.set(f64::NAN) && !gauge.set(f64::INFINITY) && !gauge.add(f64::NEG_INFINITY));
        assert_eq!(gauge.get(), Value::F64(1.0));
    }
}
