//! The wire format, and the collector behind it.

use ringstat_collector::{Collector, Limits};
use ringstat_core::event::{Event, Kind};
use ringstat_core::name::NoNames;
use ringstat_core::testkit::{Corpus, CorpusKind};
use ringstat_core::wire::{Decoder, Encoder, Header, PAYLOAD_ETHERNET, Prologue};

use super::{Effort, Wrong, check, time};
use crate::results::Metric;

/// Events of the corpus that are encoded in a row.
const EVENTS: u64 = 6000;

fn corpus() -> Result<Vec<Event>, Wrong> {
    let event = |e: ringstat_core::testkit::CorpusEvent| {
        let kind = match e.kind {
            CorpusKind::Counter => Kind::Counter,
            CorpusKind::Gauge => Kind::Gauge,
            CorpusKind::Timing => Kind::Timing,
            CorpusKind::Distribution => Kind::Distribution,
        };
        let mut event = Event::new(kind, e.name.into(), e.value, e.time_ns)?;
        event.set_tags(e.tags)?;
        Ok(event)
    };
    let events: Result<Vec<_>, ringstat_core::ledger::Cause> =
        Corpus::new(7).take(EVENTS as usize).map(event).collect();
    events.map_err(|cause| Wrong(format!("the corpus has an event that is refused: {cause:?}")))
}

/// Encodes all events, and hands over every datagram. Returns the number of events that went in.
fn pack(
    encoder: &mut Encoder,
    buf: &mut [u8],
    events: &[Event],
    mut each: impl FnMut(&[u8]),
) -> u64 {
    let (mut at, mut sequence) = (0, 0);
    while at < events.len() {
        let mut prologue = Prologue::default();
        prologue.account.base_time = events[at].time();
        let header = Header { sender: 1, sequence, ..Header::default() };
        let first = at;
        let Ok(mut datagram) = encoder.begin(buf, &header, &prologue) else { break };
        while events.get(at).is_some_and(|event| datagram.event(event, &NoNames).is_ok()) {
            at += 1;
        }
        let length = datagram.finish(false);
        if at == first {
            break;
        }
        each(&buf[..length]);
        sequence += 1;
    }
    at as u64
}

/// `encode.ns` and `encode.bytes`, for each event.
pub(super) fn encode(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let events = corpus()?;
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; PAYLOAD_ETHERNET];
    let mut bytes = 0;
    let packed = pack(&mut encoder, &mut buf, &events, |d| bytes += d.len());
    check(packed == EVENTS, || format!("{packed} of {EVENTS} were encoded"))?;
    let samples = time(effort, EVENTS, || {
        pack(&mut encoder, &mut buf, &events, |d| {
            std::hint::black_box(d);
        });
    });
    Ok(vec![
        Metric::new("encode.ns", "ns", samples),
        Metric::one("encode.bytes", "B", bytes as f64 / EVENTS as f64),
    ])
}

/// The corpus in datagrams.
pub(super) fn datagrams() -> Result<Vec<Vec<u8>>, Wrong> {
    let events = corpus()?;
    let mut encoder: Box<Encoder> = Box::default();
    let (mut all, mut buf) = (Vec::new(), vec![0; PAYLOAD_ETHERNET]);
    pack(&mut encoder, &mut buf, &events, |d| all.push(d.to_vec()));
    check(!all.is_empty(), || "nothing was encoded".into())?;
    Ok(all)
}

/// What encodes the corpus once more, and returns the number of events.
pub(super) fn encoder() -> Result<impl FnMut() -> u64, Wrong> {
    let events = corpus()?;
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; PAYLOAD_ETHERNET];
    Ok(move || {
        pack(&mut encoder, &mut buf, &events, |d| {
            std::hint::black_box(d);
        })
    })
}

/// `decode.ns` for each event.
pub(super) fn decode(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let datagrams = datagrams()?;
    let mut decoder: Box<Decoder> = Box::new(Decoder::new());
    let (mut passes, mut decoded) = (0, 0);
    let samples = time(effort, EVENTS, || {
        passes += 1;
        for datagram in &datagrams {
            let Ok(mut opened) = decoder.open(datagram) else { continue };
            while let Some(Ok(record)) = opened.next() {
                std::hint::black_box(&record);
                decoded += 1;
            }
        }
    });
    check(decoded == passes * EVENTS, || format!("{decoded} of {} were decoded", passes * EVENTS))?;
    Ok(vec![Metric::new("decode.ns", "ns", samples)])
}

/// `collect.ns` for each event: a collector that starts anew takes all datagrams.
pub(super) fn collect(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let datagrams = datagrams()?;
    let (mut passes, mut stored) = (0, 0);
    let samples = time(effort, EVENTS, || {
        let mut collector = Collector::new(Limits::default());
        datagrams.iter().for_each(|d| _ = collector.receive(d, 0));
        passes += 1;
        stored += collector.counts().stored;
    });
    check(stored == passes * EVENTS, || format!("{stored} of {} were stored", passes * EVENTS))?;
    Ok(vec![Metric::new("collect.ns", "ns", samples)])
}
