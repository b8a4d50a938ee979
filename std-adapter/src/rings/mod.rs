//! A shard for each recording thread, and what each gave up.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;
use heapless::Vec;
use ringstat_core::ledger::{Cause, Drops};
use ringstat_core::policy::{Admission, Gate, Policy, Sampler, SharedGate, Throttle};
use ringstat_core::record::{Event, Outcome, Priority};
use ringstat_core::ring::sharded::{Shard, ShardConsumer, ShardProducer, Sharded};
use ringstat_core::ring::{Fallback, Full, Pushed, Slot, Source, boxed, mpmc, overwrite, priority};

type Cells = Box<[mpmc::Cell<Event>]>;
type Plain = overwrite::Ring<Event, Box<[Slot<Event>]>>;
type Ranked = priority::BoxedRing<Event>;
type PlainShards = Box<[Shard<Plain>]>;
type RankedShards = Box<[Shard<Ranked>]>;
type PlainShared = mpmc::Ring<Event, Cells>;
type RankedShared = priority::Shared<Event, Cells>;

/// The rings, of the kind that the policy needs.
#[derive(Clone, Debug)]
enum All {
    Plain(Arc<Sharded<Plain, PlainShards, PlainShared>>),
    Ranked(Arc<Sharded<Ranked, RankedShards, RankedShared>>),
}

type Producer<L, S, F> = ShardProducer<Arc<Sharded<L, S, F>>, L, S, F>;

/// A thread's end of its shard.
enum End {
    Plain(Producer<Plain, PlainShards, PlainShared>),
    Ranked(Producer<Ranked, RankedShards, RankedShared>),
}

/// The worker's end.
pub(crate) enum Consumer {
    Plain(
        ShardConsumer<
            Arc<Sharded<Plain, PlainShards, PlainShared>>,
            Plain,
            PlainShards,
            PlainShared,
        >,
    ),
    Ranked(
        ShardConsumer<
            Arc<Sharded<Ranked, RankedShards, RankedShared>>,
            Ranked,
            RankedShards,
            RankedShared,
        >,
    ),
}

impl Source<Event> for Consumer {
    fn drain(&mut self, max: usize, f: impl FnMut(Event)) -> usize {
        match self {
            Self::Plain(end) => end.drain(max, f),
            Self::Ranked(end) => end.drain(max, f),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(end) => end.len(),
            Self::Ranked(end) => end.len(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Plain(end) => end.capacity(),
            Self::Ranked(end) => end.capacity(),
        }
    }
}

/// The rings of one client.
#[derive(Debug)]
pub(crate) struct Rings {
    id: u64,
    all: All,
    policy: Policy,
    /// For critical events, where they are kept until they are acknowledged.
    critical: Option<mpmc::Ring<Event, Cells>>,
    /// For who has no shard.
    shared_gate: SharedGate,
    /// Given up at the record call: counts for each shard, written by its owner, and last those that all others share.
    drops: Box<[CachePadded<Counts>]>,
    /// Gone when the client is.
    alive: Arc<()>,
}

#[derive(Debug, Default)]
struct Counts([AtomicU64; Cause::COUNT]);

thread_local! {
    /// The shards that this thread owns, for the clients that it has recorded to; the last used one first.
    static OWNED: RefCell<Vec<Owned, CLIENTS>> = const { RefCell::new(Vec::new()) };
    /// Which records this thread keeps while a client is throttled.
    static THROTTLED: Cell<Sampler> = const { Cell::new(Sampler::new(1)) };
}

/// A thread that records to more clients than this shares the further ones' rings.
const CLIENTS: usize = 4;

/// This thread's end of a client's rings; without a shard where there was none left.
struct Owned {
    client: u64,
    alive: Weak<()>,
    end: Option<End>,
    gate: Gate,
}

impl Rings {
    /// `shards` rings for `events` each, one for `shared`, and one for `critical` critical events if that is not 0.
    pub(crate) fn new(
        shards: usize,
        events: usize,
        shared: usize,
        policy: Policy,
        critical: usize,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let shards = shards.max(1);
        let all = if policy.ranks() {
            All::Ranked(Arc::new(Sharded::new(
                (0..shards).map(|_| Shard::new(Ranked::boxed(events))).collect(),
                RankedShared::new(std::array::from_fn(|_| mpmc::Ring::new(boxed(shared)))),
            )))
        } else {
            All::Plain(Arc::new(Sharded::new(
                (0..shards).map(|_| Shard::new(Plain::new(boxed(events)))).collect(),
                PlainShared::new(boxed(shared)),
            )))
        };
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            all,
            policy,
            critical: (critical > 0).then(|| mpmc::Ring::new(boxed(critical))),
            shared_gate: SharedGate::new(policy),
            drops: (0..=shards).map(|_| CachePadded::default()).collect(),
            alive: Arc::default(),
        }
    }

