//! A single rule: the numbers it applies to, their tiers, and the tier that the gate requires.

use serde::{Deserialize, Serialize};

use super::baseline::Baselines;
use super::limit::Limit;
use crate::results::Metric;

/// A rule as it is written in `gate.toml`.
#[derive(Clone, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// A description for people.
    pub(crate) what: String,
    /// The names of the numbers it applies to, where `*` stands for any characters.
    pub(crate) number: String,
    /// Names it does not apply to, although they match `number`.
    #[serde(default)]
    except: Vec<String>,
    pub(crate) excellent: Option<Limit>,
    pub(crate) target: Limit,
    pub(crate) poor: Option<Limit>,
    /// The tier that the gate requires. For times, which depend on the machine, numbers only must not be poor.
    #[serde(default)]
    hold: Hold,
    /// Whether it applies only to numbers that are the same from run to run, which have a committed baseline.
    #[serde(default)]
    pub(super) exact: bool,
    /// Whether the rule passes if there is no number for it.
    #[serde(default)]
    optional: bool,
    /// The command that measures the numbers.
    pub(crate) measured_by: String,
    /// Advice for whoever breaks the rule.
    #[serde(default)]
    pub(crate) why: String,
}

/// The tier that numbers must reach.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Hold {
    /// Numbers must meet the target.
    #[default]
    Target,
    /// Numbers must not be poor.
    Poor,
}

/// How good a number is, from best to worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    Excellent,
    Target,
    /// The target is not met, but the number is not poor either.
    Missed,
    Poor,
}

impl Tier {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Excellent => "excellent",
            Self::Target => "target",
            Self::Missed => "missed",
            Self::Poor => "poor",
        }
    }
}

/// A number that was judged.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
    /// Its earlier value, for rules that compare with it.
    pub(crate) baseline: Option<f64>,
    pub(crate) tier: Tier,
    pub(crate) passes: bool,
}

/// The outcome of a rule.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Judged {
    /// Every number that the rule applies to, the worst first.
    pub(crate) numbers: Vec<Measured>,
    pub(crate) passes: bool,
}

impl Rule {
    /// Judges all numbers that the rule applies to. Without any it fails, unless the rule is optional.
    pub(super) fn judge(&self, metrics: &[&Metric], baselines: &Baselines) -> Judged {
        let of = |m: &&Metric| self.is_about(m);
        let mut numbers: Vec<Measured> =
            metrics.iter().copied().filter(of).filter_map(|m| self.measure(m, baselines)).collect();
        numbers.sort_by_key(|n| std::cmp::Reverse(n.tier));
        let passes =
            if numbers.is_empty() { self.optional } else { numbers.iter().all(|n| n.passes) };
        Judged { numbers, passes }
    }

    fn is_about(&self, metric: &Metric) -> bool {
        fits(&self.number, &metric.name)
            && !self.except.iter().any(|pattern| fits(pattern, &metric.name))
            && (metric.exact || !self.exact)
    }

    fn measure(&self, metric: &Metric, baselines: &Baselines) -> Option<Measured> {
        let baseline = baselines.of(metric);
        let holds = |limit: &Limit, value| limit.holds(metric, value, baseline);
        // This is the median, unless the rule asks for one exact value: then it is the first sample that differs, if
        // any.
        let stray = |v: &&f64| holds(&self.target, **v) == Some(false);
        let stray = metric.samples.iter().find(stray).filter(|_| self.target.is_exact());
        let value = stray.copied().unwrap_or(metric.value);
        let met = holds(&self.target, value)?;
        let is = |limit: &Option<Limit>| limit.as_ref().and_then(|l| holds(l, value)) == Some(true);
        let tier = match () {
            () if value.is_nan() || is(&self.poor) => Tier::Poor,
            () if !met => Tier::Missed,
            () if is(&self.excellent) => Tier::Excellent,
            () => Tier::Target,
        };
        let passes = match self.hold {
            Hold::Target => tier <= Tier::Target,
            Hold::Poor => tier < Tier::Poor,
        };
        let (name, unit) = (metric.name.clone(), metric.unit.clone());
        Some(Measured { name, unit, value, baseline, tier, passes })
    }
}

