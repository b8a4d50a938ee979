//! What the rings of a client keep and give up, policy by policy.

use super::*;
use proptest::prelude::*;
use ringstat_core::record::{Borrowed, Kind, Priority};

fn event(n: u64) -> Event {
    Event::new(Kind::Counter, "n".into(), n.into(), n).unwrap()
}

fn shared_len(rings: &Rings) -> usize {
    rings.fills().last().unwrap().0
}

#[test]
fn threads_own_shards_and_the_rest_share() {
    let rings = Rings::new(2, 8, 8, Policy::DropNewest, 0, 0);
    let barrier = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        let record = || {
            assert_eq!(rings.push(&event(1)), Outcome::Recorded);
            barrier.wait();
        };
        // Joined explicitly, because a scope only waits for their work, not for their end.
        let threads = [(); 4].map(|()| scope.spawn(record));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!((rings.len(), shared_len(&rings)), (4, 2));
    let mut consumer = rings.consumer().unwrap();
    assert_eq!(consumer.drain(100, |_| ()), 4);
    // The threads have ended and their shards are free again.
    std::thread::scope(|scope| scope.spawn(|| rings.push(&event(2))).join().unwrap());
    assert_eq!((rings.len(), shared_len(&rings)), (1, 0));
}

#[test]
fn a_thread_without_a_shard_looks_again_when_one_is_given_back() {
    let rings = Rings::new(1, 8, 8, Policy::DropOldest, 0, 0);
    let (recorded, go_on) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    std::thread::scope(|scope| {
        let owner = scope.spawn(|| {
            rings.push(&event(1));
            recorded.wait();
            go_on.wait();
        });
        recorded.wait();
        for n in 0..2 {
            rings.push(&event(n));
        }
        assert_eq!((rings.len(), shared_len(&rings)), (3, 2));
        go_on.wait();
        owner.join().unwrap();
        for n in 0..3 {
            rings.push(&event(n));
        }
        assert_eq!((rings.len(), shared_len(&rings)), (6, 2));
    });
}

#[test]
fn a_registered_thread_has_its_shard_before_it_records() {
    let rings = Rings::new(1, 8, 8, Policy::ByPriority, 0, 0);
    assert!(rings.register() && rings.register());
    let other = || std::thread::scope(|scope| scope.spawn(|| rings.register()).join().unwrap());
    assert!(!other(), "the only one is taken");
    rings.push(&event(1));
    assert_eq!((rings.len(), shared_len(&rings)), (1, 0));
}

#[test]
fn a_thread_keeps_no_rings_alive() {
    for policy in [Policy::DropNewest, Policy::DropOldest, Policy::ByPriority] {
        let rings = Rings::new(2, 8, 8, policy, 0, 0);
        rings.push(&event(1));
        let alive = rings.all.watch();
        assert!(alive());
        drop(rings);
        assert!(!alive(), "{policy:?}");
    }
}

/// What a thread records at its very end, after its shards were given back, goes to the shared ring and is not lost.
#[test]
fn what_destructors_record_is_kept() {
    use std::cell::RefCell;
    use std::sync::Arc;

    struct AtTheEnd(Arc<Rings>);

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            assert_eq!(self.0.push(&event(2)), Outcome::Recorded);
        }
    }

    thread_local! {
        static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    }

    let rings = Arc::new(Rings::new(1, 8, 8, Policy::DropNewest, 0, 0));
    for round in 1..4 {
        let theirs = rings.clone();
        std::thread::spawn(move || {
            theirs.push(&event(1));
            LAST.set(Some(AtTheEnd(theirs)));
        })
        .join()
        .unwrap();
        assert_eq!(rings.len(), 2 * round);
    }
    assert!(rings.register(), "each gave its shard back");
}

#[test]
fn what_a_full_ring_gives_up_is_counted() {
    for (policy, kept, cause) in
        [(Policy::DropNewest, 0, Cause::Full), (Policy::DropOldest, 4, Cause::Evicted)]
    {
        let rings = Rings::new(1, 8, 8, policy, 0, 0);
        for n in 0..12 {
            rings.push(&event(n));
        }
        let mut first = None;
        rings.consumer().unwrap().drain(100, |e| first = first.or(Some(e.time())));
        assert_eq!(first, Some(kept));
        assert_eq!(rings.drops().get(cause), 4);
        assert_eq!(rings.drops().total(), 4);
    }
}

#[test]
fn one_thread_can_record_to_many_clients() {
    let clients: std::vec::Vec<_> =
        (0..5).map(|_| Rings::new(1, 8, 8, Policy::DropNewest, 0, 0)).collect();
    for n in 0..6 {
        for rings in &clients {
            assert_eq!(rings.push(&event(n)), Outcome::Recorded);
        }
    }
    assert!(clients.iter().all(|rings| rings.len() == 6));
    let shared = clients.iter().filter(|rings| rings.fills().next() == Some((0, 8)));
    assert_eq!(shared.count(), 1, "the fifth client has no shard on this thread");
}

