//! A shard for each recording thread, and what each gave up.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use heapless::Vec;
use ringstat_core::event::Event;
use ringstat_core::ledger::{Cause, Drops};
use ringstat_core::record::Outcome;
use ringstat_core::ring::sharded::{Shard, ShardConsumer, ShardProducer, Sharded};
use ringstat_core::ring::{Full, Pushed, Slot, boxed, mpmc};
use ringstat_core::stats::WhenFull;

type Slots = Box<[Slot<Event>]>;
type Shards = Box<[Shard<Event, Slots>]>;
type Cells = Box<[mpmc::Cell<Event>]>;
type All = Sharded<Event, Slots, Shards, Cells>;
type Producer = ShardProducer<Arc<All>, Event, Slots, Shards, Cells>;

/// The worker's end.
pub(crate) type Consumer = ShardConsumer<Arc<All>, Event, Slots, Shards, Cells>;

/// The rings of one client.
#[derive(Debug)]
pub(crate) struct Rings {
    id: u64,
    all: Arc<All>,
    when_full: WhenFull,
    /// Given up at the record call: a cell for each shard, written by its owner, and a last one that all others share.
    drops: Box<[CachePadded<Cell>]>,
}

#[derive(Debug, Default)]
struct Cell([AtomicU64; Cause::COUNT]);

thread_local! {
    /// The shards that this thread owns, for the clients that it has recorded to; the last used one first.
    static OWNED: RefCell<Vec<Owned, CLIENTS>> = const { RefCell::new(Vec::new()) };
}

/// A thread that records to more clients than this shares the further ones' rings.
const CLIENTS: usize = 4;

/// This thread's end of a client's rings; without a shard where there was none left.
struct Owned {
    client: u64,
    producer: Option<Producer>,
}

