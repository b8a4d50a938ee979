//! What the shards of a collector have in common: limits that hold for all, and names that all agree on.

use std::sync::Arc;

use crate::exposition::Names;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::memory::Budget;

/// What the shards of a collector have in common. None of it is touched while nothing new comes.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) budget: Budget,
    pub(crate) names: Arc<Names>,
    pub(crate) journal: Journal,
}

impl Common {
    /// For so many shards.
    pub(crate) fn new(limits: Limits, shards: usize) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(limits, shards),
            names: Arc::default(),
            journal: Journal::default(),
        })
    }
}
