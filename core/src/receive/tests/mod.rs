//! The rules one by one here; against a slow model in `model`, against a simulated network in
//! `simulation`.

mod model;
mod simulation;

use super::*;
use Verdict::{
    Duplicate, Jump, Late, New, OldEpoch, Restart, Stranger, TooLate, Twin, Unconfirmed,
};

const EPOCH: u32 = 0xdead_beef;

/// Observes numbers of one epoch, whatever the verdicts.
fn observe_all(tracker: &mut SequenceTracker, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        tracker.observe(EPOCH, number);
    }
}

#[test]
fn fits_in_328_bytes() {
    assert!(size_of::<SequenceTracker>() <= 328, "{}", size_of::<SequenceTracker>());
}

#[test]
fn a_sender_in_order_loses_nothing() {
    let mut tracker = SequenceTracker::new();
    for number in 0..5000 {
        assert_eq!(tracker.observe(EPOCH, number), New);
    }
    let want = Account { received: 5000, epoch: EPOCH, next: 5000, ..Account::default() };
    assert_eq!(tracker.stats(), want);
    assert_eq!(want.highest(), Some(4999));
    assert_eq!(want.expected(), 5000);
}

#[test]
fn a_hole_is_outstanding_until_it_leaves_the_window() {
    let mut tracker = SequenceTracker::from_zero();
    let window = WINDOW as u32;
    observe_all(&mut tracker, (0..window + 10).filter(|n| *n != 10));
    let stats = tracker.stats();
    assert_eq!((stats.lost, stats.outstanding), (0, 1));

    let mut in_time = tracker.clone();
    assert_eq!(in_time.observe(EPOCH, 10), Late);
    assert_eq!(in_time.observe(EPOCH, 10), Duplicate);
    assert_eq!(in_time.finish().lost, 0);

    assert_eq!(tracker.observe(EPOCH, window + 10), New);
    let stats = tracker.stats();
    assert_eq!((stats.lost, stats.outstanding), (1, 0));
    assert_eq!(tracker.observe(EPOCH, 10), TooLate);
    assert_eq!(tracker.stats().lost, 1, "given up is given up");
}

#[test]
fn what_is_missing_before_the_first_of_a_known_start_is_missing() {
    let mut tracker = SequenceTracker::from_zero();
    assert_eq!(tracker.observe(EPOCH, 3), New);
    let stats = tracker.stats();
    assert_eq!((stats.received, stats.outstanding, stats.missed_before_start), (1, 3, 0));
    assert_eq!(tracker.observe(EPOCH, 0), Late);
    assert_eq!(tracker.finish().lost, 2);
}

#[test]
fn a_late_start_counts_from_the_first_and_takes_what_it_overtook() {
    let mut tracker = SequenceTracker::new();
    assert_eq!(tracker.observe(EPOCH, 5000), New);
    let stats = tracker.stats();
    assert_eq!((stats.first, stats.expected(), stats.missed_before_start), (5000, 1, 5000));
    // 4997 was on its way at the start; 4998 and 4999 may be too.
    assert_eq!(tracker.observe(EPOCH, 4997), Late);
    assert_eq!(tracker.observe(EPOCH, 4997), Duplicate);
    let stats = tracker.stats();
    assert_eq!((stats.first, stats.missed_before_start, stats.outstanding), (4997, 4997, 2));
    assert_eq!(tracker.observe(EPOCH, 5001 - WINDOW as u32), Late);
    assert_eq!(tracker.observe(EPOCH, 5000 - WINDOW as u32), TooLate);
    let stats = tracker.finish();
    assert_eq!((stats.received, stats.lost, stats.expected()), (3, WINDOW - 3, WINDOW));
}

#[test]
fn the_largest_plausible_gap_is_loss_and_one_more_needs_a_witness() {
    let mut tracker = SequenceTracker::from_zero();
    tracker.observe(EPOCH, 0);
    assert_eq!(tracker.clone().observe(EPOCH, 1 + MAX_GAP), New);
    assert_eq!(tracker.observe(EPOCH, 2 + MAX_GAP), Unconfirmed);
    let stats = tracker.stats();
    assert_eq!((stats.received, stats.unconfirmed, stats.next), (1, 1, 1));
    assert_eq!(tracker.observe(EPOCH, 2 + MAX_GAP), Duplicate, "a copy is no witness");
    assert_eq!(tracker.observe(EPOCH, 1), New, "and the old course goes on meanwhile");
    // The witness may lie on either side.
    for other in [1 + MAX_GAP, 3 + MAX_GAP, 2 + 2 * MAX_GAP] {
        let mut tracker = tracker.clone();
        assert_eq!(tracker.observe(EPOCH, other), Jump);
        let stats = tracker.finish();
        assert_eq!((stats.received, stats.unconfirmed, stats.jumps), (4, 0, 1));
        let highest = other.max(2 + MAX_GAP);
        assert_eq!(stats.lost, u64::from(highest) + 1 - 4);
    }
}

