//! The narrowest exact form of a number.
//!
//! Whole numbers become integers, numbers with few decimal places become an integer mantissa with an exponent, and only
//! the rest take the four or eight bytes of a float. A decimal form is chosen only if dividing back gives the very same
//! float.

use core::hint::select_unpredictable;

use super::cursor::{NoRoom, Reader, Writer};
use super::error::DecodeError;
use super::layout::Form;
use crate::record::event::{RawContent, SlotForm};
use crate::record::{POW10, Value};

/// A number ready to be written: its form, and the bits that the form writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number {
    pub(crate) form: Form,
    bits: u64,
}

/// Mantissas and whole floats below this limit are exact in an `f64`.
const EXACT: u64 = 1 << 53;
/// A decimal's mantissa shares a 64-bit integer with three bits of exponent.
const MANTISSA_LIMIT: u64 = 1 << 61;

impl Number {
    /// The narrowest form of `value`.
    #[inline]
    pub(crate) fn of(value: Value) -> Self {
        match value {
            Value::U64(v) => Self::unsigned(v),
            Value::I64(v) => Self::integer(v < 0, v.unsigned_abs()),
            Value::F64(v) => Self::float(v),
            Value::F32(v) => Self::float(f64::from(v)),
            Value::Decimal { mantissa, scale } => {
                Self::decimal(mantissa < 0, mantissa.unsigned_abs(), scale)
                    .unwrap_or_else(|| Self::float(value.as_f64()))
            }
        }
    }

    /// The narrowest form of the number in an event's slot; `None` if the slot holds a text.
    ///
    /// Gives the same result as [`of`](Self::of) its [`Value`], without assembling the value only to take it apart
    /// again.
    #[inline(always)]
    pub(crate) fn of_slot(RawContent { form, scale, bits }: RawContent) -> Option<Self> {
        Some(match form {
            SlotForm::U64 | SlotForm::I64 => {
                // Without a branch on the sign or on whether there is one.
                let negative = bits & ((form as u64) << 63) != 0;
                let bits = if negative { !bits } else { bits };
                let whole = if bits == 1 { Form::One } else { Form::Unsigned };
                Self { form: if negative { Form::Negative } else { whole }, bits }
            }
            SlotForm::F64 => Self::float(f64::from_bits(bits)),
            SlotForm::F32 => Self::float(f64::from(f32::from_bits(bits as u32))),
            SlotForm::Decimal => Self::of(Value::Decimal { mantissa: bits as i64, scale }),
            SlotForm::Text | SlotForm::Symbol => return None,
        })
    }

    /// `value` in the form in which it was given: without a division, and without floating point.
    pub(crate) fn as_given(value: Value) -> Self {
        match value {
            Value::U64(v) => Self::unsigned(v),
            Value::I64(v) => Self::integer(v < 0, v.unsigned_abs()),
            Value::F32(v) => Self { form: Form::F32, bits: u64::from(v.to_bits()) },
            Value::F64(v) => Self { form: Form::F64, bits: v.to_bits() },
            Value::Decimal { mantissa, scale: 0 } => {
                Self::integer(mantissa < 0, mantissa.unsigned_abs())
            }
            // A valid value has at most 8 decimal places, and a mantissa that leaves room for them.
            Value::Decimal { mantissa, scale } => Self {
                form: Form::decimal(mantissa < 0),
                bits: mantissa.unsigned_abs() << 3 | u64::from(scale - 1),
            },
        }
    }

    /// The number in an event's slot in the form in which it was given; `None` if the slot holds a text.
    pub(crate) fn as_given_in_slot(RawContent { form, scale, bits }: RawContent) -> Option<Self> {
        Some(Self::as_given(match form {
            SlotForm::U64 => Value::U64(bits),
            SlotForm::I64 => Value::I64(bits as i64),
            SlotForm::F64 => Value::F64(f64::from_bits(bits)),
            SlotForm::F32 => Value::F32(f32::from_bits(bits as u32)),
            SlotForm::Decimal => Value::Decimal { mantissa: bits as i64, scale },
            SlotForm::Text | SlotForm::Symbol => return None,
        }))
    }

    #[inline]
    fn unsigned(v: u64) -> Self {
        Self { form: if v == 1 { Form::One } else { Form::Unsigned }, bits: v }
    }

    #[inline]
    fn integer(negative: bool, magnitude: u64) -> Self {
        if negative && magnitude > 0 {
            Self { form: Form::Negative, bits: magnitude - 1 }
        } else {
            Self::unsigned(magnitude)
        }
    }

