//! Any event that is accepted round-trips exactly, in any mixture and at any size limit, and no datagram exceeds its
//! limit.

use proptest::prelude::*;
use ringstat_core::format::{Format, Header, Packer, Prologue, Refused};
use ringstat_core::record::{Content as Written, Event, Kind, NoNames, Priority, Tag, Value};
use ringstat_core::testkit::rounds;
use ringstat_core::wire::decode::{Body, Content};
use ringstat_core::wire::{Decoder, Encoder, LeanEncoder};

const NAMES: &[&str] = &[
    "a",
    "http.server.requests",
    "http.server.request_ms",
    "http.server.request_bytes",
    "http.client.requests",
    "température.extérieure",
    "température.extèrieure",
    "db.query.duration_with_a_name_that_is_rather_long_indeed_for_what_it_says",
];
const TAGS: &[&[Tag]] = &[
    &[],
    &[("service", "shop")],
    &[("service", "shop"), ("region", "eu-west-1"), ("host", "web-01")],
    &[("service", "shop"), ("region", "eu-west-2"), ("host", "web-02")],
    &[("empty", "")],
];

fn value() -> impl Strategy<Value = Value> {
    let finite = any::<f64>().prop_filter("finite", |v| v.is_finite());
    prop_oneof![
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        finite.prop_map(Value::F64),
        (-1000.0f32..1000.0).prop_map(Value::F32),
        (-100_000i64..100_000).prop_map(|n| Value::F64(n as f64 / 100.0)),
        (-Value::MANTISSA_MAX..=Value::MANTISSA_MAX, 0u8..=8)
            .prop_map(|(mantissa, scale)| Value::Decimal { mantissa, scale }),
    ]
}

prop_compose! {
    fn event()(
        kind in 0..6usize,
        name in 0..NAMES.len(),
        tags in 0..TAGS.len(),
        value in value(),
        time in prop_oneof![any::<u64>(), 1_700_000_000_000_000_000u64..1_700_000_001_000_000_000],
        priority in 0..4usize,
        rate in any::<u8>(),
        text in proptest::option::of("[a-zé]{0,6}"),
        dynamic in proptest::collection::vec(("[a-c]{0,3}", "[x-zü]{0,4}"), 0..4),
    ) -> Event {
        let mut e = Event::new(Kind::ALL[kind], NAMES[name].into(), value, time).unwrap();
        e.set_tags(TAGS[tags]).unwrap();
        e.set_priority(Priority::ALL[priority]);
        e.set_rate(rate);
        if let Some(text) = text.filter(|_| e.kind().takes_text()) {
            e.set_text(&text).unwrap();
        }
        for (key, value) in dynamic {
            let _ = e.push_tag(&key, &value); // what does not fit is refused and leaves the event as it was
        }
        e
    }
}

/// Packs all events into datagrams of at most `payload` bytes; returns them and the events that never fit.
fn pack(
    mut encoder: impl Format,
    events: &[Event],
    payload: usize,
    pad: bool,
) -> (Vec<Vec<u8>>, Vec<Event>) {
    let mut left = events.iter().peekable();
    let (mut datagrams, mut too_large) = (Vec::new(), Vec::new());
    while left.peek().is_some() {
        let mut buf = vec![0xAA; payload];
        let header = Header { sequence: datagrams.len() as u32, ..Header::default() };
        let prologue = Prologue { base_time: 1_700_000_000_500_000_000, ..Prologue::default() };
        let mut datagram = encoder.begin(&mut buf, &header, &prologue).unwrap();
        while let Some(event) = left.peek() {
            match datagram.event(event, &NoNames) {
                Ok(()) => drop(left.next()),
                Err(Refused::Full) if datagram.records() > 0 => break,
                Err(Refused::Full) => {
                    too_large.push(*left.next().unwrap());
                    break;
                }
                Err(refused) => {
                    unreachable!("no symbols are used, and all can be said: {refused:?}")
                }
            }
        }
        let length = datagram.finish(pad);
        assert!(length <= payload);
        buf.truncate(length);
        datagrams.push(buf);
    }
    (datagrams, too_large)
}

fn same(event: &Event, record: &ringstat_core::wire::decode::Record<'_>) {
    let Body::Event(got) = record.body else { panic!("not an event: {record:?}") };
    assert_eq!(ringstat_core::record::Name::Static(event_name(event)), event.name());
    assert_eq!(record.name.text, event_name(event));
    assert_eq!(got.kind, event.kind());
    assert_eq!(got.priority, event.priority());
    assert_eq!(got.time_ns, event.time());
    assert_eq!(got.rate, u32::from(event.rate()));
    match (event.content(), got.content) {
        (Written::Number(a), Content::Number(b)) => assert_eq!(a, b),
        (Written::Text(a), Content::Text(b)) => assert_eq!(a, b),
        other => panic!("{other:?}"),
    }
    let expected: Vec<_> = event.tags().iter().copied().chain(event.dynamic_tags()).collect();
    assert_eq!(record.tags.iter().collect::<Vec<_>>(), expected);
}

