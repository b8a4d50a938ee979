//! A lane: a ring for a single task, interrupt or core; see [`Stats::lanes`].

use core::fmt;

use super::{AnyRing, LongTags, Stats};
use crate::ledger::Cause;
use crate::record::{Borrowed, Event, NoNames, Outcome, Priority, Recorder, Resolve};
use crate::ring::{Source, percent};

/// Records into the ring of one lane, or into the shared ring when that one is full.
///
/// Made where it is needed by [`Stats::lane`]; it is two pointers in size.
pub struct Lane<'a, const N: usize, const C: usize = 0, M = NoNames> {
    stats: &'a Stats<N, C, M>,
    ring: Option<&'static dyn AnyRing>,
}

impl<'a, const N: usize, const C: usize, M> Lane<'a, N, C, M> {
    pub(super) fn new(stats: &'a Stats<N, C, M>, ring: Option<&'static dyn AnyRing>) -> Self {
        Self { stats, ring }
    }
}

impl<const N: usize, const C: usize, M> Clone for Lane<'_, N, C, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const N: usize, const C: usize, M> Copy for Lane<'_, N, C, M> {}

impl<const N: usize, const C: usize, M> fmt::Debug for Lane<'_, N, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("ring", &self.ring).finish_non_exhaustive()
    }
}

impl<const N: usize, const C: usize, M: LongTags> Recorder for Lane<'_, N, C, M> {
    type Strings<'a>
        = M::Strings<'a>
    where
        Self: 'a;

    fn now(&self) -> u64 {
        self.stats.now()
    }

    fn push(&self, event: &Event) -> Outcome {
        match self.ring {
            Some(ring) if event.priority() != Priority::Critical && ring.push(event) => {
                self.stats.tell_all();
                Outcome::Recorded
            }
            _ => self.stats.push(event),
        }
    }

    #[inline(never)]
    fn push_with(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
        self.stats.push_long(event, strings, |event| self.push(event))
    }

    fn refuse(&self, cause: Cause) -> Outcome {
        self.stats.refuse(cause)
    }
}

/// All rings of events that are not critical, in the order in which the sender drains them: the lanes come first.
pub(super) struct All<'a, const N: usize, const C: usize, M>(pub(super) &'a Stats<N, C, M>);

impl<const N: usize, const C: usize, M: Resolve> Source<Event> for All<'_, N, C, M> {
    fn drain(&mut self, max: usize, mut f: impl FnMut(Event)) -> usize {
        let mut left = max;
        for mut lane in self.0.lanes.iter().copied() {
            left -= lane.drain(left, &mut f);
        }
        left -= (&self.0.ring.0).drain(left, f);
        max - left
    }

    fn len(&self) -> usize {
        self.0.lanes.iter().map(|lane| lane.len()).sum::<usize>() + self.0.ring.0.len()
    }

    fn capacity(&self) -> usize {
        self.0.lanes.iter().map(|lane| lane.capacity()).sum::<usize>() + self.0.ring.0.capacity()
    }

    fn fill(&self) -> u8 {
        let lanes = self.0.lanes.iter().map(|lane| percent(lane.len(), lane.capacity()));
        lanes.fold(percent(self.0.ring.0.len(), N), u8::max)
    }
}
