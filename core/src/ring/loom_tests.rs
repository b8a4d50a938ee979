//! Every interleaving and every permitted reordering of small scenarios, checked with loom.
//!
//! Two traps are avoided: loom does not explore a party that runs on the model's main thread, so every party is
//! spawned; and a model that explores next to nothing passes anything, so a least number of iterations is asserted. The
//! mutants in `.ci/loom` must all fail, which shows that these tests can.

use std::sync::atomic::AtomicUsize as Count;
use std::sync::atomic::Ordering::SeqCst;
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use super::sharded::{Shard, Sharded};
use super::{Full, Pushed, Slot, Source, mpmc, overwrite, priority, spsc};

/// Runs `scenario` under loom and asserts that it was explored at least `least` times.
fn model(preemptions: usize, least: usize, scenario: impl Fn() + Sync + Send + 'static) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let iterations = std::sync::Arc::new(Count::new(0));
    let counted = iterations.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        scenario();
    });
    let iterations = iterations.load(SeqCst);
    std::println!("explored {iterations} times");
    assert!(iterations >= least, "explored only {iterations} times");
}

/// Leaked to be `'static`, so that loom's threads can own its ends; it is small, and only used under test.
fn leaked<T>(ring: T) -> &'static mut T {
    std::boxed::Box::leak(std::boxed::Box::new(ring))
}

fn slots<const N: usize>() -> [Slot<u32>; N] {
    core::array::from_fn(|_| Slot::new())
}

#[test]
fn spsc_keeps_order_and_loses_nothing() {
    model(6, 400, || {
        // Leaked to get `'static` ends; it is small, and only used under test.
        let ring = leaked(spsc::Ring::starting_at(slots::<2>(), 3));
        let (mut producer, mut consumer) = ring.split();
        let pushing = thread::spawn(move || {
            let mut pushed = 0;
            for i in 1..=3 {
                if producer.push(i).is_err() {
                    break;
                }
                pushed = i;
            }
            (producer, pushed)
        });
        let popping = thread::spawn(move || {
            let mut taken = Vec::new();
            taken.extend(consumer.pop());
            consumer.drain(2, |i| taken.push(i));
            (consumer, taken)
        });
        let (_, pushed) = pushing.join().unwrap();
        let (mut consumer, mut taken) = popping.join().unwrap();
        consumer.drain(3, |i| taken.push(i));
        assert_eq!(taken, (1..=pushed).collect::<Vec<_>>());
    });
}

#[test]
fn overwrite_gives_each_item_to_one_end() {
    model(3, 3000, || {
        let ring = leaked(overwrite::Ring::starting_at(slots::<2>(), 3));
        let (mut producer, mut consumer) = ring.split();
        let pushing = thread::spawn(move || {
            let (mut evicted, mut refused) = (Vec::new(), Vec::new());
            for i in 1..=4 {
                match producer.push_evicting(i) {
                    Ok(Pushed::Stored) => {}
                    Ok(Pushed::Evicted(oldest)) => evicted.push(oldest),
                    Err(Full(back)) => refused.push(back),
                }
            }
            (evicted, refused)
        });
        let popping = thread::spawn(move || {
            let mut taken = Vec::new();
            // Each end reads the other's position once.
            consumer.drain(2, |i| taken.push(i));
            consumer.drain(1, |i| taken.push(i));
            (consumer, taken)
        });
        let (evicted, refused) = pushing.join().unwrap();
        let (mut consumer, mut taken) = popping.join().unwrap();
        consumer.drain(4, |i| taken.push(i));
        assert!(taken.is_sorted(), "in order: {taken:?}");
        let mut all = [taken, evicted, refused].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4], "each exactly once");
    });
}

#[test]
fn mpmc_gives_each_item_to_one_consumer() {
    model(2, 5000, || {
        let ring = Arc::new(mpmc::Ring::<u32, _>::new([mpmc::Cell::new()]));
        let push = |from: u32| {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut lost = Vec::new();
                if let Err(Full(back)) = ring.push_evicting(from, |oldest| lost.push(oldest)) {
                    lost.push(back);
                }
                lost
            })
        };
        let parties = [push(1), push(2)];
        let popping = {
            let ring = ring.clone();
            thread::spawn(move || ring.pop().into_iter().collect::<Vec<_>>())
        };
        let mut all: Vec<u32> = parties.into_iter().flat_map(|p| p.join().unwrap()).collect();
        all.extend(popping.join().unwrap());
        (&*ring).drain(9, |i| all.push(i));
        all.sort_unstable();
        assert_eq!(all, [1, 2], "each exactly once");
    });
}

#[test]
fn mpmc_evicts_at_most_one_and_never_in_vain() {
    model(3, 100, || {
        let cells = core::array::from_fn::<_, 3, _>(|_| mpmc::Cell::new());
        let ring = Arc::new(mpmc::Ring::<u32, _>::new(cells));
        (1..=3).for_each(|i| ring.push(i).unwrap());
        let pushing = {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut evicted = Vec::new();
                let refused = ring.push_evicting(4, |oldest| evicted.push(oldest)).err();
                (evicted, refused)
            })
        };
        let popping = {
            let ring = ring.clone();
            thread::spawn(move || ring.pop().into_iter().collect::<Vec<_>>())
        };
        let (evicted, refused) = pushing.join().unwrap();
        let popped = popping.join().unwrap();
        match refused {
            Some(_) => assert_eq!(evicted, [], "given up in vain"),
            None => assert!(evicted.len() <= 1, "given up: {evicted:?}"),
        }
        let mut all =
            [evicted, refused.map(|Full(back)| back).into_iter().collect(), popped].concat();
        (&*ring).drain(9, |i| all.push(i));
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4], "each exactly once");
    });
}

