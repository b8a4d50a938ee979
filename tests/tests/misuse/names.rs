//! Names that are empty, of the maximum length, and longer.

use ringstat_core::record::InternError;
use ringstat_core::record::Outcome::{Dropped, Recorded};
use ringstat_std::{Cause, ClientConfig, Counter, Gauge, Recorder};

use crate::{SOON, assert_only, client, end, text, value};

#[test]
fn of_events_are_1_to_255_bytes() {
    let (stats, spy) = client(ClientConfig::default());
    for (length, outcome) in [
        (0, Dropped(Cause::Invalid)),
        (1, Recorded),
        (255, Recorded),
        (256, Dropped(Cause::Invalid)),
        (70_000, Dropped(Cause::Invalid)),
    ] {
        assert_eq!(stats.level(text(length), 1u8).record(), outcome, "{length} bytes");
    }
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.recorded, ledger.sent), (5, 2));
    assert_only(&ledger, Cause::Invalid, 3);
    assert_eq!(value(&report, text(255)), Some(1.0));
}

#[test]
fn interned_ones_are_refused_with_a_cause_to_count() {
    let (stats, spy) = client(ClientConfig::default());
    for length in [0, 256, 70_000] {
        let refused = stats.intern(text(length)).unwrap_err();
        assert_eq!(refused, InternError::Length);
        assert_eq!(stats.refuse(refused.cause()), Dropped(Cause::Invalid));
    }
    let longest = stats.intern(text(255)).unwrap();
    assert_eq!(stats.count(longest, 2u8).record(), Recorded);
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::Invalid, 3);
    assert_eq!(value(&report, text(255)), Some(2.0));
}

#[test]
fn too_many_at_run_time_are_refused_and_the_earlier_ones_stay() {
    let (stats, spy) = client(ClientConfig::default());
    let mut refused = 0;
    for i in 0..5000 {
        match stats.intern(&format!("user.{i}")) {
            Ok(name) => assert_eq!(stats.count(name, 1u8).record(), Recorded),
            Err(full) => {
                assert_eq!(full, InternError::Full);
                stats.refuse(full.cause());
                refused += 1;
            }
        }
    }
    let first = stats.intern("user.0").unwrap();
    assert_eq!(stats.count(first, 1u8).record(), Recorded);
    assert!(refused >= 5000 - 4096, "no growth: {refused}");
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::InternerFull, refused);
    assert_eq!(value(&report, "user.0"), Some(2.0));
}

/// The record call cannot fail, so it cannot report the mistake. It records to a series that shows that something is
/// wrong.
#[test]
fn of_instruments_made_at_run_time_go_to_the_overflow_series() {
    let (stats, spy) = client(ClientConfig::default());
    for length in [0, 256] {
        stats.counter(text(length), &[]).add(3);
    }
    stats.counter(text(255), &[]).add(5);
    assert_eq!(stats.overflowed_instruments(), 2);
    let (_, report) = end(stats, &spy);
    assert_eq!(value(&report, "ringstat.overflow"), Some(6.0));
    assert_eq!(value(&report, text(255)), Some(5.0));
}

/// A `static` with such a name can never be sent; all others still are.
#[test]
fn of_static_instruments_cost_the_others_nothing() {
    static NONE: Counter = Counter::new("");
    static GOOD: Counter = Counter::new("good");
    static LAST: Gauge = Gauge::new("last");
    let long: &'static Counter = Box::leak(Box::new(Counter::new(text(256))));
    let (stats, spy) = client(ClientConfig::default());
    stats.register(&NONE);
    stats.register(&GOOD);
    stats.register(long);
    stats.register(&LAST);
    NONE.inc();
    GOOD.add(2);
    long.inc();
    LAST.set(3.0);
    stats.flush(SOON).unwrap();
    assert!(stats.totals().unsendable >= 2, "{:?}", stats.totals());
    let (_, report) = end(stats, &spy);
    assert_eq!(value(&report, "good"), Some(2.0));
    assert_eq!(value(&report, "last"), Some(3.0));
    assert_eq!(report.series.len(), 2);
}
