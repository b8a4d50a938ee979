//! Numbers as they stand in a line.

use super::LineError;

/// A finite number.
#[inline]
pub(super) fn finite(text: &str) -> Result<f64, LineError> {
    let bytes = text.as_bytes();
    // Up to 15 digits are exact in the mantissa of a float; most values are of that kind.
    if !bytes.is_empty() && bytes.len() <= 15 {
        let mut sum = 0;
        let mut is_plain = true;
        for byte in bytes {
            let digit = byte.wrapping_sub(b'0');
            is_plain &= digit < 10;
            sum = sum * 10 + u64::from(digit & 15);
        }
        if is_plain {
            return Ok(sum as f64);
        }
    }
    // `inf` and `nan` are numbers for the parser, but no values.
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or(LineError::BadValue)
}

/// A sample rate: above 0, and at most 1.
pub(super) fn rate(text: &str) -> Result<f64, LineError> {
    let rate = finite(text).map_err(|_| LineError::BadRate)?;
    // Its inverse is the number of events that a line stands for.
    if rate > 0.0 && rate <= 1.0 && rate.recip() <= f64::from(u32::MAX) {
        Ok(rate)
    } else {
        Err(LineError::BadRate)
    }
}

/// A time in seconds since 1970, before the year 2242: one in milliseconds is refused.
pub(super) fn seconds(text: &str) -> Result<u64, LineError> {
    const END: u64 = 1 << 33;
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|time| is_number && *time < END).ok_or(LineError::BadTime)
}
