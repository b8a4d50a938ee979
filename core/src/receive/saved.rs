//! The saved form of trackers and windows, for serde.
//!
//! The form starts with its version, so that a later version of this crate can still read it. What is read is
//! validated: values that no tracker can have are refused, so that a damaged file does no harm.

use serde::{Deserialize, Serialize};

use super::run::{Ended, Strangers};
use super::{
    END, HELD, IdWindow, JOINED, OLD_EPOCHS, STARTED, SequenceTracker, WINDOW, Window, ids,
};

/// The words of a window. Those of a tracker are inverted, so that the usual values are short as varints.
type Words = [u64; 16];

/// The saved form of a [`SequenceTracker`].
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum SavedTracker {
    V1 {
        epoch: u32,
        first: u64,
        next: u64,
        missing: Words,
        flags: u8,
        held: u32,
        ended: [Ended; OLD_EPOCHS],
        ended_len: u8,
        aside: Strangers,
        refused_in_a_row: u16,
        received: u64,
        lost: u64,
        late: u64,
        duplicate: u64,
        too_late: u64,
        old_epoch: u64,
        unconfirmed: u32,
        strangers: u32,
        twins: u32,
        missed_before_start: u32,
        restarts: u32,
        jumps: u32,
    },
}

impl From<SequenceTracker> for SavedTracker {
    fn from(tracker: SequenceTracker) -> Self {
        Self::V1 {
            epoch: tracker.epoch,
            first: tracker.first,
            next: tracker.next,
            missing: tracker.window.missing(),
            flags: tracker.flags,
            held: tracker.held,
            ended: tracker.ended,
            ended_len: tracker.ended_len,
            aside: tracker.aside,
            refused_in_a_row: tracker.refused_in_a_row,
            received: tracker.received,
            lost: tracker.lost,
            late: tracker.late,
            duplicate: tracker.duplicate,
            too_late: tracker.too_late,
            old_epoch: tracker.old_epoch,
            unconfirmed: tracker.unconfirmed,
            strangers: tracker.strangers,
            twins: tracker.twins,
            missed_before_start: tracker.missed_before_start,
            restarts: tracker.restarts,
            jumps: tracker.jumps,
        }
    }
}

impl TryFrom<SavedTracker> for SequenceTracker {
    type Error = &'static str;

    fn try_from(saved: SavedTracker) -> Result<Self, Self::Error> {
        let SavedTracker::V1 {
            epoch,
            first,
            next,
            missing,
            flags,
            held,
            ended,
            ended_len,
            aside,
            refused_in_a_row,
            received,
            lost,
            late,
            duplicate,
            too_late,
            old_epoch,
            unconfirmed,
            strangers,
            twins,
            missed_before_start,
            restarts,
            jumps,
        } = saved;
        let tracker = Self {
            window: Window::with_missing(missing),
            first,
            next,
            received,
            lost,
            late,
            duplicate,
            too_late,
            old_epoch,
            epoch,
            restarts,
            jumps,
            unconfirmed,
            missed_before_start,
            held,
            strangers,
            twins,
            aside,
            ended,
            refused_in_a_row,
            ended_len,
            flags,
        };
        if tracker.is_sound() { Ok(tracker) } else { Err("no tracker can be in this state") }
    }
}

impl SequenceTracker {
    /// Checks the invariants that every operation keeps and relies on.
    fn is_sound(&self) -> bool {
        let epochs = usize::from(self.ended_len) <= OLD_EPOCHS
            && self.ended.iter().all(Ended::is_sound)
            && self.aside.is_sound();
        let order = self.first <= self.next && self.next <= END;
        if !(epochs && order) {
            return false;
        }
        let idle = self.is(STARTED) || (self.next == 0 && !self.is(HELD) && !self.is(JOINED));
        let held = !self.is(HELD) || {
            let number = self.held_number();
            number < END && number - self.next >= u64::from(super::MAX_GAP)
        };
        // Only expected numbers can be missing, and never the highest one seen.
        let asked = self.first.max(self.next.saturating_sub(WINDOW))..self.next.saturating_sub(1);
        let missing = asked.filter(|n| !self.window.contains(*n)).count() as u64;
        idle && held && missing == self.window.outstanding()
    }
}

/// The saved form of an [`IdWindow`].
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum SavedIds {
    V1 { base: u64, bits: Words },
}

impl From<IdWindow> for SavedIds {
    fn from(ids: IdWindow) -> Self {
        let (base, bytes) = ids.parts();
        let (words, _) = bytes.as_chunks();
        Self::V1 { base, bits: core::array::from_fn(|i| u64::from_le_bytes(words[i])) }
    }
}

