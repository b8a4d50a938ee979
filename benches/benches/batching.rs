//! Batching: what larger batches save, in time and bytes per event. Events come in batches of 10 to 200, and the sender
//! is flushed after each batch.
//!
//! ringstat's sender behind its ring, in its own format and as DogStatsD lines, is compared with cadence's buffer
//! flushed after each batch. Everything runs in one thread, with a transport that discards the datagrams.
//!
//! Every event must be sent, and each batch must be sent when it closes.
//!
//! `cargo bench -p ringstat-benches --bench batching`

use std::hint::black_box;

use cadence::prelude::*;
use cadence::{BufferedSpyMetricSink, StatsdClient};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringstat_benches::corpus;
use ringstat_core::format::{Format, PAYLOAD_ETHERNET, TimeUnit};
use ringstat_core::instrument::Instrument;
use ringstat_core::record::{Event, NoNames};
use ringstat_core::ring::{Slot, spsc};
use ringstat_core::send::{ArrayStore, Identity, Inputs, Sender, SenderConfig, Step, Time, Totals};
use ringstat_core::testkit::{Corpus, CorpusEvent};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::Encoder;

const BATCHES: [usize; 5] = [10, 20, 50, 100, 200];
/// A whole number of batches of every size.
const EVENTS: usize = 2000;

/// Sends all events in batches of `batch`, and returns the sender's totals.
fn send<E: Format>(events: &[Event], batch: usize, encoder: E) -> Totals {
    let config = SenderConfig {
        batch_least: batch,
        batch_events: batch,
        ..SenderConfig::new(TimeUnit::Nanos)
    };
    let identity = Identity { sender: 1, epoch: 1 };
    let mut sender: Sender<E> = Sender::with_parts(identity, &config, encoder, ArrayStore::new());
    let mut ring: Box<spsc::Ring<Event, [Slot<Event>; 256]>> = Box::default();
    let (mut producer, mut consumer) = ring.split();
    let mut buf = [0; PAYLOAD_ETHERNET];
    let none: &[&dyn Instrument] = &[];
    for (n, batch) in events.chunks(batch).enumerate() {
        assert_eq!(producer.push_slice(batch), batch.len());
        if (n + 1) * batch.len() == events.len() {
            // Whatever does not fit into the last datagram of a batch waits for the next one.
            sender.flush();
        }
        let wall = batch[0].time();
        loop {
            let mut inputs =
                Inputs { events: &mut consumer, instruments: none, names: &NoNames, dropped: 0 };
            match sender.poll(Time { monotonic: 0, wall }, &mut inputs, &mut buf) {
                Step::Send(packed) => {
                    black_box(&buf[..packed.len]);
                    sender.sent(packed);
                }
                Step::Wait(_) => break,
            }
        }
    }
    *sender.totals()
}

/// Sends the same events with cadence.
fn cadence(client: &StatsdClient, events: &[CorpusEvent], batch: usize) {
    for batch in events.chunks(batch) {
        for event in batch {
            let metric = client.gauge_with_tags(event.name, event.value.as_f64());
            let tagged = event.tags.iter().fold(metric, |m, (key, value)| m.with_tag(key, value));
            tagged.try_send().expect("it is buffered");
        }
        client.flush().expect("it is sent");
    }
}

fn report(name: &str, batch: usize, bytes: usize, datagrams: usize) {
    let each = bytes as f64 / EVENTS as f64;
    eprintln!("{name}, batches of {batch}: {each:.2} bytes an event, {datagrams} datagrams");
}

fn batching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batching");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(30);
    let events = corpus::events(EVENTS).expect("the corpus is sound");
    let readings: Vec<CorpusEvent> = Corpus::new(7).take(EVENTS).collect();
    for batch in BATCHES {
        let native = || send(&events, batch, <Encoder>::new());
        let lines =
            || send(&events, batch, <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new()));
        let ours: [(&str, &dyn Fn() -> Totals); 2] =
            [("ringstat", &native), ("ringstat DogStatsD", &lines)];
        for (name, send) in ours {
            let totals = send();
            assert!(totals.datagrams >= (EVENTS / batch) as u64, "{name}: {totals:?}");
            report(name, batch, totals.bytes as usize, totals.datagrams as usize);
            group.bench_function(BenchmarkId::new(name, batch), |b| {
                b.iter(|| assert_eq!(send().sent, EVENTS as u64));
            });
        }
        let (sent, sink) = BufferedSpyMetricSink::with_capacity(None, Some(PAYLOAD_ETHERNET));
        let client = StatsdClient::from_sink("", sink);
        group.bench_function(BenchmarkId::new("cadence", batch), |b| {
            b.iter(|| {
                cadence(&client, &readings, batch);
                let lines = |d: Vec<u8>| d.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(sent.try_iter().map(lines).sum::<usize>(), EVENTS);
            });
        });
        cadence(&client, &readings, batch);
        let datagrams: Vec<usize> = sent.try_iter().map(|d| d.len()).collect();
        report("cadence", batch, datagrams.iter().sum(), datagrams.len());
    }
}

criterion_group!(benches, batching);
criterion_main!(benches);