    /// `±mantissa × 10^-scale` without needless zeros, or `None` if it does not fit the form.
    #[inline]
    fn decimal(negative: bool, mut mantissa: u64, mut scale: u8) -> Option<Self> {
        // Three digits at a time, then without branches, because the number of zeros is unpredictable.
        while scale >= 3 && mantissa.is_multiple_of(1000) {
            mantissa /= 1000;
            scale -= 3;
        }
        let (tenth, hundredth) = (mantissa / 10, mantissa / 100);
        let by_ten = tenth * 10 == mantissa && scale >= 1;
        let by_hundred = hundredth * 100 == mantissa && scale >= 2;
        scale -= u8::from(by_ten) + u8::from(by_hundred);
        mantissa = if by_ten { tenth } else { mantissa };
        mantissa = if by_hundred { hundredth } else { mantissa };
        if scale == 0 {
            return Some(Self::integer(negative, mantissa));
        }
        if scale > 8 || mantissa >= MANTISSA_LIMIT {
            return None;
        }
        let form = Form::decimal(negative);
        Some(Self { form, bits: mantissa << 3 | u64::from(scale - 1) })
    }

    #[inline(always)]
    fn float(v: f64) -> Self {
        Self::thousandths(v).unwrap_or_else(|| Self::any_float(v))
    }

    /// A number with at most three decimal places, which most have, without a branch on the number.
    #[inline(always)]
    fn thousandths(v: f64) -> Option<Self> {
        /// Added to a number below 2^52, it leaves no room for a fraction, so the low bits are those of the nearest
        /// integer.
        const ROUND: f64 = (1u64 << 52) as f64;
        let magnitude = v.abs();
        let rounded = magnitude * 1000.0 + ROUND;
        let bits = rounded.to_bits().wrapping_sub(ROUND.to_bits());
        // NaN fails the second test. 0 may be -0.0, which keeps its sign as a float.
        if bits.wrapping_sub(1) >= u64::from(u32::MAX) || (rounded - ROUND) / 1000.0 != magnitude {
            return None;
        }
        let mantissa = bits as u32;
        let (tenth, hundredth) = (mantissa / 10, mantissa / 100);
        let (by_ten, by_hundred) = (tenth * 10 == mantissa, hundredth * 100 == mantissa);
        let digits = select_unpredictable(by_ten, tenth, mantissa);
        let digits = select_unpredictable(by_hundred, hundredth, digits);
        let places = 3 - u32::from(by_ten) - u32::from(by_hundred);
        // A whole number becomes an integer; from 2^28 on a float may be shorter.
        if (digits.is_multiple_of(10) & by_hundred) | (digits >= 1 << 25) {
            return None;
        }
        let form = Form::decimal(v.is_sign_negative());
        Some(Self { form, bits: u64::from(digits << 3 | (places - 1)) })
    }

    #[inline(never)]
    fn any_float(v: f64) -> Self {
        let magnitude = v.abs();
        let negative = v.is_sign_negative();
        // -0.0 keeps its sign as a float.
        if magnitude < EXACT as f64 && (magnitude > 0.0 || !negative) {
            // Converted through signed integers, which takes one instruction each way; below 2^53 the result is the
            // same.
            let whole = magnitude as i64;
            if whole as f64 == magnitude {
                return Self::integer(negative, whole as u64);
            }
            // Few decimal places are the most common, and dividing back is the expensive part, so small scales come
            // first.
            for scale in [3u8, 6, 8] {
                let power = POW10[usize::from(scale)];
                let scaled = magnitude * power + 0.5;
                if scaled >= EXACT as f64 {
                    break;
                }
                let mantissa = scaled as i64;
                if mantissa as f64 / power == magnitude
                    && let Some(number) = Self::decimal(negative, mantissa as u64, scale)
                {
                    // Seven bits per byte: from 2^56 on, a varint is longer than the float.
                    if number.bits < 1 << 28 || (number.bits < 1 << 56 && !is_single(v)) {
                        return number;
                    }
                    break;
                }
            }
        }
        if is_single(v) {
            Self { form: Form::F32, bits: u64::from((v as f32).to_bits()) }
        } else {
            Self { form: Form::F64, bits: v.to_bits() }
        }
    }

    /// The integer that the form writes, if it is below 2^28. The inner option is `None` if the form writes nothing.
    #[inline(always)]
    pub(crate) fn short(self) -> Option<Option<u32>> {
        let bits = (self.form != Form::One).then_some(self.bits as u32);
        (self.form.is_varint() && self.bits < 1 << 28).then_some(bits)
    }

    /// Writes the bits; the form itself is in the record's first byte.
    #[inline]
    pub(crate) fn write(self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        match self.form {
            Form::One => Ok(()),
            Form::F32 => w.bytes(&(self.bits as u32).to_le_bytes()),
            Form::F64 => w.bytes(&self.bits.to_le_bytes()),
            _ => w.varint(self.bits),
        }
    }

    /// Writes the form, then the bits, where no record's first byte holds the form.
    pub(crate) fn write_with_form(self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        w.byte(self.form as u8)?;
        self.write(w)
    }
}

/// Whether four bytes hold `v` exactly.
#[inline]
fn is_single(v: f64) -> bool {
    f64::from(v as f32).to_bits() == v.to_bits()
}

