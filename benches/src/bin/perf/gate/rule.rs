//! One rule: `record.p99 > 100ns`, `drop_rate > 1 %`, `encode.ns +10 % against baseline`, `+50 % against baseline`.
//!
//! A name stands for the number that is called so; a single word, and what follows `*.`, for all whose names end with
//! it: `drop_rate` for that of every scenario, `*.end_to_end.p99` likewise. Units may differ in scale: `1.5 ms` is
//! compared with nanoseconds.

use std::fmt;

use serde::Serialize;

use crate::results::{Metric, Run};
use crate::stats::{Better, change_percent};

/// What must not be.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rule {
    /// Empty: every number.
    name: String,
    test: Test,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Test {
    /// In the unit that numbers have.
    More(f64, Unit),
    Less(f64, Unit),
    /// Changed by more than this many percent since the baseline, up or down as the sign says.
    Changed(f64),
}

/// What a unit measures. Numbers are kept in the first of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Time,
    Bytes,
    Rate,
    Percent,
    Plain,
}

/// A number that breaks a rule.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Broken {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) value: f64,
    pub(super) baseline: Option<f64>,
}

/// A rule that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RuleError(String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is no rule; rules are like `record.p99 > 100ns` and `+50 % against baseline`",
            self.0
        )
    }
}

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, RuleError> {
        let error = || RuleError(text.to_owned());
        let (name, test) = if let Some(rest) = text.trim().strip_suffix("against baseline") {
            let at = rest.find(['+', '-']).ok_or_else(error)?;
            let (name, change) = rest.split_at(at);
            let percent = change.trim().strip_suffix('%').ok_or_else(error)?;
            (name, Test::Changed(finite(percent).filter(|p| *p != 0.0).ok_or_else(error)?))
        } else {
            let at = text.find(['>', '<']).ok_or_else(error)?;
            let (value, unit) = amount(&text[at + 1..]).ok_or_else(error)?;
            let more = text[at..].starts_with('>');
            (&text[..at], if more { Test::More(value, unit) } else { Test::Less(value, unit) })
        };
        let name = name.trim();
        let named = !name.is_empty() || matches!(test, Test::Changed(_));
        if !named || name.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Self { name: name.to_owned(), test })
    }

    /// At how many numbers the rule looked, and which of them break it.
    pub(super) fn judge(
        &self,
        metrics: &[&Metric],
        baseline: Option<&Run>,
    ) -> (usize, Vec<Broken>) {
        let mut looked_at = 0;
        let mut broken = Vec::new();
        for metric in self.select(metrics) {
            let was = baseline.and_then(|b| b.metric(&metric.name)).map(|m| m.value);
            let Some(breaks) = self.breaks(metric, was) else { continue };
            looked_at += 1;
            if breaks {
                broken.push(Broken {
                    name: metric.name.clone(),
                    unit: metric.unit.clone(),
                    value: metric.value,
                    baseline: was.filter(|_| matches!(self.test, Test::Changed(_))),
                });
            }
        }
        (looked_at, broken)
    }

    fn select<'a>(&self, metrics: &[&'a Metric]) -> Vec<&'a Metric> {
        let end = match self.name.strip_prefix("*.") {
            Some(end) => Some(end),
            None => (!self.name.contains('.')).then_some(self.name.as_str()),
        };
        let fits = |m: &&Metric| {
            let before = end.and_then(|end| m.name.strip_suffix(end));
            self.name.is_empty() || m.name == self.name || before.is_some_and(|b| b.ends_with('.'))
        };
        metrics.iter().copied().filter(fits).collect()
    }

    /// `None` when the number is of another kind, or there is nothing to compare it with.
    fn breaks(&self, metric: &Metric, was: Option<f64>) -> Option<bool> {
        match self.test {
            Test::More(limit, unit) => (unit == unit_of(&metric.unit)).then(|| {
                // What is no number is not good enough.
                metric.value.is_nan() || metric.value > limit
            }),
            Test::Less(limit, unit) => (unit == unit_of(&metric.unit))
                .then(|| metric.value.is_nan() || metric.value < limit),
            Test::Changed(percent) => {
                let was = was?;
                if self.name.is_empty() && metric.better == Better::Higher {
                    // Of all numbers, `+` means worse: a throughput that fell to the same part.
                    return Some(breaks(percent, change_percent(metric.value, was)));
                }
                Some(breaks(percent, change_percent(was, metric.value)))
            }
        }
    }
}

