//! The number of bytes that an event takes. It does not depend on the machine, so a test may check it.

use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::testkit::Corpus;
use ringstat_core::wire::Encoder;

/// The corpus has 50 names of about 21 characters and 20 sets of 3 tags in random order, integers and decimals, exact
/// nanoseconds.
///
/// The aim is 16 and 11 bytes; the limits guard what has been reached. In small datagrams names take a third of the
/// space, because each datagram has to spell out 40 of them.
#[test]
fn the_corpus_stays_small() {
    for (payload, limit) in [(1472, 14.7), (8972, 8.7)] {
        let mut encoder: Box<Encoder> = Box::default();
        let mut buf = vec![0; payload];
        let mut corpus = Corpus::new(7)
            .take(6000)
            .map(|e| {
                let mut event: Event =
                    Event::new(Kind::Gauge, e.name.into(), e.value, e.time_ns).unwrap();
                event.set_tags(e.tags).unwrap();
                event
            })
            .peekable();
        let (mut bytes, mut sequence) = (0, 0);
        while let Some(first) = corpus.peek() {
            let prologue = Prologue { base_time: first.time(), ..Prologue::default() };
            let header = Header { sequence, ..Header::default() };
            let mut datagram = encoder.begin(&mut buf, &header, &prologue).unwrap();
            while corpus.peek().is_some_and(|event| datagram.event(event, &NoNames).is_ok()) {
                corpus.next();
            }
            bytes += datagram.finish(false);
            sequence += 1;
        }
        let each = bytes as f64 / 6000.0;
        println!("{payload} B datagrams: {each:.2} bytes an event");
        assert!(each <= limit, "{each:.2} at {payload}");
    }
}