/// The number of a form that [is a varint](Form::is_varint), without a branch on the form, which is unpredictable. An
/// integer is a decimal with scale 0.
#[inline(always)]
pub(crate) fn of_varint(form: Form, bits: u64) -> Result<Value, DecodeError> {
    let is_one = form == Form::One;
    let decimal = if is_one { 0 } else { form as u8 >> 1 & 1 };
    let negative = if is_one { 0 } else { u64::from(form as u8 & 1) };
    let below = negative & u64::from(decimal);
    let magnitude = if is_one { 1 } else { bits >> (3 * decimal) };
    // A negative decimal without digits exceeds the limit here, too.
    if magnitude.wrapping_sub(below) >> 61 != 0 {
        return not_a_decimal(form, bits);
    }
    // -1 - n is the complement of n, and -n is one more than that.
    let mantissa = (magnitude ^ negative.wrapping_neg()).wrapping_add(below);
    let scale = (bits as u8 & 7) * decimal + decimal;
    Ok(Value::Decimal { mantissa: mantissa as i64, scale })
}

/// Reads a number of the given form.
#[inline]
pub(crate) fn read(form: Form, r: &mut Reader<'_>) -> Result<Value, DecodeError> {
    let value = match form {
        Form::One => return of_varint(form, 0),
        Form::F32 => Value::F32(f32::from_le_bytes(r.array()?)),
        Form::F64 => Value::F64(f64::from_le_bytes(r.array()?)),
        Form::Unsigned | Form::Negative | Form::Decimal | Form::DecimalNegative => {
            return of_varint(form, r.varint()?);
        }
        Form::Text => return Err(DecodeError::BadRecord),
    };
    if value.is_valid() { Ok(value) } else { Err(DecodeError::BadNumber) }
}

/// A number that no decimal holds: an integer beyond the largest mantissa, or -0.0.
#[cold]
fn not_a_decimal(form: Form, bits: u64) -> Result<Value, DecodeError> {
    match form {
        Form::DecimalNegative => Ok(Value::F64(-0.0)),
        Form::Negative => {
            i64::try_from(bits).map(|v| Value::I64(!v)).map_err(|_| DecodeError::BadNumber)
        }
        _ => Ok(Value::U64(bits)),
    }
}

/// Reads a form, then a number in that form.
pub(crate) fn read_with_form(r: &mut Reader<'_>) -> Result<Value, DecodeError> {
    let form = Form::of_number(r.byte()?).ok_or(DecodeError::BadRecord)?;
    read(form, r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(value: Value) -> (Value, usize) {
        let mut buf = [0; 16];
        let mut w = Writer::new(&mut buf);
        Number::of(value).write_with_form(&mut w).unwrap();
        (read_with_form(&mut Reader::new(w.written())).unwrap(), w.position() - 1)
    }

    #[test]
    fn numbers_take_the_bytes_they_need() {
        for (value, bytes) in [
            (Value::U64(1), 0),
            (Value::F64(1.0), 0),
            (Value::U64(0), 1),
            (Value::F64(127.0), 1),
            (Value::I64(-128), 1),
            (Value::F64(12.5), 2),
            (Value::F64(-0.125), 2),
            (Value::F64(123.45), 3),
            (Value::F64(1e-8), 1),
            (Value::F64(-0.0), 4),
            (Value::F32(21.1), 4),
            (Value::F64(1e300), 8),
            (Value::F64(core::f64::consts::PI), 8),
            (Value::U64(u64::MAX), 10),
            (Value::Decimal { mantissa: 3_000_000, scale: 6 }, 1),
            (Value::Decimal { mantissa: Value::MANTISSA_MAX, scale: 8 }, 10),
        ] {
            let (back, length) = round_trip(value);
            assert_eq!(back, value);
            assert_eq!(length, bytes, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_float_is_exact(v in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            prop_assert_eq!(round_trip(Value::F64(v)).0.as_f64().to_bits(), v.to_bits());
            prop_assert!(round_trip(Value::F64(v)).1 <= 8);
        }

        #[test]
        fn readings_are_exact_and_short(m in -1_000_000_000i64..1_000_000_000, scale in 0usize..9) {
            let v = m as f64 / POW10[scale];
            let (back, length) = round_trip(Value::F64(v));
            prop_assert_eq!(back.as_f64().to_bits(), v.to_bits());
            prop_assert!(length <= 5, "{} takes {}", v, length);
        }

        #[test]
        fn any_value_is_exact(m in any::<i64>(), scale in 0u8..=9, u in any::<u64>(), f in any::<f32>()) {
            for v in [Value::I64(m), Value::U64(u), Value::Decimal { mantissa: m, scale }, Value::F32(f)] {
                if v.is_valid() {
                    prop_assert_eq!(round_trip(v).0, v);
                }
            }
        }
    }
}
