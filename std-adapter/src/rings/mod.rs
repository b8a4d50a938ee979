//! The rings: one for each recording thread, and one that all further threads share.
//!
//! A record goes into the shard of its thread, or into the ring shared by all threads without one; the worker drains
//! all of them. What a full ring gives up, and with it the kind of ring ([`kinds`]), depends on the policy.

use std::sync::atomic::{AtomicU64, Ordering};

use ringstat_core::ledger::{Cause, Drops};
use ringstat_core::policy::{Policy, SharedGate};
use ringstat_core::record::spill::{self, Area};
use ringstat_core::record::{BoxedTagMemory, Event, Outcome, OwnedTagMemory, Resolve, Symbol};
use ringstat_core::ring::{Source, boxed, mpmc};

mod counts;
mod kinds;
mod own;
mod push;
mod shared;
#[cfg(test)]
mod tests;
mod thread_shards;

use counts::Counts;
pub(crate) use kinds::Consumer;
use kinds::{All, Cells};

/// The rings of one client.
#[derive(Debug)]
pub(crate) struct Rings {
    id: u64,
    all: All,
    policy: Policy,
    /// For critical events, if they are kept until they are acknowledged.
    critical: Option<mpmc::Ring<Event, Cells>>,
    /// Memory for tags that do not fit a slot, for who has no shard. The shards have their own.
    shared_tags: Option<BoxedTagMemory>,
    /// For who has no shard.
    shared_gate: SharedGate,
    /// Records given up at the record call.
    drops: Counts,
}

/// Resolves no names, but finds long tags.
impl Resolve for Rings {
    const HAS_AREAS: bool = true;

    fn resolve(&self, _: Symbol) -> Option<&str> {
        None
    }

    #[inline]
    fn area(&self, number: u16) -> Option<Area<'_>> {
        match self.all.tag_memory(usize::from(number)) {
            Some(own) => Some(own.area()),
            None if number == SHARED => self.shared_tags.as_ref().map(BoxedTagMemory::area),
            None => None,
        }
    }
}

/// The number of the memory for who has no shard.
const SHARED: u16 = u16::MAX;

impl Rings {
    /// Creates `shards` rings for `events` each, one for `shared`, and one for `critical` critical events unless that
    /// is 0, each with `tag_memory` bytes for tags that do not fit a slot.
    pub(crate) fn new(
        shards: usize,
        events: usize,
        shared: usize,
        policy: Policy,
        critical: usize,
        tag_memory: usize,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let shards = shards.max(1);
        let tag_blocks = tag_memory / spill::BLOCK;
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            all: All::new(policy, shards, events, shared, tag_blocks),
            policy,
            critical: (critical > 0).then(|| mpmc::Ring::new(boxed(critical))),
            shared_tags: (tag_blocks > 0).then(|| BoxedTagMemory::new(tag_blocks, SHARED)),
            shared_gate: SharedGate::new(policy),
            drops: Counts::new(shards),
        }
    }

    /// The worker's end, which can be taken once.
    pub(crate) fn consumer(&self) -> Option<Consumer> {
        self.all.consumer()
    }

    /// The ring of critical events.
    pub(crate) fn critical(&self) -> Option<&mpmc::Ring<Event, Cells>> {
        self.critical.as_ref()
    }

    /// How full each ring is, as events used and capacity: the shards come first, then the shared ring.
    pub(crate) fn fills(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..=self.drops.shards()).map(|index| self.all.fill(index))
    }

    /// The number of waiting events.
    pub(crate) fn len(&self) -> usize {
        let critical = self.critical.as_ref().map_or(0, mpmc::Ring::len);
        self.fills().map(|(used, _)| used).sum::<usize>() + critical
    }

    /// The largest amount of memory that the rings take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let (shards, cell) = (self.drops.shards(), size_of::<mpmc::Cell<Event>>());
        let events = self.fills().enumerate().map(|(index, (_, capacity))| {
            capacity * if index < shards { self.all.bytes_per_event() } else { cell }
        });
        let critical = self.critical.as_ref().map_or(0, mpmc::Ring::capacity);
        let own = (0..shards).filter_map(|shard| self.all.tag_memory(shard));
        let tags = own.map(OwnedTagMemory::bytes).sum::<usize>()
            + self.shared_tags.as_ref().map_or(0, BoxedTagMemory::bytes);
        events.sum::<usize>() + critical * cell + self.drops.bytes() + tags
    }

    /// Records given up at the record call, by cause.
    pub(crate) fn drops(&self) -> Drops {
        self.drops.drops()
    }

    /// Counts a record that is given up.
    pub(crate) fn refuse(&self, cause: Cause) -> Outcome {
        self.drops.count_shared(cause, 1);
        Outcome::Dropped(cause)
    }

    /// Counts records that were given up elsewhere.
    pub(crate) fn refused(&self, cause: Cause, n: u64) {
        self.drops.count_shared(cause, n);
    }

    /// Gives up what waits, once the worker has ended: a recorder that passed the valve before it closed may add its
    /// event after the worker's last check.
    pub(crate) fn give_up_all(&self, cause: Cause, names: &impl Resolve) {
        let count = |event: Event| {
            event.give_back(names);
            self.drops.count_shared(cause, 1);
        };
        if let Some(mut events) = self.consumer() {
            events.drain(usize::MAX, count);
        }
        if let Some(critical) = &self.critical {
            std::iter::from_fn(|| critical.pop()).for_each(count);
        }
    }

    /// Blocks of the memory for long tags: how many are in use, and how many there are.
    pub(crate) fn tag_blocks(&self) -> (usize, usize) {
        let own = (0..self.drops.shards()).filter_map(|shard| self.all.tag_memory(shard));
        let shared = self.shared_tags.iter().map(BoxedTagMemory::area);
        let areas = own.map(OwnedTagMemory::area).chain(shared);
        areas.fold((0, 0), |(used, all), area| (used + area.used(), all + area.capacity()))
    }
}
