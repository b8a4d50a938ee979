//! How many records were given up at the record call, by cause.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use ringstat_core::ledger::{Cause, Drops};

/// The counts of each shard, which its owner writes, and at the end the counts that all other threads share.
#[derive(Debug)]
pub(super) struct Counts(Box<[CachePadded<[AtomicU64; Cause::COUNT]>]>);

impl Counts {
    pub(super) fn new(shards: usize) -> Self {
        Self((0..=shards).map(|_| CachePadded::default()).collect())
    }

    /// Counts a record for a shard that the calling thread owns, so that nobody else writes the count.
    #[inline]
    pub(super) fn count_owned(&self, shard: usize, cause: Cause) {
        let count = &self.0[shard][cause as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts `n` records of threads without a shard.
    pub(super) fn count_shared(&self, cause: Cause, n: u64) {
        if let Some(cell) = self.0.last() {
            cell[cause as usize].fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(super) fn drops(&self) -> Drops {
        let mut sum = Drops::NONE;
        for cell in &self.0 {
            for (cause, n) in Cause::ALL.into_iter().zip(cell.iter()) {
                sum.add(cause, n.load(Ordering::Relaxed));
            }
        }
        sum
    }

    /// The number of shards.
    pub(super) fn shards(&self) -> usize {
        self.0.len() - 1
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}
