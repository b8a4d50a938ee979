//! Rings: items of 64 bytes through ringstat's and through those of others.

use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use ringbuf::traits::{Consumer as _, Producer as _, Split};
use ringstat_core::ring::sharded::{Shard, Sharded};
use ringstat_core::ring::{Slot, Source, boxed, mpmc, overwrite, spsc};

use super::{Effort, Goal, Measured, Row, check, in_turns};
use crate::stats::quantile;

type Item = [u64; 8];

const SIZE: usize = 4096;
const BATCH: usize = 32;
/// How long a consumer waits for a batch to grow.
const PAUSE: usize = 128;

fn item(n: u64) -> Item {
    [n; 8]
}

/// The sum of what a consumer should see.
fn expected(items: u64) -> u64 {
    items * (items - 1) / 2
}

/// Runs `produce` beside `consume`, which returns the sum of what it saw, and times both together.
fn two_threads(
    items: u64,
    produce: impl FnOnce() + Send,
    consume: impl FnOnce() -> u64 + Send,
) -> Measured<f64> {
    let start = Barrier::new(2);
    let (sum, nanos) = thread::scope(|scope| {
        let producing = scope.spawn(|| {
            start.wait();
            produce();
        });
        start.wait();
        let begun = Instant::now();
        let sum = consume();
        let nanos = begun.elapsed().as_nanos() as f64;
        producing.join().map(|()| (sum, nanos)).unwrap_or((0, 0.0))
    });
    check(sum == expected(items), || format!("a sum of {sum} for {items} items"))?;
    Ok(nanos / items as f64)
}

fn ours_one_by_one(items: u64) -> Measured<f64> {
    let mut ring: Box<Spsc> = Box::default();
    let (mut producer, mut consumer) = ring.split();
    two_threads(
        items,
        move || {
            for n in 0..items {
                let mut next = item(n);
                while let Err(back) = producer.push(next) {
                    next = back.0;
                    spin_loop();
                }
            }
        },
        move || {
            let (mut seen, mut sum) = (0, 0);
            while seen < items {
                match consumer.pop() {
                    Some(item) => {
                        sum += item[7];
                        seen += 1;
                    }
                    None => spin_loop(),
                }
            }
            sum
        },
    )
}

fn rtrb_one_by_one(items: u64) -> Measured<f64> {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Item>::new(SIZE);
    two_threads(
        items,
        move || {
            for n in 0..items {
                let mut next = item(n);
                while let Err(rtrb::PushError::Full(back)) = producer.push(next) {
                    next = back;
                    spin_loop();
                }
            }
        },
        move || {
            let (mut seen, mut sum) = (0, 0);
            while seen < items {
                match consumer.pop() {
                    Ok(item) => {
                        sum += item[7];
                        seen += 1;
                    }
                    Err(_) => spin_loop(),
                }
            }
            sum
        },
    )
}

fn ours_in_batches(items: u64) -> Measured<f64> {
    let mut ring: Box<Spsc> = Box::default();
    let (mut producer, mut consumer) = ring.split();
    two_threads(
        items,
        move || {
            let mut n = 0;
            while n < items {
                let left = ((items - n) as usize).min(BATCH);
                let pushed = producer.push_with(left, || {
                    n += 1;
                    Some(item(n - 1))
                });
                if pushed == 0 {
                    spin_loop();
                }
            }
        },
        move || {
            let (mut seen, mut sum) = (0, 0);
            while seen < items {
                let taken = consumer.drain(BATCH, |item| sum += item[7]);
                if taken == 0 {
                    spin_loop();
                }
                seen += taken as u64;
            }
            sum
        },
    )
}

fn rtrb_in_chunks(items: u64) -> Measured<f64> {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Item>::new(SIZE);
    two_threads(
        items,
        move || {
            let mut n = 0;
            while n < items {
                let room = producer.slots().min(BATCH).min((items - n) as usize);
                match producer.write_chunk_uninit(room) {
                    Ok(chunk) if room > 0 => {
                        n += chunk.fill_from_iter((n..).map(item)) as u64;
                    }
                    _ => spin_loop(),
                }
            }
        },
        move || {
            let (mut seen, mut sum) = (0, 0);
            while seen < items {
                let there = consumer.slots().min(BATCH);
                match consumer.read_chunk(there) {
                    Ok(chunk) if there > 0 => {
                        chunk.into_iter().for_each(|item| sum += item[7]);
                        seen += there as u64;
                    }
                    _ => spin_loop(),
                }
            }
            sum
        },
    )
}

