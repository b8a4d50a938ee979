//! Rings of ringstat and of other crates behind one trait: items of 64 bytes from producers to a consumer.

mod ours;
mod theirs;

use std::time::Duration;

use ringstat_core::ring::priority;

pub use ours::{Mpmc, Priority, PriorityShared, Sharded, Spsc};
pub use theirs::{Crossbeam, Ringbuf, Rtrb};

use crate::threads::{Patience, pin, together};

/// An item that goes through a ring: 64 bytes, the size of an event.
#[derive(Clone, Copy, Default)]
pub struct Item([u64; 8]);

impl Item {
    /// Creates the `n`th item of a producer. Priorities rotate.
    #[must_use]
    pub fn new(producer: usize, n: u64) -> Self {
        let lane = producer as u64 * LEVELS + n % LEVELS;
        Self([lane, n / LEVELS, n, n, n, n, n, n])
    }

    /// Returns the item's position among those of its producer.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0[2]
    }

    /// Returns the item's lane and its position there: each ring keeps the order of each producer's items of one
    /// priority.
    #[must_use]
    pub fn lane(&self) -> (usize, u64) {
        (self.0[0] as usize, self.0[1])
    }
}

const LEVELS: u64 = priority::LEVELS as u64;

impl priority::Prioritized for Item {
    fn level(&self) -> usize {
        (self.0[0] % LEVELS) as usize
    }
}

/// A ring with a capacity of `N` items, or about that.
pub trait Ring {
    /// The name of the ring in tables.
    const NAME: &'static str;
    /// Whether several threads may push.
    const SHARED: bool;
    /// The end that pushes.
    type Producer<'a>: Push + Send
    where
        Self: 'a;
    /// The end that pops.
    type Consumer<'a>: Pop + Send
    where
        Self: 'a;
    /// Creates an empty ring.
    fn new() -> Self;
    /// Returns this many ends that push, and the one that pops.
    fn ends(&mut self, producers: usize) -> (Vec<Self::Producer<'_>>, Self::Consumer<'_>);
}

/// The end of a ring that pushes.
pub trait Push {
    /// Pushes an item, and returns whether there was room.
    fn push(&mut self, item: Item) -> bool;

    /// Pushes up to `count` items that `next` provides, and returns how many. Pushes one by one unless the ring has
    /// batches.
    fn push_batch(&mut self, count: usize, mut next: impl FnMut(u64) -> Item) -> usize {
        (0..count).take_while(|n| self.push(next(*n as u64))).count()
    }
}

/// The end of a ring that pops.
pub trait Pop {
    /// Pops an item, if there is one.
    fn pop(&mut self) -> Option<Item>;

    /// Pops up to `max` items, and returns how many. Pops one by one unless the ring has batches.
    fn pop_batch(&mut self, max: usize, f: impl FnMut(Item)) -> usize {
        (0..max).map_while(|_| self.pop()).map(f).count()
    }
}

/// How a consumer drains a ring.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The number of items that are popped at a time, and that producers push at a time.
    pub batch: usize,
    /// How long the consumer lets a batch grow, in iterations of a spin loop. A consumer that checks for every single
    /// item fetches the cache lines for every single item.
    pub pause: usize,
    /// The work of a producer and of the consumer between two items, in iterations of a spin loop: whichever works more
    /// is the slower side.
    pub work: [usize; 2],
    /// Whether the threads are pinned to cores, in turn.
    pub pinned: bool,
}

impl Pace {
    /// Both sides do nothing else, and run where the system puts them.
    #[must_use]
    pub const fn of_batches(batch: usize, pause: usize) -> Self {
        Self { batch, pause, work: [0; 2], pinned: false }
    }
}

fn spin(times: usize) {
    (0..times).for_each(|_| std::hint::spin_loop());
}

