//! The instruments as the sender sees them.

use std::cell::RefCell;
use std::sync::MutexGuard;

use ringstat_core::instrument::{Instrument, Instruments};

use super::key::Key;
use super::{Inner, OwnedCounter, OwnedGauge, OwnedHistogram};

/// The locked instruments, for the sender to walk.
pub(crate) struct Walk<'a> {
    /// Borrowed for one instrument at a time, so that new ones can be made during the walk.
    pub(super) inner: RefCell<MutexGuard<'a, Inner>>,
    pub(super) limit: usize,
}

impl Walk<'_> {
    /// The largest number of instruments made at run time.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The counter of that name and tags, which is made if there is room.
    pub(crate) fn try_counter(&self, name: &str, tags: &[(&str, &str)]) -> Option<OwnedCounter> {
        self.inner.borrow_mut().make(Key::new(name, tags), self.limit).map(OwnedCounter)
    }

    /// The gauge of that name and tags, which is made if there is room.
    pub(crate) fn try_gauge(&self, name: &str, tags: &[(&str, &str)]) -> Option<OwnedGauge> {
        self.inner.borrow_mut().make(Key::new(name, tags), self.limit).map(OwnedGauge)
    }

    /// The histogram of that name and tags, which is made if there is room.
    pub(crate) fn try_histogram(
        &self,
        name: &str,
        tags: &[(&str, &str)],
    ) -> Option<OwnedHistogram> {
        self.inner.borrow_mut().make(Key::new(name, tags), self.limit).map(OwnedHistogram)
    }
}

impl Instruments for Walk<'_> {
    fn len(&self) -> usize {
        self.inner.borrow().entries.len()
    }

    fn visit(&self, index: usize, f: &mut dyn FnMut(&dyn Instrument)) {
        if let Some(entry) = self.inner.borrow().entries.get(index) {
            f(entry.get());
        }
    }
}
