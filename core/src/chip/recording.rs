//! What a record call does: it puts the event into its ring, counts it where that fails, and wakes the sender's task.

use super::lane::All;
use super::{AnyRing, LongTags, Stats, WOKEN};
use crate::ledger::Cause;
use crate::record::{Borrowed, DEFAULT_INLINE, Event, Outcome, Priority, Recorder, Resolve};
use crate::ring::Source;
use crate::sync::Ordering;

impl<const N: usize, const C: usize, M: LongTags> Recorder for Stats<N, C, M> {
    type Strings<'a>
        = M::Strings<'a>
    where
        Self: 'a;

    fn now(&self) -> u64 {
        self.clock.now()
    }

    fn push(&self, event: &Event) -> Outcome {
        if event.priority() == Priority::Critical
            && let Some(critical) = self.critical
        {
            return self.push_critical(critical, event);
        }
        if !self.ring.0.try_push(event) {
            return self.push_full(event);
        }
        self.tell();
        Outcome::Recorded
    }

    #[inline(never)]
    fn push_with(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
        self.push_long(event, strings, |event| self.push(event))
    }

    fn refuse(&self, cause: Cause) -> Outcome {
        self.give_up(cause)
    }
}

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
    /// Wakes the sender's task if enough events wait.
    fn tell(&self) {
        if let Some((enough, wake)) = self.wake {
            let waiting = self.ring.0.len();
            if waiting >= enough || (waiting == 1 && self.wakes_at_first) {
                self.wake_once(wake);
            }
        }
    }

    /// Wakes the sender's task if enough events wait in all rings together.
    pub(super) fn tell_all(&self) {
        if let Some((enough, wake)) = self.wake {
            let waiting = All(self).len();
            if waiting >= enough || (waiting == 1 && self.wakes_at_first) {
                self.wake_once(wake);
            }
        }
    }

    /// Each wake costs the task a look, so one is enough until it has looked.
    #[inline(never)]
    fn wake_once(&self, wake: fn()) {
        // A change, not a look: whoever changes it later sees what was recorded before, see `feed`.
        if self.woken.fetch_or(WOKEN, Ordering::AcqRel) & WOKEN == 0 {
            wake();
        }
    }

    // The two functions below are called rarely, and inlined they would take registers from code that runs often.

    #[inline]
    pub(super) fn give_up(&self, cause: Cause) -> Outcome {
        self.tally(cause);
        Outcome::Dropped(cause)
    }

    #[inline(never)]
    fn push_critical(&self, critical: &dyn AnyRing, event: &Event) -> Outcome {
        if !critical.push(event) {
            return self.give_up(Cause::Full);
        }
        if let Some((_, wake)) = self.wake {
            wake();
        }
        Outcome::Recorded
    }

    #[inline(never)]
    fn push_full(&self, event: &Event) -> Outcome {
        let mut evicted = false;
        let pushed = self.evict.is_some_and(|evict| {
            evict(self.ring, event, &mut |oldest| {
                oldest.give_back(&self.tag_memory);
                evicted = true;
                self.tally(Cause::Evicted);
            })
        });
        self.tell();
        match pushed {
            true if evicted => Outcome::RecordedEvicting,
            true => Outcome::Recorded,
            false => self.give_up(Cause::Full),
        }
    }

    /// Pushes an event with its strings, which are given back where it is not taken.
    pub(super) fn push_long(
        &self,
        event: &Event,
        strings: &Borrowed<'_>,
        push: impl FnOnce(&Event) -> Outcome,
    ) -> Outcome {
        let write = |strings: &Borrowed<'_>| match self.tag_memory.area(0) {
            Some(area) => area.write(strings),
            None => Err(strings.too_long(DEFAULT_INLINE)),
        };
        let pushed = event.push_with_strings(strings, &self.tag_memory, write, push);
        pushed.unwrap_or_else(|cause| self.give_up(cause))
    }

    pub(super) fn tally(&self, cause: Cause) {
        if let Some(cell) = self.drops.get(cause as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }
}
