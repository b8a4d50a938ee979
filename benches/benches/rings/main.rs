//! Rings: items of 64 bytes through ringstat's rings, and through rtrb, ringbuf, heapless, crossbeam, thingbuf and
//! embassy-sync, of 1024, 4096 and 16 384 items each.
//!
//! - `one by one`: a row is pushed and then popped by one thread, which shows what the operations themselves cost.
//! - `batches`: the same in batches of 32, or one by one if the ring has no batches.
//! - `two threads`: from one thread to another, in batches.
//! - `2 producers`, 4 and 8: from several threads to one, if the ring allows it.
//!
//! Every item must come out once, in the order of its producer and priority.
//!
//! Run `cargo bench -p ringstat-benches --bench rings`, with a part of a name after `--` to select some, as in
//! `-- 'two threads/4096'`.

mod others;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use others::{Embassy, HeaplessMpmc, HeaplessSpsc, Thing};
use ringstat_benches::peers::rings::{
    Crossbeam, Item, Mpmc, Pace, Pop, Priority, PriorityShared, Push, Ring, Ringbuf, Rtrb, Sharded,
    Spsc, through,
};
use ringstat_core::ring::priority;

const BATCH: usize = 32;
/// Items in a row of one thread: fewer than the smallest ring holds.
const ROW: u64 = 512;
/// Items that go from thread to thread at a time: several times around the largest ring.
const MANY: u64 = 65_536;

/// Checks the order of the items that come out.
struct Order {
    /// The next expected position in each lane. A lane is one producer and one priority.
    next: Vec<u64>,
    seen: u64,
    wrong: bool,
}

impl Order {
    fn new(producers: usize) -> Self {
        Self { next: vec![0; producers * priority::LEVELS], seen: 0, wrong: false }
    }

    fn take(&mut self, item: Item) {
        let (lane, place) = item.lane();
        self.wrong |= self.next[lane] != place;
        self.next[lane] = place + 1;
        self.seen += 1;
    }

    fn check(&self, name: &str, expected: u64) {
        assert!(!self.wrong, "{name}: out of order");
        assert_eq!(self.seen, expected, "{name}");
    }
}

/// Sends a row through the ring in one thread.
fn row<P: Push, C: Pop>(producer: &mut P, consumer: &mut C, batch: usize, order: &mut Order) {
    let end = order.seen + ROW;
    let mut n = order.seen;
    while n < end {
        let pushed = if batch == 1 {
            usize::from(producer.push(Item::new(0, n)))
        } else {
            producer.push_batch(batch, |i| Item::new(0, n + i))
        };
        assert!(pushed > 0, "there is room for a row");
        n += pushed as u64;
    }
    loop {
        let taken = if batch == 1 {
            consumer.pop().map(|item| order.take(item)).is_some()
        } else {
            consumer.pop_batch(batch, |item| order.take(item)) > 0
        };
        if !taken {
            break;
        }
    }
}

fn one_thread<R: Ring>(group: &mut BenchmarkGroup<'_, WallTime>, batch: usize) {
    let mut ring = R::new();
    let (mut producers, mut consumer) = ring.ends(1);
    let mut order = Order::new(1);
    let mut rows = 0;
    group.bench_function(R::NAME, |b| {
        b.iter(|| {
            row(&mut producers[0], &mut consumer, batch, &mut order);
            rows += 1;
        });
    });
    order.check(R::NAME, rows * ROW);
}

fn threads<R: Ring>(group: &mut BenchmarkGroup<'_, WallTime>, producers: usize) {
    const PACE: Pace = Pace::of_batches(BATCH, 32);
    let each = MANY / producers as u64;
    group.bench_function(R::NAME, |b| {
        b.iter_custom(|times| {
            let mut order = Order::new(producers);
            let taken = through::<R>(producers, times * each, PACE, |item| order.take(item));
            order.check(R::NAME, producers as u64 * times * each);
            taken
        });
    });
}

/// Runs `$bench::<Ring>($arguments)` for every ring of `$n` items, or only for those that are `shared`.
macro_rules! every_ring {
    ($n:ident, $shared_only:expr, $bench:ident($($argument:expr),*)) => {
        every_ring!(@ $n, $shared_only, $bench($($argument),*),
            Spsc, Mpmc, Sharded, Priority, PriorityShared, Rtrb, Ringbuf, HeaplessSpsc,
            HeaplessMpmc, Crossbeam, Thing, Embassy)
    };
    (@ $n:ident, $shared_only:expr, $bench:ident $arguments:tt, $($ring:ident),*) => {
        $(if <$ring<$n> as Ring>::SHARED || !$shared_only {
            $bench::<$ring<$n>> $arguments;
        })*
    };
}

fn size<const N: usize>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("rings/one by one/{N}"));
    group.throughput(Throughput::Elements(ROW));
    every_ring!(N, false, one_thread(&mut group, 1));
    group.finish();
    let mut group = criterion.benchmark_group(format!("rings/batches/{N}"));
    group.throughput(Throughput::Elements(ROW));
    every_ring!(N, false, one_thread(&mut group, BATCH));
    group.finish();
    let mut group = criterion.benchmark_group(format!("rings/two threads/{N}"));
    group.throughput(Throughput::Elements(MANY));
    every_ring!(N, false, threads(&mut group, 1));
    group.finish();
    for producers in [2, 4, 8] {
        let mut group = criterion.benchmark_group(format!("rings/{producers} producers/{N}"));
        group.throughput(Throughput::Elements(MANY));
        every_ring!(N, true, threads(&mut group, producers));
        group.finish();
    }
}

fn rings(criterion: &mut Criterion) {
    size::<1024>(criterion);
    size::<4096>(criterion);
    size::<16_384>(criterion);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = rings
}
criterion_main!(benches);
