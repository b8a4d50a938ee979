//! Shutting down a client while other threads use it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ringstat_core::testkit::SpyTransport;
use ringstat_std::{Cause, Client, Recorder};

const LONG: Duration = Duration::from_secs(60); // for what takes milliseconds unless something is wrong

#[test]
fn every_record_of_threads_that_meet_a_shutdown_is_sent_or_given_up() {
    // The long form: `.ci/stress`.
    let rounds = if std::env::var_os("RINGSTAT_LONG_TESTS").is_some() { 400 } else { 20 };
    for _ in 0..rounds {
        let builder = Client::builder("a spy").shard_events(1024).report_interval(None);
        let stats = builder.build_with(SpyTransport::new()).unwrap();
        let (calls, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let (begun, ended) = (AtomicU64::new(0), AtomicBool::new(false));
        let last = stats.clone();
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    let stats = last.clone();
                    begun.fetch_add(1, Ordering::Relaxed);
                    while !ended.load(Ordering::Relaxed) {
                        calls.fetch_add(1, Ordering::Relaxed);
                        let recorded = stats.count("n", 1u8).record().is_recorded();
                        refused.fetch_add(u64::from(!recorded), Ordering::Relaxed);
                    }
                });
            }
            while begun.load(Ordering::Relaxed) < 12 {
                thread::yield_now();
            }
            let ledger = stats.shutdown(LONG);
            assert_eq!(ledger.in_flight, 0);
            assert!(ledger.closes());
            ended.store(true, Ordering::Relaxed);
        });
        let ledger = last.ledger();
        assert_eq!(ledger.recorded, calls.into_inner());
        assert_eq!((ledger.in_flight, ledger.closes()), (0, true));
        assert_eq!(ledger.recorded, ledger.sent + ledger.dropped.total());
        assert!(
            ledger.dropped.get(Cause::Shutdown) + ledger.dropped.get(Cause::Full)
                >= refused.into_inner()
        );
    }
}
