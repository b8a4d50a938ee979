//! Who owns a shard, for how long, and in which order its items are drained.

use super::*;
use crate::ring::mpmc::{self, Cell};
use crate::ring::{Slot, Source, overwrite};
use alloc::sync::Arc;
use alloc::vec::Vec;

type Item = (usize, usize);
type Four = overwrite::Ring<Item, [Slot<Item>; 4]>;
type Small = Sharded<Four, [Shard<Four>; 2], mpmc::Ring<Item, [Cell<Item>; 4]>>;

fn small() -> Arc<Small> {
    Arc::new(Sharded::new(
        core::array::from_fn(|_| {
            Shard::new(overwrite::Ring::new(core::array::from_fn(|_| Slot::new())))
        }),
        mpmc::Ring::new(core::array::from_fn(|_| Cell::new())),
    ))
}

#[test]
fn shards_are_owned_and_come_back() {
    let all = small();
    let first = Sharded::claim(all.clone()).unwrap();
    let mut second = Sharded::claim(all.clone()).unwrap();
    assert_eq!((first.index(), second.index()), (0, 1));
    assert!(Sharded::claim(all.clone()).is_none());
    second.get().push((1, 7)).unwrap();
    drop(second);
    let mut again = Sharded::claim(all.clone()).unwrap();
    assert_eq!(again.get().len(), 1, "what was in it stays");
    again.get().push((1, 8)).unwrap();
    let mut drain = Sharded::drain(all.clone()).unwrap();
    assert!(Sharded::drain(all.clone()).is_none());
    let mut taken = Vec::new();
    drain.drain(10, |item| taken.push(item));
    assert_eq!(taken, [(1, 7), (1, 8)]);
    drop(drain);
    assert!(Sharded::drain(all).is_some());
}

#[test]
fn every_producer_gets_its_turn_and_keeps_its_order() {
    let all = small();
    let mut producers =
        [Sharded::claim(all.clone()).unwrap(), Sharded::claim(all.clone()).unwrap()];
    for i in 0..4 {
        for (p, producer) in producers.iter_mut().enumerate() {
            producer.get().push((p, i)).unwrap();
        }
        all.shared().push((2, i)).unwrap();
    }
    let mut drain = Sharded::drain(all.clone()).unwrap();
    assert_eq!((drain.len(), drain.capacity()), (12, 12));
    let mut taken = Vec::new();
    let mut first_round = Vec::new();
    for round in 0..6 {
        drain.drain(2, |item| taken.push(item));
        if round == 2 {
            first_round = taken.clone();
        }
    }
    let from = |p: usize, items: &[(usize, usize)]| {
        items.iter().filter(|i| i.0 == p).map(|i| i.1).collect::<Vec<_>>()
    };
    for p in 0..3 {
        assert_eq!(from(p, &first_round), [0, 1], "two each, in turn");
        assert_eq!(from(p, &taken), [0, 1, 2, 3]);
    }
}
