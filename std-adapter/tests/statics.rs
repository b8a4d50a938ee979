//! Instruments in `static`s outlive clients, and may be registered with several of them.

use std::collections::HashMap;
use std::time::Duration;

use ringstat_core::testkit::SpyTransport;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{Client, Counter, Histogram, Instrument};

const LONG: Duration = Duration::from_secs(60); // for what takes milliseconds unless something is wrong

/// Returns the latest state of counters, and the sum and count of histograms.
fn totals(spy: &SpyTransport) -> HashMap<String, (u64, u64)> {
    let (mut decoder, mut totals) = (Box::<Decoder>::default(), HashMap::new());
    for bytes in spy.datagrams() {
        let mut datagram = decoder.open(&bytes).unwrap();
        while let Some(record) = datagram.next() {
            let record = record.unwrap();
            let state = match record.body {
                Body::Total(total) => (total, 0),
                Body::Buckets(buckets) => {
                    (buckets.sum.as_f64() as u64, buckets.iter().map(|(_, count)| count).sum())
                }
                _ => continue,
            };
            totals.insert(record.name.text.to_owned(), state);
        }
    }
    totals
}

#[test]
fn clients_one_after_the_other_each_send_what_came_while_they_lived() {
    static REQUESTS: Counter = Counter::new("requests");
    static SIZES: Histogram = Histogram::new("sizes");
    static LATE: Counter = Counter::new("late");
    for run in 0..3 {
        let spy = SpyTransport::new();
        let instruments: [&dyn Instrument; 2] = [&REQUESTS, &SIZES];
        let builder = Client::builder("a spy").instruments(&instruments);
        let stats = builder.build_with(spy.clone()).unwrap();
        REQUESTS.add(5);
        (0..4).for_each(|_| SIZES.record(100));
        LATE.add(7);
        stats.register(&LATE);
        LATE.add(2);
        let _ = stats.shutdown(LONG);
        let totals = totals(&spy);
        assert_eq!(totals["requests"], (5, 0), "run {run}");
        assert_eq!(totals["sizes"], (400, 4), "run {run}");
        assert_eq!(totals["late"], (2, 0), "run {run}");
    }
    assert_eq!((REQUESTS.total(), SIZES.count()), (15, 12), "their own account goes on");
}

#[test]
fn clients_at_the_same_time_are_all_told() {
    static SHARED: Counter = Counter::new("shared");
    let idle = (0..300).map(|_| Box::leak(Box::new(Counter::new("idle"))) as &dyn Instrument);
    // It is the last one, so that the share of unchanged instruments that every walk sends does not reach it.
    let instruments: Vec<_> = idle.chain([&SHARED as &dyn Instrument]).collect();
    let begin = || {
        let spy = SpyTransport::new();
        let builder = Client::builder("a spy").instruments(&instruments);
        let stats = builder.flush_interval(Duration::from_secs(60)).refresh_interval(60 * LONG);
        (stats.build_with(spy.clone()).unwrap(), spy)
    };
    let clients = [begin(), begin()];
    clients.iter().for_each(|(stats, _)| stats.flush(LONG).unwrap());
    SHARED.add(10);
    for (stats, spy) in &clients {
        stats.flush(LONG).unwrap();
        assert_eq!(totals(spy)["shared"], (10, 0));
    }
}
