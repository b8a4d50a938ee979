//! Waking up is what an idle client costs: counted, not timed. What a busy one does is in the tests of the worker's pace,
//! in a time of their own.

use std::time::{Duration, Instant};

use ringstat_core::observe::Snapshot;
use ringstat_core::testkit::{NullTransport, SpyTransport};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;
use ringstat_std::{Client, Recorder, clock};

/// For what takes much less unless something is wrong.
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

/// How often it wakes, and how many times `each` goes into the time that this takes; from `skip` wakes on.
fn wakes_and_times(stats: &Client, skip: u64, each: Duration) -> (u64, u64) {
    let from = until(stats, |s| s.output.wakes >= skip);
    let to = until(stats, |s| s.output.wakes >= from.output.wakes + 4);
    let took = Duration::from_nanos(to.uptime_nanos - from.uptime_nanos);
    (to.output.wakes - from.output.wakes, (took.as_nanos() / each.as_nanos()) as u64)
}

#[test]
fn an_idle_client_wakes_as_often_as_the_age_of_a_batch_asks() {
    let stats = Client::builder("unused").build_with(NullTransport::default()).unwrap();
    // From 50 µs on twice as long each time: twelve until it is idle.
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
    // Idle for long: the cheap clock is far behind by now.
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
