//! `ringstat encode` and `ringstat decode` as a user runs them.

mod common;

use std::fmt::Write as _;

use common::{json, run, stderr, stdout};
use ringstat_core::testkit::{Corpus, CorpusKind};
use serde_json::Value;

/// Every kind and field, with numbers that a careless reader would change.
const EVERYTHING: &str = r#"{"kind":"counter","name":"http.requests","value":18446744073709551615,"tags":{"route":"/a","code":"200"},"timestamp_ns":1790000000000000000}
{"kind":"gauge","name":"queue.depth","value":-9223372036854775808,"timestamp_ns":1790000000000000007,"priority":"low"}
{"kind":"gauge","name":"room.celsius","value":21.7,"tags":{"é":"“quoted”\n"},"timestamp_ns":1790000000000000001}
{"kind":"gauge","name":"tiny","value":5e-324,"timestamp_ns":0}
{"kind":"gauge","name":"huge","value":1.7976931348623157e+308,"timestamp_ns":18446744073709551615}
{"kind":"gauge","name":"minus.zero","value":-0.0,"timestamp_ns":1790000000000000001}
{"kind":"timing","name":"http.request","value":12.345678,"timestamp_ns":1790000000000000002,"priority":"high","rate":255}
{"kind":"distribution","name":"size","value":0.1,"tags":[["a","1"],["a","2"]],"timestamp_ns":1790000000000000003}
{"kind":"set","name":"users","value":"zoë","timestamp_ns":1790000000000000004,"priority":"critical"}
{"kind":"set","name":"users","value":7,"timestamp_ns":1790000000000000004}
{"kind":"event","name":"deploy","value":"version 1.2 is out, with a text of more than twenty-six bytes","timestamp_ns":1790000000000000005}
{"kind":"total","name":"bytes.sent","tags":{"link":"eth0"},"total":123456789012}
{"kind":"level","name":"load","level":0.25}
{"kind":"buckets","name":"latency","tags":{"link":"eth0"},"unit":"milliseconds","precision":3,"min_exponent":-10,"sum":17.5,"buckets":[[0,1],[17,2],[65535,3]]}
"#;

/// Packs and unpacks the lines; returns the resulting lines and the report of `encode`.
fn round_trip(lines: &str, mtu: &str) -> (String, serde_json::Value) {
    let packed = run(&["encode", "-", "--mtu", mtu, "--out", "-", "--json"], lines);
    assert_eq!(packed.status.code(), Some(0), "{}", stderr(&packed));
    let hex = stdout(&packed);
    let limit: usize = mtu.parse().unwrap();
    assert!(hex.lines().all(|line| line.len() <= 2 * limit), "a datagram above {mtu}");
    let unpacked = run(&["decode", "-", "--json"], hex);
    assert_eq!(unpacked.status.code(), Some(0), "{}", stderr(&unpacked));
    let report = json(stderr(&packed));
    assert_eq!(json(stderr(&unpacked))["datagrams"], report["datagrams"]);
    assert_eq!(report["datagrams"], hex.lines().count());
    assert_eq!(report["bytes"], hex.lines().map(|line| line.len() / 2).sum::<usize>());
    (stdout(&unpacked).to_owned(), report)
}

#[test]
fn every_kind_comes_back_to_the_letter() {
    for mtu in ["256", "1472", "65507"] {
        let (lines, report) = round_trip(EVERYTHING, mtu);
        assert_eq!(lines, EVERYTHING, "at {mtu}");
        assert_eq!((&report["events"], &report["states"]), (&11.into(), &3.into()));
    }
}

