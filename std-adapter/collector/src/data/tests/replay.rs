//! Critical events: once each over both lives, whatever came after the last cut.

use ringstat_core::record::Kind;

use super::wire::{Says, datagram};
use super::*;

/// How often critical events are counted, and the account of the only sender.
fn critical(opened: &Opened) -> f64 {
    let report = Report::of(&opened.collectors[..], &Io::default(), opened.now_ms, 1000);
    let mut of_name = report.series.iter().filter(|s| s.name == "critical");
    let value = of_name.next().map_or(0.0, |s| s.value);
    assert!(of_name.next().is_none());
    value
}

fn receive(opened: &mut Opened, epoch: u32, sequence: u32, floor: u64, says: &[Says]) {
    let datagram = datagram(7, (epoch, sequence), Some(floor), says);
    let of = crate::intake::shard_of(&datagram, None, opened.collectors.len());
    opened.collectors[of].receive(&datagram, opened.now_ms);
}

#[test]
fn they_are_counted_once_over_both_lives_and_the_rest_is_lost() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    let plain = Says::Event(Kind::Counter, 0, 1);
    receive(&mut opened, 1, 0, 0, &[Says::Critical(0), plain]);
    keep_critical(&mut opened);
    cut(&mut opened, 5);
    receive(&mut opened, 1, 1, 0, &[Says::Critical(1), plain, Says::Critical(2)]);
    keep_critical(&mut opened);
    // This one does not get to the disk.
    receive(&mut opened, 1, 2, 1, &[Says::Critical(3), plain]);
    assert_eq!(critical(&opened), 4.0);
    drop(opened);
    for shards in [3, 1] {
        let mut opened = open(dir.path(), shards).unwrap();
        assert_eq!(critical(&opened), 3.0, "once, however often it is read");
        if shards == 1 {
            // Nobody was told that 3 is kept. Everything comes again, in other datagrams.
            receive(&mut opened, 1, 3, 1, &[1, 2, 3].map(Says::Critical));
            assert_eq!(critical(&opened), 4.0);
            let collector = &opened.collectors[0];
            let account = collector.sender(7).unwrap().sequence();
            // 0 and 3 are here; 1 and 2 were received, and nothing but their critical events is left.
            assert_eq!((account.received, account.outstanding, account.lost), (2, 2, 0));
            assert!(collector.counts().closes());
            assert_eq!(collector.counts().repeated, 2);
        }
    }
}

#[test]
fn those_of_a_sender_or_a_run_that_no_cut_has_are_known_as_well() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    receive(&mut opened, 1, 0, 0, &[Says::Critical(0)]);
    cut(&mut opened, 5);
    // It begins anew: twice, so that it is believed.
    receive(&mut opened, 2, 0, 0, &[Says::Critical(0)]);
    receive(&mut opened, 2, 1, 0, &[Says::Critical(1)]);
    // Another sender, in the middle of its life.
    let joins = datagram(9, (5, 1000), Some(70), &[Says::Critical(71)]);
    opened.collectors[0].receive(&joins, 5);
    keep_critical(&mut opened);
    assert_eq!(sum(&opened, 7), 3.0);
    drop(opened);
    let mut opened = open(dir.path(), 2).unwrap();
    assert_eq!((sum(&opened, 7), sum(&opened, 9)), (3.0, 1.0));
    // What was under way arrives again, and late datagrams of the run before.
    receive(&mut opened, 2, 2, 0, &[Says::Critical(0), Says::Critical(1), Says::Critical(2)]);
    receive(&mut opened, 1, 0, 0, &[Says::Critical(0)]);
    let again = datagram(9, (5, 1003), Some(70), &[Says::Critical(71), Says::Critical(72)]);
    let of = crate::intake::shard_of(&again, None, 2);
    opened.collectors[of].receive(&again, 5);
    assert_eq!((sum(&opened, 7), sum(&opened, 9)), (4.0, 2.0));
    let account = opened.collectors[of].sender(9).unwrap().sequence();
    assert_eq!((account.received, account.outstanding), (1, 3), "from 1000 on");
    let of = crate::intake::shard_of(&datagram(7, (2, 0), None, &[]), None, 2);
    let account = opened.collectors[of].sender(7).unwrap().sequence();
    assert_eq!((account.received, account.outstanding, account.epoch), (2, 2, 2));
    assert!(opened.collectors.iter().all(|c| c.counts().closes()));
}

