//! Sizing: how large the rings must be for a load while nobody listens.

use std::time::Duration;

use ringstat_core::record::Event;

use super::ClientConfig;

/// The load for which to size a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Events per second, of all threads together.
    pub events_per_second: u64,
    /// How long nothing can be sent, without anything being given up.
    pub outage: Duration,
    /// The number of recording threads, each with about the same share; 0 counts as 1.
    pub threads: usize,
}

/// The sizes of the rings that hold a [`Load`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The number of rings.
    pub shards: usize,
    /// The number of events in each ring.
    pub shard_events: usize,
    /// The number of events in the ring that further threads share.
    pub shared_events: usize,
    /// The largest amount of memory that the rings take, in bytes, without [`ClientConfig::tag_memory`].
    pub bytes: usize,
}

impl Load {
    /// What the load needs: a ring for each thread, a quarter larger than the thread's share, since no two threads
    /// record exactly the same amount.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringstat_std::Load;
    ///
    /// let outage = Duration::from_secs(2);
    /// let budget = Load { events_per_second: 50_000, outage, threads: 4 }.budget();
    /// assert_eq!((budget.shards, budget.shard_events), (4, 31_250));
    /// assert!(budget.bytes < 12_000_000);
    /// ```
    #[must_use]
    pub fn budget(&self) -> Budget {
        let threads = self.threads.max(1);
        let waiting = u128::from(self.events_per_second) * self.outage.as_nanos() / 1_000_000_000;
        let share = waiting.saturating_mul(5) / (4 * threads as u128);
        let shard_events = usize::try_from(share).unwrap_or(usize::MAX).max(64);
        // For what a thread records before it has a ring of its own, and for threads that get none.
        let shared_events = (shard_events / 8).max(64);
        let places = threads.saturating_mul(shard_events).saturating_add(shared_events);
        Budget {
            shards: threads,
            shard_events,
            shared_events,
            bytes: places.saturating_mul(size_of::<Event>() + PLACE),
        }
    }
}

/// The largest amount of memory that a place in a ring takes besides its event: the place's numbers in the levels of a
/// priority ring.
const PLACE: usize = 20;

impl ClientConfig {
    /// This configuration with rings for `load`.
    #[must_use]
    pub fn for_load(self, load: &Load) -> Self {
        let Budget { shards, shard_events, shared_events, .. } = load.budget();
        Self { shards, shard_events, shared_events, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_hold_the_outage_and_absurd_loads_are_refused_like_any_other_size() {
        let load = |events_per_second, threads| Load {
            events_per_second,
            outage: Duration::from_secs(2),
            threads,
        };
        for (rate, threads) in [(50_000, 1), (50_000, 4), (1_000_000, 16), (7, 3)] {
            let budget = load(rate, threads).budget();
            assert!((budget.shards * budget.shard_events) as u64 >= 2 * rate, "{budget:?}");
            ClientConfig::default().for_load(&load(rate, threads)).validate().unwrap();
        }
        let absurd = ClientConfig::default().for_load(&load(u64::MAX, 0));
        assert_eq!(absurd.validate().unwrap_err().field, "shard_events");
    }
}
