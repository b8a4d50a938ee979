//! How a shard is doing, for those who look at a worker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::Read;
use crate::shared::Shard;

/// How a shard is doing.
#[derive(Debug)]
pub(super) struct Stand {
    pub(super) shard: u16,
    numbers: Mutex<Numbers>,
    collector: Mutex<Option<Arc<Shard>>>,
}

/// The numbers of a shard.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Numbers {
    pub(super) read: Read,
    /// Messages of the stream that have not been read.
    pub(super) pending: u64,
    /// Up to which message a snapshot is valid.
    pub(super) saved: u64,
    pub(super) snapshots: u64,
    pub(super) snapshot_bytes: usize,
    pub(super) snapshot_time: Duration,
}

impl Stand {
    pub(super) fn new(shard: u16) -> Self {
        Self { shard, numbers: Mutex::default(), collector: Mutex::default() }
    }

    pub(super) fn begin(&self, collector: Arc<Shard>) {
        *self.collector.lock().unwrap_or_else(PoisonError::into_inner) = Some(collector);
    }

    /// The shard's state, once it is loaded.
    pub(super) fn collector(&self) -> Option<Arc<Shard>> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn read(&self, read: Read, pending: u64) {
        let mut numbers = self.lock();
        (numbers.read, numbers.pending) = (read, pending);
    }

    pub(super) fn took(&self, bytes: usize, time: Duration) {
        let mut numbers = self.lock();
        numbers.snapshots += 1;
        (numbers.snapshot_bytes, numbers.snapshot_time) = (bytes, time);
    }

    pub(super) fn saved(&self, position: u64) {
        self.lock().saved = position;
    }

    pub(super) fn numbers(&self) -> Numbers {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