#[test]
fn the_longest_texts_and_the_most_tags_come_back() {
    let tags = |count: usize| {
        let tags: Vec<_> = (0..count).map(|n| format!(r#""k{n}":"v{n}""#)).collect();
        format!("{{{}}}", tags.join(","))
    };
    let mut lines = String::new();
    for length in [254, 256, 1000] {
        let text = "x".repeat(length);
        writeln!(lines, r#"{{"kind":"event","name":"e","value":"{text}","timestamp_ns":5}}"#)
            .unwrap();
    }
    for count in [255, 256, 271] {
        let tags = tags(count);
        writeln!(
            lines,
            r#"{{"kind":"gauge","name":"g","value":1,"tags":{tags},"timestamp_ns":5}}"#
        )
        .unwrap();
    }
    for count in [255, 256, 500] {
        let tags = tags(count);
        writeln!(lines, r#"{{"kind":"total","name":"t","tags":{tags},"total":1}}"#).unwrap();
    }
    let (back, report) = round_trip(&lines, "65507");
    assert_eq!(back, lines);
    assert_eq!((&report["events"], &report["states"]), (&6.into(), &3.into()));
}

#[test]
fn a_long_file_comes_back_as_it_was_in_few_bytes() {
    let mut lines = String::new();
    for reading in Corpus::new(42).take(6000) {
        let kind = match reading.kind {
            CorpusKind::Counter => "counter",
            CorpusKind::Gauge => "gauge",
            CorpusKind::Timing => "timing",
            CorpusKind::Distribution => "distribution",
        };
        let tags: serde_json::Map<_, _> =
            reading.tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let value: serde_json::Value = match reading.value.as_u64() {
            Some(whole) => whole.into(),
            None => reading.value.as_f64().into(),
        };
        let line = serde_json::json!({
            "kind": kind, "name": reading.name, "value": value, "tags": tags,
            "timestamp_ns": reading.time_ns,
        });
        writeln!(lines, "{line}").unwrap();
    }
    let (once, report) = round_trip(&lines, "1472");
    assert_eq!(once.lines().count(), 6000);
    assert!(report["bytes_per_event"].as_f64().unwrap() < 20.0, "{report}");
    // The order of fields differs from the input, but from here on not a byte changes.
    for (a, b) in lines.lines().zip(once.lines()) {
        let [a, b]: [serde_json::Value; 2] = [a, b].map(|l| serde_json::from_str(l).unwrap());
        assert_eq!(a, b);
    }
    let (twice, _) = round_trip(&once, "8972");
    assert_eq!(once, twice);
}

#[test]
fn headers_are_shown_on_request_and_taken_back_by_encode() {
    let args = ["encode", "-", "--out", "-", "--sender", "0xC0FFEE", "--epoch", "9"];
    let packed = run(&args, EVERYTHING);
    let unpacked = run(&["decode", "-", "--headers"], stdout(&packed));
    let (first, records) = stdout(&unpacked).split_once('\n').unwrap();
    let header = &json(first)["header"];
    assert_eq!(header["sender"], "0000000000c0ffee");
    assert_eq!((&header["epoch"], &header["sequence"]), (&9.into(), &0.into()));
    assert_eq!(records, EVERYTHING);
    let again = run(&["encode", "-", "--out", "-"], stdout(&unpacked));
    assert_eq!(again.stdout, packed.stdout);
    let other = run(&["encode", "-", "--out", "-", "--epoch", "10"], stdout(&unpacked));
    let other = run(&["decode", "-", "--headers"], stdout(&other));
    let header = &json(stdout(&other).lines().next().unwrap())["header"];
    assert_eq!((&header["epoch"], &header["sender"]), (&10.into(), &"0000000000c0ffee".into()));
}

/// Covers identifiers, floors, units of time, rates, and everything else in the specification's own examples.
#[test]
fn every_vector_is_printed_and_packed_again_with_the_same_meaning() {
    let vectors = include_str!("../../../core/docs/vectors.jsonl");
    let mut valid = String::new();
    for vector in vectors.lines().map(json) {
        // A receiver accepts more tags on an event than a client can give it.
        let packs = |record: &Value| {
            let few = record["tags"].as_array().is_none_or(|tags| tags.len() <= 255 + 16);
            few || record.get("time_ns").is_none()
        };
        if vector.get("records").and_then(Value::as_array).is_some_and(|all| all.iter().all(packs))
        {
            writeln!(valid, "{}", vector["hex"].as_str().unwrap()).unwrap();
        }
    }
    let printed = |hex: &str| {
        let output = run(&["decode", "-", "--headers"], hex);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    let first = printed(&valid);
    let packed = run(&["encode", "-", "--mtu", "65507", "--out", "-"], &first);
    assert_eq!(packed.status.code(), Some(0), "{}", stderr(&packed));
    let second = printed(stdout(&packed));
    assert!(first.lines().count() > 100);
    let meaning = |line: &str| {
        let mut line = json(line);
        // Other implementations may pack the same records in more or fewer bytes.
        line["header"]["bytes"].take();
        // 2.0 is the same number as 2, and is sent as such.
        for field in ["value", "level", "sum"] {
            if let Some(whole) = line[field].as_f64().filter(|v| v.abs() < 9e15 && v.fract() == 0.0)
                && whole.is_sign_positive()
            {
                line[field] = (whole as u64).into();
            }
        }
        line
    };
    for (first, second) in first.lines().zip(second.lines()) {
        assert_eq!(meaning(first), meaning(second));
    }
    assert_eq!(first.lines().count(), second.lines().count());
}

#[test]
fn the_largest_of_everything_comes_back() {
    let mut lines = format!(
        r#"{{"kind":"event","name":"{}","value":"{}","timestamp_ns":7}}"#,
        "n".repeat(255),
        "é".repeat(500)
    );
    lines += r#"
{"kind":"counter","name":"c","value":18446744073709551615,"timestamp_ns":8,"rate":4294967295}
{"kind":"gauge","name":"c","value":18446744073709551614,"timestamp_ns":8,"rate":256}
{"kind":"event","name":"c","value":1,"timestamp_ns":8,"priority":"critical","id":18446744073709551615}
{"kind":"total","name":"t","total":18446744073709551615}
{"kind":"level","name":"l","level":18446744073709551615}
{"kind":"buckets","name":"b","unit":"none","precision":1,"min_exponent":-128,"sum":18446744073709551615,"buckets":[[65535,18446744073709551615]]}
"#;
    assert_eq!(round_trip(&lines, "1472").0, lines);
}

#[test]
fn identifiers_get_a_floor_that_they_are_above() {
    let event = |id: u64| {
        format!(r#"{{"kind":"event","name":"e","value":1,"timestamp_ns":8,"id":{id}}}"#) + "\n"
    };
    let lines = event(7) + &event(9) + &event(8) + &event(6);
    let (back, report) = round_trip(&lines, "1472");
    assert_eq!((back, &report["datagrams"]), (lines, &2.into()), "6 begins another one");
    let header = r#"{"kind":"datagram","header":{"sender":"1","epoch":1,"sequence":1,"base_time_ns":0,"ack_floor":7}}"#;
    let output = run(&["encode", "-"], &format!("{header}\n{}{}", event(7), event(6)));
    assert!(stderr(&output).contains("stdin:3: id 6: below the floor"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_packed_is_refused_with_a_reason() {
    let header = r#""header":{"sender":"1","epoch":1,"sequence":1,"base_time_ns":0,"time_unit":"milliseconds"}"#;
    let lines = format!(
        "\u{feff}{{\"kind\":\"gauge\",\"name\":\"n\",\"value\":1}}\n\
         {{\"kind\":\"gauge\",\"value\":1}}\n\
         {{\"kind\":\"buckets\",\"name\":\"b\",\"precision\":0,\"min_exponent\":1,\"sum\":1,\"buckets\":[]}}\n\
         {{\"kind\":\"datagram\",{header}}}\n\
         {{\"kind\":\"gauge\",\"name\":\"n\",\"value\":1,\"timestamp_ns\":1500000}}\n\
         {{\"kind\":\"datagram\"}}\n"
    );
    let output = run(&["encode", "-", "--json"], &lines);
    assert_eq!((output.status.code(), &json(stdout(&output))["refused"]), (Some(1), &5.into()));
    let said =
        ["1: a byte-order mark", "2: no name", "3: precision 0: 1 to 8", "5: a time of", "6: no"];
    for (line, said) in stderr(&output).lines().zip(said) {
        assert!(line.starts_with(&format!("stdin:{said}")), "{line}: {said}");
    }
    let decoded = run(&["decode", "-"], "\u{feff}5253\n");
    assert!(stderr(&decoded).contains("byte-order mark"), "{}", stderr(&decoded));
}

#[test]
fn bad_lines_are_named_and_the_good_ones_packed() {
    let lines = "{\"kind\":\"gauge\",\"name\":\"good\",\"value\":1}\n\
                 not json\n\
                 {\"kind\":\"gauge\",\"name\":\"no.value\"}\n\
                 # a remark\n\
                 {\"kind\":\"gauge\",\"name\":\"good\",\"value\":2}\n";
    let huge = format!("{{\"kind\":\"gauge\",\"name\":\"{}\",\"value\":3}}\n", "n".repeat(255));
    let output = run(&["encode", "-", "--mtu", "128", "--json"], &(lines.to_owned() + &huge));
    assert_eq!(output.status.code(), Some(1));
    let report = json(stdout(&output));
    assert_eq!((&report["events"], &report["refused"]), (&2.into(), &3.into()));
    let errors: Vec<_> = stderr(&output).lines().collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].starts_with("stdin:2: column 2: "), "{}", errors[0]);
    assert!(errors[1].starts_with("stdin:3: no value"), "{}", errors[1]);
    assert!(errors[2].starts_with("stdin:6: larger than a datagram"), "{}", errors[2]);
}

#[test]
fn bad_datagrams_are_named_and_the_good_ones_unpacked() {
    let packed = run(&["encode", "-", "--out", "-"], EVERYTHING);
    let good = stdout(&packed).trim_end().to_owned();
    let mut flipped = good.clone().into_bytes();
    flipped[100] = if flipped[100] == b'0' { b'1' } else { b'0' };
    let lines = [
        good.clone(),
        String::from_utf8(flipped).unwrap(),
        good[..60].to_owned(),
        "zz".into(),
        "{\"kind\":\"gauge\"}".into(),
        "00".repeat(70_000),
        good,
    ]
    .join("\n");
    let output = run(&["decode", "-", "--json"], &lines);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), EVERYTHING.repeat(2));
    let mut refusals = stderr(&output).lines().map(json);
    for (line, reason) in
        [(2, "bad_checksum"), (3, "bad_checksum"), (4, "not_hex"), (5, "not_hex"), (6, "too_long")]
    {
        let refusal = refusals.next().unwrap();
        assert_eq!((&refusal["line"], &refusal["refusal"]), (&line.into(), &reason.into()));
    }
    let report = refusals.next().unwrap();
    assert_eq!((&report["datagrams"], &report["refused"]), (&2.into(), &5.into()));
}

#[test]
fn every_prefix_of_a_datagram_is_refused() {
    let packed = run(&["encode", "-", "--out", "-"], EVERYTHING);
    let good = stdout(&packed).trim_end();
    let prefixes: Vec<_> = (2..good.len()).step_by(2).map(|length| &good[..length]).collect();
    let output = run(&["decode", "-"], &prefixes.join("\n"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_eq!(stderr(&output).lines().filter(|l| l.starts_with("stdin:")).count(), prefixes.len());
}

#[test]
fn exit_codes_tell_usage_from_environment() {
    let missing = run(&["decode", "/no/such/file"], "");
    assert_eq!(missing.status.code(), Some(3));
    assert!(stderr(&missing).contains("cannot open /no/such/file"), "{}", stderr(&missing));
    assert_eq!(run(&["encode", "/"], "").status.code(), Some(3));
    assert_eq!(run(&["encode", "-", "--mtu", "5"], "").status.code(), Some(2));
    assert_eq!(run(&["no-such-command"], "").status.code(), Some(2));
    assert_eq!(run(&["encode", "-"], "").status.code(), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let mut hex = stdout(&run(&["encode", "-", "--out", "-"], EVERYTHING)).repeat(2000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), std::mem::take(&mut hex)).unwrap();
    let mut command = common::ringstat(&["decode", file.path().to_str().unwrap()]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = ringstat_tests::process::Process::start(command).unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"kind\":\"counter\""));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
