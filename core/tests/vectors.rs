//! The golden datagrams of `docs/vectors.jsonl`, made by a program that shares no code with this crate.

mod given;

use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::{Body, Content, Record};
use ringstat_core::wire::receipt::Receipt;
use serde_json::{Value as Json, json};

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

/// Numbers of JSON have no type: 1 is 1.0. But 0.0 is not -0.0.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            let bits = |n: &serde_json::Number| n.as_f64().map(f64::to_bits);
            a == b || (bits(a) == bits(b) && (a.is_f64() || b.is_f64()))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn number(value: ringstat_core::record::Value) -> Json {
    use ringstat_core::record::Value;
    match value {
        Value::U64(v) => json!(v),
        Value::I64(v) => json!(v),
        other => json!(other.as_f64()),
    }
}

fn meaning(record: &Record<'_>) -> Json {
    let tags: Vec<_> = record.tags.iter().map(|(k, v)| json!([k, v])).collect();
    let mut out = json!({ "name": record.name.text, "tags": tags });
    match record.body {
        Body::Event(event) => {
            out["kind"] = json!(event.kind.as_str());
            out["time_ns"] = json!(event.time_ns);
            out["priority"] = json!(event.priority.as_str());
            out["rate"] = json!(event.rate);
            if let Some(id) = event.id {
                out["id"] = json!(id);
            }
            match event.content {
                Content::Number(value) => out["value"] = number(value),
                Content::Text(text) => out["text"] = json!(text),
            }
        }
        Body::Total(total) => {
            out["kind"] = json!("total");
            out["total"] = json!(total);
        }
        Body::Level(level) => {
            out["kind"] = json!("level");
            out["level"] = number(level);
        }
        Body::Buckets(buckets) => {
            out["kind"] = json!("buckets");
            out["unit"] = json!(buckets.unit as u8);
            out["precision"] = json!(buckets.layout.precision);
            out["min_exponent"] = json!(buckets.layout.min_exponent);
            out["sum"] = number(buckets.sum);
            out["buckets"] = buckets.iter().map(|(index, n)| json!([index, n])).collect();
        }
    }
    out
}

#[test]
fn every_golden_datagram_means_what_it_should() {
    let mut decoder: Box<Decoder> = Box::default();
    let (mut valid, mut refused) = (0, std::collections::BTreeSet::new());
    for line in include_str!("../docs/vectors.jsonl").lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        if is_reply(&vector) {
            continue;
        }
        let name = &vector["name"];
        let datagram = bytes(vector["hex"].as_str().unwrap());
        let mut records = Vec::new();
        let mut refusal = None;
        let mut header = Json::Null;
        match decoder.open(&datagram) {
            Err(e) => refusal = Some(e),
            Ok(mut open) => {
                let (h, p) = (*open.header(), *open.prologue());
                header = json!({
                    "sender": h.sender, "epoch": h.epoch, "sequence": h.sequence,
                    "time_unit": p.unit as u8, "base_time_ns": open.base_time_ns(),
                    "dropped": p.dropped, "failed": p.failed,
                    "since_boot": p.since_boot, "packed": p.packed, "ack_floor": p.ack_floor,
                    "wants_receipt": p.wants_receipt,
                });
                while let Some(record) = open.next() {
                    match record {
                        Ok(record) => records.push(meaning(&record)),
                        Err(e) => refusal = Some(e),
                    }
                }
            }
        }
        match vector.get("refusal") {
            Some(expected) => {
                let reason = refusal.map(|e| e.as_str());
                assert_eq!(reason, expected.as_str(), "{name}");
                refused.extend(reason);
            }
            None => {
                assert_eq!(refusal, None, "{name}");
                assert!(same(&header, &vector["header"]), "{name}: {header}");
                let got = Json::Array(records);
                assert!(
                    same(&got, &vector["records"]),
                    "{name}: {got} is not {}",
                    vector["records"]
                );
                valid += 1;
            }
        }
    }
    assert!(valid >= 50, "{valid} valid ones");
    let all: std::collections::BTreeSet<_> =
        ringstat_core::wire::DecodeError::ALL.iter().map(|e| e.as_str()).collect();
    assert_eq!(refused, all, "every refusal has a vector");
}

#[test]
fn every_golden_acknowledgement_means_what_it_should() {
    let (mut valid, mut refused) = (0, 0);
    for line in include_str!("../docs/vectors.jsonl").lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        let Some(meaning) = vector.get("ack") else { continue };
        let name = &vector["name"];
        let datagram = bytes(vector["hex"].as_str().unwrap());
        match Ack::parse(&datagram) {
            Err(e) => {
                assert_eq!(json!({"refusal": e.as_str()}), *meaning, "{name}");
                refused += 1;
            }
            Ok(ack) => {
                let stored: Vec<u64> = (0..1024)
                    .filter_map(|i| ack.base.checked_add(i))
                    .filter(|id| ack.settles(*id))
                    .collect();
                let got = json!({
                    "sender": ack.sender, "epoch": ack.epoch, "base": ack.base, "stored": stored,
                });
                assert_eq!(got, *meaning, "{name}");
                if vector["canonical"] == true {
                    let mut buf = [0; Ack::MAX_LEN];
                    let length = ack.emit(&mut buf).unwrap();
                    assert_eq!(buf[..length], datagram, "{name}");
                }
                valid += 1;
            }
        }
    }
    assert!(valid >= 5 && refused >= 6, "{valid} valid, {refused} refused");
}

#[test]
fn every_golden_receipt_means_what_it_should() {
    let (mut valid, mut refused) = (0, 0);
    for line in include_str!("../docs/vectors.jsonl").lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        let Some(meaning) = vector.get("receipt") else { continue };
        let name = &vector["name"];
        let datagram = bytes(vector["hex"].as_str().unwrap());
        match Receipt::parse(&datagram) {
            Err(e) => {
                assert_eq!(json!({"refusal": e.as_str()}), *meaning, "{name}");
                refused += 1;
            }
            Ok(receipt) => {
                let got = json!({
                    "sender": receipt.sender, "epoch": receipt.epoch, "sequence": receipt.sequence,
                    "instance": receipt.instance, "first": receipt.first,
                    "datagrams": receipt.datagrams, "events": receipt.events,
                });
                assert_eq!(got, *meaning, "{name}");
                assert_eq!(receipt.emit()[..], datagram, "{name}");
                valid += 1;
            }
        }
    }
    assert!(valid >= 3 && refused >= 8, "{valid} valid, {refused} refused");
}

/// Whether the vector is of what a receiver sends.
fn is_reply(vector: &Json) -> bool {
    vector.get("ack").is_some() || vector.get("receipt").is_some()
}

#[test]
fn canonical_datagrams_are_written_byte_for_byte() {
    let mut known = given::Statics::default();
    let mut count = 0;
    for line in include_str!("../docs/vectors.jsonl").lines() {
        let vector: Json = serde_json::from_str(line).unwrap();
        if vector["canonical"] == true && !is_reply(&vector) {
            let expected = bytes(vector["hex"].as_str().unwrap());
            let written = given::encode(&vector, &mut known, expected.len());
            assert_eq!(written, expected, "{}", vector["name"]);
            count += 1;
        }
    }
    assert!(count >= 35, "{count} canonical ones");
}
