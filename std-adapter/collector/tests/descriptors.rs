//! Descriptors used up. A process of its own, as its limit is that of the whole process.

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
    // Until neither we nor the collector, which is this process too, have one left.
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
    // Those who ask nothing give way to the one who does, although they are still there.
    let ready = get(http, "/ready");
    assert!(ready.ends_with("ready\n"), "{ready}");
    let health = running.report(0).health;
    assert!(health.reasons.iter().any(|r| r.contains("ulimit -n")), "{health:?}");
    drop(held);
    genuine.is_exact(&running);
    assert_eq!(running.stop(0).accepted, 10);
}
