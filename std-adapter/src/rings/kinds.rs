//! The kinds of rings, one for each way to treat a full ring, and both of their ends.

use std::sync::Arc;

use ringstat_core::policy::Policy;
use ringstat_core::record::Event;
use ringstat_core::ring::sharded::{Lease, Shard, ShardConsumer, Sharded};
use ringstat_core::ring::{Slot, Source, boxed, mpmc, overwrite, priority, spsc};

pub(super) type Cells = Box<[mpmc::Cell<Event>]>;
type Slots = Box<[Slot<Event>]>;

/// A ring that refuses the newest event.
pub(super) type Refusing = spsc::Ring<Event, Slots>;
/// A ring that evicts the oldest event.
pub(super) type Evicting = overwrite::Ring<Event, Slots>;
/// A ring that evicts the least important event.
pub(super) type Ranked = priority::BoxedRing<Event>;

type Shared = mpmc::Ring<Event, Cells>;
type RankedShared = priority::Shared<Event, Cells>;

type Shards<L, F> = Sharded<L, Box<[Shard<L>]>, F>;
type Seat<L, F> = Lease<L, Box<[Shard<L>]>, F>;
type Drain<L, F> = ShardConsumer<Arc<Shards<L, F>>, L, Box<[Shard<L>]>, F>;

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
    /// Creates `count` shards of `events` each, and a ring of `shared` events for threads without one.
    pub(super) fn new(policy: Policy, count: usize, events: usize, shared: usize) -> Self {
        let ring = || mpmc::Ring::new(boxed(shared));
        if policy.ranks() {
            let shards = (0..count).map(|_| Shard::new(Ranked::boxed(events)));
            let shared = RankedShared::new(std::array::from_fn(|_| ring()));
            Self::Ranked(Arc::new(Sharded::new(shards.collect(), shared)))
        } else if policy.evicts() {
            let shards = (0..count).map(|_| Shard::new(Evicting::new(boxed(events))));
            Self::Evicting(Arc::new(Sharded::new(shards.collect(), ring())))
        } else {
            let shards = (0..count).map(|_| Shard::new(Refusing::new(boxed(events))));
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

    /// Returns a function that says whether the rings still exist.
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
    Refusing(Seat<Refusing, Shared>),
    Evicting(Seat<Evicting, Shared>),
    Ranked(Seat<Ranked, RankedShared>),
    /// No shard was free when this many had been given back.
    None {
        vacated: usize,
    },
}

impl End {
    /// The index of the shard.
    pub(super) fn index(&self) -> Option<usize> {
        match self {
            Self::Refusing(seat) => Some(seat.index()),
            Self::Evicting(seat) => Some(seat.index()),
            Self::Ranked(seat) => Some(seat.index()),
            Self::None { .. } => None,
        }
    }

    /// Whether the rings no longer exist, or possibly do not.
    pub(super) fn is_stale(&self) -> bool {
        match self {
            Self::Refusing(seat) => seat.is_stale(),
            Self::Evicting(seat) => seat.is_stale(),
            Self::Ranked(seat) => seat.is_stale(),
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
