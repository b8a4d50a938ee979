//! Admission by fill level: whether a record may enter, depending on how full the ring is.

use super::{Policy, Sampler};
use crate::ledger::Cause;
use crate::record::{Event, Priority};
use crate::sync::{AtomicU8, AtomicU32, Ordering, const_fn, mutant};

/// How far admission to a ring is degraded. A level begins at one fill and ends at a lower one, so that a ring that
/// hovers around a boundary does not flicker between levels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[repr(u8)]
pub enum Level {
    /// Every record may enter.
    #[default]
    All = 0,
    /// From 75 % full until below 65 %, some records are sampled.
    Sampling = 1,
    /// From 90 % full until below 80 %, only records that matter may enter.
    Shedding = 2,
}

impl Level {
    /// The level that follows this one in a ring that holds `used` of `capacity`. Takes constant time.
    #[inline]
    #[must_use]
    pub const fn next(self, used: usize, capacity: usize) -> Self {
        let sampling = if self as u8 >= Self::Sampling as u8 { 65 } else { 75 };
        let shedding = if self as u8 >= Self::Shedding as u8 { 80 } else { 90 };
        if used >= share(capacity, shedding) {
            Self::Shedding
        } else if used >= share(capacity, sampling) {
            Self::Sampling
        } else {
            Self::All
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::All,
            1 => Self::Sampling,
            _ => Self::Shedding,
        }
    }
}

/// `percent` of `capacity`, rounded up, and at least one. Divides only by a constant.
const fn share(capacity: usize, percent: usize) -> usize {
    let share = capacity / 100 * percent + (capacity % 100 * percent).div_ceil(100);
    if share == 0 { 1 } else { share }
}

/// A gate's answer to a record that is about to enter the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// The record may enter. If it was sampled, its rate now says so.
    Enter,
    /// The record may enter only in place of one of lower priority.
    Replace,
    /// The record is given up for this cause.
    Refuse(Cause),
}

/// The answer of `policy` to `event` at `level`.
#[inline]
fn judge<const INLINE: usize>(
    policy: Policy,
    level: Level,
    event: &Event<INLINE>,
    sampler: &mut Sampler,
) -> Admission {
    use Priority::{Critical, High, Low, Normal};
    let sampled = match policy {
        Policy::DropNewest | Policy::DropOldest | Policy::ByPriority => false,
        Policy::Sampled(_) => match event.priority() {
            Low | Normal | High => level > Level::All,
            Critical => false,
        },
        Policy::Graded(_) => match (level, event.priority()) {
            (Level::Sampling, Low) => true,
            (Level::Shedding, Low) => return Admission::Refuse(Cause::Full),
            (Level::Shedding, Normal) => return Admission::Replace,
            (Level::All, Low | Normal)
            | (Level::Sampling, Normal)
            | (Level::All | Level::Sampling | Level::Shedding, High | Critical) => false,
        },
    };
    // A record whose rate cannot be raised is always kept, so that totals stay right.
    if sampled && event.can_thin(policy.one_in()) && !sampler.take(policy.one_in()) {
        return Admission::Refuse(Cause::Sampled);
    }
    Admission::Enter
}

/// Raises the rate of an event that was kept when others were sampled out.
#[inline]
fn mark<const INLINE: usize>(
    policy: Policy,
    before: Sampler,
    after: Sampler,
    event: &mut Event<INLINE>,
    admission: Admission,
) -> Admission {
    if admission == Admission::Enter && before != after {
        event.thin(policy.one_in());
    }
    admission
}

/// The gate in front of one producer's ring.
///
/// ```
/// use ringstat_core::ledger::Cause;
/// use ringstat_core::policy::{Admission, Gate, Policy};
/// use ringstat_core::record::{Event, Kind, Priority};
///
/// let mut gate = Gate::new(Policy::Graded(10), 1);
/// let mut event: Event = Event::new(Kind::Counter, "cache.miss".into(), 1u8.into(), 0).unwrap();
/// event.set_priority(Priority::Low);
/// assert_eq!(gate.admit(&mut event, 100, || 10), Admission::Enter);
/// let mut full = Gate::new(Policy::Graded(10), 1);
/// assert_eq!(full.admit(&mut event, 100, || 95), Admission::Refuse(Cause::Full));
/// ```
#[derive(Clone, Debug)]
pub struct Gate {
    policy: Policy,
    level: Level,
    sampler: Sampler,
    /// How many more records may enter before the fill can have reached the next level; until then it is not examined.
    slack: usize,
}

impl Gate {
    /// Creates an open gate; `seed` decides which records are sampled.
    #[must_use]
    pub const fn new(policy: Policy, seed: u16) -> Self {
        Self { policy, level: Level::All, sampler: Sampler::new(seed), slack: 0 }
    }

