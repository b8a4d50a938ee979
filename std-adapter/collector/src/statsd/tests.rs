//! Lines of all dialects, and bytes of none.

use proptest::prelude::*;

use super::*;

fn metric(line: &str) -> Metric<'_> {
    match Line::parse(line) {
        Ok(Line::Metric(metric)) => metric,
        other => panic!("{line}: {other:?}"),
    }
}

/// The values of a line with their kind and rate.
fn samples(line: &str) -> Vec<(Kind, f64, f64)> {
    metric(line).samples().map(|s| (s.kind, s.value, s.rate)).collect()
}

fn refused(line: &str) -> LineError {
    let read = Line::parse(line).and_then(|line| match line {
        Line::Metric(metric) => identity(metric.head, metric.tags).map(|_| ()),
        _ => Ok(()),
    });
    read.expect_err(line)
}

#[test]
fn every_type_is_read() {
    use Kind::*;
    assert_eq!(samples("a:1|c"), [(Counter, 1.0, 1.0)]);
    assert_eq!(samples("a:1.5|m"), [(Counter, 1.5, 1.0)]);
    assert_eq!(samples("a:320|ms|@0.1"), [(Timing, 320.0, 0.1)]);
    assert_eq!(samples("a:-2e3|h"), [(Distribution, -2000.0, 1.0)]);
    assert_eq!(samples("a:.5|d|#x:y|@0.5"), [(Distribution, 0.5, 0.5)]);
    assert_eq!(samples("a:123456789012345|g"), [(Gauge, 123_456_789_012_345.0, 1.0)]);
    assert_eq!(samples("a:12345678901234567|g"), [(Gauge, 12_345_678_901_234_567.0, 1.0)]);
    let change: Vec<_> = metric("a:+4|g").samples().map(|s| (s.text, s.value)).collect();
    assert_eq!(change, [("+4", 4.0)]);
    // Colons belong to a member.
    let member: Vec<_> = metric("a:user:17|s").samples().map(|s| (s.kind, s.text)).collect();
    assert_eq!(member, [(Set, "user:17")]);
}

#[test]
fn a_line_has_several_values_and_several_types() {
    use Kind::*;
    assert_eq!(samples("a:1:2:30|ms|@0.5"), [1.0, 2.0, 30.0].map(|v| (Timing, v, 0.5)));
    let mixed =
        [(Counter, 1.0, 0.25), (Timing, 320.0, 1.0), (Timing, 7.0, 1.0), (Gauge, -3.0, 1.0)];
    assert_eq!(samples("a:1|c|@0.25:320:7|ms:-3|g"), mixed);
    let m = metric("a:1|c:2|ms|#k:v|T5");
    assert_eq!((m.tags, m.time_s, m.samples().count()), ("k:v", Some(5), 2));
}

#[test]
fn tags_of_every_dialect_are_the_same() {
    let of = |line: &'static str| {
        let m = metric(line);
        identity(m.head, m.tags).unwrap()
    };
    let expected = ("api.hits", vec![("zone", "eu"), ("route", "/x")]);
    for line in [
        "api.hits:1|c|#zone:eu,route:/x",
        "api.hits:1|c|#zone:eu,,route:/x,",
        "api.hits,zone=eu,route=/x:1|c",
        "api.hits;zone=eu;route=/x:1|c",
        "api.hits#zone=eu,route=/x:1|c",
        "api.hits[zone=eu,route=/x]:1|c",
        "api.hits,zone=eu:1|c|#route:/x",
    ] {
        assert_eq!(of(line), expected, "{line}");
    }
    // A value may have colons, and a key none.
    assert_eq!(of("a:1|c|#url:http://x,canary").1, [("url", "http://x"), ("canary", "true")]);
    // What is no tag is part of the name.
    for name in ["mem[0].used", "a#b", "a,b", "käse 50 %"] {
        let line = format!("{name}:1|g");
        let m = metric(&line);
        assert_eq!(identity(m.head, m.tags).unwrap(), (name, vec![]));
    }
}

