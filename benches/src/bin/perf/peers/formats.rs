//! Formats: time and bytes of one event.

use std::fmt::Write as _;
use std::hint::black_box;

use ringstat_benches::corpus::pack;
use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_JUMBO};
use ringstat_core::record::{Event, Kind, Tag, Value};
use ringstat_core::testkit::{Corpus, CorpusEvent, CorpusKind};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::{Decoder, Encoder};
use serde::{Deserialize, Serialize};

use super::{Effort, Goal, Measured, Pair, Row, check, in_turns, nanos};
use crate::count::{event_bytes, line_bytes};

/// The event as postcard writes it, field after field.
#[derive(Serialize, Deserialize)]
struct Flat<'a> {
    kind: u8,
    #[serde(borrow)]
    name: &'a str,
    value: f64,
    time: i64,
    #[serde(borrow)]
    tags: [(&'a str, &'a str); 3],
}

/// One event of the corpus, as its user wrote it.
#[derive(Clone, Copy)]
struct Written {
    kind: Kind,
    name: &'static str,
    tags: &'static [Tag],
    value: Value,
    time: u64,
}

/// 6000 events: 50 names of about 21 characters in random order, 20 sets of 3 tags, integers and floats, exact
/// nanoseconds.
fn corpus() -> Vec<Written> {
    let written = |e: CorpusEvent| Written {
        kind: match e.kind {
            CorpusKind::Counter => Kind::Counter,
            CorpusKind::Gauge => Kind::Gauge,
            CorpusKind::Timing => Kind::Timing,
            CorpusKind::Distribution => Kind::Distribution,
        },
        name: e.name,
        tags: e.tags,
        value: e.value,
        time: e.time_ns,
    };
    Corpus::new(7).take(6000).map(written).collect()
}

fn events(corpus: &[Written]) -> Measured<Vec<Event>> {
    let event = |w: &Written| {
        let mut event = Event::new(w.kind, w.name.into(), w.value, w.time)?;
        event.set_tags(w.tags)?;
        Ok(event)
    };
    let all: Result<_, ringstat_core::ledger::Cause> = corpus.iter().map(event).collect();
    all.map_err(|cause| super::Wrong(format!("the corpus has an event that is refused: {cause:?}")))
}

fn flat<'a>(w: &Written) -> Flat<'a> {
    let tag = |i: usize| w.tags.get(i).copied().unwrap_or_default();
    Flat {
        kind: w.kind as u8,
        name: w.name,
        value: w.value.as_f64(),
        time: w.time as i64,
        tags: [tag(0), tag(1), tag(2)],
    }
}

/// Time to encode and to decode an event in datagrams of `payload` bytes, beside postcard.
fn speed(
    effort: &Effort,
    corpus: &[Written],
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
                    bytes +=
                        postcard::to_slice(&flat(black_box(w)), &mut slice).map_or(0, |b| b.len());
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

fn native(effort: &Effort, corpus: &[Written], events: &[Event]) -> Measured<Vec<Row>> {
    let count = events.len() as u64;
    let flats: Vec<Vec<u8>> =
        corpus.iter().map(|w| postcard::to_allocvec(&flat(w))).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for payload in [PAYLOAD_ETHERNET, PAYLOAD_JUMBO] {
        rows.extend(speed(effort, corpus, &flats, events, payload)?);
    }
    let wrong = |w: crate::suite::Wrong| super::Wrong(w.0);
    let flat = flats.iter().map(Vec::len).sum::<usize>() as f64 / count as f64;
    for (payload, goal) in [(PAYLOAD_ETHERNET, 16.0), (PAYLOAD_JUMBO, 11.0)] {
        let bytes = event_bytes(events, payload).map_err(wrong)?;
        let lines = line_bytes(events, payload).map_err(wrong)?;
        let detail = format!("postcard flat {flat:.1} B, DogStatsD {lines:.1} B");
        let what = format!("bytes an event, datagrams of {payload}");
        rows.push(Row::new(&what, bytes, Goal::AtMost(goal), " B", detail));
    }
    Ok(rows)
}

/// A line by hand, as fast as it goes: `name:value|g|#k:v,k:v,k:v`.
fn by_hand(w: &Written, out: &mut Vec<u8>) {
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

fn by_write(w: &Written, out: &mut String) {
    let [(a, b), (c, d), (e, f)] = w.tags else { return };
    let _ = match w.value {
        Value::U64(n) => writeln!(out, "{}:{n}|g|#{a}:{b},{c}:{d},{e}:{f}", w.name),
        Value::I64(n) => writeln!(out, "{}:{n}|g|#{a}:{b},{c}:{d},{e}:{f}", w.name),
        other => writeln!(out, "{}:{}|g|#{a}:{b},{c}:{d},{e}:{f}", w.name, other.as_f64()),
    };
}

fn lines(effort: &Effort, corpus: &[Written]) -> Measured<Vec<Row>> {
    let gauges: Vec<Written> = corpus.iter().map(|w| Written { kind: Kind::Gauge, ..*w }).collect();
    let events = events(&gauges)?;
    let count = events.len() as u64;
    let mut encoder = <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new());
    // All three write the same bytes, datagram by datagram.
    let (mut ours, mut hand, mut write) = (Vec::new(), Vec::new(), String::new());
    pack(&mut encoder, &mut vec![0; PAYLOAD_ETHERNET], &events, |d| {
        ours.extend_from_slice(d);
        if d.last() != Some(&b'\n') {
            ours.push(b'\n');
        }
    });
    gauges.iter().for_each(|w| by_hand(w, &mut hand));
    gauges.iter().for_each(|w| by_write(w, &mut write));
    check(ours.len().abs_diff(hand.len()) * 100 < hand.len(), || "other lines by hand".into())?;
    check(write.len().abs_diff(hand.len()) * 20 < hand.len(), || "other lines by write!".into())?;
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
    let corpus = corpus();
    let events = events(&corpus)?;
    let mut rows = native(effort, &corpus, &events)?;
    rows.extend(lines(effort, &corpus)?);
    Ok(rows)
}