/// A shard changes hands while its consumer drains it: each owner continues where the last one stopped.
#[test]
fn shard_is_handed_over_whole() {
    model(3, 1000, || {
        let all = Arc::new(one_shard());
        let record = |from: u32| {
            let all = all.clone();
            thread::spawn(move || {
                let Some(mut shard) = Sharded::claim(&*all) else { return Vec::new() };
                let pushed = (from..from + 2).filter(|i| shard.get().push(*i).is_ok());
                pushed.collect::<Vec<_>>()
            })
        };
        let parties = [record(1), record(3)];
        let popping = {
            let all = all.clone();
            thread::spawn(move || {
                let mut taken = Vec::new();
                let mut drain = Sharded::drain(&*all).unwrap();
                drain.drain(1, |i| taken.push(i));
                taken
            })
        };
        let mut pushed: Vec<u32> = parties.into_iter().flat_map(|p| p.join().unwrap()).collect();
        let mut taken = popping.join().unwrap();
        let mut drain = Sharded::drain(&*all).unwrap();
        drain.drain(9, |i| taken.push(i));
        taken.sort_unstable();
        pushed.sort_unstable();
        assert_eq!(taken, pushed);
    });
}

/// The drain changes hands while a producer fills the shard.
#[test]
fn drain_is_handed_over_whole() {
    model(3, 500, || {
        let all = Arc::new(one_shard());
        let recording = {
            let all = all.clone();
            thread::spawn(move || {
                let mut shard = Sharded::claim(&*all).unwrap();
                (1..=4).filter(|i| shard.get().push(*i).is_ok()).collect::<Vec<u32>>()
            })
        };
        let drain = || {
            let all = all.clone();
            thread::spawn(move || {
                let mut taken = Vec::new();
                if let Some(mut drain) = Sharded::drain(&*all) {
                    drain.drain(2, |i| taken.push(i));
                }
                taken
            })
        };
        let drains = [drain(), drain()];
        let pushed = recording.join().unwrap();
        let mut taken: Vec<u32> = drains.into_iter().flat_map(|p| p.join().unwrap()).collect();
        let mut drain = Sharded::drain(&*all).unwrap();
        drain.drain(9, |i| taken.push(i));
        taken.sort_unstable();
        assert_eq!(taken, pushed);
    });
}

type Small = Sharded<
    spsc::Ring<u32, [Slot<u32>; 2]>,
    [Shard<spsc::Ring<u32, [Slot<u32>; 2]>>; 1],
    mpmc::Ring<u32, [mpmc::Cell<u32>; 1]>,
>;

/// One shard that two parties own one after the other.
fn one_shard() -> Small {
    Sharded::new([Shard::new(spsc::Ring::new(slots()))], mpmc::Ring::new([mpmc::Cell::new()]))
}

#[test]
fn mpmc_slots_are_used_again_safely() {
    model(6, 50, || {
        let ring = Arc::new(mpmc::Ring::<u32, _>::new([mpmc::Cell::new()]));
        let pushing = {
            let ring = ring.clone();
            thread::spawn(move || (1..=3).filter(|i| ring.push(*i).is_ok()).collect::<Vec<u32>>())
        };
        let popping = {
            let ring = ring.clone();
            thread::spawn(move || (0..2).filter_map(|_| ring.pop()).collect::<Vec<_>>())
        };
        let pushed = pushing.join().unwrap();
        let mut taken = popping.join().unwrap();
        (&*ring).drain(9, |i| taken.push(i));
        assert_eq!(taken, pushed);
    });
}

#[test]
fn priority_gives_each_item_to_one_end_and_high_ones_last() {
    model(3, 150, || {
        let ring = leaked(priority::Ring::<Ranked, 2>::for_model());
        let (mut producer, mut consumer) = ring.split();
        let pushing = thread::spawn(move || {
            let mut lost = Vec::new();
            for (n, level) in [(1, 0), (2, 2), (3, 1)] {
                match producer.push(Ranked(n, level)) {
                    Ok(Pushed::Stored) => {}
                    Ok(Pushed::Evicted(item)) | Err(Full(item)) => lost.push(item.0),
                }
            }
            lost
        });
        let popping = thread::spawn(move || {
            let mut taken = Vec::new();
            consumer.drain(1, |i: Ranked| taken.push(i.0));
            (consumer, taken)
        });
        let lost = pushing.join().unwrap();
        let (mut consumer, mut taken) = popping.join().unwrap();
        consumer.drain(9, |i| taken.push(i.0));
        assert!(!lost.contains(&2), "the high one is never given up: {lost:?}");
        let mut all = [taken, lost].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3], "each exactly once");
    });
}

#[derive(Clone, Copy)]
struct Ranked(u32, usize);

impl priority::Prioritized for Ranked {
    fn level(&self) -> usize {
        self.1
    }
}
