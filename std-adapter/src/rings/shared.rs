//! The ring of those threads that have none of their own.

use ringstat_core::ledger::Cause;
use ringstat_core::policy::Admission;
use ringstat_core::record::{Borrowed, DEFAULT_INLINE, Event, Outcome};
use ringstat_core::ring::{Fallback, Full};

use super::Rings;
use super::kinds::All;

impl Rings {
    #[cold]
    pub(super) fn push_shared(&self, event: &Event, strings: Option<&Borrowed<'_>>) -> Outcome {
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
}
