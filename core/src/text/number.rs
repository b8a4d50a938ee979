//! Numbers in decimal, exact and short.

use crate::record::Value;
use crate::wire::cursor::{NoRoom, Writer};

/// Whether a number is written with a minus sign.
pub(super) fn is_negative(value: Value) -> bool {
    match value {
        Value::U64(_) => false,
        Value::I64(v) => v < 0,
        Value::F32(v) => v.is_sign_negative(),
        Value::F64(v) => v.is_sign_negative(),
        Value::Decimal { mantissa, .. } => mantissa < 0,
    }
}

/// Writes a number. Floats may have an exponent: receivers parse them with their language's own parser.
#[inline]
pub(super) fn write(w: &mut Writer<'_>, value: Value) -> Result<(), NoRoom> {
    match value {
        Value::U64(v) => write_u64(w, v),
        Value::I64(v) => w.bytes(itoa::Buffer::new().format(v).as_bytes()),
        Value::F32(v) => write_float(w, zmij::Buffer::new().format_finite(v)),
        Value::F64(v) => write_float(w, zmij::Buffer::new().format_finite(v)),
        Value::Decimal { mantissa, scale } => write_decimal(w, mantissa, usize::from(scale)),
    }
}

#[inline]
pub(super) fn write_u64(w: &mut Writer<'_>, v: u64) -> Result<(), NoRoom> {
    w.bytes(itoa::Buffer::new().format(v).as_bytes())
}

#[inline]
fn write_float(w: &mut Writer<'_>, text: &str) -> Result<(), NoRoom> {
    w.bytes(text.strip_suffix(".0").unwrap_or(text).as_bytes())
}

/// Writes the digits of the mantissa with a decimal point, without trailing zeros.
fn write_decimal(w: &mut Writer<'_>, mantissa: i64, scale: usize) -> Result<(), NoRoom> {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(mantissa.unsigned_abs()).as_bytes();
    if mantissa < 0 {
        w.byte(b'-')?;
    }
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    w.bytes(if whole.is_empty() { b"0" } else { whole })?;
    let places = fraction.iter().rposition(|d| *d != b'0').map_or(0, |last| last + 1);
    if places > 0 {
        w.byte(b'.')?;
        for _ in fraction.len()..scale {
            w.byte(b'0')?;
        }
        w.bytes(&fraction[..places])?;
    }
    Ok(())
}

/// The text of the sample rate that was written last, because successive sampled records mostly have the same one.
pub(super) struct Rate {
    n: u64,
    /// The longest text has 37 bytes.
    text: [u8; 40],
    length: usize,
}

impl Rate {
    pub(super) const fn new() -> Self {
        Self { n: 0, text: [0; 40], length: 0 }
    }

    /// Writes the sample rate of a record that stands for `n`.
    pub(super) fn write(&mut self, w: &mut Writer<'_>, n: u64) -> Result<(), NoRoom> {
        if self.n != n {
            let mut text = Writer::new(&mut self.text);
            write_rate(&mut text, n)?;
            self.length = text.position();
            self.n = n;
        }
        w.bytes(&self.text[..self.length])
    }
}

/// Writes a rate without an exponent, which StatsD does not accept there.
fn write_rate(w: &mut Writer<'_>, n: u64) -> Result<(), NoRoom> {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(rate(n));
    let Some((digits, exponent)) = text.split_once("e-") else { return w.bytes(text.as_bytes()) };
    w.bytes(b"0.")?;
    for _ in 1..exponent.parse().unwrap_or(1) {
        w.byte(b'0')?;
    }
    digits.bytes().filter(u8::is_ascii_digit).try_for_each(|digit| w.byte(digit))
}

/// The rate `r` for which a receiver that computes `1 / r` gets `n`: exactly if there is such a float, otherwise
/// slightly more, so that rounding down gives `n` as well.
fn rate(n: u64) -> f64 {
    let n = n.max(1) as f64;
    let near = 1.0 / n;
    let candidates = [near, near.next_down(), near.next_up()];
    candidates
        .into_iter()
        .find(|r| 1.0 / r == n)
        .unwrap_or_else(|| if 1.0 / near < n { near.next_down() } else { near })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    fn text(f: impl FnOnce(&mut Writer<'_>) -> Result<(), NoRoom>) -> String {
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        f(&mut w).unwrap();
        String::from_utf8(w.written().to_vec()).unwrap()
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (Value::U64(u64::MAX), "18446744073709551615"),
            (Value::I64(i64::MIN), "-9223372036854775808"),
            (Value::F64(12.0), "12"),
            (Value::F64(-0.0), "-0"),
            (Value::F64(0.1), "0.1"),
            (Value::F64(1e300), "1e+300"),
            (Value::F32(0.1), "0.1"),
            (Value::Decimal { mantissa: 1_250_000, scale: 6 }, "1.25"),
            (Value::Decimal { mantissa: -5, scale: 3 }, "-0.005"),
            (Value::Decimal { mantissa: 0, scale: 6 }, "0"),
            (Value::Decimal { mantissa: 70, scale: 1 }, "7"),
            (Value::Decimal { mantissa: 70, scale: 0 }, "70"),
        ] {
            assert_eq!(text(|w| write(w, value)), expected);
            assert_eq!(is_negative(value), expected.starts_with('-'));
        }
    }

    #[test]
    fn rates_have_no_exponent() {
        assert_eq!(text(|w| write_rate(w, 10)), "0.1");
        assert_eq!(text(|w| write_rate(w, 1_000_000)), "0.000001");
        assert_eq!(text(|w| write_rate(w, 3_000_000)), "0.00000033333333333333335");
        let mut rate = Rate::new();
        let longest = [10, 10, u64::MAX / 3, 1 << 63, 10].map(|n| text(|w| rate.write(w, n)).len());
        assert_eq!(longest, [3, 3, 37, 37, 3]);
    }

    #[test]
    fn every_small_count_is_read_back_whether_rounded_or_cut() {
        for n in 1..1_000_000u64 {
            let read = 1.0 / rate(n);
            assert_eq!((read as u64, read.round() as u64), (n, n));
        }
    }

    proptest! {
        #[test]
        fn a_decimal_is_exact(mantissa in -Value::MANTISSA_MAX..=Value::MANTISSA_MAX, shift in 0u32..60, scale in 0u8..=8) {
            let mantissa = mantissa >> shift;
            let written = text(|w| write(w, Value::Decimal { mantissa, scale }));
            let (whole, fraction) = written.split_once('.').unwrap_or((&written, ""));
            prop_assert!(!fraction.ends_with('0') && fraction.len() <= usize::from(scale));
            let zeros = "0".repeat(usize::from(scale) - fraction.len());
            let digits = [whole.trim_start_matches('-'), fraction, &zeros].concat();
            prop_assert_eq!(digits.parse::<u64>().unwrap(), mantissa.unsigned_abs());
            prop_assert_eq!(whole.starts_with('-'), mantissa < 0);
        }

        #[test]
        fn a_rate_reads_as_the_same_float(n in 2u64..u64::MAX, shift in 0u32..63) {
            let n = (n >> shift).max(2);
            let written = text(|w| write_rate(w, n));
            prop_assert!(written.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{}", written);
            prop_assert_eq!(written.parse::<f64>().unwrap().to_string(), rate(n).to_string());
        }
    }
}
