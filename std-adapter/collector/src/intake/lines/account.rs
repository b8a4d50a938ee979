//! What is counted of a sender of lines.

use serde::{Deserialize, Serialize};

use crate::memory::heap;
use crate::statsd::LineError;

/// What is known of a sender of StatsD lines.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct LineAccount {
    /// Lines received, those that were refused included.
    pub lines: u64,
    /// Lines refused, by reason in the order of [`LineError::ALL`].
    pub refused: [u64; LineError::ALL.len()],
    /// The container that it says it is.
    pub container: Option<String>,
}

impl LineAccount {
    /// The number of lines refused, for all reasons together.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Its memory, in bytes.
    pub(in crate::intake) fn bytes(&self) -> usize {
        heap(size_of::<Self>()) + self.container.as_ref().map_or(0, |name| heap(name.len()))
    }
}