    /// The worker's end; there is one.
    pub(crate) fn consumer(&self) -> Option<Consumer> {
        match &self.all {
            All::Plain(all) => Sharded::drain(all.clone()).map(Consumer::Plain),
            All::Ranked(all) => Sharded::drain(all.clone()).map(Consumer::Ranked),
        }
    }

    /// The ring of critical events.
    pub(crate) fn critical(&self) -> Option<&mpmc::Ring<Event, Cells>> {
        self.critical.as_ref()
    }

    /// How full each ring is, in events used and capacity: the shards, then the shared one.
    pub(crate) fn fills(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let shards = self.drops.len() - 1;
        (0..=shards).map(move |index| match &self.all {
            All::Plain(all) => match all.shards().get(index) {
                Some(shard) => (shard.len(), shard.capacity()),
                None => (all.shared().len(), all.shared().capacity()),
            },
            All::Ranked(all) => match all.shards().get(index) {
                Some(shard) => (shard.len(), shard.capacity()),
                None => (all.shared().len(), all.shared().capacity()),
            },
        })
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        let critical = self.critical.as_ref().map_or(0, mpmc::Ring::len);
        self.fills().map(|(used, _)| used).sum::<usize>() + critical
    }

    /// Memory of the rings at most, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let shards = self.drops.len() - 1;
        // A ranked slot has a number in the ring of each level and in that of the free places.
        let slot = match self.all {
            All::Plain(_) => size_of::<Event>(),
            All::Ranked(_) => size_of::<Event>() + (priority::LEVELS + 1) * size_of::<u32>(),
        };
        let counts = self.drops.len() * size_of::<CachePadded<Counts>>();
        let events = self.fills().enumerate().map(|(index, (_, capacity))| {
            capacity * if index < shards { slot } else { size_of::<mpmc::Cell<Event>>() }
        });
        let critical = self.critical.as_ref().map_or(0, mpmc::Ring::capacity);
        events.sum::<usize>() + critical * size_of::<mpmc::Cell<Event>>() + counts
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
        if event.priority() == Priority::Critical && self.critical.is_some() {
            return self.push_critical(event);
        }
        OWNED
            .try_with(|owned| {
                // Nobody else borrows it: nothing in here records.
                let Ok(mut owned) = owned.try_borrow_mut() else { return self.push_shared(event) };
                match owned.first_mut() {
                    Some(mine) if mine.client == self.id => self.push_owned(mine, event),
                    _ => self.push_slowly(&mut owned, event),
                }
            })
            // The thread is ending and its shard is already given back.
            .unwrap_or_else(|_| self.push_shared(event))
    }

    /// Puts an event where no other can delay it or crowd it out.
    #[cold]
    fn push_critical(&self, event: Event) -> Outcome {
        match self.critical.as_ref().map(|ring| ring.push(event)) {
            Some(Ok(())) => Outcome::Recorded,
            _ => self.refuse(Cause::Full),
        }
    }

    /// Puts an event into this thread's shard, if it is one of those that are kept at this level of throttling.
    #[cold]
    pub(crate) fn push_throttled(&self, mut event: Event, level: u8) -> Outcome {
        let n = Throttle::one_in(level);
        // What cannot say that it stands for more is kept: totals stay right.
        if event.priority() <= Priority::Normal && event.can_thin(n) {
            let mut sampler = THROTTLED.get();
            let keep = sampler.take(n);
            THROTTLED.set(sampler);
            if !keep {
                return self.refuse(Cause::Throttled);
            }
            event.thin(n);
        }
        self.push(event)
    }

    #[inline]
    fn push_owned(&self, mine: &mut Owned, mut event: Event) -> Outcome {
        match &mut mine.end {
            Some(End::Plain(end)) => {
                if self.policy.gates() {
                    let capacity = end.capacity();
                    match mine.gate.admit(&mut event, capacity, || end.get().len()) {
                        Admission::Enter => {}
                        Admission::Refuse(cause) => return self.refuse_owned(end.index(), cause),
                        // Not said to a plain ring: it cannot tell what is of lower priority.
                        Admission::Replace => return self.refuse_owned(end.index(), Cause::Full),
                    }
                }
                match end.get().push(event) {
                    Ok(()) => Outcome::Recorded,
                    Err(Full(event)) => self.overflow(end, event),
                }
            }
            Some(End::Ranked(end)) => {
                let capacity = end.capacity();
                let pushed = match mine.gate.admit(&mut event, capacity, || end.get().len()) {
                    Admission::Enter => end.get().push(event),
                    Admission::Replace => end.get().push_replacing(event),
                    Admission::Refuse(cause) => return self.refuse_owned(end.index(), cause),
                };
                self.settle(end.index(), pushed)
            }
            None => self.push_shared(event),
        }
    }

    #[cold]
    fn overflow(
        &self,
        end: &mut Producer<Plain, PlainShards, PlainShared>,
        event: Event,
    ) -> Outcome {
        if !self.policy.evicts() {
            return self.refuse_owned(end.index(), Cause::Full);
        }
        let pushed = end.get().push_evicting(event);
        self.settle(end.index(), pushed)
    }

    #[inline]
    fn settle(&self, shard: usize, pushed: Result<Pushed<Event>, Full<Event>>) -> Outcome {
        match pushed {
            Ok(Pushed::Stored) => Outcome::Recorded,
            Ok(Pushed::Evicted(_)) => {
                self.count_owned(shard, Cause::Evicted);
                Outcome::RecordedEvicting
            }
            Err(Full(_)) => self.refuse_owned(shard, Cause::Full),
        }
    }

    /// The first record of a thread, or one to another client than the last.
    #[cold]
    fn push_slowly(&self, owned: &mut Vec<Owned, CLIENTS>, event: Event) -> Outcome {
        match owned.iter().position(|o| o.client == self.id) {
            Some(index) => owned.swap(0, index),
            None => {
                // Shards of clients that are gone are given back here at the latest.
                owned.retain(|o| o.alive.strong_count() > 0);
                let mine = Owned {
                    client: self.id,
                    alive: Arc::downgrade(&self.alive),
                    end: None,
                    gate: Gate::new(self.policy, self.id as u16),
                };
                if owned.insert(0, mine).is_err() {
                    return self.push_shared(event);
                }
            }
        }
        let Some(mine) = owned.first_mut() else { return self.push_shared(event) };
        if mine.end.is_none() {
            mine.end = self.claim();
        }
        self.push_owned(mine, event)
    }

    fn claim(&self) -> Option<End> {
        match &self.all {
            All::Plain(all) => Sharded::claim(all.clone()).map(End::Plain),
            All::Ranked(all) => Sharded::claim(all.clone()).map(End::Ranked),
        }
    }

    #[cold]
    fn push_shared(&self, event: Event) -> Outcome {
        match &self.all {
            All::Plain(all) => self.push_into(all.shared(), event, |_, event, _| Err(Full(event))),
            All::Ranked(all) => self.push_into(all.shared(), event, |ring, event, evicted| {
                ring.push_replacing(event, evicted)
            }),
        }
    }

    /// Puts an event into a ring that others write to; `replace` where it may come in only in place of a lower one.
    fn push_into<F: Fallback<Event>>(
        &self,
        ring: &F,
        mut event: Event,
        replace: impl FnOnce(&F, Event, &mut dyn FnMut(Event)) -> Result<(), Full<Event>>,
    ) -> Outcome {
        let mut evicted = 0;
        let mut count = |_| evicted += 1;
        let pushed = match self.shared_gate.admit(&mut event, ring.len(), ring.capacity()) {
            Admission::Refuse(cause) => return self.refuse(cause),
            Admission::Replace => replace(ring, event, &mut count),
            Admission::Enter if self.policy.evicts() => ring.push_evicting(event, &mut count),
            Admission::Enter => ring.push(event),
        };
        (0..evicted).for_each(|_| self.count_shared(Cause::Evicted));
        match pushed {
            Ok(()) if evicted > 0 => Outcome::RecordedEvicting,
            Ok(()) => Outcome::Recorded,
            Err(Full(_)) => self.refuse(Cause::Full),
        }
    }

    #[cold]
    fn refuse_owned(&self, shard: usize, cause: Cause) -> Outcome {
        self.count_owned(shard, cause);
        Outcome::Dropped(cause)
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
mod tests;
