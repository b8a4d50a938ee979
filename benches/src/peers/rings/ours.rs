//! ringstat's rings.

use ringstat_core::ring::sharded::{Shard, ShardConsumer, ShardProducer, Sharded as Shards};
use ringstat_core::ring::{
    Fallback as _, Pushed, Slot, Source as _, boxed, mpmc, overwrite, priority, spsc,
};

use super::{Item, Pop, Push, Ring};
use crate::shared_ring;

/// The ring for one producer and one consumer.
pub struct Spsc<const N: usize>(Box<spsc::Ring<Item, [Slot<Item>; N]>>);

impl<const N: usize> Ring for Spsc<N> {
    const NAME: &'static str = "ringstat spsc";
    const SHARED: bool = false;
    type Producer<'a> = spsc::Producer<'a, Item, [Slot<Item>; N]>;
    type Consumer<'a> = spsc::Consumer<'a, Item, [Slot<Item>; N]>;

    fn new() -> Self {
        Self(Box::default())
    }

    fn ends(&mut self, _: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let (producer, consumer) = self.0.split();
        (vec![producer], consumer)
    }
}

impl<const N: usize> Push for spsc::Producer<'_, Item, [Slot<Item>; N]> {
    fn push(&mut self, item: Item) -> bool {
        self.push(item).is_ok()
    }

    fn push_batch(&mut self, count: usize, mut next: impl FnMut(u64) -> Item) -> usize {
        let mut n = 0..;
        self.push_with(count, || n.next().map(&mut next))
    }
}

impl<const N: usize> Pop for spsc::Consumer<'_, Item, [Slot<Item>; N]> {
    fn pop(&mut self) -> Option<Item> {
        self.pop()
    }

    fn pop_batch(&mut self, max: usize, f: impl FnMut(Item)) -> usize {
        self.drain(max, f)
    }
}

type One = overwrite::Ring<Item, Box<[Slot<Item>]>>;
type Cells = mpmc::Ring<Item, Box<[mpmc::Cell<Item>]>>;
type All = Shards<One, Box<[Shard<One>]>, Cells>;

/// The sharded ring, with a shard of `N` items for each of at most `SHARDS` producers.
pub struct Sharded<const N: usize, const SHARDS: usize = 8>(All);

impl<const N: usize, const SHARDS: usize> Ring for Sharded<N, SHARDS> {
    const NAME: &'static str = "ringstat sharded";
    const SHARED: bool = true;
    type Producer<'a> = ShardProducer<&'a All, One, Box<[Shard<One>]>, Cells>;
    type Consumer<'a> = ShardConsumer<&'a All, One, Box<[Shard<One>]>, Cells>;

    fn new() -> Self {
        let shard = |_| Shard::new(overwrite::Ring::new(boxed(N)));
        Self(Shards::new((0..SHARDS).map(shard).collect(), mpmc::Ring::new(boxed(1))))
    }

    fn ends(&mut self, producers: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let all = &self.0;
        let claimed = (0..producers).map(|_| Shards::claim(all).expect("a free shard"));
        (claimed.collect(), Shards::drain(all).expect("the only drain"))
    }
}

impl Push for ShardProducer<&All, One, Box<[Shard<One>]>, Cells> {
    fn push(&mut self, item: Item) -> bool {
        self.get().push(item).is_ok()
    }
}

impl Pop for ShardConsumer<&All, One, Box<[Shard<One>]>, Cells> {
    fn pop(&mut self) -> Option<Item> {
        let mut taken = None;
        self.drain(1, |item| taken = Some(item));
        taken
    }

    fn pop_batch(&mut self, max: usize, f: impl FnMut(Item)) -> usize {
        self.drain(max, f)
    }
}

type Ranked = priority::BoxedRing<Item>;
type Numbers = Box<[Slot<u32>]>;

/// The priority ring, for four levels.
pub struct Priority<const N: usize>(Ranked);

/// Its producer. A full ring would drop the least important items, but here nothing may be lost, so the producer checks
/// the room from time to time.
pub struct Careful<'a> {
    producer: priority::Producer<'a, Item, Box<[Slot<Item>]>, Numbers>,
    room: usize,
}

impl<const N: usize> Ring for Priority<N> {
    const NAME: &'static str = "ringstat priority";
    const SHARED: bool = false;
    type Producer<'a> = Careful<'a>;
    type Consumer<'a> = priority::Consumer<'a, Item, Box<[Slot<Item>]>, Numbers>;

    fn new() -> Self {
        Self(priority::BoxedRing::boxed(N))
    }

    fn ends(&mut self, _: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let (producer, consumer) = self.0.split();
        (vec![Careful { producer, room: 0 }], consumer)
    }
}

impl Push for Careful<'_> {
    fn push(&mut self, item: Item) -> bool {
        if self.room == 0 {
            // A slot whose item is just being popped is not free yet.
            let places = self.producer.capacity() - 1;
            self.room = places.saturating_sub(self.producer.len());
        }
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        assert!(matches!(self.producer.push(item), Ok(Pushed::Stored)), "there is room");
        true
    }
}

impl Pop for priority::Consumer<'_, Item, Box<[Slot<Item>]>, Numbers> {
    fn pop(&mut self) -> Option<Item> {
        self.pop()
    }
}

shared_ring!(
    /// The ring for several producers.
    Mpmc,
    "ringstat mpmc",
    Cells,
    mpmc::Ring::new(boxed(N)),
    |ring, item| ring.push(item).is_ok(),
    |ring| ring.pop()
);
shared_ring!(
    /// The priority ring with a quarter of the capacity for each of its four levels, since the items' priorities
    /// rotate.
    PriorityShared,
    "ringstat priority shared",
    priority::Shared<Item, Box<[mpmc::Cell<Item>]>>,
    priority::Shared::new(std::array::from_fn(|_| mpmc::Ring::new(boxed(N / priority::LEVELS)))),
    |ring, item| ring.push(item).is_ok(),
    |ring| ring.pop()
);