fn ranked(priority: Priority, n: u64) -> Event {
    let mut event = event(n);
    event.set_priority(priority);
    event
}

/// The contents of the rings, in the order in which they would be sent.
fn contents(rings: &Rings) -> std::vec::Vec<Event> {
    let mut all = std::vec::Vec::new();
    rings.consumer().unwrap().drain(usize::MAX >> 1, |event| all.push(event));
    all
}

/// Records a thousand events of each priority in turn into rings for a hundred: how many were kept, by priority.
fn kept(policy: Policy) -> ([usize; 4], Drops) {
    let rings = Rings::new(1, 100, 8, policy, 0, 0);
    let mut recorded = 0;
    for n in 0..1000 {
        for priority in Priority::ALL {
            recorded += 1;
            let _ = rings.push(&ranked(priority, n));
        }
    }
    let mut kept = [0; 4];
    contents(&rings).iter().for_each(|e| kept[e.priority() as usize] += 1);
    assert_eq!(recorded, kept.iter().sum::<usize>() as u64 + rings.drops().total(), "{policy:?}");
    (kept, rings.drops())
}

#[test]
fn each_policy_keeps_what_it_promises() {
    let (all, drops) = kept(Policy::DropNewest);
    assert_eq!((all, drops.get(Cause::Full)), ([25; 4], 3900));

    let (all, drops) = kept(Policy::DropOldest);
    assert_eq!((all, drops.get(Cause::Evicted)), ([25; 4], 3900));

    let (all, _) = kept(Policy::ByPriority);
    assert_eq!(all, [0, 0, 0, 100]);

    let (all, drops) = kept(Policy::Sampled(10));
    // 75 are accepted until the ring is three quarters full; then all critical ones and one in ten of the others.
    assert_eq!(all.iter().sum::<usize>(), 100);
    assert!(all[3] > all[2] && drops.get(Cause::Sampled) > 2500, "{all:?} {drops:?}");

    let (all, drops) = kept(Policy::Graded(10));
    // High ones may evict high ones, so only critical ones are left at the end.
    assert_eq!(all, [0, 0, 0, 100]);
    assert!(drops.get(Cause::Sampled) > 0, "low ones were sampled first");
    assert!(drops.get(Cause::Evicted) > 0 && drops.get(Cause::Full) > 0);
}

#[test]
fn graded_keeps_normal_ones_out_of_what_is_left_for_higher_ones() {
    let rings = Rings::new(1, 100, 8, Policy::Graded(10), 0, 0);
    for n in 0..1000 {
        rings.push(&ranked(Priority::Normal, n));
    }
    assert_eq!((rings.len(), rings.drops().get(Cause::Full)), (90, 910));
    for n in 0..15 {
        assert!(rings.push(&ranked(Priority::High, n)).is_recorded());
    }
    assert_eq!((rings.len(), rings.drops().get(Cause::Evicted)), (100, 5));
    assert_eq!(rings.push(&ranked(Priority::Low, 0)), Outcome::Dropped(Cause::Full));
}

#[test]
fn sampled_ones_say_what_they_stand_for() {
    let rings = Rings::new(1, 1000, 8, Policy::Sampled(10), 0, 0);
    for n in 0..2000 {
        rings.push(&event(n));
    }
    let kept = contents(&rings);
    let stand_for: u64 = kept.iter().map(|e| u64::from(e.rate())).sum();
    // 750 by themselves, then 125 blocks of ten.
    assert_eq!((kept.len(), stand_for), (875, 2000));
    assert_eq!(rings.drops().get(Cause::Sampled), 1125);
}

#[test]
fn throttled_ones_say_so_too_and_what_matters_is_let_through() {
    for (level, one_in) in [(1, 2), (2, 8), (3, 32)] {
        let rings = Rings::new(1, 4000, 8, Policy::DropNewest, 0, 0);
        for n in 0..320 {
            rings.push_throttled(&ranked(Priority::Low, n), level);
            rings.push_throttled(&ranked(Priority::High, n), level);
        }
        let kept = contents(&rings);
        let low: std::vec::Vec<_> =
            kept.iter().filter(|e| e.priority() == Priority::Low).map(Event::rate).collect();
        assert_eq!(kept.len() - low.len(), 320);
        assert!(low.iter().all(|rate| *rate == one_in));
        assert_eq!(low.len() as u64 + rings.drops().get(Cause::Throttled), 320);
        // A block that another test has begun on this thread may make a difference of one.
        assert!((low.len() as i64 - i64::from(320 / u32::from(one_in))).abs() <= 1);
    }
}

