//! Who a client is: its number, what it says of itself, and that it says goodbye.

use std::time::Duration;

use ringstat_core::testkit::SpyTransport;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{Client, Protocol, Recorder};

const SECOND: Duration = Duration::from_secs(1);

/// Of each datagram: its sequence number, whether it says goodbye, and the program, version and labels that it tells.
#[expect(clippy::type_complexity, reason = "it is taken apart where it is made")]
fn told(spy: &SpyTransport) -> Vec<(u32, bool, Option<(String, String, Vec<(String, String)>)>)> {
    let mut decoder: Box<Decoder> = Box::default();
    let each = spy.datagrams().into_iter().map(|bytes| {
        let mut datagram = decoder.open(&bytes).unwrap();
        let (header, prologue) = (*datagram.header(), *datagram.prologue());
        let mut said = None;
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            if let Body::Info(info) = record.body {
                assert_eq!((info.process, info.heartbeat_ms), (std::process::id(), 1000));
                let tags = record.tags.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
                said = Some((record.name.text.to_owned(), info.version.to_owned(), tags.collect()));
            }
        }
        (header.sequence, prologue.goodbye, said)
    });
    each.collect()
}

#[test]
fn a_client_says_who_it_is_and_in_its_last_datagram_goodbye() {
    let spy = SpyTransport::new();
    let stats = Client::builder("a spy")
        .program(Some("shop".into()))
        .version(Some("1.4".into()))
        .labels([("zone".to_owned(), "eu".to_owned())].into())
        .build_with(spy.clone())
        .unwrap();
    stats.flush(SECOND).unwrap();
    let labels = vec![("zone".into(), "eu".into())];
    let said = Some(("shop".into(), "1.4".into(), labels));
    let begun = told(&spy);
    assert!(begun.iter().any(|(.., info)| *info == said), "{begun:?}");
    assert!(begun.iter().all(|(_, goodbye, _)| !goodbye));
    assert!(stats.count("orders", 1u8).record().is_recorded());
    assert_eq!(stats.shutdown(SECOND).sent, 1);
    let all = told(&spy);
    assert!(all.iter().map(|(sequence, ..)| *sequence).eq(0..all.len() as u32));
    assert!(all.last().unwrap().1, "{all:?}");
}

#[test]
fn agents_are_told_neither() {
    let spy = SpyTransport::new();
    let stats =
        Client::builder("a spy").protocol(Protocol::DogStatsD).build_with(spy.clone()).unwrap();
    stats.count("orders", 1u8).record();
    assert_eq!(stats.shutdown(SECOND).sent, 1);
    let lines = spy.datagrams().concat();
    assert_eq!(String::from_utf8(lines).unwrap(), "orders:1|c");
}

#[test]
fn clients_of_one_time_never_share_a_number() {
    let client = || Client::builder("a spy").build_with(SpyTransport::new()).unwrap();
    let (one, other) = (client(), client());
    let (a, b) = (one.identity(), other.identity());
    assert_ne!(a.sender, b.sender);
    one.shutdown(SECOND);
    other.shutdown(SECOND);
    let given = Client::builder("a spy").sender(Some(7)).build_with(SpyTransport::new()).unwrap();
    assert_eq!(given.identity().sender, 7);
}
