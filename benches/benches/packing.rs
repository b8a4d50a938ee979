//! Packing: 6000 events of the corpus into datagrams of 1472 and 8972 bytes. Measures the time per event.
//!
//! ringstat's own format and its DogStatsD lines are compared with cadence's buffered lines, and with postcard, where
//! each event is preceded by a byte for its length. The number of bytes per event is printed once.
//!
//! Every event must be in one of the datagrams, and no datagram may exceed its limit.
//!
//! `cargo bench -p ringstat-benches --bench packing`

use std::hint::black_box;

use cadence::prelude::*;
use cadence::{BufferedSpyMetricSink, StatsdClient};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ringstat_benches::corpus::{self, pack};
use ringstat_core::format::{Format, PAYLOAD_ETHERNET, PAYLOAD_JUMBO};
use ringstat_core::record::Event;
use ringstat_core::testkit::{Corpus, CorpusEvent};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::{Decoder, Encoder};

const EVENTS: usize = 6000;

/// Counts datagrams and bytes.
#[derive(Clone, Copy, Default)]
struct Packed {
    events: usize,
    datagrams: usize,
    bytes: usize,
}

impl Packed {
    fn add(&mut self, payload: usize, datagram: &[u8], events: usize) {
        assert!(datagram.len() <= payload, "{} of {payload} bytes", datagram.len());
        self.events += events;
        self.datagrams += 1;
        self.bytes += datagram.len();
    }

    fn check(self, name: &str, payload: usize) {
        assert_eq!(self.events, EVENTS, "{name}, {payload}");
        let each = self.bytes as f64 / EVENTS as f64;
        eprintln!("{name}, {payload}: {each:.2} bytes an event, {} datagrams", self.datagrams);
    }
}

fn records(decoder: &mut Decoder, datagram: &[u8]) -> usize {
    let mut opened = decoder.open(datagram).expect("a sound datagram");
    let mut records = 0;
    while let Some(record) = opened.next() {
        record.expect("a sound record");
        records += 1;
    }
    records
}

fn lines(datagram: &[u8]) -> usize {
    datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
}

fn ours<E: Format>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    payload: usize,
    encoder: &mut E,
    mut count: impl FnMut(&[u8]) -> usize,
) {
    let events: Vec<Event> = corpus::events(EVENTS).expect("the corpus is sound");
    let mut buf = vec![0; payload];
    let mut packed = Packed::default();
    pack(encoder, &mut buf, &events, |d| packed.add(payload, d, count(d)));
    packed.check(name, payload);
    group.bench_function(name, |b| {
        b.iter(|| {
            let events = pack(encoder, &mut buf, &events, |d| _ = black_box(d));
            assert_eq!(events, EVENTS);
        });
    });
}

fn cadence(group: &mut BenchmarkGroup<'_, WallTime>, payload: usize) {
    let events: Vec<CorpusEvent> = Corpus::new(7).take(EVENTS).collect();
    // cadence sends its datagrams into a channel instead of a socket.
    let (receiver, sink) = BufferedSpyMetricSink::with_capacity(None, Some(payload));
    let client = StatsdClient::from_sink("", sink);
    let all = |each: &mut dyn FnMut(&[u8])| {
        for event in &events {
            let metric = client.gauge_with_tags(event.name, event.value.as_f64());

            let tagged = event.tags.iter().fold(metric, |m, (key, value)| m.with_tag(key, value));
            tagged.try_send().expect("it is buffered");
        }
        client.flush().expect("it is sent");
        receiver.try_iter().for_each(|datagram| each(&datagram));
    };
    let mut packed = Packed::default();
    all(&mut |d| packed.add(payload, d, lines(d)));
    packed.check("cadence", payload);
    group.bench_function("cadence", |b| b.iter(|| all(&mut |d| _ = black_box(d))));
}

fn postcard(group: &mut BenchmarkGroup<'_, WallTime>, payload: usize) {
    let events: Vec<CorpusEvent> = Corpus::new(7).take(EVENTS).collect();
    let mut buf = vec![0; payload];
    let mut all = |each: &mut dyn FnMut(&[u8], usize)| {
        let (mut at, mut held) = (0, 0);
        for event in &events {
            let flat =
                (event.kind as u8, event.name, event.value.as_f64(), event.time_ns, event.tags);
            let mut space = [0; 255];
            let record = postcard::to_slice(&flat, &mut space).expect("short names");
            if at + 1 + record.len() > payload {
                each(&buf[..at], held);
                (at, held) = (0, 0);
            }
            buf[at] = record.len() as u8;
            buf[at + 1..=at + record.len()].copy_from_slice(record);
            at += 1 + record.len();
            held += 1;
        }
        each(&buf[..at], held);
    };
    let mut packed = Packed::default();
    all(&mut |d, events| packed.add(payload, d, events));
    packed.check("postcard", payload);
    group.bench_function("postcard", |b| b.iter(|| all(&mut |d, _| _ = black_box(d))));
}

fn packing(criterion: &mut Criterion) {
    for payload in [PAYLOAD_ETHERNET, PAYLOAD_JUMBO] {
        let mut group = criterion.benchmark_group(format!("packing/{payload}"));
        group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(30);
        let (mut native, mut decoder): (Box<Encoder>, Box<Decoder>) = Default::default();
        ours(&mut group, "ringstat", payload, &mut *native, |d| records(&mut decoder, d));
        let mut text = <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new());
        ours(&mut group, "ringstat DogStatsD", payload, &mut text, lines);
        cadence(&mut group, payload);
        postcard(&mut group, payload);
    }
}

criterion_group!(benches, packing);
criterion_main!(benches);