#[test]
fn strays_far_ahead_never_move_the_window() {
    let mut tracker = SequenceTracker::from_zero();
    for number in 0..2000 {
        assert_eq!(tracker.observe(EPOCH, number), New);
        // Each of them alone: never two within reach of each other.
        let stray = 0x1000_0000 + number.wrapping_mul(10 * MAX_GAP);
        assert_eq!(tracker.observe(EPOCH, stray), Unconfirmed);
    }
    let stats = tracker.finish();
    assert_eq!((stats.received, stats.lost, stats.unconfirmed), (2000, 0, 2000));
}

#[test]
fn the_course_itself_confirms_a_number_it_reaches() {
    let mut tracker = SequenceTracker::from_zero();
    tracker.observe(EPOCH, 0);
    let early = 2 * MAX_GAP;
    assert_eq!(tracker.observe(EPOCH, early), Unconfirmed);
    let mut verdicts = std::collections::BTreeMap::new();
    for number in 1..=early + 10 {
        *verdicts.entry(std::format!("{:?}", tracker.observe(EPOCH, number))).or_insert(0) += 1;
    }
    assert_eq!(verdicts["Jump"], 1);
    let stats = tracker.stats();
    assert_eq!((stats.unconfirmed, stats.next), (0, u64::from(early) + 11));
    assert_eq!(tracker.preview(EPOCH, early), Duplicate);
}

#[test]
fn a_restart_ends_the_old_epoch_and_expects_all_of_the_new_one() {
    let mut tracker = SequenceTracker::new();
    observe_all(&mut tracker, [0, 1, 3]);
    assert_eq!(tracker.observe(77, 2), Stranger);
    assert_eq!(tracker.observe(77, 2), Duplicate, "a copy is no witness");
    assert_eq!((tracker.stats().strangers, tracker.stats().epoch), (1, EPOCH));
    assert_eq!(tracker.observe(77, 1), Restart);
    let stats = tracker.stats();
    assert_eq!((stats.received, stats.lost, stats.outstanding, stats.strangers), (5, 1, 1, 0));
    assert_eq!((stats.epoch, stats.first, stats.next, stats.restarts), (77, 0, 3, 1));
    // Stragglers of the old epoch change nothing, not even the epoch.
    assert_eq!(tracker.observe(EPOCH, 2), OldEpoch);
    assert_eq!(tracker.observe(EPOCH, 4), Stranger, "it may not have ended");
    assert_eq!(tracker.observe(77, 0), Late);
    let stats = tracker.finish();
    assert_eq!((stats.received, stats.lost, stats.old_epoch, stats.restarts), (6, 1, 1, 1));
    assert_eq!((stats.strangers, stats.duplicate), (1, 1));
}

#[test]
fn the_last_epochs_are_remembered_in_any_order() {
    let mut tracker = SequenceTracker::new();
    for epoch in [9, 2, 0, 5] {
        tracker.observe(epoch, 0);
        tracker.observe(epoch, 1);
    }
    for epoch in [9, 2, 0] {
        assert_eq!([0, 1, 2].map(|n| tracker.preview(epoch, n)), [OldEpoch, OldEpoch, Stranger]);
    }
    tracker.leave(1);
    assert_eq!(tracker.observe(1, 0), Restart);
    assert_eq!(tracker.preview(5, 2), OldEpoch, "it said that it would end");
    assert_eq!(tracker.preview(9, 1), Stranger, "only the last ones");
    assert_eq!(tracker.clone().growing_epochs().preview(9, 1), Stranger, "9 is newer than 1");
    assert_eq!(
        tracker.growing_epochs().preview(u32::MAX, 1),
        OldEpoch,
        "and the last before 0 is not"
    );
}

#[test]
fn a_restart_far_from_zero_waits_for_a_witness_too() {
    for first in [MAX_GAP + 1, 50_000, 1 << 31, u32::MAX - 5] {
        let mut tracker = SequenceTracker::new();
        tracker.observe(1, 0);
        let mut over = tracker.clone();
        over.presume_over();
        assert_eq!(over.observe(2, first), Restart);
        assert_eq!((over.stats().lost, over.stats().unconfirmed), (0, 1));
        assert_eq!(over.observe(2, first + 1), Jump);
        // In the other order, too: the two agree.
        assert_eq!(tracker.observe(2, first + 1), Stranger);
        assert_eq!(tracker.observe(2, first), Restart);
        for tracker in [over, tracker] {
            let stats = tracker.finish();
            assert_eq!((stats.received, stats.lost, stats.jumps), (3, u64::from(first), 1));
            assert_eq!(stats.highest(), Some(u64::from(first) + 1));
        }
    }
}

