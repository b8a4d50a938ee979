//! A record on its way into the ring of its thread.

use ringstat_core::ledger::Cause;
use ringstat_core::policy::{Admission, Gate, Throttle};
use ringstat_core::record::{Borrowed, DEFAULT_INLINE, Event, Outcome, Priority};
use ringstat_core::ring::{Full, Pushed, Recording, ShardRing, Vacancy};

use super::Rings;
use super::kinds::{All, End, RankedEnd, RefusingEnd};
use super::thread_shards::{self, ThreadShard, ThreadShards};

impl Rings {
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

    #[cold]
    fn refuse_owned(&self, shard: usize, cause: Cause) -> Outcome {
        self.drops.count_owned(shard, cause);
        Outcome::Dropped(cause)
    }
}
