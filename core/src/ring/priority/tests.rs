use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;
use crate::ring::{Full, Pushed, Source};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ranked(usize, u32);

impl Prioritized for Ranked {
    fn level(&self) -> usize {
        self.0
    }
}

static IN_A_STATIC: Ring<Ranked, 3> = Ring::new();

#[test]
fn the_lowest_goes_first_and_the_highest_is_sent_first() {
    // SAFETY: these are the only ends of the ring, which belongs to this test.
    let (mut producer, mut consumer) =
        unsafe { (Producer::new(&IN_A_STATIC), Consumer::new(&IN_A_STATIC)) };
    for item in [Ranked(1, 1), Ranked(0, 2), Ranked(2, 3)] {
        assert_eq!(producer.push(item), Ok(Pushed::Stored));
    }
    assert_eq!(producer.push(Ranked(1, 4)), Ok(Pushed::Evicted(Ranked(0, 2))));
    assert_eq!(producer.push(Ranked(0, 5)), Err(Full(Ranked(0, 5))), "nothing lower to give up");
    assert_eq!(producer.push(Ranked(3, 6)), Ok(Pushed::Evicted(Ranked(1, 1))));
    let mut taken = Vec::new();
    consumer.drain(9, |item| taken.push(item));
    assert_eq!(taken, [Ranked(3, 6), Ranked(2, 3), Ranked(1, 4)]);
}

#[test]
fn no_level_starves() {
    let mut ring: Ring<Ranked, 64> = Ring::new();
    let (mut producer, mut consumer) = ring.split();
    for level in 0..3 {
        producer.push(Ranked(level, 0)).unwrap();
    }
    let mut waited = [0; 3];
    for turn in 1..100 {
        producer.push(Ranked(3, turn)).unwrap();
        let item = consumer.pop().unwrap();
        if item.0 < 3 {
            waited[item.0] = turn;
        }
    }
    assert!(waited.iter().all(|w| (1..=20).contains(w)), "{waited:?}");
}

#[test]
fn a_replacement_takes_only_what_is_lower_even_when_there_is_room() {
    let mut ring: Ring<Ranked, 8> = Ring::new();
    let (mut producer, _) = ring.split();
    assert_eq!(producer.push_replacing(Ranked(1, 0)), Err(Full(Ranked(1, 0))));
    for item in [Ranked(1, 1), Ranked(0, 2), Ranked(0, 3)] {
        producer.push(item).unwrap();
    }
    assert_eq!(producer.push_replacing(Ranked(1, 4)), Ok(Pushed::Evicted(Ranked(0, 2))));
    assert_eq!(producer.push_replacing(Ranked(1, 5)), Ok(Pushed::Evicted(Ranked(0, 3))));
    assert_eq!(producer.push_replacing(Ranked(1, 6)), Err(Full(Ranked(1, 6))));
    assert_eq!(producer.len(), 3);
}

#[test]
fn ends_that_are_made_anew_go_on_where_the_last_ones_stopped() {
    let mut ring: Ring<Ranked, 3> = Ring::new();
    let mut taken = Vec::new();
    for n in 0..20 {
        let (mut producer, mut consumer) = ring.split();
        for level in 0..3 {
            producer.push(Ranked(level, n)).unwrap();
        }
        consumer.drain(2, |item| taken.push(item));
    }
    let (mut producer, mut consumer) = ring.split();
    producer.push(Ranked(3, 99)).unwrap();
    consumer.drain(9, |item| taken.push(item));
    let mut once = taken.clone();
    once.sort_unstable_by_key(|r| (r.1, r.0));
    once.dedup();
    assert_eq!(once.len(), taken.len(), "nothing twice");
}

proptest! {
    /// Compared with a list: the victim is always the oldest item of the lowest level, and never above the new
    /// item.
    #[test]
    fn never_drops_the_higher_while_there_is_a_lower(steps in proptest::collection::vec((0usize..6, 0u32..3), 0..300)) {
        let mut ring: Ring<Ranked, 5> = Ring::new();
        let (mut producer, mut consumer) = ring.split();
        let mut model: Vec<Ranked> = Vec::new();
        for (n, (level, take)) in steps.into_iter().enumerate() {
            let item = Ranked(level.min(3), n as u32);
            let lowest = model.iter().map(|i| i.0).min().unwrap_or(0);
            let expected = if model.len() < 5 {
                Ok(Pushed::Stored)
            } else if lowest <= item.0 {
                let at = model.iter().position(|i| i.0 == lowest).unwrap();
                Ok(Pushed::Evicted(model.remove(at)))
            } else {
                Err(Full(item))
            };
            prop_assert_eq!(producer.push(item), expected);
            if expected.is_ok() {
                model.push(item);
            }
            consumer.drain(take as usize, |taken| {
                let at = model.iter().position(|i| *i == taken).expect("taken once, and not evicted before");
                assert!(model[..at].iter().all(|i| i.0 != taken.0), "oldest of its level");
                model.remove(at);
            });
            prop_assert_eq!(ring_len(&consumer), model.len());
        }
    }
}

fn ring_len<S: Source<Ranked>>(source: &S) -> usize {
    source.len()
}
