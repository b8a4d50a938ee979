//! Records make no system call: in a thread in which the kernel ends the process at any but `read`, `write` and `_exit`.
//! (A `yield_now` planted in the record call is found.)
#![cfg(target_os = "linux")]

use std::io::{Read, pipe};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use nix::libc;
use ringstat_core::testkit::SpyTransport;
use ringstat_std::{Client, Counter, Gauge, Histogram, Policy, Priority, Recorder};

const CONFINED: &str = "RINGSTAT_TEST_CONFINED";
const ROUNDS: u64 = 500;
const LONG: Duration = Duration::from_secs(60); // for what takes milliseconds unless something is wrong

static REQUESTS: Counter = Counter::new("requests");
static LEVEL: Gauge = Gauge::new("level");
static SIZES: Histogram = Histogram::new("sizes");

/// Every kind of record, with everything that it can have. Returns how many events it made.
fn record(stats: &Client, name: ringstat_std::Symbol, made: &ringstat_std::OwnedCounter) -> u64 {
    let long = "a value of about a hundred bytes, as a path or a user agent has: it does not fit the slot of an event";
    for i in 0..ROUNDS {
        REQUESTS.inc();
        LEVEL.set(i as f64);
        SIZES.record(i);
        made.inc();
        let _ = stats.count("short", 1u8).record();
        let _ = stats.count(name, 1u8).tag("key", "value").record();
        let _ = stats.timing("tags", LONG).tag("path", long).tag("agent", long).record();
        let _ = stats.event("text").text(long).priority(Priority::High).record();
        let _ = stats.level("critical", i).priority(Priority::Critical).record();
        // Refused ones, too.
        let _ = stats.count("", 1u8).record();
        let _ = stats.level("nan", f64::NAN).record();
    }
    7 * ROUNDS
}

/// The process that is confined; see below.
#[test]
fn confined() {
    let Ok(policy) = std::env::var(CONFINED) else { return };
    let policy = Policy::ALL.into_iter().find(|p| p.as_str() == policy).unwrap();
    let builder = Client::builder("a spy").policy(policy).shard_events(256).shared_events(256);
    let stats = builder.report_interval(None).instrument(&REQUESTS).build_with(SpyTransport::new());
    let stats = stats.unwrap();
    let (name, made) = (stats.intern("a name").unwrap(), stats.counter("made", &[]));
    let (mut reader, writer) = pipe().unwrap();
    // The kernel ends the thread alone: then nobody writes.
    // SAFETY: a call of the system.
    unsafe { libc::alarm(60) };
    let recorder = stats.clone();
    std::thread::spawn(move || {
        assert!(recorder.register_thread());
        // SAFETY: it confines this thread alone. It never ends: that would take system calls.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) }, 0);
        let events = record(&recorder, name, &made).to_ne_bytes();
        // SAFETY: a descriptor that is open, and eight bytes.
        unsafe { libc::write(writer.as_raw_fd(), events.as_ptr().cast(), events.len()) };
        loop {
            std::hint::spin_loop();
        }
    });
    let mut events = [0; 8];
    reader.read_exact(&mut events).unwrap();
    let _ = stats.flush(LONG);
    let ledger = stats.ledger();
    assert_eq!((ledger.recorded, ledger.closes()), (u64::from_ne_bytes(events), true), "{ledger}");
    assert!(ledger.sent > 0 && ledger.dropped.total() >= 2 * ROUNDS, "{ledger}");
    // SAFETY: the end of the process, whatever its threads do.
    unsafe { libc::_exit(0) };
}

#[test]
fn no_kind_of_record_makes_a_system_call_whatever_the_policy() {
    for policy in Policy::ALL {
        let mut process = Command::new(std::env::current_exe().unwrap());
        let process = process.args(["--exact", "confined"]).env(CONFINED, policy.as_str());
        let output = process.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{policy:?}: {} {said}", output.status);
    }
}
