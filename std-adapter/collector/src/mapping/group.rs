//! Which series are aggregated, and the labels by which the aggregates differ.

use serde::{Deserialize, Serialize};

/// How the gauges of a group become one value. Gauges of senders that are silent or gone are left out once they would no
/// longer be shown by themselves.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum GaugeRule {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Average,
    /// The lowest.
    Least,
    /// The highest.
    Greatest,
    /// The one that was received last.
    Newest,
}

/// Which labels an aggregate keeps.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Keeps {
    /// All labels but these.
    Without(Vec<String>),
    /// Only these labels.
    By(Vec<String>),
}

/// The label that names the sender of a series.
pub(super) const SENDER: &str = "sender";

impl Keeps {
    fn keeps(&self, key: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| same(name, key));
        match self {
            Self::Without(names) => !named(names),
            Self::By(names) => named(names),
        }
    }
}

/// Whether a label in a rule is the one that a tag becomes: `http.method` is shown as `http_method`, and either may be
/// written.
fn same(name: &str, key: &str) -> bool {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name == key || name.chars().map(plain).eq(key.chars().map(plain))
}

/// What identifies a group, besides its name, class and unit: series for which this is equal are aggregated into one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GroupBy {
    /// The tags that all of them have, sorted.
    pub(crate) tags: Vec<(String, String)>,
    /// Whether all of them are of one sender.
    pub(crate) of_sender: bool,
}

impl GroupBy {
    /// Returns `None` if the rule removes no label, so that nothing is aggregated.
    pub(super) fn of(keeps: &Keeps, tags: &[(String, String)]) -> Option<Self> {
        if *keeps == Keeps::Without(Vec::new()) {
            return None;
        }
        let kept = tags.iter().filter(|(key, _)| keeps.keeps(key)).cloned().collect();
        Some(Self { tags: kept, of_sender: keeps.keeps(SENDER) })
    }
}
