//! The golden datagrams of `docs/vectors.jsonl`, made by a program that shares no code with this crate.

mod given;
#[path = "given/meaning.rs"]
mod meaning;

use std::collections::BTreeSet;

use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;
use ringstat_core::wire::{DecodeError, Decoder};
use serde_json::{Value as Json, json};

/// What a vector is of.
#[derive(PartialEq)]
enum Of {
    Datagram,
    Ack,
    Receipt,
    Arrivals,
}

/// The vectors of one sort.
fn vectors(of: Of) -> impl Iterator<Item = Json> {
    let all = include_str!("../docs/vectors.jsonl").lines();
    let all = all.map(|line| serde_json::from_str(line).unwrap());
    all.filter(move |vector: &Json| {
        let sorts = [("ack", Of::Ack), ("receipt", Of::Receipt), ("arrivals", Of::Arrivals)];
        let sort = sorts.into_iter().find(|(key, _)| vector.get(key).is_some());
        let sort = sort.map_or(Of::Datagram, |(_, sort)| sort);
        sort == of
    })
}

fn bytes(hex: &Json) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes().chunks_exact(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

/// The same meaning with every number written in the one way of `meaning`.
fn normal(json: &Json) -> Json {
    match json {
        Json::Number(n) if n.is_f64() => meaning::of_float(n.as_f64().unwrap()),
        Json::Array(all) => all.iter().map(normal).collect(),
        Json::Object(all) => all.iter().map(|(key, value)| (key.clone(), normal(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn every_golden_datagram_means_what_it_should() {
    let mut decoder: Box<Decoder> = Box::default();
    let (mut valid, mut refused) = (0, BTreeSet::new());
    for vector in vectors(Of::Datagram) {
        let name = &vector["name"];
        let got = meaning::of_datagram(&mut decoder, &bytes(&vector["hex"]));
        match vector.get("refusal") {
            Some(expected) => {
                assert_eq!(got.get("refusal"), Some(expected), "{name}");
                refused.insert(expected.as_str().unwrap().to_owned());
            }
            None => {
                let (header, records) = (&vector["header"], &vector["records"]);
                let expected = json!({ "header": header, "records": records });
                assert_eq!(got, normal(&expected), "{name}");
                valid += 1;
            }
        }
    }
    assert!(valid >= 60, "{valid} valid ones");
    let all: BTreeSet<_> = DecodeError::ALL.iter().map(|e| e.as_str().to_owned()).collect();
    assert_eq!(refused, all, "every refusal has a vector");
}

#[test]
fn every_golden_acknowledgement_means_what_it_should() {
    let (mut valid, mut refused) = (0, 0);
    for vector in vectors(Of::Ack) {
        let datagram = bytes(&vector["hex"]);
        let got = meaning::of_ack(&datagram);
        assert_eq!(got, vector["ack"], "{}", vector["name"]);
        match Ack::parse(&datagram) {
            Err(_) => refused += 1,
            Ok(ack) => {
                let mut buf = [0; Ack::MAX_LEN];
                let length = ack.emit(&mut buf).unwrap();
                if vector["canonical"] == true {
                    assert_eq!(buf[..length], datagram, "{}", vector["name"]);
                }
                valid += 1;
            }
        }
    }
    assert!(valid >= 7 && refused >= 8, "{valid} valid, {refused} refused");
}

#[test]
fn every_golden_receipt_means_what_it_should() {
    let (mut valid, mut refused) = (0, 0);
    for vector in vectors(Of::Receipt) {
        let datagram = bytes(&vector["hex"]);
        let got = meaning::of_receipt(&datagram);
        assert_eq!(got, vector["receipt"], "{}", vector["name"]);
        match Receipt::parse(&datagram) {
            Err(_) => refused += 1,
            Ok(receipt) => {
                assert_eq!(receipt.emit()[..], datagram, "{}", vector["name"]);
                valid += 1;
            }
        }
    }
    assert!(valid >= 3 && refused >= 8, "{valid} valid, {refused} refused");
}

#[test]
fn every_golden_sequence_is_judged_and_counted_as_it_should() {
    let mut decoder: Box<Decoder> = Box::default();
    let mut verdicts = BTreeSet::new();
    for vector in vectors(Of::Arrivals) {
        let datagrams: Vec<_> = vector["arrivals"].as_array().unwrap().iter().map(bytes).collect();
        let joins = vector["joins"] == true;
        let got = meaning::of_arrivals(&mut decoder, &datagrams, joins);
        for key in ["verdicts", "account", "stored", "settled"] {
            if let Some(expected) = vector.get(key) {
                assert_eq!(&got[key], expected, "{}: {key}", vector["name"]);
            }
        }
        verdicts.extend(got["verdicts"].as_array().unwrap().iter().map(Json::to_string));
    }
    assert_eq!(verdicts.len(), 10, "every verdict has a vector: {verdicts:?}");
}

#[test]
fn canonical_datagrams_are_written_byte_for_byte() {
    let mut known = given::Statics::default();
    let mut count = 0;
    for vector in vectors(Of::Datagram).filter(|vector| vector["canonical"] == true) {
        let expected = bytes(&vector["hex"]);
        let written = given::encode(&vector, &mut known, expected.len());
        assert_eq!(written, expected, "{}", vector["name"]);
        count += 1;
    }
    assert!(count >= 35, "{count} canonical ones");
}
