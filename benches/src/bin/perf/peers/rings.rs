//! Rings: items of 64 bytes through ringstat's rings and those of other crates.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringstat_benches::peers::rings::{
    Crossbeam, Item, Mpmc, Pace, Pop, Push, Ring, Ringbuf, Rtrb, Sharded, Spsc, through,
};

use super::{Effort, Goal, Measured, Row, check, in_turns};
use crate::stats::quantile;

const SIZE: usize = 4096;
const ONE_BY_ONE: Pace = Pace::of_batches(1, 0);
const BATCHES: Pace = Pace::of_batches(32, 0);
/// The pace for several producers. A consumer that checks for every single item would fetch the cache lines every time.
const PATIENT: Pace = Pace::of_batches(32, 128);

/// Returns the nanoseconds per item when all producers together send this many. The received items are summed as a
/// check.
fn pass<R: Ring>(producers: usize, pace: Pace, items: u64) -> Measured<f64> {
    let each = items / producers as u64;
    let mut sum = 0;
    let taken = through::<R>(producers, each, pace, |item| sum += item.number());
    let expected = producers as u64 * (each * (each - 1) / 2);
    check(sum == expected, || format!("{}: a sum of {sum}, not {expected}", R::NAME))?;
    Ok(taken.as_nanos() as f64 / (producers as u64 * each) as f64)
}

/// Returns percentiles of one push while a consumer drains the ring, from `pushes` calls back to back.
fn latencies<R: Ring>(pushes: u64) -> Measured<[f64; 2]> {
    let mut ring = R::new();
    let (mut producers, mut consumer) = ring.ends(1);
    let producer = &mut producers[0];
    let done = AtomicBool::new(false);
    let clock = quanta::Clock::new();
    let mut times = Vec::with_capacity(pushes as usize);
    let popped = thread::scope(|scope| {
        let popping = scope.spawn(|| {
            let mut popped = 0u64;
            loop {
                // The flag is read before the ring, so that everything pushed before the flag was set is still taken.
                let ended = done.load(Ordering::Acquire);
                match consumer.pop() {
                    Some(item) => popped += black_box(item).number() & 1,
                    None if ended => return popped,
                    None => spin_loop(),
                }
            }
        });
        while (times.len() as u64) < pushes {
            let begun = clock.raw();
            let pushed = producer.push(Item::new(0, times.len() as u64));
            let ended = clock.raw();
            if pushed {
                times.push(clock.delta_as_nanos(begun, ended) as f64);
            } else {
                // The consumer may not be running at all.
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
    let mut rows = Vec::new();
    for (index, name) in ["p50", "p99"].into_iter().enumerate() {
        let ours = || Ok(latencies::<Spsc<SIZE>>(pushes)?[index]);
        let theirs = || Ok(latencies::<Rtrb<SIZE>>(pushes)?[index]);
        let pair = in_turns(effort, ours, theirs)?;
        let what = format!("spsc push with a live consumer, {name}, by rtrb");
        rows.push(Row::new(&what, pair.ratio, Goal::AtMost(1.0), "", pair.detail("rtrb")));
    }
    Ok(rows)
}

/// Makes a row of the table that compares one of our rings with another, for the given number of producers.
fn row<A: Ring, B: Ring>(
    effort: &Effort,
    what: &str,
    peer: &str,
    producers: usize,
    pace: Pace,
    goal: Goal,
) -> Measured<Row> {
    let items = effort.operations(1_000_000);
    let pair = in_turns(
        effort,
        || pass::<A>(producers, pace, items),
        || pass::<B>(producers, pace, items),
    )?;
    let (measured, unit) = pair.measured(goal);
    Ok(Row::new(what, measured, goal, unit, pair.detail(peer)))
}

/// Compares item by item with a faster, an equal and a slower consumer, pinned and not, and reports the worst of these:
/// which side is the faster one decides how often cache lines change cores.
fn at_any_pace(effort: &Effort) -> Measured<Row> {
    /// About 50 ns.
    const WORK: usize = 8;
    let (mut worst, mut all) = (0.0_f64, Vec::new());
    for (consumer, work) in [("faster", [WORK, 0]), ("equal", [0, 0]), ("slower", [0, WORK])] {
        for (place, pinned) in [("pinned", true), ("free", false)] {
            let pace = Pace { work, pinned, ..ONE_BY_ONE };
            let items = effort.operations(200_000);
            let ours = || pass::<Spsc<SIZE>>(1, pace, items);
            let pair = in_turns(effort, ours, || pass::<Rtrb<SIZE>>(1, pace, items))?;
            all.push(format!("{consumer} consumer {place} {:.2}", pair.ratio));
            worst = worst.max(pair.ratio);
        }
    }
    let what = "spsc, item by item, at any pace, by rtrb, worst";
    Ok(Row::new(what, worst, Goal::AtMost(1.0), "", all.join(", ")))
}

/// Compares the sharded ring with a shared queue for 1 to 16 producers, and reports the worst ratio.
fn producers(effort: &Effort) -> Measured<Row> {
    let (mut worst, mut all) = (f64::INFINITY, Vec::new());
    for producers in [1, 2, 4, 8, 16] {
        let items = effort.operations(400_000);
        let ours = || pass::<Sharded<SIZE, 16>>(producers, PATIENT, items);
        let pair = in_turns(effort, ours, || pass::<Crossbeam<SIZE>>(producers, PATIENT, items))?;
        all.push(format!("{producers}: {:.1} and {:.1} ns", pair.ours, pair.theirs));
        worst = worst.min(1.0 / pair.ratio);
    }
    let what = "sharded, 1 to 16 producers, against ArrayQueue, worst";
    Ok(Row::new(what, worst, Goal::AtLeast(1.0), " times as fast", all.join(", ")))
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    type Ours = Spsc<SIZE>;
    let no_slower = Goal::AtMost(1.0);
    let (rtrb, slices, queue) = ("rtrb", "ringbuf", "ArrayQueue");
    let mut rows = vec![
        row::<Ours, Rtrb<SIZE>>(
            effort,
            "spsc, two threads, by rtrb",
            rtrb,
            1,
            ONE_BY_ONE,
            no_slower,
        )?,
        row::<Ours, Rtrb<SIZE>>(
            effort,
            "spsc in batches, by rtrb chunks",
            rtrb,
            1,
            BATCHES,
            no_slower,
        )?,
        row::<Ours, Ringbuf<SIZE>>(
            effort,
            "spsc in batches, by ringbuf slices",
            slices,
            1,
            BATCHES,
            no_slower,
        )?,
        row::<Mpmc<SIZE>, Crossbeam<SIZE>>(
            effort,
            "mpmc, 2 producers, by ArrayQueue",
            queue,
            2,
            PATIENT,
            no_slower,
        )?,
        row::<Sharded<SIZE>, Crossbeam<SIZE>>(
            effort,
            "sharded, 2 producers, against ArrayQueue",
            queue,
            2,
            PATIENT,
            Goal::AtLeast(3.0),
        )?,
    ];
    rows.push(at_any_pace(effort)?);
    rows.push(producers(effort)?);
    rows.extend(push_latency(effort)?);
    Ok(rows)
}
