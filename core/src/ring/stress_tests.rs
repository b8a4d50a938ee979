//! Real threads on real hardware, bounded; ThreadSanitizer runs these as well (`.ci/tsan`).

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::mpmc::Cell;
use super::sharded::{Shard, Sharded};
use super::{Full, Pushed, Slot, Source, mpmc, overwrite, priority, spsc};
use crate::testkit::rounds;

/// Large enough that a torn copy would show: all words are equal.
type Item = [u64; 8];

fn items() -> u64 {
    rounds(20_000, 100_000)
}

fn whole(item: Item) -> u64 {
    assert!(item.iter().all(|w| *w == item[0]), "torn: {item:?}");
    item[0]
}

fn slots<const N: usize>() -> [Slot<Item>; N] {
    core::array::from_fn(|_| Slot::new())
}

#[test]
fn spsc_delivers_everything_in_order() {
    let items = items();
    let mut ring = spsc::Ring::new(slots::<37>());
    let (mut producer, mut consumer) = ring.split();
    thread::scope(|scope| {
        let pushing = scope.spawn(move || {
            let mut next = 0;
            while next < items {
                if next % 3 == 0 {
                    next += u64::from(producer.push([next; 8]).is_ok());
                } else {
                    let batch: Vec<Item> = (next..(next + 5).min(items)).map(|i| [i; 8]).collect();
                    next += producer.push_slice(&batch) as u64;
                }
                if next % 64 == 0 {
                    thread::yield_now();
                }
            }
        });
        let popping = scope.spawn(move || {
            let mut expected = 0;
            while expected < items {
                let taken = consumer.drain(7, |item| {
                    assert_eq!(whole(item), expected);
                    expected += 1;
                });
                if taken == 0 {
                    thread::yield_now();
                }
            }
        });
        pushing.join().unwrap();
        popping.join().unwrap();
    });
}