fn breaks(allowed: f64, change: f64) -> bool {
    change.is_nan() || if allowed > 0.0 { change > allowed } else { change < allowed }
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

/// A number and its unit, in the unit that numbers are kept in.
fn amount(text: &str) -> Option<(f64, Unit)> {
    const UNITS: [(&str, f64, Unit); 14] = [
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

    fn broken(rule: &str, metrics: &[Metric], baseline: &[Metric]) -> Vec<String> {
        let baseline = Run::now("bench", baseline.to_vec());
        let metrics: Vec<&Metric> = metrics.iter().collect();
        let (_, broken) = Rule::parse(rule).unwrap().judge(&metrics, Some(&baseline));
        broken.into_iter().map(|b| b.name).collect()
    }

    #[test]
    fn limits_hold_in_any_scale_of_a_unit() {
        let metrics = [Metric::one("record.p99", "ns", 1500.0)];
        for rule in ["record.p99 > 100ns", "record.p99 > 1.4 µs", "record.p99>0.001ms", "p99 > 1us"]
        {
            assert_eq!(broken(rule, &metrics, &[]), ["record.p99"], "{rule}");
        }
        for rule in ["record.p99 > 1500ns", "record.p99 > 2us", "record.p99 < 1us", "p95 > 1ns"] {
            assert_eq!(broken(rule, &metrics, &[]), [""; 0], "{rule}");
        }
        assert_eq!(broken("p99 > 1 %", &metrics, &[]), [""; 0], "a time is no share");
    }

    #[test]
    fn a_word_stands_for_all_that_end_with_it_and_a_whole_name_for_itself() {
        let metrics = vec![
            Metric::one("load.high.drop_rate", "%", 2.0),
            Metric::one("load.baseline.drop_rate", "%", 0.0),
            Metric::one("raindrop_rate", "%", 9.0),
            Metric::one("record.p99", "ns", 50.0),
            Metric::one("load.high.record.p99", "ns", 500.0),
        ];
        let broken = |rule| broken(rule, &metrics, &[]);
        assert_eq!(broken("drop_rate > 1 %"), ["load.high.drop_rate"]);
        assert_eq!(broken("load.high.drop_rate > 1 %"), ["load.high.drop_rate"]);
        assert_eq!(broken("high.drop_rate > 1 %"), [""; 0]);
        assert_eq!(broken("*.high.drop_rate > 1 %"), ["load.high.drop_rate"]);
        assert_eq!(broken("record.p99 > 100ns"), [""; 0]);
        assert_eq!(broken("*.record.p99 > 100ns"), ["load.high.record.p99"]);
        assert_eq!(broken("p99 > 10ns"), ["record.p99", "load.high.record.p99"]);
    }

    #[test]
    fn changes_are_seen_against_the_baseline() {
        let of = |ns, rate| [Metric::one("a.ns", "ns", ns), Metric::one("b", "/s", rate)];
        let before = of(100.0, 300.0);
        assert_eq!(broken("+50 % against baseline", &of(149.0, 201.0), &before), [""; 0]);
        assert_eq!(broken("+50 % against baseline", &of(151.0, 300.0), &before), ["a.ns"]);
        // A throughput is worse by 50 % when the old one is 1.5 times the new one.
        assert_eq!(broken("+50 % against baseline", &of(100.0, 199.0), &before), ["b"]);
        assert_eq!(broken("+50 % against baseline", &of(50.0, 900.0), &before), [""; 0]);
        assert_eq!(broken("b -10 % against baseline", &of(100.0, 269.0), &before), ["b"]);
        assert_eq!(broken("a.ns +10% against baseline", &of(111.0, 300.0), &before), ["a.ns"]);
        assert_eq!(
            broken("+50 % against baseline", &[Metric::one("new", "ns", 1.0)], &before),
            [""; 0]
        );
    }

    #[test]
    fn what_is_no_number_is_not_good_enough() {
        let none = [Metric::new("record.p99", "ns", Vec::new())];
        assert_eq!(broken("record.p99 > 100ns", &none, &[]), ["record.p99"]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "record.p99",
            "> 5",
            "a > ",
            "a > x",
            "a > 5 parsecs",
            "a b > 5",
            "against baseline",
            "50 % against baseline",
            "+0 % against baseline",
            "+nan % against baseline",
            "a > inf",
        ] {
            assert!(Rule::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rules_are_read_as_they_are_written() {
        let parse = |text| Rule::parse(text).unwrap();
        let rule = |name: &str, test| Rule { name: name.into(), test };
        assert_eq!(parse("a > 100ns"), rule("a", Test::More(100.0, Unit::Time)));
        assert_eq!(parse(" a.b  <2.5 M/s "), rule("a.b", Test::Less(2.5e6, Unit::Rate)));
        assert_eq!(parse("memory > 10 MB"), rule("memory", Test::More(1e7, Unit::Bytes)));
        assert_eq!(parse("unaccounted > 0"), rule("unaccounted", Test::More(0.0, Unit::Plain)));
        assert_eq!(parse("+50 % against baseline"), rule("", Test::Changed(50.0)));
        assert_eq!(parse("a -5% against baseline"), rule("a", Test::Changed(-5.0)));
    }
}
