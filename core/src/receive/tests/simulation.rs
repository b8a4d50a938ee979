//! The tracker against a simulated network that knows what it did.

use super::*;
use crate::testkit::{Rng, rounds};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What can be held back without leaving the window.
const REACH: u64 = WINDOW - 24;

/// One datagram on its way: when it arrives, and its number.
type Arrival = (u64, u64);

/// What the network did to the datagrams of one epoch.
#[derive(Default)]
struct Truth {
    lost: u64,
    copies: u64,
}

/// Sends `numbers` at one a tick; 1 % are lost, 2 % held back, 0.1 % come twice. The last one
/// always arrives.
fn network(rng: &mut Rng, numbers: core::ops::Range<u64>, now: u64) -> (Vec<Arrival>, Truth) {
    let mut arrivals = Vec::with_capacity((numbers.end - numbers.start) as usize);
    let mut truth = Truth::default();
    for number in numbers.clone() {
        let sent = now + (number - numbers.start);
        if number + 1 == numbers.end {
            // A heartbeat, say, after everything else.
            arrivals.push((sent + REACH, number));
        } else if rng.chance(0.01) {
            truth.lost += 1;
        } else {
            let delay = if rng.chance(0.02) { 1 + rng.below(REACH - 1) } else { 0 };
            arrivals.push((sent + delay, number));
            if rng.chance(0.001) {
                truth.copies += 1;
                arrivals.push((sent + rng.below(REACH), number));
            }
        }
    }
    (arrivals, truth)
}

#[test]
fn datagrams_without_end_across_the_wrap() {
    let count = rounds(100_000, 1_000_000);
    for seed in 1..=4 {
        let mut rng = Rng::new(seed);
        let start = (1 << 32) - count / 2;
        let (mut arrivals, truth) = network(&mut rng, start..start + count, 0);
        arrivals.sort();

        let mut tracker = SequenceTracker::resume(EPOCH, start);
        let (mut late, mut highest, mut seen) = (0, 0, BTreeSet::new());
        for (_, number) in &arrivals {
            let verdict = tracker.observe(EPOCH, *number as u32);
            let new = seen.insert(*number);
            assert_eq!(verdict.is_new(), new, "{number}");
            late += u64::from(new && *number < highest);
            highest = highest.max(*number);
        }

        let stats = tracker.finish();
        let want = Account {
            received: count - truth.lost,
            lost: truth.lost,
            duplicate: truth.copies,
            late,
            epoch: EPOCH,
            first: start,
            next: start + count,
            ..Account::default()
        };
        assert_eq!(stats, want);
        assert!((count * 9 / 1000..count * 11 / 1000).contains(&stats.lost), "{stats:?}");
        assert!(stats.late > count / 100, "{stats:?}");
    }
}

#[test]
fn a_sender_that_restarts_all_the_time() {
    for seed in 1..=rounds(3, 20) {
        let mut rng = Rng::new(seed);
        let mut arrivals: Vec<(u64, u64, u32)> = Vec::new();
        let mut now = 0;
        for _ in 0..30 {
            let epoch = rng.next_u64() as u32;
            let count = 1 + rng.below(6000);
            let (sent, _) = network(&mut rng, 0..count, now);
            arrivals.extend(sent.iter().map(|(at, number)| (*at, *number, epoch)));
            // What is still on its way arrives in the middle of the next epoch.
            now += count + REACH;
            now -= rng.below(REACH);
        }
        arrivals.sort();

        // Whose datagrams count is the tracker's decision, because it must believe in a run first; the sums are the model's.
        let (mut runs, mut want) = (Vec::<(u32, BTreeSet<u64>)>::new(), Account::default());
        let mut aside = BTreeSet::new();
        let mut tracker = SequenceTracker::from_zero();
        for (_, number, epoch) in &arrivals {
            aside.retain(|(epoch, number)| tracker.is_aside(*epoch, *number as u32));
            let verdict = tracker.observe(*epoch, *number as u32);
            if runs.is_empty() {
                runs.push((*epoch, BTreeSet::new()));
            }
            if let Some((current, seen)) = runs.last_mut()
                && current == epoch
            {
                match seen.insert(*number) {
                    true => want.late += u64::from(seen.last() != Some(number)),
                    false => want.duplicate += 1,
                }
                continue;
            }
            let known = runs.iter().position(|(run, _)| run == epoch);
            match verdict {
                OldEpoch if known.is_some() => want.old_epoch += 1,
                Duplicate if aside.contains(&(*epoch, *number)) => want.duplicate += 1,
                Stranger if aside.insert((*epoch, *number)) => want.strangers += 1,
                Restart => {
                    // A run that was taken for ended goes on: the next one was so short that the last of this came after it.
                    let (_, mut seen) =
                        known.map_or_else(Default::default, |place| runs.remove(place));
                    let agreed =
                        aside.iter().filter(|(of, _)| of == epoch).map(|(_, number)| *number);
                    let before = seen.len();
                    seen.extend(agreed);
                    want.strangers -= (seen.len() - before) as u32;
                    seen.insert(*number);
                    runs.push((*epoch, seen));
                    aside.clear();
                    want.restarts += 1;
                }
                // The last of a run that has ended came one after another, in between those of the next.
                Twin if known.is_some() => {
                    let before = aside.len();
                    aside.retain(|(of, _)| of != epoch);
                    let parted = (before - aside.len()) as u32;
                    want.strangers -= parted;
                    want.twins += parted + 1;
                }
                other => panic!("{other:?} for {number} of {epoch}"),
            }
        }
        for (epoch, seen) in &runs {
            want.epoch = *epoch;
            want.next = seen.last().map_or(0, |highest| highest + 1);
            want.received += seen.len() as u64;
            want.lost += want.next - seen.len() as u64;
        }
        assert_eq!(tracker.finish(), want);
        assert!(want.restarts >= 29 && want.old_epoch > 30 && want.lost > 0, "{want:?}");
    }
}
