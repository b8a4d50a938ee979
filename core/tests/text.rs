//! Lines are checked with third-party parsers, and their guarantees under any input.

use proptest::prelude::*;
use ringstat_core::format::{Format, Header, Packer, Prologue, Refused};
use ringstat_core::record::{Content, Event, Kind, Name, NoNames, Value};
use ringstat_core::testkit::{Corpus, CorpusKind, rounds};
use ringstat_core::text::{Dialect, Encoder, Growing};
use statsd_parser::Metric;
use statsdproto::statsd::StatsdPDU;

/// Packs events into datagrams of at most `payload` bytes, and returns which were refused.
fn pack(
    dialect: Dialect,
    payload: usize,
    events: &[Event],
) -> (Vec<String>, Vec<(usize, Refused)>) {
    let mut encoder: Encoder<Growing> = Encoder::new(dialect, Growing::new());
    let (mut datagrams, mut refused) = (Vec::new(), Vec::new());
    let mut next = 0;
    while next < events.len() {
        let mut buf = vec![0; payload];
        let mut datagram =
            encoder.begin(&mut buf, &Header::default(), &Prologue::default()).unwrap();
        while let Some(event) = events.get(next) {
            match datagram.event(event, &NoNames) {
                Ok(()) => {}
                Err(Refused::Full) if datagram.records() > 0 => break,
                Err(why) => refused.push((next, why)),
            }
            next += 1;
        }
        let length = datagram.finish(true);
        buf.truncate(length);
        datagrams.push(String::from_utf8(buf).unwrap());
    }
    (datagrams, refused)
}

/// Returns the corpus as events, every tenth of which is sampled.
fn corpus() -> Vec<Event> {
    let readings = Corpus::new(3).take(6000).enumerate();
    readings
        .map(|(i, reading)| {
            let kind = match reading.kind {
                CorpusKind::Counter => Kind::Counter,
                CorpusKind::Gauge => Kind::Gauge,
                CorpusKind::Timing => Kind::Timing,
                CorpusKind::Distribution => Kind::Distribution,
            };
            let name = reading.name.into();
            let mut event = Event::new(kind, name, reading.value, reading.time_ns).unwrap();
            event.set_tags(reading.tags).unwrap();
            event.push_tag("path", "a/b").unwrap();
            event.set_rate(if i % 10 == 0 { 5 } else { 1 });
            event
        })
        .collect()
}

#[test]
fn the_parser_of_appsignal_reads_what_was_recorded() {
    let events = corpus();
    let (datagrams, refused) = pack(Dialect::DogStatsD, 1472, &events);
    assert_eq!(refused, []);
    let lines: Vec<_> = datagrams.iter().flat_map(|d| d.split('\n')).collect();
    assert_eq!(lines.len(), events.len());
    let bytes = datagrams.iter().map(String::len).sum::<usize>();
    println!("{:.1} bytes an event with its newline", bytes as f64 / events.len() as f64);
    for (line, event) in lines.iter().zip(&events) {
        // The parser does not know distributions, but a histogram has the same syntax.
        let message = statsd_parser::parse(line.replace("|d", "|h")).unwrap();
        let (kind, value, rate) = match message.metric {
            Metric::Counter(m) => (Kind::Counter, m.value, m.sample_rate),
            Metric::Gauge(m) => (Kind::Gauge, m.value, m.sample_rate),
            Metric::Timing(m) => (Kind::Timing, m.value, m.sample_rate),
            Metric::Histogram(m) => (Kind::Distribution, m.value, m.sample_rate),
            other => panic!("{other:?}"),
        };
        let (name, recorded) = match (event.name(), event.content()) {
            (Name::Static(name), Content::Number(v)) => (name, v),
            other => panic!("{other:?}"),
        };
        assert_eq!((message.name.as_str(), kind, value), (name, event.kind(), recorded.as_f64()));
        let sampled = event.rate() > 1 && kind != Kind::Gauge;
        assert_eq!(rate, sampled.then_some(0.2));
        let mut tags = message.tags.unwrap();
        assert_eq!(tags.remove("path").as_deref(), Some("a/b"));
        assert_eq!(tags.len(), event.tags().len());
        event.tags().iter().for_each(|(k, v)| assert_eq!(tags[*k], *v));
    }
}

#[test]
fn statsdproto_cuts_the_lines_where_we_glued_them() {
    let mut member = Event::new(Kind::Set, "users".into(), Value::U64(0), 0).unwrap();
    member.set_text("somebody").unwrap();
    member.push_tag("a", "b").unwrap();
    let mut distribution = Event::new(Kind::Distribution, "d".into(), Value::F64(0.5), 0).unwrap();
    distribution.set_rate(4);
    distribution.set_tags(&[("c", "d"), ("e", "f")]).unwrap();
    let (datagrams, _) = pack(Dialect::DogStatsD, 512, &[member, distribution]);
    let pdus: Vec<_> = datagrams[0]
        .split('\n')
        .map(|line| StatsdPDU::new(line.as_bytes().to_vec().into()).unwrap())
        .collect();
    let parts = |p: &StatsdPDU| {
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
        (
            text(p.name()),
            text(p.value()),
            text(p.pdu_type()),
            p.sample_rate().map(text),
            p.tags().map(text),
        )
    };
    let some = |s: &str| Some(s.to_owned());
    let expected = [
        ("users", "somebody", "s", None, some("a:b")),
        ("d", "0.5", "d", some("0.25"), some("c:d,e:f")),
    ]
    .map(|(n, v, t, r, tags)| (n.to_owned(), v.to_owned(), t.to_owned(), r, tags));
    assert_eq!(pdus.iter().map(parts).collect::<Vec<_>>(), expected);
}

