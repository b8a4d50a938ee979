//! Attempts, acknowledgements, and a network that loses datagrams in both directions.

use super::*;
use crate::receive::{IdWindow, Seen};
use crate::record::{Event, Kind, NoNames};
use crate::send::ArrayStore;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use proptest::prelude::*;

const RETRY: RetryConfig = RetryConfig {
    timeout: Duration::from_nanos(100),
    timeout_max: Duration::from_nanos(800),
    attempts: 3,
};

fn store<const N: usize>() -> Critical<ArrayStore<N>> {
    Critical::new(ArrayStore::new(), RETRY, |d| d.as_nanos() as u64, 1)
}

fn event(n: u64) -> Event {
    Event::new(Kind::Event, "e".into(), n.into(), n).unwrap()
}

/// Packs at most `room` of the events that are due, and returns their identifiers.
fn sent<const N: usize>(
    store: &mut Critical<ArrayStore<N>>,
    now: u64,
    drops: &mut Drops,
    room: usize,
) -> Vec<u64> {
    let floor = store.floor;
    let mut ids = Vec::new();
    store.pack(now, drops, &NoNames, |_, above, _| {
        if ids.len() == room {
            return Packing::Full;
        }
        ids.push(floor + above);
        Packing::Packed
    });
    ids
}

#[test]
fn it_is_sent_again_with_growing_pauses_and_given_up_in_the_end() {
    let mut store = store::<4>();
    let mut drops = Drops::NONE;
    store.keep(event(0), 0).unwrap();
    assert_eq!(sent(&mut store, 0, &mut drops, 9), [0]);
    let mut pauses = Vec::new();
    let mut last = 0;
    for now in 0..2000 {
        if store.is_due(now) && !sent(&mut store, now, &mut drops, 9).is_empty() {
            pauses.push(now - last);
            last = now;
        }
    }
    assert_eq!(pauses.len(), 2, "three attempts in all");
    assert!((75..=126).contains(&pauses[0]) && (150..=251).contains(&pauses[1]), "{pauses:?}");
    assert_eq!(drops.get(Cause::Unacknowledged), 1);
    assert_eq!((store.open(), store.floor(), store.room()), (0, None, 4));
}

#[test]
fn without_an_end_it_is_sent_until_it_is_acknowledged() {
    let retry = RETRY.without_end();
    let mut store: Critical<ArrayStore<1>> =
        Critical::new(ArrayStore::new(), retry, |d| d.as_nanos() as u64, 1);
    let mut drops = Drops::NONE;
    store.keep(event(0), 0).unwrap();
    let mut now = 0;
    for _ in 0..1000 {
        assert_eq!(sent(&mut store, now, &mut drops, 9), [0]);
        let next = store.deadline().unwrap();
        assert!((1..=800).contains(&(next - now)), "neither a storm nor silence");
        now = next;
    }
    assert_eq!((drops.total(), store.open()), (0, 1));
    let ack = Ack { sender: 0, epoch: 0, base: 0, bitmap: &[1] };
    assert_eq!(store.acknowledged(&ack, &NoNames), Some(1));
}

#[test]
fn an_acknowledgement_settles_what_it_names_and_no_more() {
    let mut store = store::<4>();
    let mut drops = Drops::NONE;
    (0..4).for_each(|n| store.keep(event(n), 0).unwrap());
    assert!(store.keep(event(9), 0).is_err());
    assert_eq!(sent(&mut store, 0, &mut drops, 2), [0, 1], "no room for the others");
    let ack = |base, bitmap| Ack { sender: 0, epoch: 0, base, bitmap };
    assert_eq!(store.acknowledged(&ack(0, &[0b0110]), &NoNames), None, "2 was never sent");
    assert_eq!(store.acknowledged(&ack(1, &[]), &NoNames), None, "nor was 1 ever the floor");
    assert_eq!(store.acknowledged(&ack(0, &[0b0010]), &NoNames), Some(1));
    assert_eq!((store.open(), store.floor(), store.room()), (3, Some(0), 0), "a hole");
    assert_eq!(sent(&mut store, 1, &mut drops, 9), [2, 3]);
    assert_eq!(store.acknowledged(&ack(0, &[0b0111]), &NoNames), Some(2));
    assert_eq!((store.open(), store.floor(), store.room()), (1, Some(3), 3));
    assert_eq!(store.acknowledged(&ack(0, &[0b0111]), &NoNames), Some(0), "once");
    assert_eq!(store.abandon(&mut drops, Cause::Shutdown, &NoNames), 1);
    assert_eq!(drops.get(Cause::Unacknowledged), 1);
}

#[test]
fn what_can_never_be_sent_is_given_up_at_once_and_without_room_nothing_is_kept() {
    let mut store = store::<2>();
    let mut drops = Drops::NONE;
    store.keep(event(0), 0).unwrap();
    assert!(
        store.pack(0, &mut drops, &NoNames, |_, _, _| Packing::TooLarge),
        "nothing may follow it"
    );
    assert_eq!((drops.get(Cause::TooLarge), store.open()), (1, 0));
    let mut none = self::store::<0>();
    assert!(none.keep(event(0), 0).is_err() && !none.is_due(u64::MAX));
    assert_eq!((none.floor(), none.deadline(), none.room()), (None, None, 0));
}

#[test]
fn a_clock_that_goes_back_does_not_stop_it() {
    let mut store = store::<2>();
    let mut drops = Drops::NONE;
    store.keep(event(0), 1_000_000).unwrap();
    assert_eq!(sent(&mut store, 1_000_000, &mut drops, 9), [0]);
    assert!(!store.is_due(1_000_001) && store.is_due(5));
    assert_eq!(sent(&mut store, 5, &mut drops, 9), [0]);
}

proptest! {
    /// Over a network that loses datagrams in both directions, each event is delivered at most once, exactly once
    /// if it is acknowledged, and the account closes at every step.
    #[test]
    fn each_is_delivered_once_or_given_up(
        steps in proptest::collection::vec((0u8..4, 0u64..300, any::<u8>()), 0..300),
    ) {
        let mut store = store::<8>();
        let mut receiver = IdWindow::new();
        let mut drops = Drops::NONE;
        let (mut now, mut kept, mut acknowledged) = (0, 0u64, 0);
        let mut delivered: Vec<u64> = Vec::new();
        let mut under_way: VecDeque<(u64, Vec<u64>)> = VecDeque::new();
        for (step, by, dice) in steps {
            now += by;
            match step {
                0 => kept += u64::from(store.keep(event(kept), now).is_ok()),
                1 => if let Some(floor) = store.floor() {
                    let ids = sent(&mut store, now, &mut drops, usize::from(dice % 5));
                    under_way.push_back((floor, ids));
                },
                2 => if dice % 3 != 0 && let Some((floor, ids)) = under_way.pop_front() {
                    receiver.advance(floor);
                    for id in ids {
                        match receiver.insert(id) {
                            Seen::New => delivered.push(id),
                            Seen::Before => {}
                            Seen::Beyond => prop_assert!(false, "the window holds all that is open"),
                        }
                    }
                    if dice % 2 == 0 {
                        under_way.pop_front(); // lost
                    }
                },
                _ => if dice % 3 != 0 {
                    acknowledged += store.acknowledged(&receiver.ack(0, 0), &NoNames).expect("it is honest");
                },
            }
            prop_assert_eq!(kept, acknowledged + drops.total() + store.open() as u64);
        }
        let mut once = delivered.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), delivered.len());
        prop_assert!(acknowledged <= delivered.len() as u64);
    }
}
