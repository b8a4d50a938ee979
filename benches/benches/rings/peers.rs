//! The rings, ringstat's and those of others, behind one trait.

use crossbeam_queue::ArrayQueue;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringstat_core::ring::sharded::{Shard, ShardConsumer, ShardProducer, Sharded as Shards};
use ringstat_core::ring::{
    Fallback as _, Pushed, Slot, Source as _, boxed, mpmc, overwrite, priority, spsc,
};
use thingbuf::ThingBuf;

/// What goes through: 64 bytes, as an event has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Item([u64; 8]);

impl Item {
    /// The `n`th item of a producer. Its priority comes in turns.
    pub(crate) fn new(producer: usize, n: u64) -> Self {
        let lane = producer as u64 * LEVELS + n % LEVELS;
        Self([lane, n / LEVELS, n, n, n, n, n, n])
    }

    /// A lane, and the place in it: each ring keeps the order of each producer's items of one priority.
    pub(crate) fn lane(&self) -> (usize, u64) {
        (self.0[0] as usize, self.0[1])
    }
}

const LEVELS: u64 = priority::LEVELS as u64;

impl priority::Prioritized for Item {
    fn level(&self) -> usize {
        (self.0[0] % LEVELS) as usize
    }
}

/// A ring of `N` items, or about as many.
pub(crate) trait Ring {
    const NAME: &'static str;
    /// Whether more than one thread may push.
    const SHARED: bool;
    type Producer<'a>: Push + Send
    where
        Self: 'a;
    type Consumer<'a>: Pop + Send
    where
        Self: 'a;
    fn new() -> Self;
    /// One end to take from, and so many to push to.
    fn ends(&mut self, producers: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>);
}

pub(crate) trait Push {
    /// Whether there was room.
    fn push(&mut self, item: Item) -> bool;

    /// Pushes up to `count` items, which `next` gives, and returns how many. One by one where the ring knows no more.
    fn push_batch(&mut self, count: usize, mut next: impl FnMut(u64) -> Item) -> usize {
        (0..count).take_while(|n| self.push(next(*n as u64))).count()
    }
}

pub(crate) trait Pop {
    fn pop(&mut self) -> Option<Item>;

    /// Takes up to `max` items, and returns how many. One by one where the ring knows no more.
    fn pop_batch(&mut self, max: usize, f: impl FnMut(Item)) -> usize {
        (0..max).map_while(|_| self.pop()).map(f).count()
    }
}

pub(crate) struct Spsc<const N: usize>(Box<spsc::Ring<Item, [Slot<Item>; N]>>);

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

/// A shard of `N` items for each producer.
pub(crate) struct Sharded<const N: usize>(All);

impl<const N: usize> Ring for Sharded<N> {
    const NAME: &'static str = "ringstat sharded";
    const SHARED: bool = true;
    type Producer<'a> = ShardProducer<&'a All, One, Box<[Shard<One>]>, Cells>;
    type Consumer<'a> = ShardConsumer<&'a All, One, Box<[Shard<One>]>, Cells>;

