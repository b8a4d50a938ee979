//! Cases that can only be brought about from the inside.

use std::time::Duration;

use ringstat_core::policy::Policy;
use ringstat_core::record::{Kind, Priority};
use ringstat_core::testkit::SpyTransport;

use super::*;

const LONG: Duration = Duration::from_secs(10); // for what takes milliseconds unless something is wrong

#[test]
fn a_record_that_comes_into_its_ring_after_the_workers_last_look_is_given_up() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let stats =
            Client::builder("a spy").policy(policy).build_with(SpyTransport::new()).unwrap();
        let late = stats.clone();
        assert_eq!(stats.count("in time", 1u8).record(), Outcome::Recorded);
        let ledger = stats.shutdown(LONG);
        assert_eq!((ledger.recorded, ledger.sent), (1, 1));
        // As from a thread that had passed the valve before it was closed.
        let mut event = Event::new(Kind::Counter, "late".into(), 1u8.into(), 0).unwrap();
        assert_eq!(late.shared.rings.push(&event), Outcome::Recorded);
        event.set_priority(Priority::Critical);
        assert_eq!(late.shared.rings.push(&event), Outcome::Recorded);
        let ledger = late.ledger();
        assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (3, 1, 0));
        assert_eq!(ledger.dropped.get(Cause::Shutdown), 2);
        assert_eq!(late.ledger(), ledger, "once");
    }
}

/// A fork while other threads hold every lock that there is: the child hangs on none of them.
#[test]
#[cfg(unix)]
#[allow(unsafe_code)] // There is no safe fork.
fn a_child_takes_no_lock_of_its_parent() {
    let stats = Client::builder("a spy").build_with(SpyTransport::new()).unwrap();
    assert!(stats.flush_on_exit());
    let begin = stats.clone();
    let (holding, held) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        let shared = &begin.shared;
        let _locks = (begin.thread.lock(), exit::clients(), shared.registry.hold());
        // Last: the worker and whoever drops a client wait for this one.
        let _state = shared.control.lock();
        holding.send(()).unwrap();
        let _ = released.recv();
    });
    held.recv().unwrap();
    // SAFETY: the child does what is tested here, and leaves by `_exit`; the alarm ends it if it hangs.
    let pid = unsafe { nix::libc::fork() };
    if pid == 0 {
        // SAFETY: a call of the system.
        unsafe { nix::libc::alarm(60) };
        let child = std::panic::AssertUnwindSafe(|| {
            assert_eq!(stats.count("n", 1u8).record(), Outcome::Dropped(Cause::Forked));
            assert_eq!(stats.flush(LONG), Err(FlushError::Forked));
            stats.counter("c", &[]).inc();
            assert_eq!(stats.clone().shutdown(LONG).recorded, 1);
            stats.restart_after_fork_with(SpyTransport::new()).unwrap();
            stats.counter("c", &[]).inc();
            assert!(stats.count("n", 1u8).record().is_recorded());
            assert!(stats.flush_on_exit());
            stats.flush(LONG).unwrap();
            assert_eq!((stats.ledger().recorded, stats.ledger().sent), (2, 1));
            drop(stats);
        });
        let ended = std::panic::catch_unwind(child);
        // SAFETY: the same.
        unsafe { nix::libc::_exit(i32::from(ended.is_err())) };
    }
    drop(release);
    holder.join().unwrap();
    let mut status = 0;
    // SAFETY: a child of ours, and a place for its status.
    assert_eq!(unsafe { nix::libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(nix::libc::WIFEXITED(status) && nix::libc::WEXITSTATUS(status) == 0, "{status:x}");
    assert_eq!(stats.shutdown(LONG).recorded, 0);
}