/// Checks a line against the grammar, and returns what is wrong with it, if anything.
fn check(line: &str, dialect: Dialect) -> Result<(), &'static str> {
    if let Some(rest) = line.strip_prefix("_e{") {
        let (lengths, rest) = rest.split_once("}:").ok_or("no end of the lengths")?;
        let (title, text) = lengths.split_once(',').ok_or("one length")?;
        let number = |n: &str| n.parse::<usize>().map_err(|_| "length");
        let (title, text) = (number(title)?, number(text)?);
        let at = |range: std::ops::Range<usize>| rest.get(range).ok_or("a length is wrong");
        at(0..title)?;
        return match at(title..title + 1)? {
            "|" => at(title + 1..title + 1 + text).map(|_| ()),
            _ => Err("the title's length is wrong"),
        };
    }
    let (name, rest) = line.split_once(':').ok_or("no value")?;
    let mut fields = rest.split('|');
    let value = fields.next().ok_or("no value")?;
    let kind = fields.next().ok_or("no type")?;
    if name.is_empty() || name.contains(['|', '@', '#', ',']) {
        return Err("name");
    }
    let types: &[&str] = match dialect {
        Dialect::DogStatsD => &["c", "g", "ms", "d", "s"],
        Dialect::StatsD => &["c", "g", "ms", "s"],
    };
    if !types.contains(&kind) || (kind != "s" && value.parse::<f64>().is_err()) {
        return Err("type or value");
    }
    if kind == "s" && (value.is_empty() || value.contains(':')) {
        return Err("member");
    }
    let mut last = 0;
    for field in fields {
        // The rate comes before the tags, and each at most once.
        let order = match field.split_at_checked(1) {
            Some(("@", rate)) if rate.parse::<f64>().is_ok_and(|r| r > 0.0 && r < 1.0) => 1,
            Some(("#", tags))
                if tags.split(',').all(|tag| !tag.is_empty() && !tag.starts_with(':')) =>
            {
                2
            }
            _ => return Err("field"),
        };
        if order <= last {
            return Err("order");
        }
        last = order;
    }
    Ok(())
}

fn any_event() -> impl Strategy<Value = Event> {
    let value = prop_oneof![
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(Value::F64),
        any::<f32>().prop_filter("finite", |v| v.is_finite()).prop_map(Value::F32),
        (-Value::MANTISSA_MAX..=Value::MANTISSA_MAX, 0u8..=8)
            .prop_map(|(mantissa, scale)| Value::Decimal { mantissa, scale }),
    ];
    let text = "[a-c:|@#,;=\n\\x00-\\x1fé]{0,12}";
    (0usize..6, text, value, proptest::option::of(text), text, text, any::<u8>()).prop_map(
        |(kind, name, value, content, key, tag, rate)| {
            let name: &'static str = Box::leak(format!("n{name}").into_boxed_str());
            let mut event = Event::new(Kind::ALL[kind], name.into(), value, 7).unwrap();
            if let Some(content) = content {
                let _ = event.set_text(&content);
            }
            let _ = event.push_tag(&key, &tag);
            if rate % 2 == 0 {
                let tags = [(name, name), ("k", name), (name, "")];
                event.set_tags(Box::leak(Box::new(tags))).unwrap();
            }
            event.set_rate(rate);
            event
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(rounds(48, 256)))]

    #[test]
    fn any_strings_and_numbers_make_whole_lines_within_the_limit(
        events in proptest::collection::vec(any_event(), 1..60),
        payload in 128usize..600,
        statsd in any::<bool>(),
    ) {
        let dialect = if statsd { Dialect::StatsD } else { Dialect::DogStatsD };
        let (datagrams, refused) = pack(dialect, payload, &events);
        let mut lines = 0;
        for datagram in datagrams.iter().filter(|d| !d.is_empty()) {
            prop_assert!(datagram.len() <= payload);
            for line in datagram.split('\n') {
                let checked = check(line, dialect);
                prop_assert!(checked.is_ok(), "{:?}: {:?}", checked, line);
                lines += 1;
            }
        }
        // A negative gauge takes two lines in StatsD.
        let is_reset = |(index, event): &(usize, &Event)| {
            let negative = matches!(event.content(), Content::Number(v) if v.as_f64().is_sign_negative());
            statsd && event.kind() == Kind::Gauge && negative && refused.iter().all(|(r, _)| r != index)
        };
        let resets = events.iter().enumerate().filter(is_reset).count();
        prop_assert_eq!(lines - resets, events.len() - refused.len());
        for (index, why) in refused.iter().copied() {
            let refusable = events[index].kind() != Kind::Counter || why == Refused::Full;
            prop_assert!(refusable || matches!(events[index].content(), Content::Text(_)));
        }
    }
}