#[test]
fn overwrite_accounts_for_every_item() {
    let items = items();
    let mut ring = overwrite::Ring::new(slots::<16>());
    let (mut producer, mut consumer) = ring.split();
    let done = &AtomicBool::new(false);
    let (evicted, refused, taken) = thread::scope(|scope| {
        let pushing = scope.spawn(move || {
            let (mut evicted, mut refused, mut last) = (0u64, 0u64, None);
            for i in 0..items {
                match producer.push_evicting([i; 8]) {
                    Ok(Pushed::Stored) => {}
                    Ok(Pushed::Evicted(item)) => {
                        let item = whole(item);
                        assert!(last < Some(item), "evictions are in order");
                        last = Some(item);
                        evicted += 1;
                    }
                    Err(Full(_)) => refused += 1,
                }
                if i % 50 == 0 {
                    thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
            (evicted, refused)
        });
        let popping = scope.spawn(move || {
            let (mut taken, mut last) = (0u64, None);
            loop {
                let finished = done.load(Ordering::Acquire);
                let count = consumer.drain(5, |item| {
                    let item = whole(item);
                    assert!(last < Some(item), "in order");
                    last = Some(item);
                });
                taken += count as u64;
                if finished && count == 0 {
                    return taken;
                }
                if count == 0 {
                    thread::yield_now();
                }
            }
        });
        let (evicted, refused) = pushing.join().unwrap();
        (evicted, refused, popping.join().unwrap())
    });
    assert_eq!(evicted + refused + taken, items);
    assert!(taken > 0);
}

#[test]
fn mpmc_delivers_each_item_once() {
    let items = items();
    let each = items / 4;
    let ring = mpmc::Ring::<Item, _>::new(core::array::from_fn::<_, 13, _>(|_| Cell::new()));
    let done = &AtomicBool::new(false);
    let mut all = thread::scope(|scope| {
        let producers: Vec<_> = (0..3)
            .map(|p| {
                let ring = &ring;
                scope.spawn(move || {
                    for i in 0..each {
                        while ring.push([p * each + i; 8]).is_err() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let ring = &ring;
                scope.spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        let finished = done.load(Ordering::Acquire);
                        match ring.pop() {
                            Some(item) => taken.push(whole(item)),
                            None if finished => return taken,
                            None => thread::yield_now(),
                        }
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|p| p.join().unwrap());
        done.store(true, Ordering::Release);
        consumers.into_iter().flat_map(|c| c.join().unwrap()).collect::<Vec<_>>()
    });
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..3 * each), "{} items", all.len());
}

#[test]
fn sharded_keeps_order_per_producer_while_shards_change_hands() {
    let items = items();
    type One = overwrite::Ring<Item, [Slot<Item>; 32]>;
    type All = Sharded<One, [Shard<One>; 2], mpmc::Ring<Item, [Cell<Item>; 32]>>;
    let all: Arc<All> = Arc::new(Sharded::new(
        core::array::from_fn(|_| Shard::new(overwrite::Ring::new(slots()))),
        mpmc::Ring::new(core::array::from_fn(|_| Cell::new())),
    ));
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let mut drain = Sharded::drain(all.clone()).unwrap();
        let popping = scope.spawn(move || {
            let (mut last, mut taken) = ([None; 40], 0u64);
            loop {
                let finished = done.load(Ordering::Acquire);
                let count = drain.drain(9, |item| {
                    let (producer, n) = (whole(item) / items, whole(item) % items);
                    let last = &mut last[producer as usize];
                    assert!(*last < Some(n), "order of producer {producer}");
                    *last = Some(n);
                });
                taken += count as u64;
                if finished && count == 0 {
                    return taken;
                }
                if count == 0 {
                    thread::yield_now();
                }
            }
        });
        let mut pushed = 0;
        // Short-lived threads, more of them at a time than shards.
        for round in 0..10u64 {
            let threads: Vec<_> = (0..4u64)
                .map(|t| {
                    let all = all.clone();
                    scope.spawn(move || {
                        let producer = round * 4 + t;
                        let mut shard = Sharded::claim(all.clone());
                        let mut pushed = 0;
                        for n in 0..2000 {
                            let item = [producer * items + n; 8];
                            let stored = match &mut shard {
                                Some(shard) => shard.get().push(item).is_ok(),
                                None => all.shared().push(item).is_ok(),
                            };
                            pushed += u64::from(stored);
                            if !stored {
                                thread::yield_now();
                            }
                        }
                        pushed
                    })
                })
                .collect();
            pushed += threads.into_iter().map(|t| t.join().unwrap()).sum::<u64>();
        }
        done.store(true, Ordering::Release);
        assert_eq!(popping.join().unwrap(), pushed);
    });
}

#[derive(Clone, Copy)]
struct Ranked(Item, usize);

impl priority::Prioritized for Ranked {
    fn level(&self) -> usize {
        self.1
    }
}

#[test]
fn priority_accounts_for_every_item_and_never_drops_the_higher() {
    let items = items();
    let mut ring: priority::Ring<Ranked, 32> = priority::Ring::new();
    let (mut producer, mut consumer) = ring.split();
    let done = &AtomicBool::new(false);
    let (lost, taken) = thread::scope(|scope| {
        let pushing = scope.spawn(move || {
            let mut lost = [0u64; priority::LEVELS];
            for i in 0..items {
                // One in ten is of the highest level: the ring always holds lower ones that can be dropped.
                let level = if i % 10 == 0 { 3 } else { (i % 3) as usize };
                match producer.push(Ranked([i; 8], level)) {
                    Ok(Pushed::Stored) => {}
                    Ok(Pushed::Evicted(item)) | Err(Full(item)) => {
                        whole(item.0);
                        assert!(item.1 <= level);
                        lost[item.1] += 1;
                    }
                }
                if i % 50 == 0 {
                    thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
            lost
        });
        let popping = scope.spawn(move || {
            let (mut last, mut taken) = ([None; priority::LEVELS], [0u64; priority::LEVELS]);
            loop {
                let finished = done.load(Ordering::Acquire);
                let count = consumer.drain(3, |item| {
                    let n = whole(item.0);
                    assert!(last[item.1] < Some(n), "in order within a level");
                    last[item.1] = Some(n);
                    taken[item.1] += 1;
                });
                if finished && count == 0 {
                    return taken;
                }
                if count == 0 {
                    thread::yield_now();
                }
            }
        });
        (pushing.join().unwrap(), popping.join().unwrap())
    });
    assert_eq!(lost.iter().sum::<u64>() + taken.iter().sum::<u64>(), items);
    assert_eq!(lost[3] + taken[3], items / 10);
}
