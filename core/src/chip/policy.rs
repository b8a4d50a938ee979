//! A ring for the policies that need more than a plain one: by priority, sampled, graded.

use core::fmt;

use super::ring::Reserve;
use super::{AnyRing, LongTags, Stats};
use crate::ledger::Cause;
use crate::policy::{Admission, Policy, SharedGate};
use crate::record::{Borrowed, Event, Outcome, Priority, Recorder, Resolve};
use crate::ring::{Fallback, mpmc, priority};

/// Room for `N` events of each priority, with any [`Policy`]. It is one of the [lanes](Stats::lanes), and
/// [`Stats::by_policy`] records into it; a program without one does not contain the code.
///
/// Each priority has a ring of its own, so that none takes another's room. High ones are sent first, and every 16th
/// event is of a lower priority. How full it is means how full the fullest of the rings is, and what is given up for a
/// new event is the oldest one of its own or of a lower priority.
///
/// ```
/// use ringstat_core::chip::PolicyRing;
/// use ringstat_core::prelude::*;
/// # fn micros() -> u64 { 0 }
///
/// static GRADED: PolicyRing<16> = PolicyRing::new(Policy::Graded(10));
/// static STATS: Stats<8> =
///     Stats::new(event_ring!(8), Clock::micros(micros)).lanes(&[&GRADED]);
///
/// STATS.by_policy(&GRADED).level("radio.rssi", -61i32).priority(Priority::Low).record();
/// # assert_eq!(STATS.waiting(), 1);
/// ```
#[derive(Debug)]
pub struct PolicyRing<const N: usize> {
    policy: Policy,
    gate: SharedGate,
    rings: priority::Shared<Event, [mpmc::Cell<Event>; N]>,
}

impl<const N: usize> PolicyRing<N> {
    /// Creates an empty ring, for the initializer of a static.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        let rings = [const { mpmc::Ring::new([const { mpmc::Cell::new() }; N]) }; priority::LEVELS];
        Self { policy, gate: SharedGate::new(policy), rings: priority::Shared::new(rings) }
    }
}

impl<const N: usize> AnyRing for PolicyRing<N> {}

impl<const N: usize> Reserve for PolicyRing<N> {
    fn push(&self, event: &Event) -> bool {
        self.rings.push(*event).is_ok()
    }
    fn pop(&self) -> Option<Event> {
        self.rings.pop()
    }
    fn len(&self) -> usize {
        self.rings.len()
    }
    fn capacity(&self) -> usize {
        N * priority::LEVELS
    }
}

/// Records into a [`PolicyRing`]; made where it is needed by [`Stats::by_policy`].
pub struct ByPolicy<'a, const N: usize, const C: usize, M, const R: usize> {
    stats: &'a Stats<N, C, M>,
    ring: &'static PolicyRing<R>,
}

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
    /// Returns a recorder that records by the policy of `ring`, which has to be one of the [lanes](Self::lanes):
    /// otherwise nothing is ever sent from it. Critical events go to their own ring, if there is one.
    #[inline]
    #[must_use]
    pub fn by_policy<const R: usize>(
        &self,
        ring: &'static PolicyRing<R>,
    ) -> ByPolicy<'_, N, C, M, R> {
        ByPolicy { stats: self, ring }
    }
}

impl<const N: usize, const C: usize, M, const R: usize> Clone for ByPolicy<'_, N, C, M, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const N: usize, const C: usize, M, const R: usize> Copy for ByPolicy<'_, N, C, M, R> {}

impl<const N: usize, const C: usize, M, const R: usize> fmt::Debug for ByPolicy<'_, N, C, M, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByPolicy").field("ring", self.ring).finish_non_exhaustive()
    }
}