impl Rings {
    pub(crate) fn new(shards: usize, events: usize, shared: usize, when_full: WhenFull) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let all = Sharded::new(
            (0..shards.max(1)).map(|_| Shard::new(boxed(events))).collect(),
            boxed(shared),
        );
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            all: Arc::new(all),
            when_full,
            drops: (0..=shards.max(1)).map(|_| CachePadded::default()).collect(),
        }
    }

    /// The worker's end; there is one.
    pub(crate) fn consumer(&self) -> Option<Consumer> {
        Sharded::drain(self.all.clone())
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        self.all.shards().iter().map(Shard::len).sum::<usize>() + self.all.shared().len()
    }

    /// Memory of the rings, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let slots: usize =
            self.all.shards().len() * self.all.shards().first().map_or(0, Shard::capacity);
        slots * size_of::<Event>() + self.all.shared().capacity() * size_of::<mpmc::Cell<Event>>()
    }

    /// Records given up at the record call, by cause.
    pub(crate) fn drops(&self) -> Drops {
        let mut sum = Drops::NONE;
        for cell in &self.drops {
            for (cause, n) in Cause::ALL.into_iter().zip(&cell.0) {
                sum.add(cause, n.load(Ordering::Relaxed));
            }
        }
        sum
    }

    /// Counts a record that is given up.
    pub(crate) fn refuse(&self, cause: Cause) -> Outcome {
        self.count_shared(cause);
        Outcome::Dropped(cause)
    }

    /// Puts an event into this thread's shard.
    #[inline]
    pub(crate) fn push(&self, event: Event) -> Outcome {
        OWNED
            .try_with(|owned| {
                // Nobody else borrows it: nothing in here records.
                let Ok(mut owned) = owned.try_borrow_mut() else { return self.push_shared(event) };
                match owned.first_mut() {
                    Some(Owned { client, producer: Some(producer) }) if *client == self.id => {
                        self.push_owned(producer, event)
                    }
                    _ => self.push_slowly(&mut owned, event),
                }
            })
            // The thread is ending and its shard is already given back.
            .unwrap_or_else(|_| self.push_shared(event))
    }

    #[inline]
    fn push_owned(&self, producer: &mut Producer, event: Event) -> Outcome {
        match producer.get().push(event) {
            Ok(()) => Outcome::Recorded,
            Err(Full(event)) => self.overflow(producer, event),
        }
    }

    #[cold]
    fn overflow(&self, producer: &mut Producer, event: Event) -> Outcome {
        let cell = producer.index();
        if self.when_full == WhenFull::DropNewest {
            self.count_owned(cell, Cause::Full);
            return Outcome::Dropped(Cause::Full);
        }
        match producer.get().push_evicting(event) {
            Ok(Pushed::Stored) => Outcome::Recorded,
            Ok(Pushed::Evicted(_)) => {
                self.count_owned(cell, Cause::Evicted);
                Outcome::RecordedEvicting
            }
            Err(Full(_)) => {
                self.count_owned(cell, Cause::Full);
                Outcome::Dropped(Cause::Full)
            }
        }
    }

    /// The first record of a thread, or one to another client than the last.
    #[cold]
    fn push_slowly(&self, owned: &mut Vec<Owned, CLIENTS>, event: Event) -> Outcome {
        match owned.iter().position(|o| o.client == self.id) {
            Some(index) => owned.swap(0, index),
            None => {
                // Shards of clients that are gone are given back here at the latest.
                owned.retain(|o| {
                    o.producer.as_ref().is_some_and(|p| Arc::strong_count(p.all()) > 1)
                });
                if owned.insert(0, Owned { client: self.id, producer: None }).is_err() {
                    return self.push_shared(event);
                }
            }
        }
        let Some(mine) = owned.first_mut() else { return self.push_shared(event) };
        if mine.producer.is_none() {
            mine.producer = Sharded::claim(self.all.clone());
        }
        match &mut mine.producer {
            Some(producer) => self.push_owned(producer, event),
            None => self.push_shared(event),
        }
    }

    #[cold]
    fn push_shared(&self, event: Event) -> Outcome {
        let shared = self.all.shared();
        let mut evicted = 0;
        let pushed = match self.when_full {
            WhenFull::DropNewest => shared.push(event),
            WhenFull::DropOldest => shared.push_evicting(event, |_| evicted += 1),
        };
        (0..evicted).for_each(|_| self.count_shared(Cause::Evicted));
        match pushed {
            Ok(()) if evicted > 0 => Outcome::RecordedEvicting,
            Ok(()) => Outcome::Recorded,
            Err(Full(_)) => self.refuse(Cause::Full),
        }
    }

    /// Counts in the cell of a shard that the calling thread owns: nobody else writes it.
    #[inline]
    fn count_owned(&self, shard: usize, cause: Cause) {
        let count = &self.drops[shard].0[cause as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn count_shared(&self, cause: Cause) {
        if let Some(cell) = self.drops.last() {
            cell.0[cause as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::event::Kind;
    use ringstat_core::ring::Source;

    fn event(n: u64) -> Event {
        Event::new(Kind::Counter, "n".into(), n.into(), n).unwrap()
    }

    #[test]
    fn threads_own_shards_and_the_rest_share() {
        let rings = Rings::new(2, 8, 8, WhenFull::DropNewest);
        let barrier = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(rings.push(event(1)), Outcome::Recorded);
                    barrier.wait();
                });
            }
        });
        assert_eq!((rings.len(), rings.all.shared().len()), (4, 2));
        let mut consumer = rings.consumer().unwrap();
        assert_eq!(consumer.drain(100, |_| ()), 4);
        // The threads are gone and their shards are free again.
        std::thread::scope(|scope| drop(scope.spawn(|| rings.push(event(2)))));
        assert_eq!((rings.len(), rings.all.shared().len()), (1, 0));
    }

    #[test]
    fn what_a_full_ring_gives_up_is_counted() {
        for (policy, kept, cause) in
            [(WhenFull::DropNewest, 0, Cause::Full), (WhenFull::DropOldest, 4, Cause::Evicted)]
        {
            let rings = Rings::new(1, 8, 8, policy);
            for n in 0..12 {
                rings.push(event(n));
            }
            let mut first = None;
            rings.consumer().unwrap().drain(100, |e| first = first.or(Some(e.time())));
            assert_eq!(first, Some(kept));
            assert_eq!(rings.drops().get(cause), 4);
            assert_eq!(rings.drops().total(), 4);
        }
    }

    #[test]
    fn one_thread_can_record_to_many_clients() {
        let clients: std::vec::Vec<_> =
            (0..5).map(|_| Rings::new(1, 8, 8, WhenFull::DropNewest)).collect();
        for n in 0..6 {
            for rings in &clients {
                assert_eq!(rings.push(event(n)), Outcome::Recorded);
            }
        }
        assert!(clients.iter().all(|rings| rings.len() == 6));
        let shared = clients.iter().filter(|rings| rings.all.shards()[0].is_empty());
        assert_eq!(shared.count(), 1, "the fifth client has no shard on this thread");
    }
}
