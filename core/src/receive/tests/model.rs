//! The tracker against a model that keeps every number it ever saw and recomputes the sums from the
//! sets.

use super::*;
use crate::testkit::{Rng, rounds};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use proptest::prelude::*;

/// The rules of the module's documentation for a tracker made by `from_zero`, without windows,
/// words or bits.
#[derive(Default)]
struct Model {
    epoch: Option<u32>,
    /// Epochs that ended, and one more than the highest number seen of each.
    old: Vec<(u32, u64)>,
    /// Where the numbers of the current epoch begin: not at 0 if it had been taken for ended.
    base: u64,
    /// Epochs and numbers kept aside, and how many of the current epoch came since.
    aside: [(u32, Vec<u32>, u32); 2],
    /// How often the first of these was passed by.
    passed: u32,
    /// Numbers of the current epoch that arrived in time.
    seen: BTreeSet<u64>,
    held: Option<u64>,
    /// Sums of the epochs before.
    expected: u64,
    received: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.seen.last().map_or(self.base, |highest| highest + 1)
    }

    fn observe(&mut self, epoch: u32, sequence: u32) -> Verdict {
        if self.epoch.is_some_and(|current| current != epoch) {
            return self.other(epoch, sequence);
        }
        self.epoch = Some(epoch);
        let verdict = self.place(sequence);
        if matches!(verdict, New | Jump) {
            self.aside.iter_mut().for_each(|aside| aside.2 += 1);
        }
        verdict
    }

    fn other(&mut self, epoch: u32, sequence: u32) -> Verdict {
        let near = |a: u32, b: u32| (a.wrapping_sub(b) as i32).unsigned_abs() <= MAX_GAP;
        let ended = self.old.iter().rev().take(OLD_EPOCHS).find(|(old, _)| *old == epoch).copied();
        if let Some((_, next)) = ended
            && next > 0
            && (sequence.wrapping_sub(next as u32) as i32) < 0
        {
            return OldEpoch;
        }
        let is_of = |a: &(u32, Vec<u32>, u32)| a.0 == epoch && !a.1.is_empty();
        let found = self.aside.iter_mut().find(|a| is_of(a) && near(a.1[0], sequence));
        let Some((_, aside, meanwhile)) = found else {
            let [first, second] = [is_of(&self.aside[0]), is_of(&self.aside[1])];
            let begins = first || self.aside[0].1.is_empty() || self.passed >= 64;
            let place = usize::from(second || !begins);
            self.passed = if place == 0 { 0 } else { self.passed + u32::from(!second) };
            self.aside[place] = (epoch, [sequence].into(), 0);
            return Stranger;
        };
        if aside.contains(&sequence) {
            return Duplicate;
        }
        aside.push(sequence);
        match *meanwhile {
            1 if aside.len() <= 3 => return Stranger,
            0 | 1 => {}
            _ => {
                aside.clear();
                return Twin;
            }
        }
        let begins = core::mem::take(aside);
        self.aside = Default::default();
        self.passed = 0;
        let next = self.next();
        self.old.push((self.epoch.unwrap(), next));
        self.expected += next - self.base;
        self.received += self.seen.len() as u64;
        self.seen.clear();
        self.held = None;
        self.epoch = Some(epoch);
        self.base = ended.map_or(0, |(_, next)| next);
        let lowest = *begins.iter().min_by_key(|n| n.wrapping_sub(sequence) as i32).unwrap();
        let from = self.base + u64::from(lowest.wrapping_sub(self.base as u32));
        self.seen.extend(begins.iter().map(|n| from + u64::from(n.wrapping_sub(lowest))));
        Restart
    }

    fn place(&mut self, sequence: u32) -> Verdict {
        let next = self.next();
        if let Some(held) = self.held {
            let apart = sequence.wrapping_sub(held as u32) as i32;
            if apart == 0 {
                return Duplicate;
            }
            if apart.unsigned_abs() <= MAX_GAP {
                self.seen.extend([held, held.checked_add_signed(i64::from(apart)).unwrap()]);
                self.held = None;
                return Jump;
            }
        }
        let step = i64::from(sequence.wrapping_sub(next as u32) as i32);
        let number = if next == 0 { i64::from(sequence) } else { next as i64 + step };
        let Ok(number) = u64::try_from(number) else { return TooLate };
        if number > next + u64::from(MAX_GAP) {
            self.held = Some(number);
            return Unconfirmed;
        }
        if number + WINDOW < next {
            return TooLate;
        }
        if number < self.base {
            return Duplicate;
        }
        match (self.seen.insert(number), number >= next) {
            (false, _) => Duplicate,
            (true, true) => New,
            (true, false) => Late,
        }
    }

    fn check(&self, stats: &Account) {
        let next = self.next();
        let missing = |from: u64, to: u64| (to - from) - self.seen.range(from..to).count() as u64;
        let edge = next.saturating_sub(WINDOW).max(self.base);
        assert_eq!(stats.received, self.received + self.seen.len() as u64);
        assert_eq!(stats.outstanding, missing(edge, next));
        assert_eq!(stats.lost, self.expected - self.received + missing(self.base, edge));
        assert_eq!(stats.expected(), self.expected + next - self.base);
        assert_eq!((stats.first, stats.next), (self.base, next));
        assert_eq!(stats.restarts as usize, self.old.len());
    }
}

