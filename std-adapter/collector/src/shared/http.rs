//! The counters of the HTTP server.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::report::HttpCounts;

/// The counters behind [`HttpCounts`].
#[derive(Default, Debug)]
pub(crate) struct HttpCounters {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) bodies: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) displaced: AtomicU64,
    pub(crate) unread: AtomicU64,
    pub(crate) no_descriptors: AtomicU64,
}

impl HttpCounters {
    pub(crate) fn read(&self) -> HttpCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HttpCounts {
            connections: read(&self.connections),
            requests: read(&self.requests),
            bodies: read(&self.bodies),
            refused: read(&self.refused),
            displaced: read(&self.displaced),
            unread: read(&self.unread),
            no_descriptors: read(&self.no_descriptors),
        }
    }
}

/// Increments a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