fn ringbuf_in_slices(items: u64) -> Measured<f64> {
    let (mut producer, mut consumer) = ringbuf::HeapRb::<Item>::new(SIZE).split();
    two_threads(
        items,
        move || {
            let mut n = 0;
            while n < items {
                let until = (n + BATCH as u64).min(items);
                let pushed = producer.push_iter((n..until).map(item));
                if pushed == 0 {
                    spin_loop();
                }
                n += pushed as u64;
            }
        },
        move || {
            let (mut seen, mut sum) = (0, 0);
            let mut batch = [item(0); BATCH];
            while seen < items {
                let taken = consumer.pop_slice(&mut batch);
                if taken == 0 {
                    spin_loop();
                }
                batch[..taken].iter().for_each(|item| sum += item[7]);
                seen += taken as u64;
            }
            sum
        },
    )
}

/// Two producers and one consumer; `push` is tried until it takes the item.
fn two_producers(
    items: u64,
    push: [&mut (dyn FnMut(Item) -> bool + Send); 2],
    mut pop: impl FnMut(&mut dyn FnMut(Item)) -> usize,
) -> Measured<f64> {
    let start = Barrier::new(3);
    let (mut sum, mut seen) = (0, 0);
    let nanos = thread::scope(|scope| {
        for (first, push) in push.into_iter().enumerate() {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for n in (first as u64..items).step_by(2) {
                    while !push(item(n)) {
                        // There are more threads than this machine may have cores.
                        thread::yield_now();
                    }
                }
            });
        }
        start.wait();
        let begun = Instant::now();
        while seen < items {
            let taken = pop(&mut |item| sum += item[7]);
            if taken == 0 {
                thread::yield_now();
            } else if taken < BATCH {
                // A drain that looks after each single item fetches its cache lines for each single item.
                (0..PAUSE).for_each(|_| spin_loop());
            }
            seen += taken as u64;
        }
        begun.elapsed().as_nanos() as f64
    });
    check(sum == expected(items), || format!("a sum of {sum} for {items} items"))?;
    Ok(nanos / items as f64)
}

fn ours_shared(items: u64) -> Measured<f64> {
    let ring: mpmc::Ring<Item, Box<[mpmc::Cell<Item>]>> = mpmc::Ring::new(boxed(SIZE));
    let (mut a, mut b) = (|i| ring.push(i).is_ok(), |i| ring.push(i).is_ok());
    two_producers(items, [&mut a, &mut b], |f| (&ring).drain(BATCH, f))
}

fn crossbeam_shared(items: u64) -> Measured<f64> {
    let queue = ArrayQueue::new(SIZE);
    let (mut a, mut b) = (|i| queue.push(i).is_ok(), |i| queue.push(i).is_ok());
    two_producers(items, [&mut a, &mut b], |f| {
        (0..BATCH).map_while(|_| queue.pop().map(&mut *f)).count()
    })
}

type Spsc = spsc::Ring<Item, [Slot<Item>; SIZE]>;
type One = overwrite::Ring<Item, Box<[Slot<Item>]>>;
type All = Sharded<One, Box<[Shard<One>]>, mpmc::Ring<Item, Box<[mpmc::Cell<Item>]>>>;

fn ours_sharded(items: u64) -> Measured<f64> {
    let lane = |_| Shard::new(overwrite::Ring::new(boxed(SIZE)));
    let all: All = Sharded::new((0..2).map(lane).collect(), mpmc::Ring::new(boxed(1)));
    let claimed = (Sharded::claim(&all), Sharded::claim(&all), Sharded::drain(&all));
    let (Some(mut one), Some(mut two), Some(mut drain)) = claimed else {
        return Err(super::Wrong("a shard is taken".into()));
    };
    let (mut a, mut b) = (|i| one.get().push(i).is_ok(), |i| two.get().push(i).is_ok());
    two_producers(items, [&mut a, &mut b], |f| drain.drain(BATCH, f))
}

