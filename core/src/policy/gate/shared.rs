//! The gate in front of a ring that several producers share.

use super::{Admission, Level, judge, mark};
use crate::policy::{Policy, Sampler};
use crate::record::Event;
use crate::sync::{AtomicU8, AtomicU32, Ordering, const_fn, mutant};

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

    /// Decides whether an event may enter, as [`Gate::admit`](super::Gate::admit) does.
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
