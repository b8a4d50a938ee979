//! A limit as it is written in the rules: `< 100 ns`, `> 1 us`, `= 0`, or `< +10 %` relative to a baseline.
//!
//! The scales of units may differ: `1.5 ms` can be compared with nanoseconds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::results::Metric;
use crate::stats::{Better, change_percent};

/// A limit on a number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Limit {
    /// The limit as it was written.
    text: String,
    side: Side,
    bound: Bound,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Below,
    Above,
    Equal,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bound {
    /// An absolute value, in the unit in which numbers are kept.
    Value(f64, Unit),
    /// At most this many percent worse than the baseline, in whichever direction is worse for the number.
    Worse(f64),
}

/// What a unit measures. Numbers are kept in the first unit of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Time,
    Bytes,
    Rate,
    Percent,
    Plain,
}

/// A limit that cannot be parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LimitError(String);

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a limit; limits look like `< 100 ns`, `> 1 M/s`, `= 0` and `< +10 %`",
            self.0
        )
    }
}

impl std::error::Error for LimitError {}

impl TryFrom<String> for Limit {
    type Error = LimitError;

    fn try_from(text: String) -> Result<Self, LimitError> {
        let parsed = text.trim().split_at_checked(1).and_then(|(side, rest)| {
            let side = match side {
                "<" => Side::Below,
                ">" => Side::Above,
                "=" => Side::Equal,
                _ => return None,
            };
            let bound = match rest.trim().strip_prefix('+') {
                Some(change) => Bound::Worse(finite(change.trim().strip_suffix('%')?)?),
                None => amount(rest).map(|(value, unit)| Bound::Value(value, unit))?,
            };
            Some((side, bound))
        });
        let (side, bound) = parsed.ok_or_else(|| LimitError(text.clone()))?;
        Ok(Self { text, side, bound })
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.text
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Limit {
    /// Returns whether `value` of `metric` satisfies the limit, or `None` if the number is of another kind or there is
    /// no baseline to compare with. NaN satisfies no limit.
    pub(crate) fn holds(&self, metric: &Metric, value: f64, baseline: Option<f64>) -> Option<bool> {
        let (value, bound) = match self.bound {
            Bound::Value(bound, unit) => {
                (unit == unit_of(&metric.unit)).then_some((value, bound))?
            }
            // A throughput is worse when it is below the baseline.
            Bound::Worse(percent) => match metric.better {
                Better::Lower => (change_percent(baseline?, value), percent),
                Better::Higher => (change_percent(value, baseline?), percent),
            },
        };
        Some(match self.side {
            Side::Below => value < bound,
            Side::Above => value > bound,
            Side::Equal => value == bound,
        })
    }

    /// Returns whether it asks for one exact value, which every sample must then have, not only their median.
    pub(super) fn is_exact(&self) -> bool {
        self.side == Side::Equal
    }
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

/// Parses a number with its unit, and converts it to the unit in which numbers are kept.
fn amount(text: &str) -> Option<(f64, Unit)> {
    const UNITS: [(&str, f64, Unit); 15] = [
        ("M/s", 1e6, Unit::Rate),
        ("k/s", 1e3, Unit::Rate),
        ("/s", 1.0, Unit::Rate),
        ("ns", 1.0, Unit::Time),
        ("us", 1e3, Unit::Time),
        ("µs", 1e3, Unit::Time),
        ("ms", 1e6, Unit::Time),
        ("s", 1e9, Unit::Time),
        ("KiB", 1024.0, Unit::Bytes),
        ("MiB", 1024.0 * 1024.0, Unit::Bytes),
        ("kB", 1e3, Unit::Bytes),
        ("MB", 1e6, Unit::Bytes),
        ("B", 1.0, Unit::Bytes),
        ("%", 1.0, Unit::Percent),
        ("", 1.0, Unit::Plain),
    ];
    let text = text.trim();
    UNITS.iter().find_map(|(suffix, scale, unit)| {
        let number = finite(text.strip_suffix(suffix)?)?;
        Some((number * scale, *unit))
    })
}

fn unit_of(unit: &str) -> Unit {
    amount(&format!("1{unit}")).map_or(Unit::Plain, |(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Limit {
        text.to_owned().try_into().unwrap()
    }

    fn holds(text: &str, metric: &Metric, baseline: Option<f64>) -> Option<bool> {
        limit(text).holds(metric, metric.value, baseline)
    }

    #[test]
    fn limits_hold_in_any_scale_of_a_unit() {
        let p99 = Metric::one("record.p99", "ns", 1500.0);
        for text in ["> 100ns", "> 1.4 µs", ">0.001ms", "< 2 us", "< 0.1 s"] {
            assert_eq!(holds(text, &p99, None), Some(true), "{text}");
        }
        assert_eq!(holds("> 1500ns", &p99, None), Some(false));
        assert_eq!(holds("< 1500ns", &p99, None), Some(false));
        assert_eq!(holds("> 1 %", &p99, None), None, "a time is no share");
        let memory = Metric::one("memory", "B", 5e6);
        assert_eq!(
            (holds("< 10 MB", &memory, None), holds("> 6000 kB", &memory, None)),
            (Some(true), Some(false))
        );
        assert_eq!(holds("= 0", &Metric::one("lost", "events", 0.0), None), Some(true));
        assert_eq!(holds("< 5 ns", &Metric::one("nan", "ns", f64::NAN), None), Some(false));
    }

    #[test]
    fn worse_than_the_baseline_is_more_of_a_time_and_less_of_a_throughput() {
        let (time, rate) = (Metric::one("a", "ns", 112.0), Metric::one("b", "/s", 80.0));
        assert_eq!(holds("< +10 %", &time, Some(100.0)), Some(false));
        assert_eq!(holds("< +15 %", &time, Some(100.0)), Some(true));
        assert_eq!(holds("> +50 %", &time, Some(100.0)), Some(false));
        assert_eq!(holds("< +10 %", &rate, Some(100.0)), Some(false));
        assert_eq!(holds("< +10 %", &rate, Some(79.0)), Some(true));
        assert_eq!(holds("< +10 %", &time, None), None, "there is no baseline");
        let first = Metric::one("allocations", "allocations", 1.0);
        assert_eq!(holds("< +10 %", &first, Some(0.0)), Some(false), "the first of all");
    }

    #[test]
    fn what_is_no_limit_is_an_error() {
        for text in ["", "100 ns", "<", "< x", "< 5 parsecs", "> inf", "< + %", "< +nan %", "≤ 5"]
        {
            assert!(Limit::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert_eq!(limit(" < 2.5 M/s").bound, Bound::Value(2.5e6, Unit::Rate));
        assert_eq!(limit("<+10%").bound, Bound::Worse(10.0));
    }
}
