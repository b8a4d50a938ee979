//! Serialization: one event of the corpus at a time, written and read back, in the formats that a client could have
//! used.
//!
//! ringstat's own (datagrams of 1472 and 8972 bytes, whose string tables need more than one event) and its DogStatsD
//! lines are compared with one flat structure in postcard, JSON (serde_json), MessagePack (rmp-serde, without field
//! names) and Protocol Buffers (prost). All of them write into an existing buffer, and all but prost read with borrowed
//! strings. Bytes and heap allocations per event are printed first; ringstat must not allocate at all.
//!
//! What is read must equal what was written, event by event.
//!
//! `cargo bench -p ringstat-benches --bench serialization`

use std::hint::black_box;

use allocation_counter::measure;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use ringstat_benches::corpus::{self, pack};
use ringstat_benches::peers::formats::Flat;
use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_JUMBO};
use ringstat_core::record::Event;
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::decode::{Body, Content};
use ringstat_core::wire::{Decoder, Encoder};

const EVENTS: usize = 6000;

/// The same structure for prost, which owns its strings.
#[derive(Clone, PartialEq, Message)]
struct Wide {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(double, tag = "3")]
    value: f64,
    #[prost(uint64, tag = "4")]
    time: u64,
    #[prost(message, repeated, tag = "5")]
    tags: Vec<WideTag>,
}

/// A tag of such an event.
#[derive(Clone, PartialEq, Message)]
struct WideTag {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl Wide {
    fn of(flat: &Flat<'_>) -> Self {
        let tag = |(key, value): (&str, &str)| WideTag { key: key.into(), value: value.into() };
        Self {
            kind: flat.kind.into(),
            name: flat.name.into(),
            value: flat.value,
            time: flat.time,
            tags: flat.tags.map(tag).into(),
        }
    }
}

/// A format that writes each event separately, as a `T`.
struct Single<T> {
    name: &'static str,
    /// The events to write, prepared before any time is measured.
    events: Vec<T>,
    write: fn(&T, &mut Vec<u8>),
    /// Reads an event and returns whether it equals the one written.
    reads_equal: fn(&[u8], &T) -> bool,
    /// Reads an event and drops it.
    read: fn(&[u8]),
}

impl<T> Single<T> {
    fn run(&self, criterion: &mut Criterion) {
        let Self { name, events, write, reads_equal, read } = self;
        let mut buf = Vec::with_capacity(4096);
        let mut each = |visit: &mut dyn FnMut(&T, &[u8])| {
            for event in events {
                buf.clear();
                write(event, &mut buf);
                visit(event, &buf);
            }
        };
        let mut written: Vec<Vec<u8>> = Vec::new();
        each(&mut |event, bytes| {
            assert!(reads_equal(bytes, event), "{name} reads what it wrote");
            written.push(bytes.to_vec());
        });
        let bytes = written.iter().map(Vec::len).sum();
        let encode = measure(|| each(&mut |_, bytes| _ = black_box(bytes))).count_total;
        let decode = measure(|| written.iter().for_each(|bytes| read(bytes))).count_total;
        print(name, bytes, encode, Some(decode));
        let mut group = criterion.benchmark_group("encode");
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_function(*name, |b| {
            b.iter(|| each(&mut |_, bytes| _ = black_box(bytes)));
        });
        group.finish();
        let mut group = criterion.benchmark_group("decode");
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_function(*name, |b| b.iter(|| written.iter().for_each(|bytes| read(bytes))));
    }
}

/// Prints a line of the table, with numbers per event.
fn print(name: &str, bytes: usize, encode: u64, decode: Option<u64>) {
    let each = |n: f64| n / EVENTS as f64;
    let decode = decode.map_or("-".into(), |n| format!("{:.2}", each(n as f64)));
    let (bytes, encode) = (each(bytes as f64), each(encode as f64));
    eprintln!(
        "{name:<22} {bytes:>8.2} bytes  {encode:>6.2} allocations to write, {decode:>6} to read"
    );
}

/// Measures ringstat's own format, in datagrams of at most `payload` bytes.
fn native(criterion: &mut Criterion, payload: usize) {
    let name = format!("ringstat {payload}");
    let flat = flat();
    let events: Vec<Event> = corpus::events(EVENTS).expect("the corpus is sound");
    let datagrams = corpus::datagrams(&events, payload);
    let (mut encoder, mut decoder): (Box<Encoder>, Box<Decoder>) = Default::default();
    let mut buf = vec![0; payload];
    let mut decode = |visit: &mut dyn FnMut(&str, f64, u64, [(&str, &str); 3])| {
        for datagram in &datagrams {
            let mut opened = decoder.open(datagram).expect("a sound datagram");
            while let Some(record) = opened.next() {
                let record = record.expect("a sound record");
                let Body::Event(event) = record.body else { panic!("no event") };
                let Content::Number(value) = event.content else { panic!("no number") };
                let mut tags = record.tags.iter();
                let tags = core::array::from_fn(|_| tags.next().expect("three tags"));
                visit(record.name.text, value.as_f64(), event.time_ns, tags);
            }
        }
    };
    let mut expected = flat.iter();
    decode(&mut |name, value, time, tags| {
        let flat = expected.next().expect("no more than were written");
        assert_eq!((name, value, time, tags), (flat.name, flat.value, flat.time, flat.tags));
    });
    assert!(expected.next().is_none(), "all of them");
    let bytes = datagrams.iter().map(Vec::len).sum();
    let mut encode = || pack(&mut *encoder, &mut buf, &events, |d| _ = black_box(d));
    let allocations = [
        measure(|| assert_eq!(encode(), EVENTS)).count_total,
        measure(|| decode(&mut |name, _, _, _| _ = black_box(name))).count_total,
    ];
    print(&name, bytes, allocations[0], Some(allocations[1]));
    assert_eq!(allocations, [0, 0], "it allocates nothing");
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function(&name, |b| b.iter(&mut encode));
    group.finish();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function(&name, |b| {
        b.iter(|| {
            let mut events = 0;
            decode(&mut |name, value, time, tags| {
                black_box((name, value, time, tags));
                events += 1;
            });
            assert_eq!(events, EVENTS);
        });
    });
}

/// Measures the lines for a DogStatsD agent, which ringstat writes but does not read.
fn lines(criterion: &mut Criterion) {
    let events: Vec<Event> = corpus::events(EVENTS).expect("the corpus is sound");
    let mut encoder = <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new());
    let mut buf = vec![0; PAYLOAD_ETHERNET];
    let (mut bytes, mut written) = (0, 0);
    pack(&mut encoder, &mut buf, &events, |datagram| {
        bytes += datagram.len();
        written += datagram.split(|b| *b == b'\n').filter(|line| line.contains(&b'|')).count();
    });
    assert_eq!(written, EVENTS, "one line for each");
    let mut encode = || pack(&mut encoder, &mut buf, &events, |d| _ = black_box(d));
    let allocations = measure(|| assert_eq!(encode(), EVENTS)).count_total;
    print("ringstat DogStatsD", bytes, allocations, None);
    assert_eq!(allocations, 0, "it allocates nothing");
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("ringstat DogStatsD", |b| b.iter(&mut encode));
}