/// Returns whether `name` matches `pattern`, where `*` stands for any characters.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            let places = rest.char_indices().map(|(i, _)| i).chain([rest.len()]);
            places.into_iter().any(|i| fits(after, &rest[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        toml::from_str(&format!("what = \"it\"\nmeasured_by = \"perf bench\"\n{text}")).unwrap()
    }

    fn judge(text: &str, metrics: &[Metric]) -> Judged {
        rule(text).judge(&metrics.iter().collect::<Vec<_>>(), &Baselines::default())
    }

    const P99: &str = "number = \"*record.p99\"\nexcellent = \"< 50 ns\"\ntarget = \"< 100 ns\"\npoor = \"> 1 us\"";

    #[test]
    fn tiers_are_what_the_limits_say() {
        let tier = |ns| judge(P99, &[Metric::one("record.p99", "ns", ns)]).numbers[0].tier;
        assert_eq!(
            [20.0, 70.0, 500.0, 2000.0].map(tier),
            [Tier::Excellent, Tier::Target, Tier::Missed, Tier::Poor]
        );
        assert_eq!(tier(f64::NAN), Tier::Poor, "what is no number is not good enough");
    }

    #[test]
    fn what_is_held_to_poor_may_miss_its_target() {
        let passes = |text: &str, ns| judge(text, &[Metric::one("record.p99", "ns", ns)]).passes;
        assert!(!passes(P99, 500.0) && passes(P99, 70.0));
        let poor = format!("{P99}\nhold = \"poor\"");
        assert!(passes(&poor, 500.0) && !passes(&poor, 2000.0));
    }

    #[test]
    fn a_rule_without_a_number_fails_unless_it_is_optional() {
        let other = [Metric::one("other", "ns", 1.0), Metric::one("record.p99", "B", 1.0)];
        assert!(
            !judge(P99, &other).passes,
            "not even a number of the same name counts, if it is of another kind"
        );
        assert!(judge(&format!("{P99}\noptional = true"), &other).passes);
    }

    #[test]
    fn the_worst_number_comes_first_and_one_is_enough() {
        let metrics = [("a", 20.0), ("b", 300.0), ("c", 60.0)]
            .map(|(name, ns)| Metric::one(format!("load.{name}.record.p99"), "ns", ns));
        let judged = judge(P99, &metrics);
        assert_eq!((judged.numbers[0].name.as_str(), judged.passes), ("load.b.record.p99", false));
        assert!(judge(&format!("{P99}\nexcept = [\"*.b.*\"]"), &metrics).passes);
    }

    #[test]
    fn an_exact_value_is_asked_of_every_sample() {
        let lost = Metric::new("load.x.unaccounted", "events", vec![0.0, 0.0, 0.0, 3.0]);
        let judged = judge("number = \"*unaccounted\"\ntarget = \"= 0\"", &[lost]);
        assert_eq!((judged.numbers[0].value, judged.passes), (3.0, false), "the median is 0");
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in [
            ("a.b", "a.b"),
            ("*", "x"),
            ("*.p99", "a.b.p99"),
            ("load.*.p99", "load.x.record.p99"),
            ("*p99", "p99"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a", "ab"), ("*.p99", "p99"), ("load.*.p99", "load.p99"), ("b*", "ab")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_rule_with_a_slip_is_refused() {
        for text in [
            "number = \"a\"",
            "number = \"a\"\ntarget = \"1 ns\"",
            "number = \"a\"\ntarget = \"< 1\"\nfail = 1",
        ] {
            let text = format!("what = \"it\"\nmeasured_by = \"\"\n{text}");
            assert!(toml::from_str::<Rule>(&text).is_err(), "{text}");
        }
    }
}
