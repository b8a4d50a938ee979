//! Numbers as users record them and as the wire carries them.
//!
//! A [`Value`] is a number rather than a Rust type: `12u64`, `12i64` and `12.0` are equal, and the encoder sends each
//! in its narrowest exact form. Durations are decimals (`mantissa × 10^-scale`), so that recording one needs no
//! floating point and loses no precision.

use core::cmp::Ordering;
use core::time::Duration;

/// The powers of ten that an `f64` holds exactly and that the wire's decimal form uses.
pub(crate) const POW10: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// A recorded number.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A non-negative integer.
    U64(u64),
    /// An integer.
    I64(i64),
    /// A single-precision number, sent in four bytes unless something shorter is exact.
    F32(f32),
    /// A double-precision number.
    F64(f64),
    /// `mantissa × 10^-scale`, exact.
    Decimal {
        /// The digits, between plus and minus [`Value::MANTISSA_MAX`].
        mantissa: i64,
        /// The number of digits after the decimal point, 0 to 8.
        scale: u8,
    },
}

impl Value {
    /// The largest mantissa of a decimal: it shares 64 bits with the scale on the wire.
    pub const MANTISSA_MAX: i64 = (1 << 61) - 1;

    /// A duration in milliseconds, exact to the nanosecond: the unit of timings everywhere in ringstat.
    ///
    /// Durations longer than 73 years saturate.
    #[inline]
    #[must_use]
    pub const fn millis(duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        let mantissa =
            if nanos > Self::MANTISSA_MAX as u128 { Self::MANTISSA_MAX } else { nanos as i64 };
        Self::Decimal { mantissa, scale: 6 }
    }

    /// The nearest `f64`. Exact except for integers and mantissas beyond 2^53.
    #[inline]
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::U64(v) => v as f64,
            Self::I64(v) => v as f64,
            Self::F32(v) => f64::from(v),
            Self::F64(v) => v,
            Self::Decimal { mantissa, scale } => mantissa as f64 / POW10[usize::from(scale.min(9))],
        }
    }

    /// The value as a non-negative integer, or `None` if it is not one.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::U64(v) => Some(v),
            Self::I64(v) => u64::try_from(v).ok(),
            Self::Decimal { mantissa, scale } => {
                let unit = 10u64.pow(u32::from(scale.min(9)));
                let digits = u64::try_from(mantissa).ok()?;
                digits.is_multiple_of(unit).then_some(digits / unit)
            }
            Self::F32(_) | Self::F64(_) => {
                let v = self.as_f64();
                // 2^64 as an f64; whole numbers below it convert exactly.
                ((0.0..18_446_744_073_709_551_616.0).contains(&v) && v as u64 as f64 == v)
                    .then_some(v as u64)
            }
        }
    }

    /// Whether the value can be sent: neither NaN nor infinite, and a decimal within its bounds.
    #[inline]
    #[must_use]
    pub fn is_valid(self) -> bool {
        match self {
            Self::F32(v) => v.is_finite(),
            Self::F64(v) => v.is_finite(),
            Self::Decimal { mantissa, scale } => {
                scale <= 8 && mantissa.unsigned_abs() <= Self::MANTISSA_MAX as u64
            }
            Self::U64(_) | Self::I64(_) => true,
        }
    }

    /// The exact value in billionths if it is stored as an integer or a decimal.
    fn billionths(self) -> Option<i128> {
        const BILLION: i128 = 1_000_000_000;
        match self {
            Self::U64(v) => Some(i128::from(v) * BILLION),
            Self::I64(v) => Some(i128::from(v) * BILLION),
            Self::Decimal { mantissa, scale } => {
                Some(i128::from(mantissa) * 10i128.pow(9 - u32::from(scale.min(9))))
            }
            Self::F32(_) | Self::F64(_) => None,
        }
    }
}

/// Numeric equality: two values are equal when they are the same number. A float equals the decimal that it is
/// nearest to; NaN equals NaN, so that a round trip can be asserted, and -0.0 differs from 0.0 for the same reason.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self.billionths(), other.billionths()) {
            (Some(a), Some(b)) => a == b,
            _ => {
                let (a, b) = (self.as_f64(), other.as_f64());
                a.total_cmp(&b) == Ordering::Equal || (a.is_nan() && b.is_nan())
            }
        }
    }
}

macro_rules! from_integer {
    ($($from:ty => $variant:ident as $to:ty),* $(,)?) => {$(
        impl From<$from> for Value {
            #[inline]
            fn from(v: $from) -> Self {
                Self::$variant(v as $to)
            }
        }
    )*};
}
from_integer!(
    u8 => U64 as u64, u16 => U64 as u64, u32 => U64 as u64, u64 => U64 as u64, usize => U64 as u64,
    i8 => I64 as i64, i16 => I64 as i64, i32 => I64 as i64, i64 => I64 as i64, isize => I64 as i64,
    f32 => F32 as f32, f64 => F64 as f64,
);

impl From<Duration> for Value {
    #[inline]
    fn from(v: Duration) -> Self {
        Self::millis(v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_equal_whatever_their_type() {
        assert_eq!(Value::from(12u8), Value::from(12.0f64));
        assert_eq!(Value::from(-3i8), Value::F32(-3.0));
        assert_eq!(Value::Decimal { mantissa: 125, scale: 1 }, Value::F64(12.5));
        assert_ne!(Value::U64(u64::MAX), Value::I64(-1));
        assert_ne!(Value::F64(0.0), Value::F64(-0.0));
        assert_eq!(Value::F64(f64::NAN), Value::F32(f32::NAN));
    }

    #[test]
    fn a_duration_is_exact_milliseconds() {
        let v = Value::millis(Duration::from_nanos(1_234_567));
        assert_eq!(v, Value::Decimal { mantissa: 1_234_567, scale: 6 });
        assert_eq!(v.as_f64(), 1.234567);
        let huge = Value::millis(Duration::MAX);
        assert_eq!(huge, Value::Decimal { mantissa: Value::MANTISSA_MAX, scale: 6 });
        assert!(huge.is_valid());
    }

    #[test]
    fn whole_numbers_are_recognised() {
        assert_eq!(Value::F64(3.0).as_u64(), Some(3));
        assert_eq!(Value::F64(3.5).as_u64(), None);
        assert_eq!(Value::F64(-1.0).as_u64(), None);
        assert_eq!(Value::F64(1e300).as_u64(), None);
        assert_eq!(Value::F64(f64::NAN).as_u64(), None);
        let decimal = |mantissa, scale| Value::Decimal { mantissa, scale }.as_u64();
        assert_eq!(decimal(Value::MANTISSA_MAX, 0), Some(Value::MANTISSA_MAX as u64));
        assert_eq!((decimal(500, 2), decimal(501, 2), decimal(-500, 2)), (Some(5), None, None));
    }
}