/// Sends `items` from each of the producers to one consumer, which passes each item to `see`. Returns how long it took.
///
/// # Panics
/// Panics if nothing moves for twenty seconds.
pub fn through<R: Ring>(
    producers: usize,
    items: u64,
    pace: Pace,
    mut see: impl FnMut(Item) + Send,
) -> Duration {
    let mut ring = R::new();
    let (producers, mut consumer) = ring.ends(producers);
    let all = producers.len() as u64 * items;
    let settle = |core| {
        if pace.pinned {
            // Where that is not possible, the threads are wherever the system puts them.
            let _ = pin(core);
        }
    };
    let [producing, consuming] = pace.work;
    let produce = |(number, mut producer): (usize, R::Producer<'_>)| {
        settle(number + 1);
        let mut patience = Patience::default();
        let mut n = 0;
        while n < items {
            let batch = (items - n).min(pace.batch as u64) as usize;
            let pushed = match batch {
                1 => usize::from(producer.push(Item::new(number, n))),
                _ => producer.push_batch(batch, |i| Item::new(number, n + i)),
            };
            n += pushed as u64;
            if pushed == 0 {
                patience.wait();
            } else {
                patience.renew();
                spin(producing);
            }
        }
    };
    let consume = || {
        settle(0);
        let mut patience = Patience::default();
        let mut seen = 0;
        while seen < all {
            let taken = match pace.batch {
                1 => usize::from(consumer.pop().map(&mut see).is_some()),
                batch => consumer.pop_batch(batch, &mut see),
            };
            seen += taken as u64;
            if taken == 0 {
                patience.wait();
            } else {
                patience.renew();
                spin(consuming);
                if taken < pace.batch {
                    spin(pace.pause);
                }
            }
        }
    };
    let mut jobs: Vec<Box<dyn FnOnce() + Send + '_>> = vec![Box::new(consume)];
    for each in producers.into_iter().enumerate() {
        jobs.push(Box::new(|| produce(each)));
    }
    together(jobs).1
}

/// Defines a ring whose operations take `&self`, one item at a time, from its type and how to push and pop.
#[macro_export]
macro_rules! shared_ring {
    ($(#[$doc:meta])* $name:ident, $label:literal, $queue:ty, $new:expr,
     |$push_to:ident, $item:ident| $push:expr, |$pop_from:ident| $pop:expr) => {
        $(#[$doc])*
        pub struct $name<const N: usize>($queue);

        impl<const N: usize> $crate::peers::rings::Ring for $name<N> {
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

        impl<const N: usize> $crate::peers::rings::Push for &$name<N> {
            fn push(&mut self, $item: $crate::peers::rings::Item) -> bool {
                let $push_to = &self.0;
                $push
            }
        }

        impl<const N: usize> $crate::peers::rings::Pop for &$name<N> {
            fn pop(&mut self) -> Option<$crate::peers::rings::Item> {
                let $pop_from = &self.0;
                $pop
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum<R: Ring>(producers: usize, batch: usize) -> u64 {
        let (mut sum, pace) = (0, Pace::of_batches(batch, 0));
        through::<R>(producers, 5000, pace, |item| sum += item.number());
        sum
    }

    #[test]
    fn every_item_comes_through_whichever_side_is_faster_and_wherever_it_runs() {
        for pinned in [false, true] {
            for work in [[0, 0], [20, 0], [0, 20]] {
                let (mut sum, pace) = (0, Pace { work, pinned, ..Pace::of_batches(1, 0) });
                through::<Spsc<64>>(1, 5000, pace, |item| sum += item.number());
                assert_eq!(sum, (0..5000).sum::<u64>(), "{pace:?}");
            }
        }
    }

    #[test]
    fn every_item_comes_through_every_ring() {
        let once = (0..5000).sum::<u64>();
        for batch in [1, 32] {
            assert_eq!(sum::<Spsc<64>>(1, batch), once);
            assert_eq!(sum::<Priority<64>>(1, batch), once);
            assert_eq!(sum::<Rtrb<64>>(1, batch), once);
            assert_eq!(sum::<Ringbuf<64>>(1, batch), once);
            for producers in [1, 2, 4] {
                let all = producers as u64 * once;
                assert_eq!(sum::<Mpmc<64>>(producers, batch), all);
                assert_eq!(sum::<Sharded<64>>(producers, batch), all);
                assert_eq!(sum::<PriorityShared<64>>(producers, batch), all);
                assert_eq!(sum::<Crossbeam<64>>(producers, batch), all);
            }
        }
    }
}