/// Runs both and compares every verdict, and the sums as often as `every` says.
fn compare(datagrams: impl IntoIterator<Item = (u32, u32)>, every: usize) {
    let (mut tracker, mut model) = (SequenceTracker::from_zero(), Model::default());
    let mut verdicts = Vec::new();
    for (turn, (epoch, sequence)) in datagrams.into_iter().enumerate() {
        let preview = tracker.preview(epoch, sequence);
        let verdict = tracker.observe(epoch, sequence);
        assert_eq!(verdict, model.observe(epoch, sequence), "{turn}: {epoch} {sequence}");
        assert_eq!(verdict, preview);
        verdicts.push(verdict);
        if turn % every == 0 {
            model.check(&tracker.stats());
        }
    }
    let stats = tracker.stats();
    model.check(&stats);
    let count = |verdict| verdicts.iter().filter(|v| **v == verdict).count() as u64;
    assert_eq!((stats.duplicate, stats.too_late), (count(Duplicate), count(TooLate)));
    assert_eq!((stats.late, stats.old_epoch), (count(Late), count(OldEpoch)));
    assert!(u64::from(stats.jumps) >= count(Jump));
    let observed = stats.received + stats.duplicate + stats.too_late + stats.old_epoch;
    let others = [stats.unconfirmed, stats.strangers, stats.twins].map(u64::from);
    assert_eq!(observed + others.iter().sum::<u64>(), verdicts.len() as u64);
    let finished = tracker.finish();
    assert_eq!(finished.lost, stats.lost + stats.outstanding);
    assert_eq!((finished.outstanding, finished.expected()), (0, stats.expected()));
}

/// Every sequence of that length that can be made of `datagrams`.
fn every_sequence(datagrams: &[(u32, u32)], length: u32) {
    for mut code in 0..datagrams.len().pow(length) {
        let sequence = (0..length).map(|_| {
            let datagram = datagrams[code % datagrams.len()];
            code /= datagrams.len();
            datagram
        });
        compare(sequence, usize::MAX);
    }
}

#[test]
fn every_short_sequence_of_interesting_numbers() {
    const GAP: u32 = MAX_GAP;
    let numbers =
        [0, 1, 2, 63, 1023, 1024, 1025, GAP, GAP + 1, GAP + 2, 2 * GAP, 1 << 31, u32::MAX];
    every_sequence(&numbers.map(|number| (EPOCH, number)), rounds(4, 5));
}

#[test]
fn every_short_sequence_with_restarts() {
    let datagrams = [(1, 0), (1, 1), (1, 5000), (2, 0), (2, 1), (2, 5000), (3, 2), (4, 9), (5, 0)];
    every_sequence(&datagrams, rounds(4, 5));
}

#[test]
fn hostile_numbers_break_nothing() {
    for seed in 0..rounds(4, 20) {
        let mut rng = Rng::new(seed);
        compare((0..20_000).map(|_| (rng.next_u64() as u32, rng.next_u64() as u32)), 1000);
        let mut rng = Rng::new(seed);
        compare((0..20_000).map(|_| (rng.below(5) as u32, rng.next_u64() as u32)), 1000);
        // Pairs that agree: as many believed jumps as possible.
        let mut rng = Rng::new(seed);
        let pairs = (0..10_000).flat_map(|_| {
            let number = rng.next_u64() as u32;
            [(EPOCH, number), (EPOCH, number.wrapping_add(1))]
        });
        compare(pairs, 1000);
    }
}

#[test]
fn jumps_without_end_stop_at_the_end() {
    let mut tracker = SequenceTracker::resume(EPOCH, END - (1 << 40)).authentic();
    let start = tracker.stats().next;
    for _ in 0..2000 {
        let step = tracker.stats().next as u32;
        tracker.observe(EPOCH, step.wrapping_add(i32::MAX as u32));
    }
    let stats = tracker.finish();
    assert!(stats.too_late > 0 && stats.next <= END);
    assert_eq!(stats.expected(), stats.next - start);
    assert_eq!(stats.received + stats.too_late, 2000);
}

proptest! {
    #[test]
    fn wandering_numbers_agree_with_the_model(
        steps in prop::collection::vec((0u8..40, -1100i32..1100, 0u32..3), 0..600),
    ) {
        let mut at = 0u32;
        let mut epoch = 0u32;
        compare(steps.into_iter().map(|(kind, step, stray)| {
            match kind {
                0 => { epoch += 1; at = stray; }
                1 => at = at.wrapping_add(4000),
                2 => return (epoch.wrapping_sub(stray), at),
                3..10 => return (epoch, at.wrapping_add_signed(step)),
                10..13 => at = at.wrapping_add(step.unsigned_abs()),
                _ => at = at.wrapping_add(1),
            }
            (epoch, at)
        }), 50);
    }
}
