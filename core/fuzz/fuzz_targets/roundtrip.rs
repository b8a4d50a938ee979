//! Every accepted event comes back unchanged, and no datagram exceeds its size limit.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringstat_core::format::{Header, Prologue, Refused};
use ringstat_core::record::{Content as Written, Event, Interner, Kind, Priority, Tag, Value};
use ringstat_core::wire::decode::{Body, Content};
use ringstat_core::wire::{Decoder, Encoder};

#[derive(Arbitrary, Debug)]
struct Input {
    payload: u16,
    pad: bool,
    base: u64,
    events: Vec<Raw>,
}

#[derive(Arbitrary, Debug)]
struct Raw {
    kind: u8,
    name: String,
    value: Number,
    time: u64,
    priority: u8,
    rate: u8,
    tags: u8,
    text: Option<String>,
    dynamic: Vec<(String, String)>,
}

#[derive(Arbitrary, Debug)]
enum Number {
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Decimal(i64, u8),
}

const TAGS: [&[Tag]; 3] =
    [&[], &[("service", "shop")], &[("service", "shop"), ("host", "web-01"), ("", "")]];

fn event(raw: &Raw, names: &Interner<64, 4096>) -> Option<Event> {
    let value = match raw.value {
        Number::U64(v) => Value::U64(v),
        Number::I64(v) => Value::I64(v),
        Number::F32(v) => Value::F32(v),
        Number::F64(v) => Value::F64(v),
        Number::Decimal(mantissa, scale) => Value::Decimal { mantissa, scale },
    };
    let name = names.intern(&raw.name).ok()?;
    let mut event =
        Event::new(Kind::ALL[usize::from(raw.kind) % 6], name.into(), value, raw.time).ok()?;
    event.set_tags(TAGS[usize::from(raw.tags) % 3]).ok()?;
    event.set_priority(Priority::ALL[usize::from(raw.priority) % 4]);
    event.set_rate(raw.rate);
    if let Some(text) = &raw.text
        && event.kind().takes_text()
    {
        let _ = event.set_text(text);
    }
    for (key, value) in &raw.dynamic {
        let _ = event.push_tag(key, value);
    }
    Some(event)
}

fuzz_target!(|input: Input| {
    let names: Interner<64, 4096> = Interner::new();
    let events: Vec<(Event, &str)> =
        input.events.iter().filter_map(|raw| Some((event(raw, &names)?, &*raw.name))).collect();
    let payload = usize::from(input.payload).max(128);
    let mut encoder: Box<Encoder> = Box::default();
    let mut decoder: Box<Decoder> = Box::default();
    let mut left = &events[..];
    while !left.is_empty() {
        let mut buf = vec![0x55; payload];
        let prologue = Prologue { base_time: input.base, ..Prologue::default() };
        let mut open =
            encoder.begin(&mut buf, &Header::default(), &prologue).expect("128 bytes are enough");
        let mut packed = Vec::new();
        while let Some(((event, name), rest)) = left.split_first() {
            match open.event(event, &names) {
                Ok(()) => packed.push((event, *name)),
                Err(Refused::Full) if open.records() > 0 => break,
                Err(Refused::Full) => {
                    left = rest; // it never fits
                    break;
                }
                Err(refused) => unreachable!("the interner knows its symbols: {refused:?}"),
            }
            left = rest;
        }
        let length = open.finish(input.pad);
        assert!(length <= payload);
        let mut datagram = decoder.open(&buf[..length]).expect("what was packed can be opened");
        for (event, name) in packed {
            let record = datagram.next().expect("as many as went in").expect("sound");
            let Body::Event(got) = record.body else { panic!("not an event") };
            assert_eq!(record.name.text, name);
            assert_eq!(
                (got.kind, got.priority, got.time_ns),
                (event.kind(), event.priority(), event.time())
            );
            assert_eq!(got.rate, u32::from(event.rate()));
            match (event.content(), got.content) {
                (Written::Number(a), Content::Number(b)) => assert_eq!(a, b),
                (Written::Text(a), Content::Text(b)) => assert_eq!(a, b),
                other => panic!("{other:?}"),
            }
            assert!(
                record.tags.iter().eq(event.tags().iter().copied().chain(event.dynamic_tags()))
            );
        }
        assert!(datagram.next().is_none());
    }
});