/// Critical events of a sender.
fn sum(opened: &Opened, sender: u64) -> f64 {
    let id = format!("{sender:016x}");
    let report = Report::of(&opened.collectors[..], &Io::default(), opened.now_ms, 1000);
    let of_name = report.series.iter().filter(|s| s.name == "critical" && s.sender == id);
    of_name.map(|s| s.value).sum()
}

#[test]
fn a_cut_has_those_that_are_being_written_and_none_is_counted_twice() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    for n in 0..20 {
        receive(&mut opened, 1, n, 0, &[Says::Critical(n.into())]);
        if n % 3 == 0 {
            keep_critical(&mut opened);
        }
        if n % 5 == 0 {
            cut(&mut opened, n.into());
        }
    }
    keep_critical(&mut opened);
    drop(opened);
    assert_eq!(critical(&open(dir.path(), 1).unwrap()), 20.0);
}

#[test]
fn receipts_count_from_this_life_on() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    let ask = |opened: &mut Opened, sequence| {
        let plain = Says::Event(Kind::Counter, 0, 1);
        opened.collectors[0].receive(&datagram(7, (1, sequence), None, &[plain]), 5).receipt
    };
    (0..10).for_each(|n| _ = ask(&mut opened, n));
    let before = ask(&mut opened, 10).unwrap();
    assert_eq!((before.first, before.datagrams, before.events), (0, 11, 11));
    cut(&mut opened, 5);
    // It is told that these have arrived, which they have; a crash loses them.
    let lost = ask(&mut opened, 11).unwrap();
    assert_eq!(lost.datagrams, 12);
    drop(opened);
    let mut opened = open(dir.path(), 1).unwrap();
    assert_eq!(ask(&mut opened, 10), None, "of a copy of what came before nothing is known");
    let after = ask(&mut opened, 15).unwrap();
    assert_ne!(after.instance, before.instance);
    assert_eq!((after.first, after.datagrams, after.events), (15, 1, 1));
    let account = opened.collectors[0].sender(7).unwrap().sequence();
    assert_eq!((account.received, account.outstanding), (12, 4), "11 to 14");
}

/// A chip that restarts with the epoch that it had: its identifiers begin again, and mean other events.
#[test]
fn another_run_of_the_same_epoch_has_identifiers_of_its_own() {
    for late_cut in [false, true] {
        let dir = directory();
        let mut opened = open(dir.path(), 1).unwrap();
        (0..6).for_each(|n| receive(&mut opened, 1, n, 0, &[Says::Critical(n.into())]));
        keep_critical(&mut opened);
        cut(&mut opened, 5);
        // Refused for so long that nothing else explains it.
        for n in 0..6 {
            let again = datagram(7, (1, n), Some(0), &[Says::Critical(n.into())]);
            opened.collectors[0].receive(&again, 60_000 + u64::from(n));
        }
        let sender = opened.collectors[0].sender(7).unwrap();
        assert_eq!(sender.resyncs(), 1, "the test is about that");
        let before = critical(&opened);
        assert!(before > 6.0);
        keep_critical(&mut opened);
        if late_cut {
            cut(&mut opened, 60_010);
        }
        drop(opened);
        let opened = open(dir.path(), 2).unwrap();
        assert_eq!(critical(&opened), before, "with a cut after it: {late_cut}");
    }
}

#[test]
fn processes_that_share_a_number_are_told_apart_in_the_next_life_too() {
    for late_cut in [false, true] {
        let dir = directory();
        let mut opened = open(dir.path(), 1).unwrap();
        for n in 0..5 {
            receive(&mut opened, 1, n, 0, &[Says::Critical(n.into())]);
            receive(&mut opened, 2, n, 0, &[Says::Critical(n.into())]);
        }
        assert_eq!(opened.collectors[0].sender_count(), 2, "the test is about that");
        keep_critical(&mut opened);
        if late_cut {
            cut(&mut opened, 5);
        }
        drop(opened);
        let mut opened = open(dir.path(), 3).unwrap();
        let senders: usize = opened.collectors.iter().map(Collector::sender_count).sum();
        assert_eq!(senders, 2);
        let all = |opened: &Opened| {
            let report =
                Report::of(&opened.collectors[..], &Io::default(), opened.now_ms, usize::MAX);
            let of_name = report.series.iter().filter(|s| s.name == "critical");
            of_name.map(|s| s.value).sum::<f64>()
        };
        assert_eq!(all(&opened), 10.0, "with a cut after it: {late_cut}");
        for epoch in [1, 2] {
            receive(&mut opened, epoch, 5, 0, &[4, 5].map(Says::Critical));
        }
        assert_eq!(all(&opened), 12.0, "4 was here");
    }
}
