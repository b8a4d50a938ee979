//! Runs hot operations under callgrind, which counts what runs inside [`measured`], and nothing else.
//!
//! `perf count instructions` runs this program once for each operation under callgrind and divides by [`TIMES`]; `perf
//! gate --exact` compares the result with the committed baseline. Unlike times, instruction counts are the same in each
//! run.

use std::hint::black_box;

use ringstat_core::format::{Header, Prologue};
use ringstat_core::instrument::Histogram;
use ringstat_core::record::{Event, Kind, NoNames, Recorder, Tag};
use ringstat_core::ring::{Slot, boxed, mpmc, overwrite, spsc};
use ringstat_core::send::from_fn;
use ringstat_core::testkit::{Corpus, CorpusEvent, CorpusKind};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::{Decoder, Encoder};
use ringstat_std::metrics::Facade;
use ringstat_std::{Client, Counter};

/// Every operation, in the order in which `list` prints them.
const OPERATIONS: [&str; 17] = [
    "record",
    "record_dynamic",
    "record_plain",
    "record_40_bytes",
    "record_200_bytes",
    "record_16_tags",
    "counter",
    "facade",
    "facade_handle",
    "histogram",
    "spsc",
    "overwrite",
    "mpmc",
    "pack",
    "decode",
    "line",
    "ack",
];

/// How often an operation is run.
const TIMES: usize = 1000;

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

/// The function whose instructions callgrind counts: `--toggle-collect=*measured*`.
#[inline(never)]
fn measured(operation: &mut dyn FnMut(usize)) {
    for n in 0..TIMES {
        operation(black_box(n));
    }
}

fn event(n: usize) -> Event {
    let e: CorpusEvent = Corpus::new(7).nth(n % 100).expect("it has no end");
    let kind = match e.kind {
        CorpusKind::Counter => Kind::Counter,
        CorpusKind::Gauge => Kind::Gauge,
        CorpusKind::Timing => Kind::Timing,
        CorpusKind::Distribution => Kind::Distribution,
    };
    let mut event = Event::new(kind, e.name.into(), e.value, e.time_ns).expect("a sound event");
    event.set_tags(e.tags).expect("few tags");
    event
}

/// Packs a datagram full of events, and returns how many it holds.
fn pack(encoder: &mut Encoder, buf: &mut [u8], events: &[Event]) -> usize {
    let prologue = Prologue { base_time: events[0].time(), ..Prologue::default() };
    let mut datagram = encoder.begin(buf, &Header::default(), &prologue).expect("room");
    for event in events {
        if datagram.event(event, &NoNames).is_err() {
            break;
        }
    }
    datagram.finish(false)
}

fn client() -> Client {
    const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
    // The ring holds all events, and the worker polls it only once a minute.
    let builder = Client::builder("nowhere:1").idle_sleep(MINUTE).batch_age(MINUTE);
    let client = builder.build_with(from_fn(|_| Ok(()))).expect("a client");
    // The first record of a thread claims its ring.
    assert!(client.count("first", 1u8).record().is_recorded());
    client
}

