//! Lines of StatsD, as plain data.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Totals;
use crate::intake::LineAccount;
use crate::statsd::LineError;

/// Lines that were refused for one reason.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct RefusedLines {
    /// How many there were.
    pub count: u64,
    /// One of the latest, as far as it can be printed; `None` if they were refused before the collector was started.
    pub example: Option<String>,
    /// Where that came from.
    pub from: Option<String>,
}

impl RefusedLines {
    /// All reasons for which lines were refused.
    pub(super) fn all(totals: &Totals) -> BTreeMap<&'static str, Self> {
        let refused = LineError::ALL.into_iter().zip(totals.counts.refused_lines);
        let report = |(reason, count)| {
            let example = totals.examples.get(reason);
            let from = example.and_then(|e| e.from.as_ref()).map(ToString::to_string);
            let refused = Self { count, example: example.map(|e| e.line.clone()), from };
            (reason.as_str(), refused)
        };
        refused.filter(|(_, count)| *count > 0).map(report).collect()
    }
}

/// What is known of a sender of StatsD lines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LinesReport {
    /// Lines received, refused ones included.
    pub received: u64,
    /// Lines refused, by reason; reasons that did not occur are left out.
    pub refused: BTreeMap<&'static str, u64>,
    /// The container that it says it is.
    pub container: Option<String>,
}

impl LinesReport {
    pub(super) fn of(account: &LineAccount) -> Self {
        let refused = LineError::ALL.into_iter().zip(account.refused);
        Self {
            received: account.lines,
            refused: refused.filter(|(_, n)| *n > 0).map(|(e, n)| (e.as_str(), n)).collect(),
            container: account.container.clone(),
        }
    }
}
