//! A shard for each recording thread, and what each gave up.
//!
//! A record goes into the shard of its thread, or into the ring that all threads without one share; the worker drains
//! all of them. What a full ring gives up is the policy's choice, and so is the kind of ring ([`kinds`]).

use std::sync::atomic::{AtomicU64, Ordering};

use ringstat_core::ledger::{Cause, Drops};
use ringstat_core::policy::{Admission, Gate, Policy, SharedGate, Throttle};
use ringstat_core::record::{Event, Outcome, Priority};
use ringstat_core::ring::{Fallback, Full, Pushed, boxed, mpmc};

mod counts;
mod kinds;
mod seats;
#[cfg(test)]
mod tests;

use counts::Counts;
pub(crate) use kinds::Consumer;
use kinds::{All, Cells, End};
use seats::{Seat, Seats};

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
    /// Given up at the record call.
    drops: Counts,
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
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            all: All::new(policy, shards, events, shared),
            policy,
            critical: (critical > 0).then(|| mpmc::Ring::new(boxed(critical))),
            shared_gate: SharedGate::new(policy),
            drops: Counts::new(shards),
        }
    }

    /// The worker's end; there is one.
    pub(crate) fn consumer(&self) -> Option<Consumer> {
        self.all.consumer()
    }

    /// The ring of critical events.
    pub(crate) fn critical(&self) -> Option<&mpmc::Ring<Event, Cells>> {
        self.critical.as_ref()
    }

    /// How full each ring is, in events used and capacity: the shards, then the shared one.
    pub(crate) fn fills(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..=self.drops.shards()).map(|index| self.all.fill(index))
    }

    /// How many events wait.
    pub(crate) fn len(&self) -> usize {
        let critical = self.critical.as_ref().map_or(0, mpmc::Ring::len);
        self.fills().map(|(used, _)| used).sum::<usize>() + critical
    }

    /// Memory of the rings at most, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let (shards, cell) = (self.drops.shards(), size_of::<mpmc::Cell<Event>>());
        let events = self.fills().enumerate().map(|(index, (_, capacity))| {
            capacity * if index < shards { self.all.bytes_per_event() } else { cell }
        });
        let critical = self.critical.as_ref().map_or(0, mpmc::Ring::capacity);
        events.sum::<usize>() + critical * cell + self.drops.bytes()
    }

    /// Records given up at the record call, by cause.
    pub(crate) fn drops(&self) -> Drops {
        self.drops.drops()
    }

    /// Counts a record that is given up.
    pub(crate) fn refuse(&self, cause: Cause) -> Outcome {
        self.drops.count_shared(cause);
        Outcome::Dropped(cause)
    }

    /// Takes a shard for the calling thread now, rather than at its first record. Returns whether it has one.
    pub(crate) fn register(&self) -> bool {
        let has_one = |seat: &mut Seat| !matches!(seat.end, End::None { .. });
        seats::with(|seats| self.seat(seats).is_some_and(has_one)).unwrap_or(false)
    }

    /// Puts an event into this thread's shard.
    #[inline]
    pub(crate) fn push(&self, event: Event) -> Outcome {
        if event.priority() == Priority::Critical && self.critical.is_some() {
            return self.push_critical(event);
        }
        seats::with(|seats| match seats.first_mut() {
            Some(seat) if seat.client == self.id => self.push_owned(seat, event),
            _ => self.push_slowly(seats, event),
        })
        // Somebody records while this thread looks at its seats: nothing in here does.
        .unwrap_or_else(|| self.push_shared(event))
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
            if !seats::keeps_one_in(n) {
                return self.refuse(Cause::Throttled);
            }
            event.thin(n);
        }
        self.push(event)
    }

    #[inline]
    fn push_owned(&self, seat: &mut Seat, mut event: Event) -> Outcome {
        let gate = &mut seat.gate;
        match (&mut seat.end, &self.all) {
            (End::Refusing(lease), All::Refusing(all)) => {
                let index = lease.index();
                let Some(mut end) = lease.on(all) else { return self.push_shared(event) };
                if self.policy.gates() {
                    match gate.admit(&mut event, end.capacity(), || end.len()) {
                        Admission::Enter => {}
                        Admission::Refuse(cause) => return self.refuse_owned(index, cause),
                        // Not said to a ring that cannot tell what is of lower priority.
                        Admission::Replace => return self.refuse_owned(index, Cause::Full),
                    }
                }
                match end.push(event) {
                    Ok(()) => Outcome::Recorded,
                    Err(Full(_)) => self.refuse_owned(index, Cause::Full),
                }
            }
            (End::Evicting(lease), All::Evicting(all)) => {
                let index = lease.index();
                let Some(mut end) = lease.on(all) else { return self.push_shared(event) };
                self.settle(index, end.push_evicting(event))
            }
            (End::Ranked(lease), All::Ranked(all)) => {
                let index = lease.index();
                let Some(mut end) = lease.on(all) else { return self.push_shared(event) };
                let pushed = match gate.admit(&mut event, end.capacity(), || end.len()) {
                    Admission::Enter => end.push(event),
                    Admission::Replace => end.push_replacing(event),
                    Admission::Refuse(cause) => return self.refuse_owned(index, cause),
                };
                self.settle(index, pushed)
            }
            (_, _) => self.push_without(seat, event),
        }
    }

    /// Looks for a shard again if one was given back since, and else shares.
    #[cold]
    fn push_without(&self, seat: &mut Seat, event: Event) -> Outcome {
        match seat.end {
            End::None { vacated } if vacated != self.all.vacated() => {
                seat.end = self.find();
                // It has one now, or knows that there is none: this does not come back a third time.
                if matches!(seat.end, End::None { .. }) {
                    return self.push_shared(event);
                }
                self.push_owned(seat, event)
            }
            _ => self.push_shared(event),
        }
    }

    #[inline]
    fn settle(&self, shard: usize, pushed: Result<Pushed<Event>, Full<Event>>) -> Outcome {
        match pushed {
            Ok(Pushed::Stored) => Outcome::Recorded,
            Ok(Pushed::Evicted(_)) => {
                self.drops.count_owned(shard, Cause::Evicted);
                Outcome::RecordedEvicting
            }
            Err(Full(_)) => self.refuse_owned(shard, Cause::Full),
        }
    }

    /// The first record of a thread, or one to another client than the last.
    #[cold]
    fn push_slowly(&self, seats: &mut Seats, event: Event) -> Outcome {
        match self.seat(seats) {
            Some(seat) => self.push_owned(seat, event),
            None => self.push_shared(event),
        }
    }

    /// This thread's seat, made if need be, and put first. `None` if it has too many.
    fn seat<'a>(&self, seats: &'a mut Seats) -> Option<&'a mut Seat> {
        match seats.iter().position(|seat| seat.client == self.id) {
            Some(index) => seats.swap(0, index),
            None => {
                seats::forget_stale(seats);
                let gate = Gate::new(self.policy, self.id as u16);
                let seat = Seat { client: self.id, end: self.find(), gate };
                seats.insert(0, seat).ok()?;
            }
        }
        seats.first_mut()
    }

    /// A shard for this thread, if one is free and will be given back.
    fn find(&self) -> End {
        // Before looking: a shard that is given back meanwhile is looked for again.
        let vacated = self.all.vacated();
        let claimed = if seats::are_given_back() { self.all.claim() } else { None };
        claimed.unwrap_or(End::None { vacated })
    }

    #[cold]
    fn push_shared(&self, event: Event) -> Outcome {
        let refuse = |event| Err(Full(event));
        match &self.all {
            All::Refusing(all) => self.push_into(all.shared(), event, |_, e, _| refuse(e)),
            All::Evicting(all) => self.push_into(all.shared(), event, |_, e, _| refuse(e)),
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
        (0..evicted).for_each(|_| self.drops.count_shared(Cause::Evicted));
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
