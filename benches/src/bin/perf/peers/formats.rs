//! Wire formats: the time and the bytes that one event takes.

use std::fmt::Write as _;
use std::hint::black_box;

use ringstat_benches::corpus::{self, pack};
use ringstat_benches::peers::formats::Flat;
use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_JUMBO};
use ringstat_core::record::{Event, Value};
use ringstat_core::testkit::{CorpusEvent, CorpusKind};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::{Decoder, Encoder};

use super::{Effort, Goal, Measured, Pair, Row, check, in_turns, nanos};
use crate::count::{event_bytes, line_bytes};

/// Compares the times to encode and to decode an event in datagrams of `payload` bytes with those of postcard.
fn speed(
    effort: &Effort,
    corpus: &[CorpusEvent],
    flats: &[Vec<u8>],
    events: &[Event],
    payload: usize,
) -> Measured<[Row; 2]> {
    let count = events.len() as u64;
    let mut encoder: Box<Encoder> = Box::default();
    let mut datagrams = Vec::new();
    let mut buf = vec![0; payload];
    let packed = pack(&mut *encoder, &mut buf, events, |d| datagrams.push(d.to_vec()));
    check(packed == events.len(), || format!("{packed} of {count} were packed"))?;

    let mut slice = [0; 256];
    let encode = in_turns(
        effort,
        || {
            let mut packed = 0;
            let time = nanos(count, || {
                packed = pack(&mut *encoder, &mut buf, events, |d| {
                    black_box(d);
                });
            });
            check(packed == events.len(), || "not all packed".into())?;
            Ok(time)
        },
        || {
            let mut bytes = 0;
            let time = nanos(count, || {
                for w in corpus {
                    bytes += postcard::to_slice(&Flat::of(black_box(w)), &mut slice)
                        .map_or(0, |b| b.len());
                }
            });
            check(bytes > 50 * events.len(), || "postcard wrote too little".into())?;
            Ok(time)
        },
    )?;
    let mut decoder: Box<Decoder> = Box::default();
    let decode = in_turns(
        effort,
        || {
            let mut decoded = 0;
            let time = nanos(count, || {
                for datagram in &datagrams {
                    let Ok(mut opened) = decoder.open(datagram) else { continue };
                    while let Some(Ok(record)) = opened.next() {
                        black_box(&record);
                        decoded += 1;
                    }
                }
            });
            check(decoded == count, || format!("{decoded} of {count} were decoded"))?;
            Ok(time)
        },
        || {
            let mut decoded = 0;
            let time = nanos(count, || {
                for bytes in flats {
                    if let Ok(flat) = postcard::from_bytes::<Flat<'_>>(bytes) {
                        black_box(&flat);
                        decoded += 1;
                    }
                }
            });
            check(decoded == count, || "postcard did not decode all".into())?;
            Ok(time)
        },
    )?;
    let row = |what: &str, peer: &str, pair: &Pair| {
        let what = format!("{what} an event, datagrams of {payload}, by postcard {peer}");
        Row::new(&what, pair.ratio, Goal::AtMost(0.5), "", pair.detail("postcard"))
    };
    Ok([row("encode", "flat", &encode), row("decode", "with borrowed strings", &decode)])
}

fn native(effort: &Effort, corpus: &[CorpusEvent], events: &[Event]) -> Measured<Vec<Row>> {
    let count = events.len() as u64;
    let flats: Vec<Vec<u8>> =
        corpus.iter().map(|w| postcard::to_allocvec(&Flat::of(w))).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for payload in [PAYLOAD_ETHERNET, PAYLOAD_JUMBO] {
        rows.extend(speed(effort, corpus, &flats, events, payload)?);
    }
    let flat = flats.iter().map(Vec::len).sum::<usize>() as f64 / count as f64;
    for (payload, goal) in [(PAYLOAD_ETHERNET, 16.0), (PAYLOAD_JUMBO, 11.0)] {
        let bytes = event_bytes(events, payload)?;
        let lines = line_bytes(events, payload)?;
        let detail = format!("postcard flat {flat:.1} B, DogStatsD {lines:.1} B");
        let what = format!("bytes an event, datagrams of {payload}");
        rows.push(Row::new(&what, bytes, Goal::AtMost(goal), " B", detail));
    }
    Ok(rows)
}

