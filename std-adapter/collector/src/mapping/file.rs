//! The file of rules: how it is written, and the errors in it.

use std::collections::BTreeMap;
use std::fmt;

use ringstat_core::instrument::Unit;
use serde::Deserialize;
use toml::Spanned;

use super::GaugeRule;
use super::glob::{Glob, Template, WILDCARDS};
use super::group::Keeps;
use super::rule::Rule;
use crate::series::Class;

/// An error in a file of rules.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MapError {
    /// The line in the file, counted from 1, if it is known.
    pub line: Option<usize>,
    /// The key, the value, and the allowed values.
    pub what: String,
}

impl MapError {
    pub(super) fn too_large() -> Self {
        Self { line: None, what: "the globs of all rules together are too large".into() }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for MapError {}

/// The largest number of rules.
const RULES: usize = 1000;
/// The largest number of buckets that a rule sets.
const BUCKETS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<WrittenRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    #[serde(rename = "match")]
    glob: String,
    kind: Option<Class>,
    drop: Option<bool>,
    name: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    unit: Option<WrittenUnit>,
    buckets: Option<Vec<f64>>,
    ttl: Option<String>,
    without: Option<Vec<String>>,
    by: Option<Vec<String>>,
    gauges: Option<GaugeRule>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenUnit {
    None,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Bytes,
    Percent,
}

impl From<WrittenUnit> for Unit {
    fn from(unit: WrittenUnit) -> Self {
        match unit {
            WrittenUnit::None => Self::None,
            WrittenUnit::Nanoseconds => Self::Nanoseconds,
            WrittenUnit::Microseconds => Self::Microseconds,
            WrittenUnit::Milliseconds => Self::Milliseconds,
            WrittenUnit::Seconds => Self::Seconds,
            WrittenUnit::Bytes => Self::Bytes,
            WrittenUnit::Percent => Self::Percent,
        }
    }
}

/// Reads and checks all rules.
pub(super) fn read(text: &str) -> Result<Vec<Rule>, MapError> {
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let written: Written = toml::from_str(text).map_err(|e| MapError {
        line: e.span().map(|span| line(span.start)),
        what: described(&e, text),
    })?;
    if written.rules.len() > RULES {
        let what = format!("there are {} rules; allowed are {RULES}", written.rules.len());
        return Err(MapError { line: None, what });
    }
    let check = |rule: Spanned<WrittenRule>| {
        let line = line(rule.span().start);
        checked(rule.into_inner()).map_err(|what| MapError { line: Some(line), what })
    };
    written.rules.into_iter().map(check).collect()
}

/// Returns the parser's message, with the text to which it objects.
fn described(error: &toml::de::Error, text: &str) -> String {
    let value = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let value = value.lines().next().unwrap_or_default();
    let message = error.message().trim_end();
    if value.is_empty() || message.contains(value) {
        message.to_owned()
    } else {
        format!("{value}: {message}")
    }
}

/// Checks one rule. The error names the key, the value and the allowed values.
fn checked(rule: WrittenRule) -> Result<Rule, String> {
    let wrong = |key: &str, value: &dyn fmt::Debug, allowed: &str| {
        format!("{key} is {value:?}; allowed is {allowed}")
    };
    let allowed = format!("a name with at most {WILDCARDS} wildcards, * or **");
    let glob = Glob::new(&rule.glob).filter(|_| !rule.glob.is_empty());
    let glob = glob.ok_or_else(|| wrong("match", &rule.glob, &allowed))?;
    let wildcards = glob.wildcards();
    let captures = match wildcards {
        0 => "text without $, as match has no wildcard; $$ for a $".to_owned(),
        n => format!("text with $1 to ${n}, and $$ for a $"),
    };
    let name = rule.name.map(|name| {
        let template = Template::new(&name, wildcards).filter(|_| !name.is_empty());
        template.ok_or_else(|| wrong("name", &name, &captures))
    });
    let mut labels = Vec::new();
    for (key, value) in rule.labels {
        if !is_label(&key) {
            let allowed = "a letter or _ before letters, digits and _; not __ at the beginning, sender, le or quantile";
            return Err(wrong("labels", &key, allowed));
        }
        let template = Template::new(&value, wildcards);
        let template =
            template.ok_or_else(|| wrong(&format!("labels.{key}"), &value, &captures))?;
        labels.push((key, template));
    }
    if let Some(buckets) = &rule.buckets {
        let rise = buckets.is_sorted_by(|a, b| a < b) && buckets.iter().all(|b| b.is_finite());
        if !rise || !(1..=BUCKETS).contains(&buckets.len()) {
            return Err(wrong("buckets", buckets, "1 to 200 finite numbers that rise"));
        }
    }
    let ttl = rule.ttl.map(|ttl| {
        let seconds = 1..=366 * 86_400;
        let parsed = humantime::parse_duration(&ttl).ok();
        let parsed = parsed.filter(|parsed| seconds.contains(&parsed.as_secs()));
        parsed.ok_or_else(|| wrong("ttl", &ttl, "1s to 366days"))
    });
    let keeps = match (rule.without, rule.by) {
        (Some(_), Some(by)) => {
            return Err(wrong("by", &by, "one of by and without, not both"));
        }
        (Some(names), None) => Some(Keeps::Without(names)),
        (None, Some(names)) => Some(Keeps::By(names)),
        (None, None) => None,
    };
    Ok(Rule {
        glob,
        kind: rule.kind,
        drop: rule.drop,
        name: name.transpose()?,
        labels,
        unit: rule.unit.map(Unit::from),
        buckets: rule.buckets,
        ttl: ttl.transpose()?,
        keeps,
        gauges: rule.gauges,
    })
}

fn is_label(key: &str) -> bool {
    let begins = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let allowed = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let taken = ["sender", "le", "quantile"].contains(&key);
    begins && allowed && !taken && !key.starts_with("__")
}