/// Percentiles of one push while a consumer takes what comes: the times of `pushes` calls, back to back.
fn latencies(
    pushes: u64,
    mut push: impl FnMut(Item) -> bool,
    mut pop: impl FnMut() -> Option<Item> + Send,
) -> Measured<[f64; 2]> {
    let done = AtomicBool::new(false);
    let clock = quanta::Clock::new();
    let mut times = Vec::with_capacity(pushes as usize);
    let popped = thread::scope(|scope| {
        let popping = scope.spawn(|| {
            let mut popped = 0u64;
            while !done.load(Ordering::Acquire) {
                match pop() {
                    Some(item) => popped += black_box(item)[0] & 1,
                    None => spin_loop(),
                }
            }
            while let Some(item) = pop() {
                popped += black_box(item)[0] & 1;
            }
            popped
        });
        while (times.len() as u64) < pushes {
            let begun = clock.raw();
            let pushed = push(item(times.len() as u64));
            let ended = clock.raw();
            if pushed {
                times.push(clock.delta_as_nanos(begun, ended) as f64);
            } else {
                // The consumer may not even run.
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Release);
        popping.join().unwrap_or(0)
    });
    check(popped == pushes / 2, || format!("{popped} odd ones of {pushes} came out"))?;
    Ok([quantile(&times, 0.5), quantile(&times, 0.99)])
}

fn push_latency(effort: &Effort) -> Measured<Vec<Row>> {
    let pushes = effort.operations(1_000_000);
    let ours = || {
        let mut ring: Box<Spsc> = Box::default();
        let (mut producer, mut consumer) = ring.split();
        latencies(pushes, |i| producer.push(i).is_ok(), || consumer.pop())
    };
    let rtrb = || {
        let (mut producer, mut consumer) = rtrb::RingBuffer::<Item>::new(SIZE);
        latencies(pushes, |i| producer.push(i).is_ok(), || consumer.pop().ok())
    };
    let mut rows = Vec::new();
    for (index, name) in ["p50", "p99"].into_iter().enumerate() {
        let pair = in_turns(effort, || Ok(ours()?[index]), || Ok(rtrb()?[index]))?;
        let what = format!("spsc push with a live consumer, {name}, by rtrb");
        rows.push(Row::new(&what, pair.ratio, Goal::AtMost(1.0), "", pair.detail("rtrb")));
    }
    Ok(rows)
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    let items = effort.operations(1_000_000);
    let mut rows = Vec::new();
    let mut row = |what: &str,
                   peer: &str,
                   ours: fn(u64) -> Measured<f64>,
                   theirs: fn(u64) -> Measured<f64>,
                   goal| {
        let pair = in_turns(effort, || ours(items), || theirs(items))?;
        let (measured, unit) = match goal {
            Goal::AtMost(_) => (pair.ratio, ""),
            Goal::AtLeast(_) => (1.0 / pair.ratio, " times faster"),
        };
        rows.push(Row::new(what, measured, goal, unit, pair.detail(peer)));
        Ok::<(), super::Wrong>(())
    };
    let no_slower = Goal::AtMost(1.0);
    row("spsc, two threads, by rtrb", "rtrb", ours_one_by_one, rtrb_one_by_one, no_slower)?;
    row("spsc in batches, by rtrb chunks", "rtrb", ours_in_batches, rtrb_in_chunks, no_slower)?;
    row(
        "spsc in batches, by ringbuf slices",
        "ringbuf",
        ours_in_batches,
        ringbuf_in_slices,
        no_slower,
    )?;
    row(
        "mpmc, 2 producers, by ArrayQueue",
        "ArrayQueue",
        ours_shared,
        crossbeam_shared,
        no_slower,
    )?;
    row(
        "sharded, 2 producers, against ArrayQueue",
        "ArrayQueue",
        ours_sharded,
        crossbeam_shared,
        Goal::AtLeast(3.0),
    )?;
    rows.extend(push_latency(effort)?);
    Ok(rows)
}