    /// Decides whether an event may enter a ring of `capacity`, of which `used` returns how much is in use. Takes
    /// constant time; well below the first level it does not call `used`.
    #[inline]
    pub fn admit<const INLINE: usize>(
        &mut self,
        event: &mut Event<INLINE>,
        capacity: usize,
        used: impl FnOnce() -> usize,
    ) -> Admission {
        if self.slack > 0 {
            self.slack -= 1;
            return Admission::Enter;
        }
        self.look(event, capacity, used())
    }

    #[cold]
    fn look<const INLINE: usize>(
        &mut self,
        event: &mut Event<INLINE>,
        capacity: usize,
        used: usize,
    ) -> Admission {
        if !self.policy.gates() {
            self.slack = usize::MAX;
            return Admission::Enter;
        }
        self.level = self.level.next(used, capacity);
        if self.level == Level::All {
            self.slack = share(capacity, 75).saturating_sub(used + 1);
        }
        let before = self.sampler;
        let admission = judge(self.policy, self.level, event, &mut self.sampler);
        mark(self.policy, before, self.sampler, event, admission)
    }

    /// How far the ring was degraded when the last record arrived.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

/// The gate in front of a ring shared by several producers. Lock-free.
#[derive(Debug)]
pub struct SharedGate {
    policy: Policy,
    level: AtomicU8,
    sampler: AtomicU32,
}

impl SharedGate {
    const_fn! {
        /// Creates an open gate.
        #[must_use]
        pub const fn new(policy: Policy) -> Self {
            Self {
                policy,
                level: AtomicU8::new(Level::All as u8),
                sampler: AtomicU32::new(Sampler::new(1).bits()),
            }
        }
    }

