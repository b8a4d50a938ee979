//! Mistakes that a caller can make: each leads to a typed error, or to a record that is counted under its cause, and
//! never to a panic, silent loss, or damage to other records.

mod clock;
mod config;
mod names;
mod tags;
mod values;

use std::time::Duration;

use ringstat_collector::{Collector, Io, Limits, Report};
use ringstat_core::testkit::SpyTransport;
use ringstat_std::{Cause, Client, ClientConfig, Ledger};

/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(20);

/// Builds a client whose datagrams are kept.
fn client(config: ClientConfig) -> (Client, SpyTransport) {
    let spy = SpyTransport::new();
    let builder = Client::builder("unused").config(config);
    (builder.build_with(spy.clone()).unwrap(), spy)
}

/// Shuts the client down, and returns its ledger and a collector's report about everything that it sent. Both must
/// balance, and nothing that was sent may be malformed.
fn end(stats: Client, spy: &SpyTransport) -> (Ledger, Report) {
    let ledger = stats.shutdown(SOON);
    assert!(ledger.closes() && ledger.in_flight == 0, "{ledger:?}");
    let mut collector = Collector::new(Limits::default());
    spy.datagrams().iter().for_each(|datagram| _ = collector.receive(datagram, 0));
    collector.finish();
    let report = Report::of(&collector, &Io::default(), 0, usize::MAX);
    assert!(report.closes && report.malformed.is_empty(), "{:?}", report.malformed);
    assert_eq!(report.lost, 0);
    assert_eq!(report.senders[0].dropped_at_sender, Some(ledger.dropped.total()));
    (ledger, report)
}

/// Asserts that this many records were dropped for `cause`, and none for another.
fn assert_only(ledger: &Ledger, cause: Cause, count: u64) {
    assert_eq!((ledger.dropped.get(cause), ledger.dropped.total()), (count, count), "{ledger:?}");
}

/// Returns the value of the series of that name.
fn value(report: &Report, name: &str) -> Option<f64> {
    report.series.iter().find(|s| s.name == name).map(|s| s.value)
}

/// Returns a static text of that many bytes.
fn text(length: usize) -> &'static str {
    Box::leak("x".repeat(length).into_boxed_str())
}