#[test]
fn the_parts_of_dogstatsd_are_read_in_any_order() {
    let m = metric("a:1|c|T1656581400|c:ci-83c0|#k:v|e:it-false,cn-x|card:low|@0.5");
    assert_eq!((m.container, m.time_s, m.tags), (Some("ci-83c0"), Some(1_656_581_400), "k:v"));
    assert_eq!(m.samples().next().unwrap().rate, 0.5);
    assert!(m.is_dogstatsd && !metric("a:1|c|@0.5").is_dogstatsd);
}

#[test]
fn events_and_service_checks_are_read() {
    let line = "_e{6,14}:Deploy|done\\nby |hand|d:1656581400|h:web-1|p:low|t:error|s:ci|k:key|#env:prod|c:abc";
    let Ok(Line::Event(event)) = Line::parse(line) else { panic!("{:?}", Line::parse(line)) };
    assert_eq!((event.title, event.text), ("Deploy", "done\\nby |hand"));
    assert_eq!(event.container, Some("abc"));
    let named = [("host", "web-1"), ("priority", "low"), ("alert_type", "error"), ("source", "ci")];
    assert_eq!(event.tags(), [&named[..], &[("env", "prod")]].concat());
    let Ok(Line::Check(check)) = Line::parse("_sc|db.up|2|d:17|h:a|#k:v|c:id|m:it | is: down")
    else {
        panic!("no check")
    };
    assert_eq!((check.name, check.status, check.time_s), ("db.up", 2, Some(17)));
    assert_eq!((check.container, check.tags()), (Some("id"), vec![("host", "a"), ("k", "v")]));
    assert!(matches!(Line::parse("_sc|x|0"), Ok(Line::Check(_))));
    assert!(matches!(Line::parse("_e{1,0}:x|"), Ok(Line::Event(_))));
}

#[test]
fn each_refusal_has_its_reason() {
    use LineError::*;
    let long = "x".repeat(256);
    let tags: String = (0..65).map(|n| format!("k{n}:v,")).collect();
    let cases = [
        ("abc", NoValue),
        (":1|c", BadName),
        ("a\u{1}b:1|c", BadName),
        (",k=v:1|c", BadName),
        ("a:|c", NoValue),
        ("a:1::2|ms", NoValue),
        ("a:1", NoType),
        ("a:1|", NoType),
        ("a:1||@0.1", NoType),
        ("a:1|x", UnknownType),
        ("a:1|cc", UnknownType),
        ("a:1|c:2|q", UnknownType),
        ("a:x|c", BadValue),
        ("a:1:x|c", BadValue),
        ("a:inf|g", BadValue),
        ("a:NaN|g", BadValue),
        ("a:1e999|g", BadValue),
        ("a:1 |c", BadValue),
        ("a:-1|c", NegativeCount),
        ("a:1|c|@0", BadRate),
        ("a:1|c|@1.5", BadRate),
        ("a:1|c|@-1", BadRate),
        ("a:1|c|@x", BadRate),
        ("a:1|c|@1e-10", BadRate),
        ("a:1|c|#:v", BadTag),
        ("a:1|c|#k:\u{7f}", BadTag),
        ("a,=v:1|c", BadTag),
        ("a:1|g|T1656581400000", BadTime),
        ("a:1|g|T", BadTime),
        ("a:1|g|T-1", BadTime),
        ("a:1|c|", UnknownPart),
        ("a:1|c|wrong", UnknownPart),
        ("_e{1}:x|", BadEvent),
        ("_e{2,1}:x|y", BadEvent),
        ("_e{0,1}:|y", BadEvent),
        ("_e{1,1}:ä|y", BadEvent),
        ("_e{99999999999999999999,1}:x|y", BadEvent),
        ("_e{18446744073709551615,1}:x|y", BadEvent),
        ("_e{1,1}:x|yz", UnknownPart),
        ("_sc|x|4", BadCheck),
        ("_sc|x", BadCheck),
        ("_sc||0", BadCheck),
    ];
    for (line, reason) in cases {
        assert_eq!(refused(line), reason, "{line:?}");
    }
    assert_eq!(refused(&format!("{long}:1|c")), TooLong);
    assert_eq!(refused(&format!("a:1|c|#k:{long}")), TooLong);
    assert_eq!(refused(&format!("a:1|c|c:{long}")), TooLong);
    assert_eq!(refused(&format!("a:1|c|#{tags}")), TooManyTags);
}

