//! Exhausted file descriptors. The test has a process of its own, since the limit applies to the whole process.

#![cfg(unix)]

#[path = "attack/wire.rs"]
mod wire;

use std::fs::File;
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringstat_collector::Limits;
use wire::{Genuine, collector, get, until};

#[test]
fn descriptors_used_up_are_survived_and_told() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let running = collector(Limits::default());
    let http = running.http().unwrap();
    let mut genuine = Genuine::new(&running);
    let mut spare = Some(File::open("/dev/null").unwrap());
    // Descriptors are opened until neither the test nor the collector, which is in the same process, has one left.
    let mut held = Vec::new();
    let told = || running.report(0).io.http.no_descriptors;
    until(|| {
        held.extend(TcpStream::connect(http));
        told() > 0
    });
    assert!(told() > 0);
    for _ in 0..10 {
        genuine.send();
    }
    drop(spare.take());
    // Silent connections give way to one that makes a request, although they are still open.
    let ready = get(http, "/ready");
    assert!(ready.ends_with("ready\n"), "{ready}");
    let health = running.report(0).health;
    assert!(health.reasons.iter().any(|r| r.contains("ulimit -n")), "{health:?}");
    drop(held);
    genuine.is_exact(&running);
    assert_eq!(running.stop(0).accepted, 10);
}
