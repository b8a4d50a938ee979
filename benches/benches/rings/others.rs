//! Peer rings that only these benches use.

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use ringstat_benches::peers::rings::{Item, Pop, Push, Ring};
use ringstat_benches::shared_ring;
use thingbuf::ThingBuf;

/// One end of another crate's ring.
pub(crate) struct End<T>(T);

/// heapless' ring for one producer and one consumer, which holds one item less than its size.
pub(crate) struct HeaplessSpsc<const N: usize>(Box<heapless::spsc::Queue<Item, N>>);

impl<const N: usize> Ring for HeaplessSpsc<N> {
    const NAME: &'static str = "heapless spsc";
    const SHARED: bool = false;
    type Producer<'a> = End<heapless::spsc::Producer<'a, Item>>;
    type Consumer<'a> = End<heapless::spsc::Consumer<'a, Item>>;

    fn new() -> Self {
        Self(Box::default())
    }

    fn ends(&mut self, _: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>) {
        let (producer, consumer) = self.0.split();
        (vec![End(producer)], End(consumer))
    }
}

impl Push for End<heapless::spsc::Producer<'_, Item>> {
    fn push(&mut self, item: Item) -> bool {
        self.0.enqueue(item).is_ok()
    }
}

impl Pop for End<heapless::spsc::Consumer<'_, Item>> {
    fn pop(&mut self) -> Option<Item> {
        self.0.dequeue()
    }
}

shared_ring!(
    /// The `thingbuf` crate.
    Thing,
    "thingbuf",
    ThingBuf<Item>,
    ThingBuf::new(N),
    |queue, item| queue.push(item).is_ok(),
    |queue| queue.pop()
);
shared_ring!(
    /// heapless' ring for several producers, deprecated by its authors because it is not truly lock-free. Its size must
    /// be a power of two.
    HeaplessMpmc,
    "heapless mpmc",
    Box<heapless::mpmc::Queue<Item, N>>,
    Box::default(),
    |queue, item| queue.enqueue(item).is_ok(),
    |queue| queue.dequeue()
);
shared_ring!(
    /// embassy-sync's channel with the critical section of hosts, which is a mutex.
    Embassy,
    "embassy-sync channel",
    Box<Channel<CriticalSectionRawMutex, Item, N>>,
    Box::new(Channel::new()),
    |channel, item| channel.try_send(item).is_ok(),
    |channel| channel.try_receive().ok()
);
