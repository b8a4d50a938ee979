//! What a gate lets through at each fill, alone and shared.

use super::*;
use crate::record::Kind;
use core::sync::atomic::Ordering;

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
