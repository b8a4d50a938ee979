//! The rings: one for each recording thread, and one that all further threads share.
//!
//! A record goes into the shard of its thread, or into the ring shared by all threads without one; the worker drains
//! all of them. What a full ring gives up, and with it the kind of ring ([`kinds`]), depends on the policy.

use std::sync::atomic::{AtomicU64, Ordering};

use ringstat_core::ledger::{Cause, Drops};
use ringstat_core::policy::{Admission, Gate, Policy, SharedGate, Throttle};
use ringstat_core::record::spill::{self, Area};
use ringstat_core::record::{
    Borrowed, BoxedTagMemory, DEFAULT_INLINE, Event, Outcome, OwnedTagMemory, Priority, Resolve,
    Symbol,
};
use ringstat_core::ring::{
    Fallback, Full, Pushed, Recording, ShardRing, Source, Vacancy, boxed, mpmc,
};

mod counts;
mod kinds;
#[cfg(test)]
mod tests;
mod thread_shards;

use counts::Counts;
pub(crate) use kinds::Consumer;
use kinds::{All, Cells, End, RankedEnd, RefusingEnd};
use thread_shards::{ThreadShard, ThreadShards};

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

    /// Claims a shard for the calling thread now, rather than at its first record. Returns whether it has one.
    pub(crate) fn register(&self) -> bool {
        let has_one = |shard: &mut ThreadShard| !matches!(shard.end, End::None { .. });
        thread_shards::with(|shards| self.shard(shards).is_some_and(has_one)).unwrap_or(false)
    }

    /// Blocks of the memory for long tags: how many are in use, and how many there are.
    pub(crate) fn tag_blocks(&self) -> (usize, usize) {
        let own = (0..self.drops.shards()).filter_map(|shard| self.all.tag_memory(shard));
        let shared = self.shared_tags.iter().map(BoxedTagMemory::area);
        let areas = own.map(OwnedTagMemory::area).chain(shared);
        areas.fold((0, 0), |(used, all), area| (used + area.used(), all + area.capacity()))
    }

    /// Adds an event to this thread's shard.
    #[inline]
    pub(crate) fn push(&self, event: &Event) -> Outcome {
        if event.is_bare() { self.push_bare(event) } else { self.push_here(event, None) }
    }

    /// The same for an event without text and dynamic tags: most go straight from here into a slot.
    #[inline(never)]
    fn push_bare(&self, event: &Event) -> Outcome {
        match self.with_slot(event, |slot| slot.put_bare(event)) {
            Some(()) => Outcome::Recorded,
            None => self.push_here(event, None),
        }
    }

    /// Puts an event into this thread's shard, and its text and tags where they fit.
    #[inline(never)]
    pub(crate) fn push_with(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
        match self.with_slot(event, |slot| slot.put_with(event, strings)) {
            Some(true) => Outcome::Recorded,
            _ => self.push_here(event, Some(strings)),
        }
    }

    /// Shows a slot of this thread's shard to `put`, where there is one without further ado.
    #[inline(always)]
    fn with_slot<T>(&self, event: &Event, put: impl FnOnce(Vacancy<'_>) -> T) -> Option<T> {
        if event.priority() == Priority::Critical {
            return None;
        }
        thread_shards::with(|shards| {
            let (mut refusing, mut evicting);
            let slot = match (&mut shards.first_mut()?.end, &self.all) {
                (End::Refusing(lease), All::Refusing(all)) if !self.policy.gates() => {
                    refusing = lease.on(all)?;
                    refusing.reserve()?
                }
                (End::Evicting(lease), All::Evicting(all)) => {
                    evicting = lease.on(all)?;
                    evicting.reserve()?
                }
                _ => return None,
            };
            Some(put(slot))
        })?
    }

    /// Whatever kind of ring it is, whatever its policy, whatever becomes of it.
    #[inline(never)]
    fn push_here(&self, event: &Event, strings: Option<&Borrowed<'_>>) -> Outcome {
        if event.priority() == Priority::Critical && self.critical.is_some() {
            return match strings {
                None => self.push_critical(event),
                Some(strings) => self.keep_and(event, strings, |event| self.push_critical(event)),
            };
        }
        thread_shards::with(|shards| {
            let pushed =
                shards.first_mut().and_then(|shard| self.push_owned(shard, event, strings));
            pushed.unwrap_or_else(|| self.push_slowly(shards, event, strings))
        })
        // This thread is looking at its shards already: nothing in there records.
        .unwrap_or_else(|| self.push_shared(event, strings))
    }

    /// Puts text and tags of an event into memory that all share, unless they fit its slot, and `push`es it. They are
    /// given back where it is not taken.
    #[cold]
    pub(crate) fn keep_and(
        &self,
        event: &Event,
        strings: &Borrowed<'_>,
        push: impl FnOnce(&Event) -> Outcome,
    ) -> Outcome {
        let write = |strings: &Borrowed<'_>| match &self.shared_tags {
            Some(memory) => memory.area().write(strings),
            None => Err(strings.too_long(DEFAULT_INLINE)),
        };
        let pushed = event.push_with_strings(strings, self, write, push);
        pushed.unwrap_or_else(|cause| self.refuse(cause))
    }

    /// Adds a critical event to a ring where no others delay or displace it.
    #[cold]
    fn push_critical(&self, event: &Event) -> Outcome {
        match &self.critical {
            Some(ring) if ring.try_push(event) => Outcome::Recorded,
            _ => self.refuse(Cause::Full),
        }
    }

    /// Adds an event to this thread's shard, if it is one of those that are kept at this level of throttling.
    #[cold]
    pub(crate) fn push_throttled(&self, event: &Event, level: u8) -> Outcome {
        let mut event = *event;
        let n = Throttle::one_in(level);
        // A record whose rate cannot be raised is kept, so that totals stay right.
        if event.priority() <= Priority::Normal && event.can_thin(n) {
            if !thread_shards::keeps_one_in(n) {
                return self.refuse(Cause::Throttled);
            }
            event.thin(n);
        }
        self.push(&event)
    }

    /// Puts an event into this thread's shard; `None` if that has none of these rings.
    fn push_owned(
        &self,
        own: &mut ThreadShard,
        event: &Event,
        strings: Option<&Borrowed<'_>>,
    ) -> Option<Outcome> {
        Some(match (&mut own.end, &self.all) {
            (End::Refusing(lease), All::Refusing(all)) => {
                let shard = lease.index();
                let mut end = lease.on(all)?;
                self.push_kept(shard, event, strings, &mut end, |event, end| {
                    if self.policy.gates() {
                        self.push_gated(shard, end.ring(), &mut own.gate, *event)
                    } else if end.ring().try_push(event) {
                        Outcome::Recorded
                    } else {
                        self.refuse_owned(shard, Cause::Full)
                    }
                })
            }
            (End::Evicting(lease), All::Evicting(all)) => {
                let shard = lease.index();
                let mut end = lease.on(all)?;
                self.push_kept(shard, event, strings, &mut end, |event, end| {
                    if end.ring().try_push(event) {
                        Outcome::Recorded
                    } else {
                        self.settle(shard, end.ring().push_evicting(*event))
                    }
                })
            }
            (End::Ranked(lease), All::Ranked(all)) => {
                let shard = lease.index();
                let mut end = lease.on(all)?;
                self.push_kept(shard, event, strings, &mut end, |event, end| {
                    self.push_ranked(shard, end.ring(), &mut own.gate, *event)
                })
            }
            _ => return None,
        })
    }

    /// Keeps text and tags, if there are any, and then `push`es. They are given back where the event is not taken.
    fn push_kept<'a, L: ShardRing>(
        &self,
        shard: usize,
        event: &Event,
        strings: Option<&Borrowed<'_>>,
        end: &mut Recording<'a, L>,
        push: impl FnOnce(&Event, &mut Recording<'a, L>) -> Outcome,
    ) -> Outcome {
        let Some(strings) = strings else { return push(event, end) };
        let mut event = *event;
        let kept = event.keep_strings(strings, |strings| match end.owner() {
            Some(mut owner) => owner.write(strings),
            None => Err(strings.too_long(DEFAULT_INLINE)),
        });
        if let Err(cause) = kept {
            return self.refuse_owned(shard, cause);
        }
        let outcome = push(&event, end);
        if !outcome.is_recorded() {
            event.give_back(self);
        }
        outcome
    }

    // The two that follow are for some policies only, and would take registers from the others.

    #[inline(never)]
    fn push_gated(
        &self,
        shard: usize,
        end: &mut RefusingEnd<'_>,
        gate: &mut Gate,
        mut event: Event,
    ) -> Outcome {
        match gate.admit(&mut event, end.capacity(), || end.len()) {
            Admission::Enter if end.try_push(&event) => Outcome::Recorded,
            Admission::Refuse(cause) => self.refuse_owned(shard, cause),
            // A ring without priorities is never told to replace.
            Admission::Enter | Admission::Replace => self.refuse_owned(shard, Cause::Full),
        }
    }

    #[inline(never)]
    fn push_ranked(
        &self,
        shard: usize,
        end: &mut RankedEnd<'_>,
        gate: &mut Gate,
        mut event: Event,
    ) -> Outcome {
        let pushed = match gate.admit(&mut event, end.capacity(), || end.len()) {
            Admission::Enter => end.push(event),
            Admission::Replace => end.push_replacing(event),
            Admission::Refuse(cause) => return self.refuse_owned(shard, cause),
        };
        self.settle(shard, pushed)
    }

    #[inline]
    fn settle(&self, shard: usize, pushed: Result<Pushed<Event>, Full<Event>>) -> Outcome {
        match pushed {
            Ok(Pushed::Stored) => Outcome::Recorded,
            Ok(Pushed::Evicted(oldest)) => {
                oldest.give_back(self);
                self.drops.count_owned(shard, Cause::Evicted);
                Outcome::RecordedEvicting
            }
            Err(Full(_)) => self.refuse_owned(shard, Cause::Full),
        }
    }

    /// The first record of a thread, its first to this client since it recorded to another one, or a record of a thread
    /// without a shard.
    #[cold]
    fn push_slowly(
        &self,
        shards: &mut ThreadShards,
        event: &Event,
        strings: Option<&Borrowed<'_>>,
    ) -> Outcome {
        let pushed = self.shard(shards).and_then(|shard| self.push_owned(shard, event, strings));
        pushed.unwrap_or_else(|| self.push_shared(event, strings))
    }

    /// This thread's shard, which is made if necessary and put first. `None` if the thread has too many.
    fn shard<'a>(&self, shards: &'a mut ThreadShards) -> Option<&'a mut ThreadShard> {
        match shards.iter().position(|shard| shard.client == self.id) {
            Some(index) => shards.swap(0, index),
            None => {
                thread_shards::forget_stale(shards);
                let gate = Gate::new(self.policy, self.id as u16);
                let shard = ThreadShard { client: self.id, end: self.find(), gate };
                shards.insert(0, shard).ok()?;
            }
        }
        let shard = shards.first_mut()?;
        if let End::None { vacated } = shard.end
            && vacated != self.all.vacated()
        {
            shard.end = self.find();
        }
        Some(shard)
    }

    /// Claims a shard for this thread, if one is free and will be given back.
    fn find(&self) -> End {
        // Before looking, so that a shard that is given back meanwhile is looked for again.
        let vacated = self.all.vacated();
        let claimed = if thread_shards::release_on_exit() { self.all.claim() } else { None };
        claimed.unwrap_or(End::None { vacated })
    }

    #[cold]
    fn push_shared(&self, event: &Event, strings: Option<&Borrowed<'_>>) -> Outcome {
        match strings {
            None => self.push_into_shared(event),
            Some(strings) => self.keep_and(event, strings, |event| self.push_into_shared(event)),
        }
    }

    fn push_into_shared(&self, event: &Event) -> Outcome {
        let event = *event;
        let refuse = |event| Err(Full(event));
        match &self.all {
            All::Refusing(all) => self.push_into(all.shared(), event, |_, e, _| refuse(e)),
            All::Evicting(all) => self.push_into(all.shared(), event, |_, e, _| refuse(e)),
            All::Ranked(all) => self.push_into(all.shared(), event, |ring, event, evicted| {
                ring.push_replacing(event, evicted)
            }),
        }
    }

    /// Adds an event to a ring that other threads write to as well; with `replace`, only in place of one of lower
    /// priority.
    fn push_into<F: Fallback<Event>>(
        &self,
        ring: &F,
        mut event: Event,
        replace: impl FnOnce(&F, Event, &mut dyn FnMut(Event)) -> Result<(), Full<Event>>,
    ) -> Outcome {
        let mut evicted = 0_u64;
        let mut count = |oldest: Event| {
            oldest.give_back(self);
            evicted += 1;
        };
        let pushed = match self.shared_gate.admit(&mut event, ring.len(), ring.capacity()) {
            Admission::Refuse(cause) => return self.refuse(cause),
            Admission::Replace => replace(ring, event, &mut count),
            Admission::Enter if self.policy.evicts() => ring.push_evicting(event, &mut count),
            Admission::Enter => ring.push(event),
        };
        self.drops.count_shared(Cause::Evicted, evicted);
        match pushed {
            Ok(()) if evicted > 0 => Outcome::RecordedEvicting,
            Ok(()) => Outcome::Recorded,
            Err(Full(_)) => self.refuse(Cause::Full),
        }
    }

    #[cold]
    fn refuse_owned(&self, shard: usize, cause: Cause) -> Outcome {
        self.drops.count_owned(shard, cause);
        Outcome::Dropped(cause)
    }
}