#[test]
fn an_authentic_sender_needs_no_witness_and_nothing_is_new_twice() {
    let mut tracker = SequenceTracker::from_zero().authentic();
    assert_eq!(tracker.observe(EPOCH, 100_000), Jump);
    assert_eq!(tracker.observe(EPOCH, 900_000), Jump);
    assert_eq!(tracker.observe(EPOCH, 100_000), TooLate);
    assert_eq!(tracker.observe(EPOCH, 900_000), Duplicate);
    assert_eq!(tracker.observe(1, 70_000), Restart);
    assert_eq!(tracker.observe(1, 70_000), Duplicate);
    let stats = tracker.finish();
    assert_eq!((stats.received, stats.unconfirmed, stats.jumps), (3, 0, 3));
    assert_eq!(stats.expected(), 900_001 + 70_001);
}

#[test]
fn refusals_in_a_row_show_and_resync_gets_out() {
    let mut tracker = SequenceTracker::new();
    observe_all(&mut tracker, 100_000..100_100);
    // The device restarts with the same epoch.
    observe_all(&mut tracker, 0..50);
    assert_eq!(tracker.refused_in_a_row(), 50);
    let mut joins = tracker.clone();
    for (tracker, from_zero) in [(&mut tracker, true), (&mut joins, false)] {
        tracker.resync(from_zero);
        assert_eq!(tracker.refused_in_a_row(), 0);
        observe_all(tracker, 50..60);
    }
    let stats = tracker.finish();
    assert_eq!((stats.received, stats.too_late, stats.lost), (110, 50, 50));
    assert_eq!((stats.first, stats.missed_before_start), (0, 100_000));
    let stats = joins.finish();
    assert_eq!((stats.received, stats.too_late, stats.lost), (110, 50, 0));
    assert_eq!((stats.first, stats.missed_before_start), (50, 50));
}

#[test]
fn numbers_extend_beyond_32_bits_and_end_before_64() {
    let edge = 1u64 << 32;
    for start in [edge - 3, 5 * edge - 3] {
        let mut tracker = SequenceTracker::resume(EPOCH, start);
        for number in (start..start + 10).filter(|n| n % 4 != 0) {
            assert_eq!(tracker.observe(EPOCH, number as u32), New);
        }
        assert_eq!(
            tracker.observe(EPOCH, (start - 1) as u32),
            Duplicate,
            "seen before it was saved"
        );
        assert_eq!(tracker.observe(EPOCH, start.next_multiple_of(4) as u32), Late);
        assert_eq!(tracker.stats().next, start + 10);
    }
    let mut tracker = SequenceTracker::resume(EPOCH, END - 2);
    assert_eq!(tracker.observe(EPOCH, u32::MAX), New);
    assert_eq!(tracker.observe(EPOCH, 0), TooLate);
    assert_eq!(tracker.observe(EPOCH, 100_000), TooLate);
    assert_eq!((tracker.observe(1, 0), tracker.observe(1, 1)), (Stranger, Restart));
}

#[test]
fn two_that_go_on_are_twins_and_a_straggler_makes_none() {
    let mut tracker = SequenceTracker::from_zero();
    observe_all(&mut tracker, 0..10);
    assert_eq!(tracker.observe(2, 0), Stranger);
    // The last one of a run that ended.
    observe_all(&mut tracker, [10]);
    let mut ended = tracker.clone();
    assert_eq!([1, 2, 3].map(|n| ended.observe(2, n)), [Stranger, Stranger, Restart]);
    let stats = ended.finish();
    assert_eq!((stats.received, stats.strangers, stats.lost, stats.epoch), (15, 0, 0, 2));

    assert_eq!(tracker.observe(2, 1), Stranger);
    observe_all(&mut tracker, [11]);
    assert_eq!(tracker.observe(2, 2), Twin);
    assert_eq!(tracker.observe(2, 3), Stranger, "who does not track it apart begins anew");
    let stats = tracker.finish();
    assert_eq!((stats.received, stats.twins, stats.strangers), (12, 3, 1));
    assert_eq!((stats.epoch, stats.lost, stats.restarts), (EPOCH, 0, 0));
}

