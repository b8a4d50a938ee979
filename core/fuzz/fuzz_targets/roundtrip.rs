//! Every accepted event comes back unchanged, long tags and texts beside its slot included, and no datagram exceeds its
//! size limit.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ringstat_core::format::{Header, Prologue, Refused};
use ringstat_core::record::spill::Area;
use ringstat_core::record::{
    Borrowed, BoxedTagMemory, Content as Written, DraftStrings, Event, Interner, Kind, Priority, Resolve,
    Symbol, Tag, Value,
};
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

/// Names made at run time, and what does not fit a slot.
struct Beside {
    names: Interner<64, 4096>,
    memory: BoxedTagMemory,
}

impl Resolve for Beside {
    const HAS_AREAS: bool = true;

    fn resolve(&self, symbol: Symbol) -> Option<&str> {
        self.names.resolve(symbol)
    }

    fn area(&self, number: u16) -> Option<Area<'_>> {
        (number == 0).then(|| self.memory.area())
    }
}

fn event(raw: &Raw, beside: &Beside) -> Option<Event> {
    let value = match raw.value {
        Number::U64(v) => Value::U64(v),
        Number::I64(v) => Value::I64(v),
        Number::F32(v) => Value::F32(v),
        Number::F64(v) => Value::F64(v),
        Number::Decimal(mantissa, scale) => Value::Decimal { mantissa, scale },
    };
    let name = beside.names.intern(&raw.name).ok()?;
    let mut event =
        Event::new(Kind::ALL[usize::from(raw.kind) % 6], name.into(), value, raw.time).ok()?;
    event.set_tags(TAGS[usize::from(raw.tags) % 3]).ok()?;
    event.set_priority(Priority::ALL[usize::from(raw.priority) % 4]);
    event.set_rate(raw.rate);
    let mut strings = Borrowed::new();
    if let Some(text) = &raw.text
        && event.kind().takes_text()
    {
        strings.push_text(&mut event, text).ok()?;
    }
    for (key, value) in &raw.dynamic {
        strings.push_tag(&mut event, key, value).ok()?;
    }
    event.keep_strings(&strings, |strings| beside.memory.area().write(strings)).ok()?;
    Some(event)
}

fuzz_target!(|input: Input| {
    let beside = Beside { names: Interner::new(), memory: BoxedTagMemory::new(64, 0) };
    let events: Vec<(Event, &str)> =
        input.events.iter().filter_map(|raw| Some((event(raw, &beside)?, &*raw.name))).collect();
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
            match open.event(event, &beside) {
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
            let strings = event.strings(&beside).expect("nobody has given them back");
            match (event.content(), got.content) {
                (Written::Number(a), Content::Number(b)) => assert_eq!(a, b),
                (Written::Text(_), Content::Text(b)) => assert_eq!(strings.text(), Some(b)),
                other => panic!("{other:?}"),
            }
            assert!(record.tags.iter().eq(event.tags().iter().copied().chain(strings.tags())));
        }
        assert!(datagram.next().is_none());
    }
    events.iter().for_each(|(event, _)| event.give_back(&beside));
    assert_eq!(beside.memory.area().used(), 0);
});