    fn new() -> Self {
        let shard = |_| Shard::new(overwrite::Ring::new(boxed(N)));
        Self(Shards::new((0..2).map(shard).collect(), mpmc::Ring::new(boxed(1))))
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

/// One ring for four levels.
pub(crate) struct Priority<const N: usize>(Ranked);

/// A full one gives up what matters least, and here nothing may be lost: so it is asked first, once in a while.
pub(crate) struct Careful<'a> {
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
            // The place of an item that is just being taken is not free yet.
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

pub(crate) struct Rtrb<const N: usize>;

impl<const N: usize> Ring for Rtrb<N> {
    const NAME: &'static str = "rtrb";
    const SHARED: bool = false;
    type Producer<'a> = rtrb::Producer<Item>;
    type Consumer<'a> = rtrb::Consumer<Item>;

    fn new() -> Self {
        Self
    }

    fn ends(&mut self, _: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let (producer, consumer) = rtrb::RingBuffer::new(N);
        (vec![producer], consumer)
    }
}

impl Push for rtrb::Producer<Item> {
    fn push(&mut self, item: Item) -> bool {
        self.push(item).is_ok()
    }

    fn push_batch(&mut self, count: usize, next: impl FnMut(u64) -> Item) -> usize {
        let room = self.slots().min(count);
        let chunk = self.write_chunk_uninit(room).expect("so many slots");
        chunk.fill_from_iter((0..).map(next))
    }
}

impl Pop for rtrb::Consumer<Item> {
    fn pop(&mut self) -> Option<Item> {
        self.pop().ok()
    }

    fn pop_batch(&mut self, max: usize, f: impl FnMut(Item)) -> usize {
        let there = self.slots().min(max);
        self.read_chunk(there).expect("so many items").into_iter().for_each(f);
        there
    }
}

pub(crate) struct Ringbuf<const N: usize>;

impl<const N: usize> Ring for Ringbuf<N> {
    const NAME: &'static str = "ringbuf";
    const SHARED: bool = false;
    type Producer<'a> = ringbuf::HeapProd<Item>;
    type Consumer<'a> = ringbuf::HeapCons<Item>;

    fn new() -> Self {
        Self
    }

    fn ends(&mut self, _: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let (producer, consumer) = ringbuf::HeapRb::new(N).split();
        (vec![producer], consumer)
    }
}

impl Push for ringbuf::HeapProd<Item> {
    fn push(&mut self, item: Item) -> bool {
        self.try_push(item).is_ok()
    }

    fn push_batch(&mut self, count: usize, next: impl FnMut(u64) -> Item) -> usize {
        self.push_iter((0..count as u64).map(next))
    }
}

impl Pop for ringbuf::HeapCons<Item> {
    fn pop(&mut self) -> Option<Item> {
        self.try_pop()
    }

    fn pop_batch(&mut self, max: usize, f: impl FnMut(Item)) -> usize {
        let mut batch = [Item::default(); super::BATCH];
        let taken = self.pop_slice(&mut batch[..max.min(super::BATCH)]);
        batch[..taken].iter().copied().for_each(f);
        taken
    }
}

/// Holds one item less than it says.
pub(crate) struct HeaplessSpsc<const N: usize>(Box<heapless::spsc::Queue<Item, N>>);

impl<const N: usize> Ring for HeaplessSpsc<N> {
    const NAME: &'static str = "heapless spsc";
    const SHARED: bool = false;
    type Producer<'a> = heapless::spsc::Producer<'a, Item>;
    type Consumer<'a> = heapless::spsc::Consumer<'a, Item>;

    fn new() -> Self {
        Self(Box::default())
    }

    fn ends(&mut self, _: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let (producer, consumer) = self.0.split();
        (vec![producer], consumer)
    }
}

impl Push for heapless::spsc::Producer<'_, Item> {
    fn push(&mut self, item: Item) -> bool {
        self.enqueue(item).is_ok()
    }
}

impl Pop for heapless::spsc::Consumer<'_, Item> {
    fn pop(&mut self) -> Option<Item> {
        self.dequeue()
    }
}

/// A ring that everybody reaches by `&self`, one item at a time.
macro_rules! shared {
    ($(#[$doc:meta])* $name:ident, $label:literal, $queue:ty, $new:expr,
     |$push_to:ident, $item:ident| $push:expr, |$pop_from:ident| $pop:expr) => {
        $(#[$doc])*
        pub(crate) struct $name<const N: usize>($queue);

        impl<const N: usize> Ring for $name<N> {
            const NAME: &'static str = $label;
            const SHARED: bool = true;
            type Producer<'a> = &'a Self;
            type Consumer<'a> = &'a Self;

            fn new() -> Self {
                Self($new)
            }

            fn ends(&mut self, producers: usize) -> (Vec<&Self>, &Self) {
                (vec![&*self; producers], self)
            }
        }

        impl<const N: usize> Push for &$name<N> {
            fn push(&mut self, $item: Item) -> bool {
                let $push_to = &self.0;
                $push
            }
        }

        impl<const N: usize> Pop for &$name<N> {
            fn pop(&mut self) -> Option<Item> {
                let $pop_from = &self.0;
                $pop
            }
        }
    };
}

shared!(
    Mpmc,
    "ringstat mpmc",
    Cells,
    mpmc::Ring::new(boxed(N)),
    |ring, item| ring.push(item).is_ok(),
    |ring| ring.pop()
);
shared!(
    /// Four levels of a quarter each, as the items come in turns.
    PriorityShared,
    "ringstat priority shared",
    priority::Shared<Item, Box<[mpmc::Cell<Item>]>>,
    priority::Shared::new(std::array::from_fn(|_| mpmc::Ring::new(boxed(N / priority::LEVELS)))),
    |ring, item| ring.push(item).is_ok(),
    |ring| ring.pop()
);
shared!(
    Crossbeam,
    "crossbeam ArrayQueue",
    ArrayQueue<Item>,
    ArrayQueue::new(N),
    |queue, item| queue.push(item).is_ok(),
    |queue| queue.pop()
);
shared!(
    Thing,
    "thingbuf",
    ThingBuf<Item>,
    ThingBuf::new(N),
    |queue, item| queue.push(item).is_ok(),
    |queue| queue.pop()
);
shared!(
    /// Deprecated by its authors as not truly lock-free; it needs as many items as a power of two.
    HeaplessMpmc,
    "heapless mpmc",
    Box<heapless::mpmc::Queue<Item, N>>,
    Box::default(),
    |queue, item| queue.enqueue(item).is_ok(),
    |queue| queue.dequeue()
);
shared!(
    /// With the critical section of hosts, which is a mutex.
    Embassy,
    "embassy-sync channel",
    Box<Channel<CriticalSectionRawMutex, Item, N>>,
    Box::new(Channel::new()),
    |channel, item| channel.try_send(item).is_ok(),
    |channel| channel.try_receive().ok()
);