/// Writes a line by hand, as fast as possible: `name:value|g|#k:v,k:v,k:v`.
fn by_hand(w: &CorpusEvent, out: &mut Vec<u8>) {
    out.extend_from_slice(w.name.as_bytes());
    out.push(b':');
    match w.value {
        Value::U64(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        Value::I64(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        other => out.extend_from_slice(zmij::Buffer::new().format(other.as_f64()).as_bytes()),
    }
    out.extend_from_slice(b"|g|#");
    for (i, (key, value)) in w.tags.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'\n');
}

fn by_write(w: &CorpusEvent, out: &mut String) {
    let [(a, b), (c, d), (e, f)] = w.tags else { return };
    let _ = match w.value {
        Value::U64(n) => writeln!(out, "{}:{n}|g|#{a}:{b},{c}:{d},{e}:{f}", w.name),
        Value::I64(n) => writeln!(out, "{}:{n}|g|#{a}:{b},{c}:{d},{e}:{f}", w.name),
        other => writeln!(out, "{}:{}|g|#{a}:{b},{c}:{d},{e}:{f}", w.name, other.as_f64()),
    };
}

fn lines(effort: &Effort, entries: &[CorpusEvent]) -> Measured<Vec<Row>> {
    let gauge = |w: &CorpusEvent| CorpusEvent { kind: CorpusKind::Gauge, ..*w };
    let gauges: Vec<CorpusEvent> = entries.iter().map(gauge).collect();
    let events: Vec<Event> = gauges.iter().map(corpus::event).collect::<Result<_, _>>()?;
    let count = events.len() as u64;
    let mut encoder = <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new());
    // All three must write nearly the same bytes, datagram by datagram.
    let (mut ours, mut hand, mut write) = (Vec::new(), Vec::new(), String::new());
    pack(&mut encoder, &mut vec![0; PAYLOAD_ETHERNET], &events, |d| {
        ours.extend_from_slice(d);
        if d.last() != Some(&b'\n') {
            ours.push(b'\n');
        }
    });
    gauges.iter().for_each(|w| by_hand(w, &mut hand));
    gauges.iter().for_each(|w| by_write(w, &mut write));
    check(ours.len().abs_diff(hand.len()) * 100 < hand.len(), || {
        "the hand-written lines differ".into()
    })?;
    check(write.len().abs_diff(hand.len()) * 20 < hand.len(), || {
        "the lines by write! differ".into()
    })?;
    let per_datagram = 18;
    let mut time_ours = || {
        let mut packed = 0;
        let time = nanos(count, || {
            packed = pack(&mut encoder, &mut vec![0; PAYLOAD_ETHERNET], &events, |d| {
                black_box(d);
            });
        });
        check(packed == events.len(), || "not all packed".into())?;
        Ok(time)
    };
    let by_hand = in_turns(effort, &mut time_ours, || {
        let mut out = Vec::with_capacity(2 * PAYLOAD_ETHERNET);
        Ok(nanos(count, || {
            for chunk in gauges.chunks(per_datagram) {
                out.clear();
                chunk.iter().for_each(|w| by_hand(w, &mut out));
                black_box(&out);
            }
        }))
    })?;
    let by_write = in_turns(effort, &mut time_ours, || {
        let mut out = String::with_capacity(2 * PAYLOAD_ETHERNET);
        Ok(nanos(count, || {
            for chunk in gauges.chunks(per_datagram) {
                out.clear();
                chunk.iter().for_each(|w| by_write(w, &mut out));
                black_box(&out);
            }
        }))
    })?;
    let third = 1.0 / 3.0;
    Ok(vec![
        Row::new(
            "DogStatsD line by a hand-written one with itoa and zmij",
            by_hand.ratio,
            Goal::AtMost(1.1),
            "",
            by_hand.detail("by hand"),
        ),
        Row {
            goal: "at most a third".into(),
            ..Row::new(
                "DogStatsD line by write!",
                by_write.ratio,
                Goal::AtMost(third),
                "",
                by_write.detail("write!"),
            )
        },
    ])
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    let entries = corpus::entries(6000);
    let events = corpus::events(entries.len())?;
    let mut rows = native(effort, &entries, &events)?;
    rows.extend(lines(effort, &entries)?);
    Ok(rows)
}
