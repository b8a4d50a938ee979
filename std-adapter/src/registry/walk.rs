//! The instruments as the sender sees them.

use ringstat_core::instrument::{Instrument, Instruments};

use super::key::Key;
use super::{OwnedCounter, OwnedGauge, OwnedHistogram, Registry};

/// The instruments, for the sender to walk. New ones can be made during the walk.
pub(crate) struct Walk<'a>(pub(super) &'a Registry);

impl Walk<'_> {
    /// The largest number of instruments made at run time.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    /// The counter of that name and tags, which is made if there is room.
    pub(crate) fn try_counter(&self, name: &str, tags: &[(&str, &str)]) -> Option<OwnedCounter> {
        self.0.try_make(Key::new(name, tags), self.0.limit).map(OwnedCounter)
    }

    /// The gauge of that name and tags, which is made if there is room.
    pub(crate) fn try_gauge(&self, name: &str, tags: &[(&str, &str)]) -> Option<OwnedGauge> {
        self.0.try_make(Key::new(name, tags), self.0.limit).map(OwnedGauge)
    }

    /// The histogram of that name and tags, which is made if there is room.
    pub(crate) fn try_histogram(
        &self,
        name: &str,
        tags: &[(&str, &str)],
    ) -> Option<OwnedHistogram> {
        self.0.try_make(Key::new(name, tags), self.0.limit).map(OwnedHistogram)
    }
}

impl Instruments for Walk<'_> {
    fn len(&self) -> usize {
        // One is added at a time, under a lock: below the count there is no gap.
        self.0.entries.count()
    }

    fn visit(&self, index: usize, f: &mut dyn FnMut(&dyn Instrument)) {
        if let Some(entry) = self.0.entries.get(index) {
            f(entry.get());
        }
    }
}