fn flat() -> Vec<Flat<'static>> {
    corpus::entries(EVENTS).iter().map(Flat::of).collect()
}

/// Returns whether a reader got what was written.
fn same<E>(read: Result<Flat<'_>, E>, written: &Flat<'_>) -> bool {
    read.is_ok_and(|read| read == *written)
}

fn serialization(criterion: &mut Criterion) {
    native(criterion, PAYLOAD_ETHERNET);
    native(criterion, PAYLOAD_JUMBO);
    lines(criterion);
    Single {
        name: "postcard",
        events: flat(),
        write: |event, buf| {
            buf.resize(512, 0);
            let length = postcard::to_slice(event, buf).expect("room").len();
            buf.truncate(length);
        },
        reads_equal: |bytes, event| same(postcard::from_bytes(bytes), event),
        read: |bytes| _ = black_box(postcard::from_bytes::<Flat<'_>>(bytes).expect("sound")),
    }
    .run(criterion);
    Single {
        name: "JSON",
        events: flat(),
        write: |event, buf| serde_json::to_writer(buf, event).expect("room"),
        reads_equal: |bytes, event| same(serde_json::from_slice(bytes), event),
        read: |bytes| _ = black_box(serde_json::from_slice::<Flat<'_>>(bytes).expect("sound")),
    }
    .run(criterion);
    Single {
        name: "MessagePack",
        events: flat(),
        write: |event, buf| rmp_serde::encode::write(buf, event).expect("room"),
        reads_equal: |bytes, event| same(rmp_serde::from_slice(bytes), event),
        read: |bytes| _ = black_box(rmp_serde::from_slice::<Flat<'_>>(bytes).expect("sound")),
    }
    .run(criterion);
    Single {
        name: "Protocol Buffers",
        events: flat().iter().map(Wide::of).collect(),
        write: |event, buf| event.encode(buf).expect("room"),
        reads_equal: |bytes, event| Wide::decode(bytes).is_ok_and(|read| read == *event),
        read: |bytes| _ = black_box(Wide::decode(bytes).expect("sound")),
    }
    .run(criterion);
}

criterion_group!(benches, serialization);
criterion_main!(benches);