    /// Decides whether an event may enter, as [`Gate::admit`] does.
    #[inline]
    pub fn admit<const INLINE: usize>(
        &self,
        event: &mut Event<INLINE>,
        used: usize,
        capacity: usize,
    ) -> Admission {
        if !self.policy.gates() {
            return Admission::Enter;
        }
        // Relaxed: the level follows the fill and orders nothing. If one producer overwrites another's level, the next
        // record corrects it.
        let level = Level::from_code(self.level.load(Ordering::Relaxed)).next(used, capacity);
        self.level.store(level as u8, Ordering::Relaxed);
        if level == Level::All {
            return Admission::Enter;
        }
        let mut bits = self.sampler.load(Ordering::Relaxed);
        loop {
            let before = Sampler::from_bits(bits);
            let mut sampler = before;
            let admission = judge(self.policy, level, event, &mut sampler);
            if sampler == before {
                return admission;
            }
            if mutant("gate_deal") {
                self.sampler.store(sampler.bits(), Ordering::Relaxed);
                return mark(self.policy, before, sampler, event, admission);
            }
            // Each position of a block is handed out once, so all producers together keep exactly one in N.
            match self.sampler.compare_exchange_weak(
                bits,
                sampler.bits(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return mark(self.policy, before, sampler, event, admission),
                Err(now) => bits = now,
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::record::Kind;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn gate_takes_exactly_one_in_n_of_all_producers() {
        loom::model(|| {
            let gate = Arc::new(SharedGate::new(Policy::Sampled(2)));
            let admit = |gate: &SharedGate| {
                let mut event: Event =
                    Event::new(Kind::Counter, "n".into(), 1u8.into(), 0).unwrap();
                (gate.admit(&mut event, 80, 100) == Admission::Enter) as u32
            };
            let parties = [gate.clone(), gate.clone()]
                .map(|gate| thread::spawn(move || (0..2).map(|_| admit(&gate)).sum::<u32>()));
            let taken: u32 = parties.into_iter().map(|party| party.join().unwrap()).sum();
            assert_eq!(taken, 2, "of four");
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::Kind;

    #[test]
    fn levels_have_hysteresis() {
        let mut level = Level::All;
        let mut at = |used| {
            level = level.next(used, 200);
            level as u8
        };
        let path = [149, 150, 140, 130, 129, 149, 180, 179, 160, 159, 130, 129, 200, 0];
        assert_eq!(path.map(&mut at), [0, 1, 1, 1, 0, 0, 2, 2, 2, 1, 1, 0, 2, 0]);
    }

    #[test]
    fn tiny_and_huge_rings_have_levels_too() {
        assert_eq!(Level::All.next(0, 1), Level::All);
        assert_eq!(Level::All.next(1, 1), Level::Shedding);
        assert_eq!(Level::All.next(0, 0), Level::All);
        assert_eq!(Level::All.next(usize::MAX, usize::MAX), Level::Shedding);
        assert_eq!(Level::All.next(usize::MAX / 100 * 70, usize::MAX), Level::All);
        assert_eq!(Level::Sampling.next(usize::MAX / 100 * 70, usize::MAX), Level::Sampling);
    }

    fn event(priority: Priority) -> Event {
        let mut event = Event::new(Kind::Counter, "n".into(), 1u8.into(), 0).unwrap();
        event.set_priority(priority);
        event
    }

    /// Of 1000 records, how many enter, enter as one of ten, may replace another, or are refused.
    fn count(policy: Policy, used: usize, priority: Priority) -> [u32; 4] {
        let mut gate = Gate::new(policy, 3);
        let shared = SharedGate::new(policy);
        let mut counts = [[0; 4]; 2];
        for _ in 0..1000 {
            let (mut a, mut b) = (event(priority), event(priority));
            let said = gate.admit(&mut a, 100, || used);
            let of_shared = shared.admit(&mut b, used, 100);
            let outcomes = [(said, a.rate()), (of_shared, b.rate())];
            for (counts, (said, rate)) in counts.iter_mut().zip(outcomes) {
                counts[match (said, rate) {
                    (Admission::Enter, 1) => 0,
                    (Admission::Enter, _) => 1,
                    (Admission::Replace, _) => 2,
                    (Admission::Refuse(_), _) => 3,
                }] += 1;
            }
        }
        assert_eq!(counts[0], counts[1], "alone or shared, it decides alike");
        counts[0]
    }

    #[test]
    fn graded_gives_up_low_ones_first() {
        use Priority::{Critical, High, Low, Normal};
        let graded = |used, priority| count(Policy::Graded(10), used, priority);
        for priority in [Low, Normal, High, Critical] {
            assert_eq!(graded(74, priority), [1000, 0, 0, 0]);
        }
        assert_eq!(graded(75, Low), [0, 100, 0, 900]);
        assert_eq!(graded(89, Normal), [1000, 0, 0, 0]);
        assert_eq!(graded(90, Low), [0, 0, 0, 1000]);
        assert_eq!(graded(90, Normal), [0, 0, 1000, 0]);
        assert_eq!(graded(100, High), [1000, 0, 0, 0]);
        assert_eq!(graded(100, Critical), [1000, 0, 0, 0]);
    }

    #[test]
    fn sampled_keeps_one_in_n_of_all_but_critical_ones() {
        assert_eq!(count(Policy::Sampled(10), 74, Priority::Low), [1000, 0, 0, 0]);
        assert_eq!(count(Policy::Sampled(10), 80, Priority::High), [0, 100, 0, 900]);
        assert_eq!(count(Policy::Sampled(10), 95, Priority::Critical), [1000, 0, 0, 0]);
        assert_eq!(count(Policy::Sampled(0), 95, Priority::Low), [1000, 0, 0, 0]);
    }

    #[test]
    fn what_cannot_say_that_it_stands_for_more_is_kept() {
        let mut gate = Gate::new(Policy::Sampled(10), 1);
        for _ in 0..100 {
            let mut sampled_by_the_caller = event(Priority::Low);
            sampled_by_the_caller.set_rate(100);
            let said = gate.admit(&mut sampled_by_the_caller, 100, || 80);
            assert_eq!((said, sampled_by_the_caller.rate()), (Admission::Enter, 100));
        }
    }

    #[test]
    fn other_policies_leave_it_to_the_ring() {
        for policy in [Policy::DropNewest, Policy::DropOldest, Policy::ByPriority] {
            assert_eq!(count(policy, 100, Priority::Low), [1000, 0, 0, 0]);
        }
    }

    #[test]
    fn the_fill_is_looked_at_only_when_it_can_matter() {
        let mut gate = Gate::new(Policy::Graded(10), 1);
        let mut looks = 0;
        for used in 0..74 {
            let said = gate.admit(&mut event(Priority::Low), 100, || {
                looks += 1;
                used
            });
            assert_eq!(said, Admission::Enter);
        }
        assert_eq!(looks, 1);
        gate.admit(&mut event(Priority::Low), 100, || 74);
        gate.admit(&mut event(Priority::Low), 100, || 75);
        assert_eq!(gate.level(), Level::Sampling);
    }

    #[test]
    fn producers_that_share_a_gate_take_exactly_one_in_n_together() {
        let gate = SharedGate::new(Policy::Sampled(10));
        let taken = core::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25_000 {
                        if gate.admit(&mut event(Priority::Normal), 80, 100) == Admission::Enter {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 10_000);
    }
}
