//! A million events at once, from 32 threads.

use std::net::UdpSocket;
use std::sync::Barrier;
use std::time::Duration;

use ringstat_std::{Cause, Client, Outcome, Preset, Recorder, WhenFull};

const THREADS: u64 = 32;
const EVENTS: u64 = 1_000_000;
/// For what takes milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(60);

/// What the recording threads were told: accepted, accepted at the cost of an older one, dropped.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    recorded: u64,
    evicting: u64,
    dropped: u64,
}

fn burst(preset: Preset, when_full: WhenFull) {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = receiver.local_addr().unwrap().to_string();
    let stats = Client::builder(to).preset(preset).when_full(when_full).build().unwrap();
    let start = Barrier::new(THREADS as usize);
    let told = std::thread::scope(|scope| {
        let record = || {
            let mut told = Told::default();
            start.wait();
            for i in 0..EVENTS / THREADS {
                match stats.distribution("burst", i).record() {
                    Outcome::Recorded => told.recorded += 1,
                    Outcome::RecordedEvicting => told.evicting += 1,
                    Outcome::Dropped(cause) => {
                        assert_eq!(cause, Cause::Full);
                        told.dropped += 1;
                    }
                }
            }
            told
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(record)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).fold(Told::default(), |sum, t| Told {
            recorded: sum.recorded + t.recorded,
            evicting: sum.evicting + t.evicting,
            dropped: sum.dropped + t.dropped,
        })
    });
    let ledger = stats.shutdown(SOON);
    println!("{preset:?} {when_full:?}: {told:?} {ledger:?}");
    assert_eq!(told.recorded + told.evicting + told.dropped, EVENTS);
    assert_eq!((ledger.recorded, ledger.in_flight), (EVENTS, 0));
    assert_eq!(ledger.dropped.get(Cause::Full), told.dropped, "what was dropped was told");
    let evicted = ledger.dropped.get(Cause::Evicted);
    assert!(evicted >= told.evicting, "one or more each: {ledger:?} {told:?}");
    assert_eq!(ledger.sent, told.recorded + told.evicting - evicted, "the rest was sent");
    assert_eq!(ledger.dropped.total(), told.dropped + evicted, "and there is no other cause");
    assert!(ledger.sent > 0);
    if when_full == WhenFull::DropNewest {
        assert_eq!(evicted, 0);
    }
}

#[test]
fn into_the_smallest_preset_closes_the_ledger() {
    burst(Preset::LowMemory, WhenFull::DropNewest);
    burst(Preset::LowMemory, WhenFull::DropOldest);
}

#[test]
fn into_the_default_closes_the_ledger() {
    burst(Preset::Default, WhenFull::DropNewest);
    burst(Preset::Default, WhenFull::DropOldest);
}

#[test]
fn into_the_largest_preset_closes_the_ledger() {
    burst(Preset::HighThroughput, WhenFull::DropNewest);
    burst(Preset::HighThroughput, WhenFull::DropOldest);
}
