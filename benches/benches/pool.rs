//! Pools: storage for datagrams that are packed but not sent yet, with a pool and without one.
//!
//! 32 datagrams of 1472 bytes are written, read as a socket would read them, and released. ringstat's pool, which is
//! emptied as a whole and is contiguous (so that one system call sends all of it), is compared with a new `Vec` or
//! `Box` for each datagram, with a free list of them, and with thingbuf's recycled slots.
//!
//! Every byte written must be there when it is sent. The number of allocations is printed; for the pools it must be
//! zero.
//!
//! `cargo bench -p ringstat-benches --bench pool`

use allocation_counter::measure;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringstat_core::format::PAYLOAD_ETHERNET;
use ringstat_core::send::{Packed, Pool};
use thingbuf::ThingBuf;
use thingbuf::recycling::WithCapacity;

const DATAGRAMS: usize = 32;
const BYTES: usize = PAYLOAD_ETHERNET;

/// Writes the datagrams: all of one length, each with its number.
struct Source([u8; BYTES]);

impl Source {
    fn write(&self, number: usize, place: &mut [u8]) {
        place.copy_from_slice(&self.0);
        place[BYTES - 1] = number as u8;
    }
}

/// Reads each datagram as a socket does, and adds up its first and last byte.
fn send(datagrams: impl Iterator<Item = impl AsRef<[u8]>>) -> usize {
    datagrams.fold(0, |sum, datagram| {
        let bytes = std::hint::black_box(datagram.as_ref());
        sum + usize::from(bytes[0]) + usize::from(bytes[BYTES - 1])
    })
}

/// What [`send`] returns if the datagrams are right.
const EXPECTED: usize = 7 * DATAGRAMS + DATAGRAMS * (DATAGRAMS - 1) / 2;

fn pooled(source: &Source, pool: &mut Pool<Box<[u8]>, DATAGRAMS>) -> usize {
    for number in 0..DATAGRAMS {
        source.write(number, pool.place().expect("a free place"));
        let packed =
            Packed { len: BYTES, sequence: number as u32, asks: false, events: 1, recorded: None };
        pool.keep(packed).expect("that place");
    }
    let sum = send(pool.datagrams().map(|(_, bytes)| bytes));
    let mut released = 0;
    pool.release(|_| released += 1);
    assert_eq!(released, DATAGRAMS);
    sum
}

fn fresh_vec(source: &Source) -> usize {
    let datagram = |number| {
        let mut bytes = vec![0; BYTES];
        source.write(number, &mut bytes);
        bytes
    };
    let held: Vec<Vec<u8>> = (0..DATAGRAMS).map(datagram).collect();
    send(held.iter())
}

fn fresh_box(source: &Source) -> usize {
    let datagram = |number| {
        let mut bytes = Box::new([0; BYTES]);
        source.write(number, &mut *bytes);
        bytes
    };
    let held: Vec<Box<[u8; BYTES]>> = (0..DATAGRAMS).map(datagram).collect();
    send(held.iter().map(|bytes| &bytes[..]))
}

fn free_list(source: &Source, free: &mut Vec<Vec<u8>>, held: &mut Vec<Vec<u8>>) -> usize {
    for number in 0..DATAGRAMS {
        let mut bytes = free.pop().unwrap_or_else(|| vec![0; BYTES]);
        source.write(number, &mut bytes);
        held.push(bytes);
    }
    let sum = send(held.iter());
    free.append(held);
    sum
}

fn recycled(source: &Source, slots: &ThingBuf<Vec<u8>, WithCapacity>) -> usize {
    for number in 0..DATAGRAMS {
        let mut slot = slots.push_ref().expect("a free slot");
        slot.resize(BYTES, 0);
        source.write(number, &mut slot);
    }
    // A slot is released as soon as it was read.
    std::iter::from_fn(|| slots.pop_ref()).map(|slot| send([slot].iter().map(|s| &s[..]))).sum()
}

fn pools(criterion: &mut Criterion) {
    let source = Source([7; BYTES]);
    let mut pool = Pool::new(vec![0; DATAGRAMS * BYTES].into_boxed_slice(), BYTES);
    let (mut free, mut held) = (Vec::new(), Vec::new());
    let slots = ThingBuf::with_recycle(DATAGRAMS, WithCapacity::new().with_min_capacity(BYTES));
    let mut group = criterion.benchmark_group("pool");
    group.throughput(Throughput::Elements(DATAGRAMS as u64));
    let mut bench = |name: &str, heap: Option<u64>, round: &mut dyn FnMut() -> usize| {
        // Everything that is allocated once is allocated here.
        assert_eq!(round(), EXPECTED, "{name}");
        let counted = measure(|| _ = round());
        eprintln!("{name}: {} allocations of {} bytes", counted.count_total, counted.bytes_total);
        assert!(heap.is_none_or(|most| counted.count_total <= most), "{name} allocates");
        group.bench_function(name, |b| b.iter(|| assert_eq!(round(), EXPECTED)));
    };
    bench("ringstat pool", Some(0), &mut || pooled(&source, &mut pool));
    bench("fresh Vec", None, &mut || fresh_vec(&source));
    bench("fresh Box", None, &mut || fresh_box(&source));
    bench("Vecs in a free list", Some(0), &mut || free_list(&source, &mut free, &mut held));
    bench("thingbuf", Some(0), &mut || recycled(&source, &slots));
    assert_eq!(pool.hits_and_misses().1, 0);
}

criterion_group!(benches, pools);
criterion_main!(benches);
