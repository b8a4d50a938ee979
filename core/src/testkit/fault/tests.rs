//! Each fault by itself, then all of them at random.

use super::*;
use crate::testkit::SpyTransport;
use proptest::prelude::*;

fn network(faults: Faults, seed: u64) -> (SpyTransport, FaultTransport<SpyTransport>) {
    let spy = SpyTransport::new();
    (spy.clone(), FaultTransport::new(spy, faults, seed))
}

/// Sends `count` numbered datagrams of 8 bytes.
fn send(network: &mut FaultTransport<SpyTransport>, count: u64) {
    for number in 0..count {
        assert_eq!(network.send(&number.to_le_bytes()), Ok(()));
    }
}

fn numbers(spy: &SpyTransport) -> Vec<u64> {
    let number = |datagram: Vec<u8>| u64::from_le_bytes(datagram.try_into().unwrap());
    spy.take().into_iter().map(number).collect()
}

fn is_balanced(report: FaultReport) -> bool {
    let FaultReport { offered, duplicated, lost, delivered, failed, held, .. } = report;
    offered + duplicated == lost + delivered + failed + held
}

#[test]
fn a_perfect_network_changes_nothing() {
    let (spy, mut network) = network(Faults::NONE, 1);
    send(&mut network, 100);
    assert_eq!(numbers(&spy), Vec::from_iter(0..100));
    let want = FaultReport { offered: 100, delivered: 100, ..FaultReport::default() };
    assert_eq!(network.report(), want);
}

#[test]
fn loss_and_duplication_are_counted_exactly() {
    let faults = Faults { loss: 0.2, duplicate: 0.1, ..Faults::NONE };
    let (spy, mut network) = network(faults, 5);
    send(&mut network, 10_000);
    let got = numbers(&spy);
    let mut unique = got.clone();
    unique.dedup();
    let report = network.report();
    assert_eq!(unique.len() as u64, 10_000 - report.lost);
    assert_eq!((got.len() - unique.len()) as u64, report.duplicated);
    assert!((1_800..2_200).contains(&report.lost), "{report:?}");
    assert!((700..900).contains(&report.duplicated), "{report:?}");
}

#[test]
fn damage_is_real_and_counted_exactly() {
    let faults = Faults { truncate: 0.1, corrupt: 0.1, duplicate: 0.5, ..Faults::NONE };
    let (spy, mut network) = network(faults, 5);
    for _ in 0..5_000 {
        assert_eq!(network.send(b"as it was"), Ok(()));
    }
    let got = spy.take();
    let report = network.report();
    let short = got.iter().filter(|d| d.len() < 9 && b"as it was".starts_with(d)).count();
    let changed = got.iter().filter(|d| d.len() == 9 && *d != b"as it was").count();
    assert_eq!((short as u64, changed as u64), (report.truncated, report.corrupted));
    assert!(report.truncated > 500 && report.corrupted > 500, "{report:?}");
    assert_eq!(network.send(b""), Ok(()), "nothing to damage");
}

#[test]
fn reordering_holds_back_by_no_more_than_asked() {
    let faults = Faults { reorder: 0.1, reorder_by: 5, ..Faults::NONE };
    let (spy, mut network) = network(faults, 9);
    send(&mut network, 10_000);
    network.flush();
    let got = numbers(&spy);
    let mut highest = 0;
    for number in &got {
        highest = highest.max(*number);
        assert!(highest - number <= 5, "{number} came after {highest}");
    }
    assert!(!got.is_sorted());
    let mut sorted = got;
    sorted.sort();
    assert_eq!(sorted, Vec::from_iter(0..10_000));
    assert!((800..1_200).contains(&network.report().reordered));
}

#[test]
fn delay_lasts_until_its_time() {
    let faults = Faults { delay: 1.0, delay_nanos: 1_000, ..Faults::NONE };
    let (spy, mut network) = network(faults, 2);
    network.advance_to(5_000);
    send(&mut network, 50);
    assert!(spy.take().is_empty());
    let mut got = Vec::new();
    let mut before = 5_000;
    while let Some(due) = network.next_due() {
        assert!(due > before && due <= 6_000);
        network.advance_to(due - 1);
        assert!(spy.take().is_empty(), "not yet");
        network.advance_to(due);
        let now = numbers(&spy);
        assert!(!now.is_empty());
        got.extend(now);
        before = due;
    }
    got.sort();
    assert_eq!(got, Vec::from_iter(0..50));
    assert_eq!((network.report().delayed, network.report().held), (50, 0));
}

#[test]
fn an_outage_and_a_failure_below_are_told_and_counted() {
    let (spy, mut network) = network(Faults::NONE, 1);
    network.set_outage(Some(SendError::Unreachable));
    assert_eq!(network.send(b"a"), Err(SendError::Unreachable));
    network.set_outage(None);
    spy.fail_next([SendError::WouldBlock]);
    assert_eq!(network.send(b"b"), Err(SendError::WouldBlock));
    // The copy's failure is not the sender's.
    network.set_faults(Faults { duplicate: 1.0, ..Faults::NONE });
    spy.script([Ok(()), Err(SendError::Refused)]);
    assert_eq!(network.send(b"c"), Ok(()));
    let report = network.report();
    assert_eq!((report.offered, report.failed, report.delivered), (3, 3, 1));
    assert!(is_balanced(report));
    assert_eq!(network.inner().attempts(), 3);
}

proptest! {
    #[test]
    fn the_same_seed_does_the_same_and_the_report_balances(
        seed: u64,
        rates in prop::array::uniform6(0.0..0.6f64),
        steps in prop::collection::vec(0u8..20, 0..200),
    ) {
        let [loss, duplicate, truncate, corrupt, reorder, delay] = rates;
        let faults =
            Faults { loss, duplicate, truncate, corrupt, reorder, delay, ..Faults::NONE };
        let run = || {
            let (spy, mut network) = network(faults, seed);
            for (turn, step) in steps.iter().enumerate() {
                match step {
                    0 => network.advance_to(turn as u64 * 1_000_000),
                    1 => network.flush(),
                    2 => spy.fail_next([SendError::Refused]),
                    3 => network.set_outage(Some(SendError::Unreachable)),
                    4..6 => network.set_outage(None),
                    // A failure is in the report, which is what is compared.
                    _ => drop(network.send(&turn.to_le_bytes())),
                }
                assert!(is_balanced(network.report()), "{:?}", network.report());
            }
            (spy.take(), network.report())
        };
        prop_assert_eq!(run(), run());
    }
}
