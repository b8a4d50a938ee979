//! A client and a collector over a bad network, in one process: losses are known, and totals heal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringstat_collector::{Collector, Io, Limits, Report};
use ringstat_core::send::{Transport, from_fn};
use ringstat_core::testkit::{FaultTransport, Faults, SpyTransport};
use ringstat_std::{Client, Counter, Histogram, Recorder};

const SECOND: Duration = Duration::from_secs(20); // for what takes milliseconds unless something is wrong

#[test]
fn through_loss_duplication_and_reordering_totals_are_exact_and_loss_is_known() {
    static REQUESTS: Counter = Counter::new("requests");
    static LATENCY: Histogram = Histogram::new("latency");
    let bad = Faults { loss: 0.2, duplicate: 0.1, reorder: 0.1, reorder_by: 5, ..Faults::NONE };
    let spy = SpyTransport::new();
    let network = Arc::new(Mutex::new(FaultTransport::new(spy.clone(), bad, 42)));
    let way = network.clone();
    let stats = Client::builder("unused")
        .instruments(&[&REQUESTS, &LATENCY])
        .payload(256)
        .build_with(from_fn(move |datagram| way.lock().unwrap().send(datagram)))
        .unwrap();
    for i in 0..20_000u64 {
        REQUESTS.inc();
        LATENCY.record(i);
        while !stats.count("events", 1u8).record().is_recorded() {
            std::thread::yield_now();
        }
    }
    stats.flush(SECOND).unwrap();
    // The network is good again, and one more flush repairs the totals.
    network.lock().unwrap().set_faults(Faults::NONE);
    REQUESTS.inc();
    LATENCY.record(1);
    stats.flush(SECOND).unwrap();
    let refused = stats.ledger().dropped.total();
    let ledger = stats.shutdown(SECOND);
    assert!(ledger.closes());
    let mut network = network.lock().unwrap();
    network.flush();
    let report = network.report();

    let mut collector = Collector::new(Limits::default());
    spy.datagrams().iter().for_each(|d| _ = collector.receive(d, 0));
    let seen = Report::of(&collector, &Io::default(), 0, 1000);
    assert!(seen.closes);
    assert_eq!(seen.lost + seen.outstanding, report.lost, "exactly what the network lost");
    assert!(report.lost > 20 && report.duplicated > 5, "{report:?}");
    assert_eq!(seen.duplicates, report.duplicated);
    assert_eq!(seen.senders[0].dropped_at_sender, Some(refused));
    let value = |name: &str| seen.series.iter().find(|s| s.name == name).unwrap().value;
    assert_eq!(value("requests"), 20_001.0, "healed");
    assert_eq!(value("latency"), 20_001.0, "healed");
    assert!(
        value("events") < ledger.sent as f64,
        "events do not heal; how many datagrams are missing is known"
    );
}
