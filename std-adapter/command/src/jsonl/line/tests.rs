use super::*;
use ringstat_core::record::{Content as Held, Name, Value};

fn event(text: &str) -> Result<Event<254>, Refusal> {
    whole(text).map(|(event, _)| event)
}

fn whole(text: &str) -> Result<(Event<254>, Beside), Refusal> {
    let line = Line::parse(text)?;
    line.event(line.kind.event().expect("an event's kind"), &mut Names::new(), 99)
}

fn refusal(text: &str) -> String {
    event(text).expect_err(text).0
}

#[test]
fn every_field_of_an_event_is_read() {
    let e = event(
        r#"{"kind":"timing","name":"http.request","value":12.5,"tags":{"route":"/a","b":""},
            "timestamp_ns":1790000000000000001,"priority":"high","rate":10}"#,
    )
    .unwrap();
    assert_eq!((e.kind(), e.name()), (Kind::Timing, Name::Static("http.request")));
    assert_eq!(e.content(), Held::Number(Value::F64(12.5)));
    assert_eq!(e.tags(), [("route", "/a"), ("b", "")]);
    assert_eq!((e.time(), e.priority()), (1_790_000_000_000_000_001, Priority::High));
}

#[test]
fn what_is_left_out_has_its_usual_meaning() {
    let e = event(r#"{"kind":"event","name":"deploy"}"#).unwrap();
    assert_eq!(e.content(), Held::Number(Value::U64(1)));
    assert_eq!((e.time(), e.priority()), (99, Priority::Normal));
    assert!(e.tags().is_empty());
}

#[test]
fn numbers_keep_their_nature() {
    let value = |text: &str| {
        let line = format!(r#"{{"kind":"gauge","name":"g","value":{text}}}"#);
        match Line::parse(&line).unwrap().value {
            Some(Content::Number(Number(value))) => value,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(value("18446744073709551615"), Value::U64(u64::MAX)));
    assert!(matches!(value("-9223372036854775808"), Value::I64(i64::MIN)));
    assert!(matches!(value("0.1"), Value::F64(v) if v == 0.1));
    assert!(matches!(value("-0.0"), Value::F64(v) if v == 0.0 && v.is_sign_negative()));
}

#[test]
fn texts_are_for_sets_and_events() {
    let e = event(r#"{"kind":"set","name":"users","value":"zo\u00eb"}"#).unwrap();
    assert_eq!(e.content(), Held::Text("zoë"));
    assert!(
        refusal(r#"{"kind":"gauge","name":"g","value":"12"}"#).contains("only sets and events")
    );
    let set = |n| format!(r#"{{"kind":"set","name":"s","value":"{}"}}"#, "x".repeat(n));
    for (length, in_slot) in [(253, true), (254, false), (255, false), (256, false), (1000, false)]
    {
        let (event, beside) = whole(&set(length)).unwrap();
        assert_eq!(beside.is_empty(), in_slot, "{length}");
        let strings = event.strings(&beside).unwrap();
        assert_eq!(strings.text().map(str::len), Some(length));
    }
    assert!(refusal(&set(1001)).contains("1001 bytes: 1000 is the most"));
}

#[test]
fn tags_beyond_the_255th_are_dynamic_ones_in_their_order() {
    let with = |count: usize| {
        let tags: Vec<_> = (0..count).map(|n| format!(r#""k{n}":"v{n}""#)).collect();
        format!(r#"{{"kind":"event","name":"n","tags":{{{}}}}}"#, tags.join(","))
    };
    for (count, fixed) in [(16, 16), (255, 255), (256, 255), (271, 255)] {
        let (event, beside) = whole(&with(count)).unwrap();
        let strings = event.strings(&beside).unwrap();
        assert_eq!(event.tags().len(), fixed);
        let all = event.tags().iter().copied().chain(strings.tags());
        assert!(all.map(|(k, _)| k.to_owned()).eq((0..count).map(|n| format!("k{n}"))));
    }
    assert!(refusal(&with(272)).contains("272 tags: 271 is the most"));
}

#[test]
fn a_refusal_says_what_would_be_right() {
    for (line, said) in [
        (r#"{"kind":"timer","name":"n","value":1}"#, "expected one of `counter`, `gauge`"),
        (r#"{"kind":"gauge","name":"n"}"#, "give it a \"value\""),
        (r#"{"kind":"gauge","name":"n","value":1,"prio":"low"}"#, "unknown field `prio`"),
        (r#"{"kind":"gauge","name":"n","value":1e999}"#, "number out of range"),
        (r#"{"kind":"gauge","name":"","value":1}"#, "no name: give it a \"name\""),
        (r#"{"kind":"gauge","value":1}"#, "no name: give it a \"name\""),
        ("\u{feff}{}", "byte-order mark"),
        (r#"{"kind":"gauge","name":"n","value":1,"tags":{"a":1}}"#, "expected a string"),
        (r#"{"kind":"gauge","name":"n","value":1,"tags":{"a":"1","a":"2"}}"#, "twice"),
        (r#"{"kind":"gauge","name":"n","value":1,"total":1}"#, "on an event"),
        (r#"{"kind":"gauge""#, "column 15: EOF"),
        ("nonsense", "column 2: expected ident"),
    ] {
        let refusal = refusal(line);
        assert!(refusal.contains(said), "{line}: {refusal}");
    }
}

#[test]
fn tags_that_occur_twice_are_written_as_pairs() {
    let text = r#"{"kind":"gauge","name":"g","value":1,"tags":[["a","1"],["a","2"]]}"#;
    let line = Line::parse(text).unwrap();
    assert_eq!(serde_json::to_string(&line).unwrap(), text);
    let text = r#"{"kind":"gauge","name":"g","value":1,"tags":{"b":"1","a":"2"}}"#;
    let line = Line::parse(text).unwrap();
    assert_eq!(serde_json::to_string(&line).unwrap(), text, "in the order of the sender");
}

#[test]
fn a_rate_is_from_1_up() {
    let rate = |field: &str| {
        let text = format!(r#"{{"kind":"gauge","name":"n","value":1{field}}}"#);
        Line::parse(&text).and_then(|line| line.rate())
    };
    assert_eq!((rate(""), rate(r#","rate":4294967295"#)), (Ok(1), Ok(u32::MAX)));
    assert!(rate(r#","rate":0"#).is_err_and(|why| why.0.contains("1 or more")));
    assert!(rate(r#","rate":4294967296"#).is_err());
}
