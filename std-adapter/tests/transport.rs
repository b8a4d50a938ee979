//! Transports that violate their contract.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringstat_core::send::{SendError, Transport, from_fn};
use ringstat_core::testkit::SpyTransport;
use ringstat_std::{Cause, Client, Outcome, Reason, Recorder};

const LONG: Duration = Duration::from_secs(60); // for what takes milliseconds unless something is wrong

/// Panics without printing to standard error.
fn panics() -> Result<(), SendError> {
    resume_unwind(Box::new("the transport panics"))
}

#[test]
fn a_panic_of_the_transport_is_a_failure_to_send() {
    let mut left = 7;
    let transport = from_fn(move |_: &[u8]| {
        if left == 0 {
            return Ok(());
        }
        left -= 1;
        panics()
    });
    let builder = Client::builder("panics").backoff(Duration::from_millis(1));
    let stats = builder.build_with(transport).unwrap();
    for _ in 0..1000 {
        assert_eq!(stats.count("n", 1u8).record(), Outcome::Recorded);
    }
    stats.flush(LONG).unwrap();
    assert_eq!(stats.snapshot().output.send_errors, 7);
    assert!(stats.breaker().1 >= 1, "five failures in a row open it");
    let ledger = stats.shutdown(LONG);
    assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (1000, 1000, 0));
}

#[test]
fn what_a_transport_that_only_panics_leaves_is_given_up_at_the_end() {
    let stats = Client::builder("panics").build_with(from_fn(|_: &[u8]| panics())).unwrap();
    (0..1000).for_each(|_| _ = stats.count("n", 1u8).record());
    assert!(stats.flush(Duration::from_millis(50)).is_err());
    let ledger = stats.shutdown(Duration::from_millis(50));
    assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (1000, 0, 0));
    assert_eq!(ledger.dropped.get(Cause::Shutdown), 1000);
}

#[test]
fn a_shutdown_does_not_wait_for_a_transport_that_blocks() {
    let (inside, entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let transport = from_fn(move |_: &[u8]| {
        let _ = inside.send(());
        // It blocks until the test ends.
        let _ = released.recv();
        Ok(())
    });
    let stats = Client::builder("blocks").report_interval(None).build_with(transport).unwrap();
    (0..10).for_each(|_| _ = stats.count("n", 1u8).record());
    entered.recv_timeout(LONG).unwrap();
    let last = stats.clone();
    let ledger = stats.shutdown(Duration::from_millis(50));
    assert_eq!(ledger.recorded, 10);
    assert!(
        ledger.closes() && ledger.in_flight > 0,
        "what is not settled is in flight: {ledger:?}"
    );
    assert_eq!(last.count("n", 1u8).record(), Outcome::Dropped(Cause::Shutdown));
    drop(release);
    let deadline = Instant::now() + LONG;
    while last.ledger().in_flight > 0 {
        assert!(Instant::now() < deadline, "{:?}", last.ledger());
        std::thread::yield_now();
    }
    assert_eq!((last.ledger().recorded, last.ledger().closes()), (11, true));
}

#[test]
fn the_transport_may_hold_the_last_handle_and_drop_it() {
    let held = Arc::new(Mutex::new(None::<Client>));
    let (alive, dropped) = mpsc::channel::<()>();
    let holder = held.clone();
    let transport = from_fn(move |_: &[u8]| {
        let _ = &alive;
        if let Some(client) = holder.lock().unwrap().take() {
            assert!(client.flush(LONG).is_err(), "it would wait for itself");
            drop(client);
        }
        Ok(())
    });
    let stats = Client::builder("drops").build_with(transport).unwrap();
    *held.lock().unwrap() = Some(stats.clone());
    let _ = stats.count("n", 1u8).record();
    drop(stats);
    assert_eq!(dropped.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
    assert!(held.lock().unwrap().is_none());
}

#[test]
fn a_transport_may_record() {
    let held = Arc::new(Mutex::new(None::<Client>));
    let (holder, mut left) = (held.clone(), 5);
    let transport = from_fn(move |_: &[u8]| {
        if let Some(client) = holder.lock().unwrap().as_ref().filter(|_| left > 0) {
            left -= 1;
            assert!(client.count("sends", 1u8).record().is_recorded());
        }
        Ok(())
    });
    let stats = Client::builder("records").report_interval(None).build_with(transport).unwrap();
    *held.lock().unwrap() = Some(stats.clone());
    while stats.ledger().recorded < 5 {
        stats.flush(LONG).unwrap();
    }
    stats.flush(LONG).unwrap();
    let last = held.lock().unwrap().take();
    drop(last);
    let ledger = stats.shutdown(LONG);
    assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (5, 5, 0), "{ledger}");
}

/// A transport that panics when it receives.
struct PanicsWhenHearing(SpyTransport);

impl Transport for PanicsWhenHearing {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.0.send(datagram)
    }

    fn receive(&mut self, _: &mut [u8]) -> Result<usize, SendError> {
        panics().map(|()| 0)
    }

    fn hears(&self) -> bool {
        true
    }
}

#[test]
fn a_panic_while_it_hears_is_survived_counted_and_told() {
    let spy = SpyTransport::new();
    let builder = Client::builder("panics").silence(LONG).report_interval(None);
    let stats = builder.build_with(PanicsWhenHearing(spy.clone())).unwrap();
    assert_eq!(stats.count("n", 1u8).record(), Outcome::Recorded);
    stats.flush(LONG).unwrap();
    let deadline = Instant::now() + LONG;
    while !stats.snapshot().health.has(Reason::Transport) {
        assert!(Instant::now() < deadline, "{}", stats.snapshot());
        std::thread::sleep(Duration::from_millis(10));
    }
    let snapshot = stats.snapshot();
    assert!(snapshot.output.panics > 0 && snapshot.output.send_errors == 0, "{snapshot}");
    assert!(format!("{:#}", snapshot.health).contains("the transport panics"));
    let ledger = stats.shutdown(Duration::from_millis(50));
    assert_eq!((ledger.recorded, ledger.left(), ledger.in_flight), (1, 1, 0));
}
