//! Rules from a file that rename, drop, relabel and aggregate series.
//!
//! The rules are applied when a series is created, and not to each record: a [`Mapped`] says how the new series is shown.
//! A series is stored as it was sent, so that the rules may change from one start to the next.

mod file;
mod glob;
mod group;
mod rule;

use std::time::Duration;

use regex::RegexSet;
use ringstat_core::instrument::Unit;

use crate::series::Class;
pub use file::MapError;
pub use group::GaugeRule;
pub(crate) use group::GroupBy;
use rule::Rule;

/// Rules that rename, drop, relabel and aggregate the series that senders send.
///
/// All rules whose glob matches the name that was sent, and whose kind is that of the series, are applied in the order
/// of the file. A key of a later rule overrides the same key of an earlier one.
///
/// ```
/// use ringstat_collector::{Class, Mapping};
///
/// let mapping = Mapping::parse(r#"
///     [[rule]]
///     match = "api.*.requests"
///     name = "api.requests"
///     labels = { endpoint = "$1" }
///     without = ["sender"]
/// "#)?;
/// let shown = mapping.explain("api.login.requests", Class::Counter, &[]);
/// assert_eq!(shown.family.as_deref(), Some("api_requests_total"));
/// assert_eq!((shown.labels.as_str(), shown.added_up), ("endpoint=\"login\"", true));
/// assert!(mapping.explain("other", Class::Counter, &[]).rules.is_empty());
/// # Ok::<(), ringstat_collector::MapError>(())
/// ```
#[derive(Clone, Default, Debug)]
pub struct Mapping {
    globs: RegexSet,
    rules: Vec<Rule>,
}

/// How a new series is shown. A field that is `None` is shown as it was sent.
#[derive(Clone, Default, Debug)]
pub(crate) struct Mapped {
    pub(crate) name: Option<String>,
    /// Sorted by key.
    pub(crate) tags: Option<Vec<(String, String)>>,
    pub(crate) unit: Option<Unit>,
    pub(crate) style: Style,
    /// The group to which the series is added.
    pub(crate) group: Option<GroupBy>,
}

/// What rules say about how a series is shown and kept: the numbers of those rules, from 1 on, so that it takes no room in
/// a series.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Style {
    buckets: u16,
    ttl: u16,
    pub(crate) gauges: GaugeRule,
}

impl Mapping {
    /// Reads rules in TOML, and checks them.
    ///
    /// # Errors
    /// Returns the first rule that is wrong: its line, its key, the value and the allowed values.
    pub fn parse(text: &str) -> Result<Self, MapError> {
        let rules = file::read(text)?;
        let globs = RegexSet::new(rules.iter().map(|rule| rule.glob.as_str()));
        // Each of them is valid by itself.
        let globs = globs.map_err(|_| MapError::too_large())?;
        Ok(Self { globs, rules })
    }

    /// The number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether series with that name are dropped.
    pub(crate) fn drops(&self, name: &str, class: Class) -> bool {
        // Most files drop nothing, and a name is asked for each time that it comes without a place for its series.
        let any = self.rules.iter().any(|rule| rule.drop == Some(true));
        let last = || self.matching(name, class).filter_map(|n| self.rules[n].drop).last();
        any && last() == Some(true)
    }

    /// Returns how a new series with that name and these tags is shown, unless it is dropped.
    pub(crate) fn apply<'t>(
        &self,
        name: &str,
        class: Class,
        tags: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> Mapped {
        let mut matching = self.matching(name, class).peekable();
        if matching.peek().is_none() {
            return Mapped::default();
        }
        let mut mapped = Mapped::default();
        let mut sent: Vec<(String, String)> = tags.map(|(k, v)| (k.into(), v.into())).collect();
        sent.sort_unstable();
        let mut shown = sent.clone();
        let mut keeps = None;
        for number in matching {
            let rule = &self.rules[number];
            let place = number as u16 + 1;
            keeps = rule.keeps.as_ref().or(keeps);
            mapped.unit = rule.unit.or(mapped.unit);
            mapped.style.gauges = rule.gauges.unwrap_or(mapped.style.gauges);
            if rule.buckets.is_some() {
                mapped.style.buckets = place;
            }
            if rule.ttl.is_some() {
                mapped.style.ttl = place;
            }
            rule.rename(name, &mut mapped.name, &mut shown);
        }
        shown.sort_unstable();
        mapped.group = keeps.and_then(|keeps| GroupBy::of(keeps, &shown));
        mapped.tags = (shown != sent).then_some(shown);
        mapped
    }

    /// The rules for a series, by their places in the file.
    pub(crate) fn matching(&self, name: &str, class: Class) -> impl Iterator<Item = usize> {
        let matches = self.globs.matches(name).into_iter();
        matches.filter(move |number| self.rules[*number].is_for(class))
    }

    /// The bounds of a histogram's buckets, if a rule sets them.
    pub(crate) fn buckets(&self, style: Style) -> Option<&[f64]> {
        self.rules.get(usize::from(style.buckets).checked_sub(1)?)?.buckets.as_deref()
    }

    /// After how long a series is forgotten, if a rule says so.
    pub(crate) fn ttl(&self, style: Style) -> Option<Duration> {
        self.rules.get(usize::from(style.ttl).checked_sub(1)?)?.ttl
    }
}
