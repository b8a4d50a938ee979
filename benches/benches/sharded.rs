//! Counters: one counter that 1, 2 and 4 threads increment at the same time. Measures the time per increment.
//!
//! ringstat's counter for servers, with a cell for each thread, and its single-cell counter for chips are compared with
//! an atomic, a mutex, and prometheus' counter.
//!
//! No increment may be lost.
//!
//! `cargo bench -p ringstat-benches --bench sharded`

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use prometheus::IntCounter;
use ringstat_benches::threads::together;
use ringstat_core::instrument::Counter as OneCell;
use ringstat_std::Counter;

const THREADS: [u64; 3] = [1, 2, 4];
/// Increments of each thread at a time: enough to outweigh the cost of starting a thread.
const ROW: u64 = 10_000;

fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    add: impl Fn() + Sync,
    total: impl Fn() -> u64,
) {
    for threads in THREADS {
        let before = total();
        let mut added = 0;
        group.throughput(Throughput::Elements(threads * ROW));
        group.bench_function(BenchmarkId::new(name, threads), |b| {
            b.iter_custom(|times| {
                added += threads * times * ROW;
                let job = || (0..times * ROW).for_each(|_| add());
                together((0..threads).map(|_| job)).1
            });
        });
        assert_eq!(total() - before, added, "{name}, {threads} threads");
    }
}

fn counters(criterion: &mut Criterion) {
    static SHARDED: Counter = Counter::new("sharded");
    static ONE_CELL: OneCell = OneCell::new("one_cell");
    let mut group = criterion.benchmark_group("counters");
    group.sample_size(20);
    bench(&mut group, "ringstat", || black_box(&SHARDED).inc(), || SHARDED.total());
    bench(&mut group, "ringstat, one cell", || black_box(&ONE_CELL).inc(), || ONE_CELL.total());
    let atomic = AtomicU64::new(0);
    let load = || atomic.load(Ordering::Relaxed);
    bench(&mut group, "atomic", || _ = atomic.fetch_add(1, Ordering::Relaxed), load);
    let mutex = Mutex::new(0);
    let lock = || mutex.lock().unwrap_or_else(PoisonError::into_inner);
    bench(&mut group, "mutex", || *lock() += 1, || *lock());
    let prometheus = IntCounter::new("requests", "requests").expect("a sound name");
    bench(&mut group, "prometheus", || black_box(&prometheus).inc(), || prometheus.get());
}

criterion_group!(benches, counters);
criterion_main!(benches);