#[test]
fn a_datagram_is_split_into_lines() {
    let all: Vec<_> = lines("\na:1|c\r\n\nb:2|c\n").collect();
    assert_eq!(all, ["a:1|c", "b:2|c"]);
    assert_eq!(lines("").count() + lines("\n\r\n").count(), 0);
}

#[test]
fn text_is_told_from_ringstats_own_format() {
    assert!(is_text(b"RSS:1|c") && is_text("größe:1|g".as_bytes()) && is_text(b"nonsense"));
    assert!(is_text("aaaaaaaaaaaaaaaaaaaä:1|c".as_bytes()), "a character is cut");
    assert!(
        !is_text(b"")
            && !is_text(b"RS")
            && !is_text(b"gr\xf6\xdfe:1|g")
            && !is_text(b"RS\x10\x00")
            && !is_text(b"RX\x10\x00abcdefgh")
    );
    assert!(is_text(b"\ta\r\nb"));
}

/// Pieces of which lines are made, so that a random sequence of them is nearly a line.
fn piece() -> impl Strategy<Value = String> {
    const FIXED: &[&str] = &[
        "a", "api.hits", ":", "|", "c", "g", "ms", "h", "d", "s", "m", "@", "0.1", "#", ",", "=",
        "[", "]", ";", "T17", "c:", "_e{", "}", "_sc|", "1", "-3.5", "+2", "1e9", "\n", "\r", "ä",
        "\u{0}", "|#k:v", "|@0.5",
    ];
    prop_oneof![4 => prop::sample::select(FIXED).prop_map(str::to_owned), 1 => ".{0,3}"]
}

proptest! {
    #[test]
    fn whatever_is_taken_has_finite_values_and_valid_names(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        for line in lines(&text) {
            match Line::parse(line) {
                Ok(Line::Metric(metric)) => {
                    prop_assert!(line.starts_with(metric.head));
                    let mut count = 0;
                    for sample in metric.samples() {
                        count += 1;
                        prop_assert!(sample.value.is_finite() && sample.rate > 0.0 && sample.rate <= 1.0);
                        prop_assert!(!sample.text.is_empty());
                        prop_assert!(sample.kind != Kind::Counter || sample.value >= 0.0);
                    }
                    prop_assert!(count > 0);
                    if let Ok((name, tags)) = identity(metric.head, metric.tags) {
                        prop_assert!((1..=255).contains(&name.len()));
                        prop_assert!(tags.iter().all(|(key, _)| !key.is_empty()));
                    }
                }
                Ok(Line::Event(event)) => prop_assert!(!event.title.is_empty()),
                Ok(Line::Check(check)) => prop_assert!(check.status < 4),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        name in "[a-z][a-z0-9._-]{0,30}",
        values in prop::collection::vec(any::<f64>().prop_filter("finite", |v| v.is_finite()), 1..6),
        tags in prop::collection::vec(("[a-z]{1,9}", "[ -+--{}~]{0,12}"), 0..6),
        rate in prop::option::of(0.001..=1.0f64),
    ) {
        let joined: Vec<_> = values.iter().map(f64::to_string).collect();
        let mut line = format!("{name}:{}|d", joined.join(":"));
        if let Some(rate) = rate {
            line += &format!("|@{rate}");
        }
        if !tags.is_empty() {
            let tags: Vec<_> = tags.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            line += &format!("|#{}", tags.join(","));
        }
        let read = metric(&line);
        prop_assert_eq!(read.samples().map(|s| s.value).collect::<Vec<_>>(), values);
        prop_assert!(read.samples().all(|s| s.rate == rate.unwrap_or(1.0)));
        let expected: Vec<_> = tags.iter().map(|(k, v)| (&**k, &**v)).collect();
        prop_assert_eq!(identity(read.head, read.tags).unwrap(), (&*name, expected));
    }
}
