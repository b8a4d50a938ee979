//! Values in the text format.

use std::fmt;

/// Formats a value as the text format requires: exactly, and in few characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if value.is_nan() {
            f.write_str("NaN")
        } else if value.is_infinite() {
            f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
        } else if value != 0.0 && !(1e-6..1e17).contains(&value.abs()) {
            write!(f, "{value:e}")
        } else {
            write!(f, "{value}")
        }
    }
}

/// Formats the bound of a bucket or a share as OpenMetrics wants it, so that all write the same bound the same way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canonical(pub(crate) f64);

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        if !value.is_finite() || value == 0.0 {
            return if value == 0.0 { f.write_str("0.0") } else { Number(value).fmt(f) };
        }
        if (1e-4..1e6).contains(&value.abs()) {
            return write!(f, "{value:?}");
        }
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
        write!(f, "{digits}e{sign}{size:0>2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_spelled_as_go_does_it() {
        for (bound, spelled) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (2.5, "2.5"),
            (1e5, "100000.0"),
            (1e6, "1e+06"),
            (1_048_576.0, "1.048576e+06"),
            (1e-4, "0.0001"),
            (2.5e-5, "2.5e-05"),
            (-1e7, "-1e+07"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(Canonical(bound).to_string(), spelled);
        }
    }

    #[test]
    fn values_are_spelled_as_the_format_wants_them() {
        for (value, spelled) in [
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (-f64::NAN, "NaN"),
            (0.0, "0"),
            (33.0, "33"),
            (0.1, "0.1"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::MAX, "1.7976931348623157e308"),
            (-5e-324, "-5e-324"),
        ] {
            assert_eq!(Number(value).to_string(), spelled);
            assert!(value.is_nan() || spelled.parse() == Ok(value));
        }
    }
}
