//! The kinds of rings, one for each way to treat a full ring, and both of their ends.

use std::sync::Arc;

use ringstat_core::policy::Policy;
use ringstat_core::record::{Event, OwnedTagMemory};
use ringstat_core::ring::sharded::{Lease, Shard, ShardConsumer, Sharded};
use ringstat_core::ring::{Slot, Source, WithTags, boxed, mpmc, overwrite, priority, spsc};

pub(super) type Cells = Box<[mpmc::Cell<Event>]>;
type Slots = Box<[Slot<Event>]>;

/// Refuses the newest.
pub(super) type Refusing = WithTags<spsc::Ring<Event, Slots>>;
/// Gives up the oldest.
pub(super) type Evicting = WithTags<overwrite::Ring<Event, Slots>>;
/// Gives up what matters least.
pub(super) type Ranked = WithTags<priority::BoxedRing<Event>>;

/// The ring's own recording end, of those that go through a gate.
pub(super) type RefusingEnd<'a> = spsc::Producer<'a, Event, Slots>;
pub(super) type RankedEnd<'a> = priority::Producer<'a, Event, Slots, Box<[Slot<u32>]>>;

type Shared = mpmc::Ring<Event, Cells>;
type RankedShared = priority::Shared<Event, Cells>;

type Shards<L, F> = Sharded<L, Box<[Shard<L>]>, F>;
type ShardLease<L, F> = Lease<L, Box<[Shard<L>]>, F>;
type Drain<L, F> = ShardConsumer<Arc<Shards<L, F>>, L, Box<[Shard<L>]>, F>;

// No record asks a gate on its way into a ring that evicts: a policy that needs both needs a kind of ring that does.
const _: () = {
    let mut index = 0;
    while index < Policy::ALL.len() {
        let policy = Policy::ALL[index];
        assert!(policy.ranks() || !policy.gates() || !policy.evicts());
        index += 1;
    }
};

/// All rings of a client, of the kind that the policy needs.
#[derive(Clone, Debug)]
pub(super) enum All {
    Refusing(Arc<Shards<Refusing, Shared>>),
    Evicting(Arc<Shards<Evicting, Shared>>),
    Ranked(Arc<Shards<Ranked, RankedShared>>),
}

/// Runs the same code for whichever kind it is.
macro_rules! with_all {
    ($all:expr, $rings:ident => $what:expr) => {
        match $all {
            All::Refusing($rings) => $what,
            All::Evicting($rings) => $what,
            All::Ranked($rings) => $what,
        }
    };
}

impl All {
    /// `count` shards of `events` each and so many blocks of memory for long tags, and `shared` for all who have none.
    pub(super) fn new(
        policy: Policy,
        count: usize,
        events: usize,
        shared: usize,
        tag_blocks: usize,
    ) -> Self {
        let ring = || mpmc::Ring::new(boxed(shared));
        let memory = |n: usize| (tag_blocks > 0).then(|| OwnedTagMemory::new(tag_blocks, n as u16));
        if policy.ranks() {
            let shards = (0..count).map(|n| {
                let ring = priority::BoxedRing::boxed(events);
                Shard::new(Ranked::new(ring, memory(n)))
            });
            let shared = RankedShared::new(std::array::from_fn(|_| ring()));
            Self::Ranked(Arc::new(Sharded::new(shards.collect(), shared)))
        } else if policy.evicts() {
            let shards = (0..count).map(|n| {
                let ring = overwrite::Ring::new(boxed(events));
                Shard::new(Evicting::new(ring, memory(n)))
            });
            Self::Evicting(Arc::new(Sharded::new(shards.collect(), ring())))
        } else {
            let shards = (0..count).map(|n| {
                let ring = spsc::Ring::new(boxed(events));
                Shard::new(Refusing::new(ring, memory(n)))
            });
            Self::Refusing(Arc::new(Sharded::new(shards.collect(), ring())))
        }
    }

