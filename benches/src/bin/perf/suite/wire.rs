//! The wire format, and the collector that decodes it.

use std::time::Instant;

use ringstat_benches::corpus::{self, pack, renumber};
use ringstat_collector::{Collector, Limits};
use ringstat_core::format::PAYLOAD_ETHERNET;
use ringstat_core::record::Event;
use ringstat_core::wire::{Decoder, Encoder};

use super::{Effort, PERCENTILES, Wrong, check, time};
use crate::results::Metric;
use crate::stats::quantile;

/// Events of the corpus that are encoded in a row.
const EVENTS: u64 = 6000;
/// Datagrams received for each sample of the percentiles.
const DATAGRAMS: usize = 2000;

pub(super) fn corpus() -> Result<Vec<Event>, Wrong> {
    corpus::events(EVENTS as usize)
        .map_err(|cause| Wrong(format!("the corpus has an event that is refused: {cause:?}")))
}

/// Measures `encode.ns` and `encode.bytes`, per event.
pub(super) fn encode(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let events = corpus()?;
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; PAYLOAD_ETHERNET];
    let mut bytes = 0;
    let packed = pack(&mut *encoder, &mut buf, &events, |d| bytes += d.len());
    check(packed as u64 == EVENTS, || format!("{packed} of {EVENTS} were encoded"))?;
    let samples = time(effort, EVENTS, || {
        pack(&mut *encoder, &mut buf, &events, |d| {
            std::hint::black_box(d);
        });
    });
    Ok(vec![
        Metric::new("encode.ns", "ns", samples),
        Metric::exact("encode.bytes", "B", bytes as f64 / EVENTS as f64),
    ])
}

/// Returns the corpus as datagrams.
pub(super) fn datagrams() -> Result<Vec<Vec<u8>>, Wrong> {
    let all = corpus::datagrams(&corpus()?, PAYLOAD_ETHERNET);
    check(!all.is_empty(), || "nothing was encoded".into())?;
    Ok(all)
}

/// Returns a function that encodes the corpus once more, and returns the number of events.
pub(super) fn encoder() -> Result<impl FnMut() -> u64, Wrong> {
    let events = corpus()?;
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; PAYLOAD_ETHERNET];
    Ok(move || {
        pack(&mut *encoder, &mut buf, &events, |d| {
            std::hint::black_box(d);
        }) as u64
    })
}

/// Measures `decode.ns`, per event.
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

/// Measures `collect.ns`, per event, with a new collector that takes all datagrams; and `collect.p50` and so on, per
/// datagram, and `collect.datagrams`, per second, with a collector that knows the sender and its series.
pub(super) fn collect(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let mut datagrams = datagrams()?;
    let (mut passes, mut stored) = (0, 0);
    let samples = time(effort, EVENTS, || {
        let mut collector = Collector::new(Limits::default());
        datagrams.iter().for_each(|d| _ = collector.receive(d, 0));
        passes += 1;
        stored += collector.counts().stored;
    });
    check(stored == passes * EVENTS, || format!("{stored} of {} were stored", passes * EVENTS))?;

    let mut collector = Collector::new(Limits::default());
    let mut sequence = 0;
    let mut received = 0;
    let mut metrics = vec![Metric::new("collect.ns", "ns", samples)];
    let mut blocks = [const { Vec::new() }; PERCENTILES.len()];
    let mut rates = Vec::new();
    for sample in 0..=effort.samples {
        let mut took = Vec::new();
        while took.len() < DATAGRAMS {
            renumber(&mut datagrams, &mut sequence);
            for datagram in &datagrams {
                let begun = Instant::now();
                let _ = collector.receive(datagram, 0);
                took.push(begun.elapsed().as_nanos() as f64);
            }
        }
        received += took.len() as u64;
        // The first sample creates the series.
        if sample > 0 {
            rates.push(took.len() as f64 / took.iter().sum::<f64>() * 1e9);
            for ((_, q), block) in PERCENTILES.iter().zip(&mut blocks) {
                block.push(quantile(&took, *q));
            }
        }
    }
    let accepted = collector.counts().accepted;
    check(accepted == received, || format!("{accepted} of {received} were accepted"))?;
    metrics.push(Metric::new("collect.datagrams", "/s", rates));
    for ((name, _), block) in PERCENTILES.iter().zip(blocks) {
        metrics.push(Metric::new(format!("collect.{name}"), "ns", block));
    }
    Ok(metrics)
}
