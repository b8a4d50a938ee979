//! An event as other formats write it: one flat structure.

use ringstat_core::testkit::CorpusEvent;
use serde::{Deserialize, Serialize};

/// An event as a structure, field after field. Every event of the corpus has three tags.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Flat<'a> {
    /// Counter, gauge, timing or distribution.
    pub kind: u8,
    /// Of the series.
    #[serde(borrow)]
    pub name: &'a str,
    /// Whatever it was, as a float.
    pub value: f64,
    /// In nanoseconds.
    pub time: u64,
    /// Keys and values.
    #[serde(borrow)]
    pub tags: [(&'a str, &'a str); 3],
}

impl Flat<'static> {
    /// An entry of the corpus.
    #[must_use]
    pub fn of(e: &CorpusEvent) -> Self {
        let tags = std::array::from_fn(|i| e.tags.get(i).copied().unwrap_or_default());
        Self { kind: e.kind as u8, name: e.name, value: e.value.as_f64(), time: e.time_ns, tags }
    }
}
