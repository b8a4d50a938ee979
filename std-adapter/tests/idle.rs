//! The cost of an idle client is its wake-ups, which are counted here, not timed. The tests of the worker's pace cover
//! a busy client, in simulated time.

use std::time::{Duration, Instant};

use ringstat_core::observe::Snapshot;
use ringstat_core::testkit::{NullTransport, SpyTransport};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{Client, Recorder, clock};

/// The time limit for things that take much less unless something is wrong.
const SOON: Duration = Duration::from_secs(30);

/// Waits for a snapshot that satisfies `is`.
fn until(stats: &Client, is: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let deadline = Instant::now() + SOON;
    loop {
        let now = stats.snapshot();
        if is(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "{now:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns the number of wake-ups after the first `skip`, and how often `each` fits into the time that they took.
fn wakes_and_times(stats: &Client, skip: u64, each: Duration) -> (u64, u64) {
    let from = until(stats, |s| s.output.wakes >= skip);
    let to = until(stats, |s| s.output.wakes >= from.output.wakes + 4);
    let took = Duration::from_nanos(to.uptime_nanos - from.uptime_nanos);
    (to.output.wakes - from.output.wakes, (took.as_nanos() / each.as_nanos()) as u64)
}

#[test]
fn an_idle_client_wakes_as_often_as_the_age_of_a_batch_asks() {
    let stats = Client::builder("unused").build_with(NullTransport::default()).unwrap();
    // The pause doubles from 50 µs on, so the client is idle after twelve wake-ups.
    let (wakes, ages) = wakes_and_times(&stats, 14, Duration::from_millis(100));
    assert!(wakes <= ages + 1, "{wakes} times in {ages} tenths of a second");
}

#[test]
fn a_client_that_records_may_wake_wakes_twice_a_second() {
    let builder = Client::builder("unused").wake_on_first(true);
    let stats = builder.build_with(NullTransport::default()).unwrap();
    let (wakes, halves) = wakes_and_times(&stats, 16, Duration::from_millis(500));
    assert!(wakes <= halves + 1, "{wakes} times in {halves} half seconds");
}

#[test]
fn the_first_record_after_a_pause_has_its_own_time_and_is_soon_sent() {
    let spy = SpyTransport::new();
    let builder = Client::builder("unused").wake_on_first(true).report_interval(None);
    let stats = builder.build_with(spy.clone()).unwrap();
    // The client was idle for long, so the coarse clock is far behind.
    until(&stats, |s| s.output.wakes >= 14);
    let before = clock::exact();
    assert!(stats.count("woke", 1u8).record().is_recorded());
    let after = clock::exact();
    until(&stats, |s| s.ledger.in_flight == 0);
    let mut times = Vec::new();
    for bytes in spy.take() {
        let mut decoder: Box<Decoder> = Box::default();
        let mut datagram = decoder.open(&bytes).unwrap();
        while let Some(record) = datagram.next() {
            if let Body::Event(event) = record.unwrap().body {
                times.push(event.time_ns);
            }
        }
    }
    assert!(times.len() == 1 && (before..=after).contains(&times[0]), "{times:?}");
}
