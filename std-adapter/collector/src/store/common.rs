//! What the shards of a collector have in common: limits that hold for all, and names that all agree on.

use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::exposition::Names;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::memory::Budget;

/// What the shards of a collector have in common. None of it is touched while nothing new comes.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) budget: Budget,
    pub(crate) names: Arc<Names>,
    pub(crate) journal: Journal,
    /// What becomes of the series that are sent, if somebody says so.
    pub(crate) mapping: Option<Mapping>,
    /// Where series are on the page.
    pub(crate) hasher: RandomState,
}

impl Common {
    /// For so many shards.
    pub(crate) fn new(limits: Limits, mapping: Option<Mapping>, shards: usize) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(limits, shards),
            names: Arc::default(),
            journal: Journal::default(),
            mapping,
            hasher: RandomState::default(),
        })
    }
}