#[test]
fn a_run_that_was_declared_over_comes_back_and_loses_nothing() {
    let mut tracker = SequenceTracker::from_zero();
    observe_all(&mut tracker, 0..10);
    // Two that were forged.
    assert_eq!((tracker.observe(2, 7), tracker.observe(2, 8)), (Stranger, Restart));
    assert_eq!(tracker.observe(EPOCH, 9), OldEpoch, "a copy of what was there");
    assert_eq!(tracker.observe(EPOCH, 10), Stranger);
    assert_eq!(tracker.observe(EPOCH, 11), Restart);
    observe_all(&mut tracker, 12..20);
    let stats = tracker.finish();
    assert_eq!((stats.epoch, stats.next, stats.received, stats.restarts), (EPOCH, 20, 22, 2));
    assert_eq!(stats.lost, 7, "those that the forger's numbers announce");
}

#[test]
fn numbers_behind_a_goodbye_take_it_back() {
    let mut tracker = SequenceTracker::from_zero();
    observe_all(&mut tracker, 0..10);
    tracker.leave(9);
    assert!(tracker.has_left());
    observe_all(&mut tracker, [10]);
    tracker.leave(9);
    assert!(!tracker.has_left(), "overtaken");
    assert_eq!(tracker.observe(2, 0), Stranger);
    tracker.leave(10);
    assert_eq!(tracker.observe(2, 1), Restart, "with the one kept aside");
    assert_eq!(tracker.observe(EPOCH, 11), OldEpoch);
    assert_eq!(tracker.finish().received, 13);
}

/// Whatever runs are said to be over.
#[test]
fn every_datagram_has_one_fate_and_every_number_another() {
    for seed in 0..crate::testkit::rounds(20, 200) {
        let mut rng = crate::testkit::Rng::new(seed);
        let mut tracker = SequenceTracker::from_zero();
        let mut at = [0u32; 3];
        for turn in 0..3000 {
            let epoch = rng.below(3) as usize;
            match rng.below(20) {
                0 => tracker.leave((tracker.stats().next as u32).wrapping_sub(1)),
                1 => tracker.presume_over(),
                2 => at[epoch] = at[epoch].wrapping_add(rng.below(3000) as u32),
                _ => at[epoch] = at[epoch].wrapping_add(1),
            }
            let number = at[epoch].wrapping_sub(rng.below(3) as u32);
            for _ in 0..=rng.below(2) {
                let preview = tracker.preview(epoch as u32, number);
                let before = tracker.stats();
                assert_eq!(tracker.observe(epoch as u32, number), preview, "{seed} {turn}");
                let sum = |a: Account| {
                    let others = [a.unconfirmed, a.strangers, a.twins].map(u64::from);
                    a.received + a.duplicate + a.too_late + a.old_epoch + others.iter().sum::<u64>()
                };
                let after = tracker.stats();
                assert_eq!(sum(after), sum(before) + 1, "{seed} {turn}: {preview:?}");
                if preview != Restart {
                    let grown = after.next - before.next;
                    assert_eq!(after.expected(), before.expected() + grown, "{seed} {turn}");
                }
                assert!(after.next - after.first >= after.outstanding);
            }
        }
    }
}

/// One datagram that nobody sent, whatever its epoch and number and whenever it comes, makes nothing of the genuine
/// sender's lost, late or refused for long: what is not taken at once is kept aside and taken with the next.
#[test]
fn one_forged_datagram_harms_nothing() {
    const COUNT: u32 = 3000;
    let numbers =
        [0, 1, 500, 999, 1000, 1001, 1023, 1500, 2000, 2023, 2024, 2500, 5000, 1 << 31, u32::MAX];
    for epoch in [EPOCH, 1] {
        for forged in numbers {
            for at in [1, 1000, COUNT - 1] {
                let mut tracker = SequenceTracker::from_zero();
                let mut taken = 0;
                for number in 0..COUNT {
                    if number == at {
                        tracker.observe(epoch, forged);
                    }
                    // One that has the number of the forged one is taken for a copy of it.
                    taken += u32::from(tracker.observe(EPOCH, number).is_new());
                }
                let copies = u32::from(epoch == EPOCH && (at..COUNT).contains(&forged));
                assert_eq!(taken, COUNT - copies, "{epoch} {forged} at {at}");
                let lost = tracker.finish().lost;
                let ahead = epoch == EPOCH && (COUNT..=COUNT + MAX_GAP).contains(&forged);
                assert!(lost == 0 || ahead, "{epoch} {forged} at {at}: {lost}");
            }
        }
    }
}