/// Checks that all events come out as they went in, except those that were too large for any datagram.
fn round_trip(
    events: &[Event],
    (datagrams, too_large): (Vec<Vec<u8>>, Vec<Event>),
) -> Result<(), TestCaseError> {
    let mut decoder: Box<Decoder> = Box::default();
    let mut expected = events.iter().filter(|e| !too_large.iter().any(|t| core::ptr::eq(*e, t)));
    let mut refused = too_large.iter();
    let mut received = 0;
    for (sequence, bytes) in datagrams.iter().enumerate() {
        let mut datagram = decoder.open(bytes).unwrap();
        prop_assert_eq!(datagram.header().sequence as usize, sequence);
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            // Events come back in order, with the refused ones left out.
            loop {
                let event = expected.next().expect("more records than events");
                if refused
                    .as_slice()
                    .first()
                    .is_some_and(|t| format!("{t:?}") == format!("{event:?}"))
                {
                    refused.next();
                    continue;
                }
                same(event, &record);
                break;
            }
            received += 1;
        }
    }
    prop_assert_eq!(received + too_large.len(), events.len());
    Ok(())
}

fn event_name(event: &Event) -> &'static str {
    match event.name() {
        ringstat_core::record::Name::Static(name) => name,
        ringstat_core::record::Name::Interned(_) => unreachable!("no symbols are used"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(48, 256)))]

    #[test]
    fn what_is_accepted_round_trips(
        events in proptest::collection::vec(event(), 0..200),
        payload in 128usize..3000,
        pad in any::<bool>(),
    ) {
        let encoder: Encoder = Encoder::new();
        round_trip(&events, pack(encoder, &events, payload, pad))?;
        // A configuration for chips, with fewer slots than there are strings.
        round_trip(&events, pack(Encoder::<4, 0>::new(), &events, payload, pad))?;
        round_trip(&events, pack(LeanEncoder::<1>::new(), &events, payload, pad))?;
        round_trip(&events, pack(LeanEncoder::<16>::new(), &events, payload, pad))?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        // The checksum is valid, so that the records are reached.
        let mut datagram = Header::default().emit().to_vec();
        datagram.extend_from_slice(&bytes);
        let sum = crc32(&datagram);
        datagram.extend_from_slice(&sum.to_le_bytes());
        let mut decoder: Box<Decoder> = Box::default();
        if let Ok(mut open) = decoder.open(&datagram) {
            while let Some(record) = open.next() {
                if let Ok(record) = record {
                    prop_assert!(!record.name.text.is_empty());
                    prop_assert!(record.tags.iter().count() == record.tags.len());
                } else {
                    prop_assert!(open.next().is_none());
                }
            }
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)
}

/// Receivers refuse it, and everything after it in the datagram.
#[test]
fn a_text_is_packed_only_where_it_means_something() {
    let mut encoder: Encoder = Encoder::new();
    let mut buf = [0; 1472];
    let mut datagram = encoder.begin(&mut buf, &Header::default(), &Prologue::default()).unwrap();
    for kind in Kind::ALL {
        let mut event: Event = Event::new(kind, "name".into(), 1u8.into(), 0).unwrap();
        event.set_text("text").unwrap();
        let size = datagram.size();
        let packed = datagram.event(&event, &NoNames);
        let may = matches!(kind, Kind::Set | Kind::Event);
        assert_eq!(packed, if may { Ok(()) } else { Err(Refused::Unsupported) }, "{kind:?}");
        assert_eq!(datagram.size() > size, may, "{kind:?}");
    }
    assert_eq!(datagram.records(), 2);
}

#[test]
fn an_event_larger_than_a_datagram_is_refused() {
    let long: &'static str = Box::leak("x".repeat(200).into_boxed_str());
    let event = Event::new(Kind::Gauge, long.into(), 1u8.into(), 0).unwrap();
    let (datagrams, too_large) = pack(Encoder::<64, 512>::new(), &[event], 128, false);
    assert_eq!((datagrams.len(), too_large.len()), (1, 1));
    let (datagrams, too_large) = pack(Encoder::<64, 512>::new(), &[event], 300, false);
    assert_eq!((datagrams.len(), too_large.len()), (1, 0));
}

#[test]
fn every_prefix_and_every_bit_flip_is_refused() {
    let events: Vec<Event> = (0..20)
        .map(|i| Event::new(Kind::Timing, NAMES[i % 8].into(), (i as f64 * 1.5).into(), 7).unwrap())
        .collect();
    let (datagrams, _) = pack(Encoder::<64, 512>::new(), &events, 1472, false);
    let good = &datagrams[0];
    let mut decoder: Box<Decoder> = Box::default();
    assert!(decoder.open(good).is_ok());
    for end in 0..good.len() {
        assert!(decoder.open(&good[..end]).is_err(), "prefix of {end}");
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(decoder.open(&bad).is_err(), "bit {bit}");
    }
}
