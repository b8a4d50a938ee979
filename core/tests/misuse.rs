//! Safe code that tries to break the rings. Nothing in this file may use `unsafe`, and whatever it does, no item comes
//! out twice, torn, or without having been pushed.
//!
//! What must not compile at all is shown in the documentation of `Storage`, `RingRef`, `ShardProducer` and `spsc`.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ringstat_core::ring::sharded::{Lease, Shard, Sharded};
use ringstat_core::ring::{Full, Pushed, Slot, Source, boxed, mpmc, overwrite, priority, spsc};

type Ring = overwrite::Ring<u64, Box<[Slot<u64>]>>;
type All = Sharded<Ring, Box<[Shard<Ring>]>, mpmc::Ring<u64, Box<[mpmc::Cell<u64>]>>>;

fn shards(count: usize, each: usize) -> Arc<All> {
    let shard = |_| Shard::new(Ring::new(boxed(each)));
    Arc::new(Sharded::new((0..count).map(shard).collect(), mpmc::Ring::new(boxed(each))))
}

fn contents(all: &Arc<All>) -> Vec<u64> {
    let mut taken = Vec::new();
    Sharded::drain(all.clone()).unwrap().drain(1000, |item| taken.push(item));
    taken
}

#[test]
fn swapped_ends_are_no_second_owner() {
    let all = shards(2, 8);
    let mut one = Sharded::claim(all.clone()).unwrap();
    let mut two = Sharded::claim(all.clone()).unwrap();
    {
        let (mut first, mut second) = (one.get(), two.get());
        std::mem::swap(&mut first, &mut second);
        first.push(2).unwrap();
        second.push(1).unwrap();
    }
    // Dropping either of them frees its own shard and no other.
    std::mem::swap(&mut one, &mut two);
    let freed = two.index();
    drop(two);
    let mut again = Sharded::claim(all.clone()).unwrap();
    assert_eq!(again.index(), freed);
    assert_ne!(again.index(), one.index());
    again.get().push(3).unwrap();
    one.get().push(4).unwrap();
    let mut taken = contents(&all);
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 4]);
}

#[test]
fn a_lease_opens_only_the_rings_that_it_is_of() {
    let (all, others) = (shards(1, 8), shards(1, 8));
    let mut lease = Lease::claim(&all).unwrap();
    let mut theirs = Lease::claim(&others).unwrap();
    assert!(lease.on(&others).is_none() && theirs.on(&all).is_none());
    std::mem::swap(&mut lease, &mut theirs);
    assert!(lease.on(&all).is_none());
    lease.on(&others).unwrap().push(1).unwrap();
    theirs.on(&all).unwrap().push(2).unwrap();
    assert_eq!((contents(&all), contents(&others)), (vec![2], vec![1]));
    // The rings are dropped while the lease stays, and rings at the same address are not mistaken for them.
    drop(all);
    assert!(theirs.is_stale());
    for _ in 0..100 {
        let new = shards(1, 8);
        assert!(theirs.on(&new).is_none());
    }
}

#[test]
fn a_lease_keeps_no_rings_and_gives_its_shard_back() {
    let all = shards(1, 8);
    let lease = Lease::claim(&all).unwrap();
    assert_eq!(Arc::strong_count(&all), 1);
    assert!(Lease::claim(&all).is_none());
    let before = all.vacated();
    drop(lease);
    assert_eq!(all.vacated(), before + 1);
    assert!(Lease::claim(&all).is_some());
}

/// Takes up to ten items, and panics at item number `at`.
fn drain_until(source: &mut impl Source<u64>, at: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    let drained = catch_unwind(AssertUnwindSafe(|| {
        source.drain(10, |item| {
            taken.push(item);
            assert_ne!(item, at, "on purpose");
        })
    }));
    assert_eq!(drained.is_err(), taken.contains(&at));
    taken
}

#[test]
fn a_panic_in_a_drain_gives_nothing_twice() {
    let mut ring = spsc::Ring::new([const { Slot::new() }; 4]);
    let (mut producer, mut consumer) = ring.split();
    assert_eq!(producer.push_slice(&[1, 2, 3, 4, 5]), 4);
    assert_eq!(drain_until(&mut consumer, 2), [1, 2]);
    assert_eq!(producer.push_slice(&[5, 6, 7]), 2, "the two that were taken have made room");
    assert_eq!(drain_until(&mut consumer, 0), [3, 4, 5, 6]);
}

#[test]
fn a_panic_in_a_drain_leaves_the_overwriting_ring_open() {
    let mut ring = Ring::new(boxed(4));
    let (mut producer, mut consumer) = ring.split();
    (1..=4).for_each(|i| producer.push(i).unwrap());
    assert_eq!(drain_until(&mut consumer, 2), [1, 2]);
    let pushed: Vec<_> = (5..=7).map(|i| producer.push_evicting(i)).collect();
    assert_eq!(pushed, [Ok(Pushed::Stored), Ok(Pushed::Stored), Ok(Pushed::Evicted(3))]);
    assert_eq!(drain_until(&mut consumer, 0), [4, 5, 6, 7]);
}

#[test]
fn a_panic_in_a_drain_of_many_is_taken_up_again() {
    let all = shards(2, 8);
    let mut ends = [0, 1].map(|_| Sharded::claim(all.clone()).unwrap());
    for (n, end) in ends.iter_mut().enumerate() {
        (0..3).for_each(|i| end.get().push(10 * n as u64 + i).unwrap());
    }
    (20..23).for_each(|i| all.shared().push(i).unwrap());
    let mut drain = Sharded::drain(all.clone()).unwrap();
    let mut taken = Vec::new();
    for at in [1, 10, 21, 99, 99] {
        taken.extend(drain_until(&mut drain, at));
    }
    taken.sort_unstable();
    assert_eq!(taken, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Ranked(u64);

impl priority::Prioritized for Ranked {
    /// Returns a different level at each call, often one that does not exist.
    fn level(&self) -> usize {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        CALLS.fetch_add(1, Ordering::Relaxed).wrapping_mul(7) % 9
    }
}

#[test]
fn a_level_that_lies_loses_nothing() {
    let mut ring: priority::Ring<Ranked, 5> = priority::Ring::new();
    let (mut producer, mut consumer) = ring.split();
    let mut seen = Vec::new();
    for n in 0..500 {
        match producer.push(Ranked(n)) {
            Ok(Pushed::Stored) => {}
            Ok(Pushed::Evicted(item)) | Err(Full(item)) => seen.push(item.0),
        }
        if n % 3 == 0 {
            consumer.drain(2, |item| seen.push(item.0));
        }
    }
    consumer.drain(10, |item| seen.push(item.0));
    seen.sort_unstable();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_panic_while_a_batch_is_made_publishes_what_was_made() {
    let mut ring = spsc::Ring::new([const { Slot::new() }; 4]);
    let (mut producer, mut consumer) = ring.split();
    let mut next = 0;
    let made = catch_unwind(AssertUnwindSafe(|| {
        producer.push_with(4, || {
            next += 1;
            assert!(next < 3, "on purpose");
            Some(next)
        })
    }));
    assert!(made.is_err());
    assert_eq!(drain_until(&mut consumer, 0), [1, 2]);
}