impl From<SavedIds> for IdWindow {
    fn from(saved: SavedIds) -> Self {
        let SavedIds::V1 { base, bits } = saved;
        let mut bytes = [0; ids::BYTES];
        for (to, word) in bytes.chunks_exact_mut(8).zip(bits) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        Self::of_parts(base, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Seen, Verdict};
    use super::*;
    use crate::testkit::rounds;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn saved<T: Serialize>(what: &T) -> Vec<u8> {
        let mut buf = [0; 1000];
        postcard::to_slice(what, &mut buf).unwrap().to_vec()
    }

    fn read<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Option<T> {
        postcard::from_bytes(bytes).ok()
    }

    /// Generates numbers as they may arrive: in order, with gaps, late, far ahead, and from other epochs.
    fn arrivals() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let step = prop_oneof![
            8 => Just(1i64),
            2 => 2..70i64,
            2 => -1100..0i64,
            1 => 3000..4000i64,
            1 => any::<i32>().prop_map(i64::from)
        ];
        let epoch = prop_oneof![20 => Just(0u32), 1 => 1..3u32];
        proptest::collection::vec((epoch, step), 0..200).prop_map(|steps| {
            let (mut of, mut at) = (7, 0u32);
            let mut next = |(epoch, step): (u32, i64)| {
                of += epoch;
                at = if epoch > 0 { 0 } else { at.wrapping_add(step as u32) };
                (of, at)
            };
            steps.into_iter().map(&mut next).collect()
        })
    }

    /// The held number is as near as it can be: the last one was the nearest that does not agree with it.
    #[test]
    fn a_tracker_is_sound_however_near_the_held_number_is() {
        let mut tracker = SequenceTracker::from_zero();
        let verdicts = [0, 2048, 1024].map(|sequence| tracker.observe(7, sequence));
        assert_eq!(verdicts, [Verdict::New, Verdict::Unconfirmed, Verdict::New]);
        let restored: SequenceTracker = read(&saved(&tracker)).expect("it is sound");
        assert_eq!(restored.preview(7, 2047), Verdict::Jump, "which agrees");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(rounds(32, 512)))]

        #[test]
        fn a_tracker_goes_on_as_if_it_had_never_been_saved(
            arrivals in arrivals(), joined in any::<bool>(), authentic in any::<bool>()
        ) {
            let mut tracker =
                if joined { SequenceTracker::new() } else { SequenceTracker::from_zero() };
            if authentic {
                tracker = tracker.authentic();
            }
            for (epoch, sequence) in arrivals {
                let mut restored: SequenceTracker = read(&saved(&tracker)).expect("it is sound");
                prop_assert_eq!(restored.stats(), tracker.stats());
                prop_assert_eq!(restored.observe(epoch, sequence), tracker.observe(epoch, sequence));
                prop_assert_eq!(saved(&restored), saved(&tracker));
            }
        }

        #[test]
        fn a_damaged_tracker_is_refused_or_harmless(
            before in arrivals(), after in arrivals(), at in 0usize..80, to in any::<u8>()
        ) {
            let mut tracker = SequenceTracker::from_zero();
            before.into_iter().for_each(|(e, s)| _ = tracker.observe(e, s));
            let mut bytes = saved(&tracker);
            let at = at % bytes.len();
            bytes[at] = to;
            if let Some(mut read) = read::<SequenceTracker>(&bytes) {
                prop_assert!(read.stats().outstanding <= WINDOW);
                after.into_iter().for_each(|(e, s)| _ = read.observe(e, s));
                let _ = read.finish();
            }
        }

        #[test]
        fn identifiers_are_known_as_before(base in any::<u64>(), ids in proptest::collection::vec(0u64..1024, 0..50)) {
            let mut window = IdWindow::new();
            window.advance(base);
            ids.iter().for_each(|id| _ = window.insert(base.saturating_add(*id)));
            let read: IdWindow = read(&saved(&window)).unwrap();
            prop_assert_eq!(read, window);
        }
    }

    #[test]
    fn it_is_short_while_nothing_is_missing() {
        let mut tracker = SequenceTracker::from_zero();
        (0..5000).for_each(|n| _ = tracker.observe(1, n));
        assert!(saved(&tracker).len() < 60, "{}", saved(&tracker).len());
    }

    #[test]
    fn a_later_version_is_refused() {
        let mut bytes = saved(&SequenceTracker::new());
        bytes[0] = 1;
        assert!(read::<SequenceTracker>(&bytes).is_none());
        let mut bytes = saved(&IdWindow::new());
        bytes[0] = 1;
        assert!(read::<IdWindow>(&bytes).is_none());
    }

    #[test]
    fn an_epoch_that_was_heard_of_elsewhere_is_expected_from_its_beginning() {
        let mut tracker = SequenceTracker::from_zero();
        (0..10).filter(|n| *n != 4).for_each(|n| _ = tracker.observe(1, n));
        tracker.begin_epoch(1);
        assert_eq!(tracker.stats().next, 10, "this one has begun");
        tracker.begin_epoch(2);
        tracker.begin_epoch(1);
        let stats = tracker.stats();
        assert_eq!((stats.epoch, stats.received, stats.lost, stats.restarts), (2, 9, 1, 1));
        assert_eq!(tracker.observe(1, 9), super::super::Verdict::OldEpoch);
        assert_eq!(tracker.observe(2, 3), super::super::Verdict::New);
        assert_eq!(tracker.stats().outstanding, 3, "0, 1 and 2");
        let mut new = SequenceTracker::new();
        new.begin_epoch(5);
        assert_eq!(new.observe(5, 2), super::super::Verdict::New);
        assert_eq!((new.stats().outstanding, new.stats().restarts), (2, 0));
        assert_eq!(IdWindow::new().insert(0), Seen::New);
    }
}