impl<const N: usize, const C: usize, M: LongTags, const R: usize> Recorder
    for ByPolicy<'_, N, C, M, R>
{
    type Strings<'a>
        = M::Strings<'a>
    where
        Self: 'a;

    fn now(&self) -> u64 {
        self.stats.now()
    }

    fn push(&self, event: &Event) -> Outcome {
        if event.priority() == Priority::Critical && self.stats.critical.is_some() {
            return self.stats.push(event);
        }
        let mut event = *event;
        let PolicyRing { policy, gate, rings } = self.ring;
        let mut evicted = false;
        let evict = |oldest: Event| {
            oldest.give_back(&self.stats.tag_memory);
            self.stats.tally(Cause::Evicted);
            evicted = true;
        };
        let pushed = match gate.admit(&mut event, rings.fullest(), R) {
            Admission::Enter if policy.evicts() => rings.push_evicting(event, evict).is_ok(),
            Admission::Enter => rings.push(event).is_ok(),
            Admission::Replace => rings.push_replacing(event, evict).is_ok(),
            Admission::Refuse(cause) => return self.stats.give_up(cause),
        };
        self.stats.tell_all();
        match pushed {
            true if evicted => Outcome::RecordedEvicting,
            true => Outcome::Recorded,
            false => self.stats.give_up(Cause::Full),
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::chip::{Clock, EventRing};
    use crate::ledger::Drops;
    use crate::send::{Epoch, Identity, Step, Time};
    use crate::wire::Decoder;
    use crate::wire::decode::Body;
    use Priority::{High, Low, Normal};
    use alloc::boxed::Box;

    const ROOM: u32 = 20;

    /// What was recorded, and arrived, of each priority; sampled events count as what they stand for.
    fn run(policy: Policy, events: u32, pattern: &[Priority]) -> ([u64; 4], [u64; 4], Drops) {
        let ring: &'static PolicyRing<{ ROOM as usize }> =
            Box::leak(Box::new(PolicyRing::new(policy)));
        let lanes: &'static [&'static dyn AnyRing] = Box::leak(Box::new([ring as &dyn AnyRing]));
        let shared: &'static EventRing<4> = Box::leak(Box::default());
        let stats: Stats<4> = Stats::new(shared, Clock::millis(|| 0)).lanes(lanes);
        let mut recorded = [0; 4];
        for n in 0..events {
            let priority = pattern[n as usize % pattern.len()];
            recorded[priority as usize] += 1;
            stats.by_policy(ring).count("events", 1u8).priority(priority).record();
        }
        let mut sender = stats.sender(Identity::new(1, Epoch::stored(1)), &stats.config());
        let mut decoder: Box<Decoder> = Box::default();
        let mut arrived = [0; 4];
        let mut buf = [0; 1472];
        sender.flush();
        while let Step::Send(packed) = stats.poll(&mut sender, Time::default(), &mut buf) {
            let mut open = decoder.open(&buf[..packed.len]).unwrap();
            while let Some(record) = open.next() {
                let Body::Event(event) = record.unwrap().body else { continue };
                arrived[event.priority as usize] += u64::from(event.rate);
            }
            sender.sent(packed);
        }
        let ledger = stats.ledger(&sender);
        assert!(ledger.closes() && ledger.in_flight == 0, "{ledger:?}");
        assert_eq!(ledger.recorded, u64::from(events));
        (recorded, arrived, ledger.dropped)
    }

    #[test]
    fn by_priority_each_level_keeps_its_newest() {
        let (_, arrived, dropped) = run(Policy::ByPriority, 300, &[Low, Normal, High]);
        assert_eq!(arrived, [20, 20, 20, 0]);
        assert_eq!((dropped.get(Cause::Evicted), dropped.total()), (240, 240));
    }

    #[test]
    fn sampled_events_stand_for_the_others() {
        // Fifteen enter before the ring is three quarters full, then one in four.
        let (recorded, arrived, dropped) = run(Policy::Sampled(4), 35, &[Normal]);
        assert_eq!((recorded[1], arrived[1]), (35, 35), "scaled up");
        assert_eq!((dropped.get(Cause::Sampled), dropped.total()), (15, 15));
        let (_, _, dropped) = run(Policy::Sampled(4), 200, &[Normal]);
        assert!(dropped.get(Cause::Full) > 0, "then the new ones are refused");
    }

    #[test]
    fn graded_gives_up_the_low_ones_first() {
        let (_, arrived, dropped) = run(Policy::Graded(10), 25, &[High]);
        assert_eq!((arrived[2], dropped.get(Cause::Evicted)), (20, 5));
        // While high ones fill their ring, low ones are not let in.
        let pattern = [High, High, High, Low];
        let (recorded, arrived, dropped) = run(Policy::Graded(10), 40, &pattern);
        assert_eq!((recorded[2], arrived[2]), (30, 20));
        assert!(arrived[0] < recorded[0] && dropped.get(Cause::Full) > 0, "{arrived:?}");
    }
}