    /// Claims a shard for the calling thread.
    pub(super) fn claim(&self) -> Option<End> {
        match self {
            Self::Refusing(all) => Lease::claim(all).map(End::Refusing),
            Self::Evicting(all) => Lease::claim(all).map(End::Evicting),
            Self::Ranked(all) => Lease::claim(all).map(End::Ranked),
        }
    }

    /// How many times a shard has been given back.
    pub(super) fn vacated(&self) -> usize {
        with_all!(self, all => all.vacated())
    }

    pub(super) fn consumer(&self) -> Option<Consumer> {
        match self {
            Self::Refusing(all) => Sharded::drain(all.clone()).map(Consumer::Refusing),
            Self::Evicting(all) => Sharded::drain(all.clone()).map(Consumer::Evicting),
            Self::Ranked(all) => Sharded::drain(all.clone()).map(Consumer::Ranked),
        }
    }

    /// How full ring `index` is, as events used and capacity: the shards come first, then the shared ring.
    pub(super) fn fill(&self, index: usize) -> (usize, usize) {
        use ringstat_core::ring::Fallback;
        with_all!(self, all => match all.shards().get(index) {
            Some(shard) => (shard.len(), shard.capacity()),
            None => (Fallback::len(all.shared()), Fallback::capacity(all.shared())),
        })
    }

    /// The memory for long tags beside a shard.
    #[inline]
    pub(super) fn tag_memory(&self, shard: usize) -> Option<&OwnedTagMemory> {
        with_all!(self, all => all.shards().get(shard)?.ring().memory())
    }

    /// Says whether the rings are still there.
    #[cfg(test)]
    pub(super) fn watch(&self) -> Box<dyn Fn() -> bool> {
        with_all!(self, all => {
            let weak = Arc::downgrade(all);
            Box::new(move || weak.strong_count() > 0)
        })
    }

    /// The bytes of a shard per event.
    pub(super) fn bytes_per_event(&self) -> usize {
        match self {
            Self::Refusing(_) | Self::Evicting(_) => size_of::<Event>(),
            // The place also has a number in the ring of each level and in the ring of free places.
            Self::Ranked(_) => size_of::<Event>() + (priority::LEVELS + 1) * size_of::<u32>(),
        }
    }
}

/// A thread's claim on a shard. It does not keep the rings alive.
pub(super) enum End {
    Refusing(ShardLease<Refusing, Shared>),
    Evicting(ShardLease<Evicting, Shared>),
    Ranked(ShardLease<Ranked, RankedShared>),
    /// No shard was free when this many had been given back.
    None {
        vacated: usize,
    },
}

impl End {
    /// Whether the rings are gone, or may be.
    pub(super) fn is_stale(&self) -> bool {
        match self {
            Self::Refusing(lease) => lease.is_stale(),
            Self::Evicting(lease) => lease.is_stale(),
            Self::Ranked(lease) => lease.is_stale(),
            // This does not keep track of the rings; a thread that still records there looks again.
            Self::None { .. } => true,
        }
    }
}

/// The worker's end of the rings.
pub(crate) enum Consumer {
    Refusing(Drain<Refusing, Shared>),
    Evicting(Drain<Evicting, Shared>),
    Ranked(Drain<Ranked, RankedShared>),
}

impl Source<Event> for Consumer {
    fn drain(&mut self, max: usize, f: impl FnMut(Event)) -> usize {
        match self {
            Self::Refusing(end) => end.drain(max, f),
            Self::Evicting(end) => end.drain(max, f),
            Self::Ranked(end) => end.drain(max, f),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Refusing(end) => end.len(),
            Self::Evicting(end) => end.len(),
            Self::Ranked(end) => end.len(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Refusing(end) => end.capacity(),
            Self::Evicting(end) => end.capacity(),
            Self::Ranked(end) => end.capacity(),
        }
    }
}
