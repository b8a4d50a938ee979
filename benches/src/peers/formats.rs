//! Events as other formats represent them: as one flat structure.

use ringstat_core::testkit::CorpusEvent;
use serde::{Deserialize, Serialize};

/// An event as a flat structure. Every event of the corpus has three tags.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Flat<'a> {
    /// The kind: counter, gauge, timing or distribution.
    pub kind: u8,
    /// The name of the series.
    #[serde(borrow)]
    pub name: &'a str,
    /// The value, converted to a float.
    pub value: f64,
    /// The time in nanoseconds.
    pub time: u64,
    /// The keys and values of the tags.
    #[serde(borrow)]
    pub tags: [(&'a str, &'a str); 3],
}

impl Flat<'static> {
    /// Converts an entry of the corpus.
    #[must_use]
    pub fn of(e: &CorpusEvent) -> Self {
        let tags = std::array::from_fn(|i| e.tags.get(i).copied().unwrap_or_default());
        Self { kind: e.kind as u8, name: e.name, value: e.value.as_f64(), time: e.time_ns, tags }
    }
}
