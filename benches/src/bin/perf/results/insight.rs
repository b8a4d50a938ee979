//! Insights: what a number means, and what could be done about it.

use serde::{Deserialize, Serialize};

/// How much an insight matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    High,
    #[default]
    Medium,
    Low,
}

impl Severity {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// A recommendation.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Insight {
    pub(crate) severity: Severity,
    /// The number from which it follows.
    pub(crate) subject: String,
    /// File and line, where they are known.
    pub(crate) place: String,
    /// What the number means.
    pub(crate) meaning: String,
    /// What to try.
    pub(crate) advice: String,
    /// What that may gain.
    pub(crate) gain: String,
    /// What it takes: small, moderate or large.
    pub(crate) effort: String,
}
