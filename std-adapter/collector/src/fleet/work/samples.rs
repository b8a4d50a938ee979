//! Samples of a shard, for receivers of remote write: taken when the shard's clock passes a moment, with the time of that
//! moment. A worker that reads the same messages again takes the same samples.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::ShardState;
use crate::export::Packer;
use crate::metrics::{Distributions, Page};
use crate::outbox::{Batch, Outbox};

/// Where the samples of all shards of a worker wait for their receivers.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) outbox: Arc<Outbox>,
    limit: usize,
    /// One shard at a time.
    putting: Mutex<()>,
}

/// What takes the samples of one shard.
#[derive(Debug)]
pub(super) struct Sampler {
    samples: Arc<Samples>,
    packer: Packer,
    distributions: Distributions,
    /// Behind the last batch that was put in.
    end: u64,
}

impl Samples {
    pub(super) fn new(outbox: Arc<Outbox>, limit: usize) -> Self {
        Self { outbox, limit, putting: Mutex::new(()) }
    }

    /// Puts a batch in, and returns the number behind it.
    fn put(&self, batch: Batch) -> u64 {
        let _putting: MutexGuard<'_, ()> =
            self.putting.lock().unwrap_or_else(PoisonError::into_inner);
        self.outbox.put(batch);
        self.outbox.next_number()
    }
}

impl Sampler {
    pub(super) fn new(samples: Arc<Samples>, packer: Packer, distributions: Distributions) -> Self {
        let distributions = packer.shown(distributions);
        Self { samples, packer, distributions, end: 0 }
    }

    /// Whether there is room for more samples. Until there is, the shard must not be read on, or samples would be dropped.
    pub(super) fn has_room(&self) -> bool {
        self.samples.outbox.bytes() < self.samples.limit / 2
    }

    /// Takes the samples of a moment.
    pub(super) fn take(&mut self, time_ms: u64, state: &ShardState) {
        let page = Page::of_senders(time_ms, self.distributions);
        let (batches, omitted) =
            state.collector.look(|collector| self.packer.pack(time_ms, page, collector, || {}));
        for batch in batches {
            self.end = self.samples.put(batch);
        }
        if omitted > 0 {
            state.collector.write().cut_page(omitted);
        }
    }

    /// The number behind the last batch that was put in.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Whether the samples before `end` have been delivered, or refused for good. Only then may a snapshot replace the
    /// messages from which they could be taken again.
    pub(super) fn is_delivered(&self, end: u64) -> bool {
        self.samples.outbox.delivered_through() >= end
    }

    /// Waits until there is room.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
