//! Counters that threads increment without sharing cache lines.

use super::total::Total;
use super::{Head, Instrument, described_by_head, stated_by_total};
use crate::record::Tag;
use crate::sync::CachePadded;

/// A counter spread over `SHARDS` cache lines: each thread that owns a shard adds to it with a plain load and store,
/// and all other threads share the last shard with an atomic addition.
///
/// An adapter hands out the shard numbers, each to one thread at a time. If two threads own the same shard, increments
/// are lost, but nothing worse happens.
#[derive(Debug)]
pub struct ShardedCounter<const SHARDS: usize> {
    head: Head,
    shards: [CachePadded<Total>; SHARDS],
}

impl<const SHARDS: usize> ShardedCounter<SHARDS> {
    /// Creates a counter at 0.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        const { assert!(SHARDS > 0, "the last shard is the shared one") };
        Self { head: Head::new(name), shards: [const { CachePadded::new(Total::new()) }; SHARDS] }
    }

    /// Sets the counter's tags.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [Tag]) -> Self {
        self.head.tags = tags;
        self
    }

    /// Adds `n` to `shard`, which the calling thread must own. Numbers beyond the owned shards mean the shared one.
    #[inline]
    pub fn add_in(&self, shard: usize, n: u64) {
        match self.shards.get(shard) {
            Some(owned) if shard + 1 < SHARDS => owned.add_alone(n),
            _ => self.shards[SHARDS - 1].add(n),
        }
    }

    /// The current total.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.wrapping_add(shard.get()))
    }
}

impl<const SHARDS: usize> Instrument for ShardedCounter<SHARDS> {
    described_by_head!();
    stated_by_total!();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn owned_and_shared_shards_add_up() {
        static COUNTER: ShardedCounter<3> = ShardedCounter::new("c");
        std::thread::scope(|scope| {
            for shard in 0..5 {
                scope.spawn(move || (0..10_000).for_each(|_| COUNTER.add_in(shard, 1)));
            }
        });
        assert_eq!(COUNTER.total(), 50_000);
    }
}