fn main() {
    let operation = std::env::args().nth(1).unwrap_or_default();
    let mut done = 0;
    match operation.as_str() {
        "list" => return OPERATIONS.iter().for_each(|name| println!("{name}")),
        "record" => {
            let stats = client();
            measured(&mut |n| {
                done += usize::from(
                    stats.count("http.requests", n as u64).tags(TAGS).record().is_recorded(),
                );
            });
        }
        "record_dynamic" => {
            let stats = client();
            measured(&mut |n| {
                let event = stats.count("http.requests", n as u64).tags(TAGS).tag("user", "alice");
                done += usize::from(event.record().is_recorded());
            });
        }
        "record_plain" => {
            let stats = client();
            measured(&mut |n| {
                done += usize::from(stats.count("requests", n as u64).record().is_recorded());
            });
        }
        // Tags that do not fit into the slot: three of 40 bytes in total, and five of 200.
        "record_40_bytes" => {
            let stats = client();
            measured(&mut |n| {
                let [route, method, status] = black_box(["/api/v1/users/{id}", "PUT", "200"]);
                let event = stats.count("requests", n as u64).tag("route", route);
                let event = event.tag("method", method).tag("status", status);
                done += usize::from(event.record().is_recorded());
            });
        }
        "record_200_bytes" => {
            let stats = client();
            let long = "x".repeat(45);
            measured(&mut |n| {
                let event = stats.count("requests", n as u64).tag("a", black_box(&long));
                let event = event.tag("b", black_box(&long)).tag("c", black_box(&long));
                let event = event.tag("d", black_box(&long)).tag("user", "somebody");
                done += usize::from(event.record().is_recorded());
            });
        }
        // As many tags as there can be, from a list.
        "record_16_tags" => {
            let stats = client();
            let tags: Vec<_> = (0..16).map(|n| (format!("k{n}"), format!("value {n}"))).collect();
            measured(&mut |n| {
                let event = stats.count("requests", n as u64);
                let event = event.tag_each(black_box(&tags).iter().map(|(k, v)| (&**k, &**v)));
                done += usize::from(event.record().is_recorded());
            });
        }
        "counter" => {
            static COUNTER: Counter = Counter::new("requests");
            COUNTER.inc();
            measured(&mut |_| COUNTER.inc());
            done = COUNTER.total() as usize - 1;
        }
        "facade" => {
            let (stats, labels) = (client(), [("service", "shop"), ("region", "eu")]);
            metrics::with_local_recorder(&Facade::new(&stats), || {
                measured(&mut |_| {
                    metrics::counter!("requests", "service" => "shop", "region" => "eu")
                        .increment(1);
                });
            });
            done = stats.counter("requests", &labels).total() as usize;
        }
        "facade_handle" => {
            let stats = client();
            let handle = metrics::with_local_recorder(&Facade::new(&stats), || {
                metrics::counter!("requests")
            });
            measured(&mut |_| handle.increment(1));
            done = stats.counter("requests", &[]).total() as usize;
        }
        "histogram" => {
            static HISTOGRAM: Histogram = Histogram::new("took");
            measured(&mut |n| HISTOGRAM.record(n as u64 * 977));
            done = HISTOGRAM.count() as usize;
        }
        "spsc" => {
            let mut ring: Box<spsc::Ring<[u64; 8], [Slot<[u64; 8]>; 1024]>> = Box::default();
            let (mut producer, mut consumer) = ring.split();
            measured(&mut |n| {
                let pushed = producer.push([n as u64; 8]).is_ok();
                done += usize::from(pushed && consumer.pop().is_some());
            });
        }
        "overwrite" => {
            let mut ring: overwrite::Ring<[u64; 8], Box<[Slot<[u64; 8]>]>> =
                overwrite::Ring::new(boxed(1024));
            let (mut producer, _) = ring.split();
            measured(&mut |n| done += usize::from(producer.push([n as u64; 8]).is_ok()));
        }
        "mpmc" => {
            let ring: mpmc::Ring<[u64; 8], Box<[mpmc::Cell<[u64; 8]>]>> =
                mpmc::Ring::new(boxed(1024));
            measured(&mut |n| {
                let pushed = ring.push([n as u64; 8]).is_ok();
                done += usize::from(pushed && ring.pop().is_some());
            });
        }
        "pack" => {
            // Fills a datagram of 1472 bytes, including its checksum.
            let events: Vec<Event> = (0..100).map(event).collect();
            let (mut encoder, mut buf): (Box<Encoder>, _) = (Box::default(), [0; 1472]);
            measured(&mut |_| {
                done += usize::from(pack(&mut encoder, &mut buf, &events) > 1000);
            });
        }
        "decode" => {
            let events: Vec<Event> = (0..100).map(event).collect();
            let (mut encoder, mut buf): (Box<Encoder>, _) = (Box::default(), [0; 1472]);
            let length = pack(&mut encoder, &mut buf, &events);
            let mut decoder: Box<Decoder> = Box::default();
            measured(&mut |_| {
                let mut datagram = decoder.open(&buf[..length]).expect("a sound datagram");
                while let Some(record) = datagram.next() {
                    black_box(&record.expect("a sound record"));
                }
                done += 1;
            });
        }
        "line" => {
            let event = event(1);
            let mut buf = [0; 1472];
            let mut encoder = <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new());
            measured(&mut |_| {
                use ringstat_core::format::{Format, Packer};
                let datagram = encoder.begin(&mut buf, &Header::default(), &Prologue::default());
                let mut datagram = datagram.expect("room");
                done += usize::from(datagram.event(&event, &NoNames).is_ok());
                black_box(datagram.finish(false));
            });
        }
        "ack" => {
            let mut buf = [0; Ack::MAX_LEN];
            let ack = Ack { sender: 1, epoch: 1, base: 7, bitmap: &[0xFF; 16] };
            let length = ack.emit(&mut buf).expect("room");
            measured(&mut |_| done += usize::from(Ack::parse(black_box(&buf[..length])).is_ok()));
        }
        other => {
            eprintln!("no operation is called '{other}': `list` lists them");
            std::process::exit(2);
        }
    }
    // An operation that did nothing must not count as fast.
    assert_eq!(done, TIMES, "{operation} does what it should");
}
