//! Admission by fill level: whether a record may enter, depending on how full the ring is.

mod level;
mod shared;
#[cfg(all(test, not(loom)))]
mod tests;

use super::{Policy, Sampler};
use crate::ledger::Cause;
use crate::record::{Event, Priority};
pub use level::Level;
use level::share;
pub use shared::SharedGate;

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