/// Does what a draft does: the tags go to this thread's memory, and are given back if the event is refused.
fn push_long(rings: &Rings, priority: Priority, throttle: Option<u8>) -> Outcome {
    struct Through<'a>(&'a Rings, Option<u8>);
    impl ringstat_core::record::Recorder for Through<'_> {
        type Strings<'a>
            = Borrowed<'a>
        where
            Self: 'a;

        fn now(&self) -> u64 {
            0
        }
        fn push(&self, event: &Event) -> Outcome {
            match self.1 {
                Some(level) => self.0.push_throttled(event, level),
                None => self.0.push(event),
            }
        }
        fn refuse(&self, cause: Cause) -> Outcome {
            self.0.refuse(cause)
        }
        fn push_with(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
            match self.1 {
                Some(_) => self.0.keep_and(event, strings, |event| self.push(event)),
                None => self.0.push_with(event, strings),
            }
        }
    }
    use ringstat_core::record::Recorder;
    let through = Through(rings, throttle);
    let draft = through.count("n", 1u8).priority(priority);
    draft.tag("route", "/users/{id}/orders").tag("method", "GET").tag("status", "200").record()
}

#[test]
fn long_tags_release_on_exit_whatever_becomes_of_their_events() {
    for policy in Policy::ALL {
        for (critical, throttle) in [(0, None), (4, None), (0, Some(2))] {
            let rings = Rings::new(1, 20, 8, policy, critical, 64 * spill::BLOCK);
            let before = rings.drops().total();
            let record = |rounds: usize| {
                for n in 0..rounds {
                    push_long(&rings, Priority::ALL[n % 4], throttle);
                }
            };
            // One thread with a shard, and others that share a ring.
            record(1);
            std::thread::scope(|scope| {
                let others = [(); 2].map(|()| scope.spawn(|| record(100)));
                // Joined one by one, because ThreadSanitizer does not see what ends a scope.
                for other in others {
                    other.join().unwrap();
                }
            });
            record(100);
            let waiting = rings.len();
            assert!(waiting >= 20, "{policy:?}");
            assert_eq!(rings.tag_blocks().0, waiting, "{policy:?}: one block for each that waits");
            assert_eq!(before + 301, rings.drops().total() + waiting as u64);
            let mut said = 0;
            let mut take = |event: Event| {
                let strings = event.strings(&rings).expect("it has its tags");
                assert_eq!(strings.tags().count(), 3);
                drop(strings);
                event.give_back(&rings);
                said += 1;
            };
            rings.consumer().unwrap().drain(usize::MAX >> 1, &mut take);
            if let Some(mut ring) = rings.critical() {
                ring.drain(usize::MAX >> 1, &mut take);
            }
            assert_eq!((said, rings.len(), rings.tag_blocks().0), (waiting, 0, 0));
        }
    }
}

#[test]
fn memory_for_long_tags_that_is_used_up_refuses_them_and_no_others() {
    let rings = Rings::new(1, 20, 8, Policy::DropOldest, 0, 4 * spill::BLOCK);
    for n in 0..10 {
        let said = push_long(&rings, Priority::Normal, None);
        let full = Outcome::Dropped(Cause::TagMemoryFull);
        assert_eq!(said, if n < 4 { Outcome::Recorded } else { full });
    }
    assert_eq!(rings.push(&event(1)), Outcome::Recorded);
    assert_eq!((rings.drops().get(Cause::TagMemoryFull), rings.len()), (6, 5));
    rings.consumer().unwrap().drain(2, |event| event.give_back(&rings));
    assert_eq!(push_long(&rings, Priority::Normal, None), Outcome::Recorded);
}

proptest! {
    /// Whatever is recorded and taken, each record is kept, taken or counted; and if the policy goes by priority, none
    /// is given up while one of lower priority stays.
    #[test]
    fn no_policy_drops_the_higher_while_it_could_drop_the_lower(
        policy in proptest::sample::select(&Policy::ALL[..]),
        steps in proptest::collection::vec((0usize..4, 0usize..40), 0..400),
    ) {
        let rings = Rings::new(1, 20, 8, policy, 0, 0);
        let mut consumer = rings.consumer().unwrap();
        let mut inside = [0usize; 4];
        let (mut recorded, mut taken) = (0, 0);
        for (n, (priority, take)) in steps.into_iter().enumerate() {
            let before = rings.drops();
            let outcome = rings.push(&ranked(Priority::ALL[priority], n as u64));
            recorded += 1;
            let lower = inside[..priority].iter().sum::<usize>();
            match outcome {
                Outcome::Recorded => inside[priority] += 1,
                Outcome::RecordedEvicting if policy.ranks() => {
                    let victim = inside.iter().position(|n| *n > 0).unwrap();
                    prop_assert!(victim <= priority);
                    inside[victim] -= 1;
                    inside[priority] += 1;
                }
                Outcome::RecordedEvicting => {}
                Outcome::Dropped(cause) => {
                    prop_assert!(!policy.ranks() || lower == 0, "{cause:?} with {inside:?}");
                    prop_assert_eq!(rings.drops().get(cause), before.get(cause) + 1);
                }
            }
            if take > 30 {
                taken += consumer.drain(take - 30, |e| {
                    inside[e.priority() as usize] = inside[e.priority() as usize].saturating_sub(1);
                });
            }
            prop_assert_eq!(recorded, taken as u64 + rings.drops().total() + rings.len() as u64);
        }
    }
}
