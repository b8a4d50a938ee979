//! The rings of other crates.

use crossbeam_queue::ArrayQueue;
use ringbuf::traits::{Consumer as _, Producer as _, Split as _};

use super::{Item, Pop, Push, Ring};
use crate::shared_ring;

/// The `rtrb` crate.
pub struct Rtrb<const N: usize>;

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

/// The number of items popped in one slice.
const BATCH: usize = 32;

/// The `ringbuf` crate.
pub struct Ringbuf<const N: usize>;

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
        let mut batch = [Item::default(); BATCH];
        let taken = self.pop_slice(&mut batch[..max.min(BATCH)]);
        batch[..taken].iter().copied().for_each(f);
        taken
    }
}

shared_ring!(
    /// `ArrayQueue` of the `crossbeam-queue` crate.
    Crossbeam,
    "crossbeam ArrayQueue",
    ArrayQueue<Item>,
    ArrayQueue::new(N),
    |queue, item| queue.push(item).is_ok(),
    |queue| queue.pop()
);
