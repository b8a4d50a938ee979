//! Which series are added up, and what tells those apart that are not.

use serde::{Deserialize, Serialize};

/// How gauges of several senders, or with several values of a label, become one. Gauges of senders that are silent or
/// gone are left out, by the same rule by which they are no longer shown otherwise.
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
    /// The one that was heard last.
    Newest,
}

/// Which labels are left of the series that are added up.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Keeps {
    /// All but these.
    Without(Vec<String>),
    /// These alone.
    By(Vec<String>),
}

/// The label for who has sent a series.
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

/// What a series is added up to: those with the same name, class and unit have a series in common if they have the same
/// of this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GroupBy {
    /// The tags that all of them have, sorted.
    pub(crate) tags: Vec<(String, String)>,
    /// Whether all of them are of one sender.
    pub(crate) of_sender: bool,
}

impl GroupBy {
    /// `None` if a rule takes nothing away, so that nothing is to be added up.
    pub(super) fn of(keeps: &Keeps, tags: &[(String, String)]) -> Option<Self> {
        if *keeps == Keeps::Without(Vec::new()) {
            return None;
        }
        let kept = tags.iter().filter(|(key, _)| keeps.keeps(key)).cloned().collect();
        Some(Self { tags: kept, of_sender: keeps.keeps(SENDER) })
    }
}
