//! Interners, which assign small numbers to names. 1000 names of about 20 characters are looked up by one thread and by
//! two at the same time once all are known, turned back into text, and added to an empty table.
//!
//! ringstat's interner, which has a fixed size and no lock, is compared with lasso's threaded one and with a hash map
//! behind a read-write lock. One level up, from name and tags to a counter, it compares ringstat's client, prometheus'
//! labels and a map.
//!
//! Equal texts must have equal numbers, and each number must lead back to its text.
//!
//! `cargo bench -p ringstat-benches --bench interner`

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lasso::{Spur, ThreadedRodeo};
use prometheus::{IntCounterVec, Opts};
use ringstat_benches::threads::together;
use ringstat_core::record::{Interner, Resolve, Symbol};
use ringstat_core::send::from_fn;
use ringstat_core::testkit::{NAMES, TAG_SETS};
use ringstat_std::{Client, Counter};

const NAMES_MADE: usize = 1000;

/// Each name of the corpus twenty times with a number appended, as numbered sensors have.
fn names() -> Vec<String> {
    let numbered = |n: usize| NAMES.iter().map(move |name| format!("{name}.{n}"));
    (0..NAMES_MADE / NAMES.len()).flat_map(numbered).collect()
}

trait Table: Sync {
    const NAME: &'static str;
    type Number: PartialEq + Copy + Sync;
    fn new() -> Self;
    fn intern(&self, name: &str) -> Self::Number;
    fn is(&self, number: Self::Number, name: &str) -> bool;
}

struct Ours(Box<Interner<4096, 65_536>>);

impl Table for Ours {
    const NAME: &'static str = "ringstat";
    type Number = Symbol;

    fn new() -> Self {
        Self(Box::default())
    }
    fn intern(&self, name: &str) -> Symbol {
        self.0.intern(name).expect("room for all")
    }
    fn is(&self, number: Symbol, name: &str) -> bool {
        self.0.resolve(number) == Some(name)
    }
}

impl Table for ThreadedRodeo<Spur> {
    const NAME: &'static str = "lasso";
    type Number = Spur;

    fn new() -> Self {
        Self::new()
    }
    fn intern(&self, name: &str) -> Spur {
        self.get_or_intern(name)
    }
    fn is(&self, number: Spur, name: &str) -> bool {
        self.resolve(&number) == name
    }
}

/// A map by name, and a list by number.
#[derive(Default)]
struct Maps(HashMap<Arc<str>, u32>, Vec<Arc<str>>);

impl Table for RwLock<Maps> {
    const NAME: &'static str = "locked map";
    type Number = u32;

    fn new() -> Self {
        Self::default()
    }
    fn intern(&self, name: &str) -> u32 {
        let known = self.read().unwrap_or_else(PoisonError::into_inner).0.get(name).copied();
        known.unwrap_or_else(|| {
            let Maps(numbers, names) = &mut *self.write().unwrap_or_else(PoisonError::into_inner);
            let name: Arc<str> = name.into();
            *numbers.entry(name.clone()).or_insert_with(|| {
                names.push(name);
                names.len() as u32 - 1
            })
        })
    }
    fn is(&self, number: u32, name: &str) -> bool {
        let maps = self.read().unwrap_or_else(PoisonError::into_inner);
        maps.1.get(number as usize).is_some_and(|known| **known == *name)
    }
}

fn tables<T: Table>(criterion: &mut Criterion, names: &[String]) {
    let table = T::new();
    let numbers: Vec<T::Number> = names.iter().map(|name| table.intern(name)).collect();
    let known = || {
        let same = |(name, number): (&String, &_)| table.intern(black_box(name)) == *number;
        assert!(names.iter().zip(&numbers).all(same), "{}", T::NAME);
    };
    let mut group = criterion.benchmark_group("interner");
    for threads in [1, 2] {
        group.throughput(Throughput::Elements((threads * names.len()) as u64));
        let id = BenchmarkId::new(format!("{} known", T::NAME), threads);
        group.bench_function(id, |b| {
            b.iter_custom(|times| {
                together((0..threads).map(|_| || (0..times).for_each(|_| known()))).1
            });
        });
    }
    group.throughput(Throughput::Elements(names.len() as u64));
    group.bench_function(format!("{} back", T::NAME), |b| {
        b.iter(|| {
            let right = |(number, name): (&_, &String)| table.is(*black_box(number), name);
            assert!(numbers.iter().zip(names).all(right), "{}", T::NAME);
        });
    });
    group.bench_function(format!("{} new", T::NAME), |b| {
        b.iter_batched_ref(
            T::new,
            |empty| names.iter().for_each(|name| _ = black_box(empty.intern(name))),
            BatchSize::PerIteration,
        );
    });
}

/// Looks up an existing counter by name and tags, and adds one to it.
fn series(criterion: &mut Criterion) {
    let sets: Vec<Vec<(&str, &str)>> = TAG_SETS.iter().map(|tags| tags.to_vec()).collect();
    let mut group = criterion.benchmark_group("interner/name and tags to counter");
    group.throughput(Throughput::Elements(sets.len() as u64));
    let mut bench = |name: &str, add: &dyn Fn(&[(&str, &str)]), total: &dyn Fn() -> u64| {
        let mut added = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                sets.iter().for_each(|tags| add(tags));
                added += sets.len() as u64;
            });
        });
        assert_eq!(total(), added, "{name}");
    };

    let builder = Client::builder("nowhere:1").report_interval(None);
    let client = builder.build_with(from_fn(|_| Ok(()))).expect("a client");
    let all = || sets.iter().map(|tags| client.counter("requests", tags).total()).sum();
    bench("ringstat", &|tags| client.counter("requests", tags).inc(), &all);

    static KEPT: Counter = Counter::new("kept");
    bench("ringstat, counter kept", &|_| black_box(&KEPT).inc(), &|| KEPT.total());

    // All sets of the corpus have three tags; prometheus takes the keys in advance, and only the values later.
    let labels = ["a", "b", "c"];
    let vec = IntCounterVec::new(Opts::new("requests", "requests"), &labels).expect("sound names");
    let of = |tags: &[(&str, &str)]| vec.with_label_values(&[tags[0].1, tags[1].1, tags[2].1]);
    let all = || sets.iter().map(|tags| of(tags).get()).sum();
    bench("prometheus", &|tags| of(tags).inc(), &all);

    let map: RwLock<HashMap<String, AtomicU64>> = RwLock::default();
    let key = |tags: &[(&str, &str)]| {
        tags.iter().fold(String::from("requests"), |key, (k, v)| key + "," + k + "=" + v)
    };
    let keys = sets.iter().map(|tags| (key(tags), AtomicU64::new(0)));
    map.write().unwrap_or_else(PoisonError::into_inner).extend(keys);
    let read = || map.read().unwrap_or_else(PoisonError::into_inner);
    let add = |tags: &[(&str, &str)]| {
        read().get(&key(tags)).map(|n| n.fetch_add(1, Ordering::Relaxed)).expect("it is known");
    };
    bench("locked map", &add, &|| read().values().map(|n| n.load(Ordering::Relaxed)).sum());
}

fn interners(criterion: &mut Criterion) {
    let names = names();
    assert_eq!(names.len(), NAMES_MADE);
    tables::<Ours>(criterion, &names);
    tables::<ThreadedRodeo<Spur>>(criterion, &names);
    tables::<RwLock<Maps>>(criterion, &names);
    series(criterion);
}

criterion_group!(benches, interners);
criterion_main!(benches);
