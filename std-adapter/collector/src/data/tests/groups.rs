//! Series that are added up: after a crash, and when other rules hold than before, the sums are those of the parts.

use ringstat_core::record::Kind;

use super::wire::{Says, datagram};
use super::*;

/// Adds up most series of all senders, and some of each.
pub(super) const RULES: &str = r#"
    [[rule]]
    match = "**"
    without = ["sender"]

    [[rule]]
    match = "a"
    without = ["tag"]

    [[rule]]
    match = "d"
    without = []
"#;

/// The values of all series of a name, in the order of their tags.
fn values(opened: &Opened, name: &str) -> Vec<f64> {
    let report = Report::of(&opened.collectors[..], &Io::default(), opened.now_ms, 1000);
    let mut of: Vec<_> = report.series.into_iter().filter(|s| s.name == name).collect();
    of.sort_by(|a, b| (&a.tags, &a.sender).cmp(&(&b.tags, &b.sender)));
    of.into_iter().map(|s| s.value).collect()
}

fn receive(opened: &mut Opened, sender: u64, (epoch, sequence): (u32, u32), says: &[Says]) {
    let datagram = datagram(sender, (epoch, sequence), None, says);
    let of = crate::intake::shard_of(&datagram, None, opened.collectors.len());
    opened.collectors[of].receive(&datagram, opened.now_ms);
}

#[test]
fn after_a_crash_totals_heal_and_events_after_the_last_cut_are_lost() {
    let dir = directory();
    let open = |shards| open_mapped(dir.path(), Some(RULES), shards).unwrap();
    let timing = Says::Event(Kind::Timing, 1, 5);
    let mut opened = open(2);
    for sender in 0..20 {
        receive(&mut opened, sender, (1, 0), &[Says::State(30), timing]);
    }
    cut(&mut opened, 5);
    for sender in 0..20 {
        receive(&mut opened, sender, (1, 1), &[Says::State(40), timing]);
    }
    assert_eq!((values(&opened, "total"), values(&opened, "sizes")), (vec![800.0], vec![800.0]));
    assert_eq!(values(&opened, "b.c"), [40.0]);
    // It is killed, and starts with more threads, and with fewer.
    for shards in [3, 1, 2] {
        drop(opened);
        opened = open(shards);
        assert_eq!(values(&opened, "total"), [600.0], "what the last cut has");
        assert_eq!(values(&opened, "b.c"), [20.0]);
    }
    for sender in 0..20 {
        // Ten have begun anew meanwhile, which two datagrams say.
        if sender < 10 {
            receive(&mut opened, sender, (2, 0), &[Says::State(7)]);
            receive(&mut opened, sender, (2, 1), &[Says::State(7)]);
        } else {
            receive(&mut opened, sender, (1, 2), &[Says::State(41)]);
        }
    }
    let sum = f64::from(10 * (30 + 7) + 10 * 41);
    assert_eq!((values(&opened, "total"), values(&opened, "sizes")), (vec![sum], vec![sum]));
    cut(&mut opened, 9);
    let before = known(&opened.collectors, 9);
    drop(opened);
    assert_eq!(known(&open(2).collectors, 9), before);
}

#[test]
fn other_rules_take_over_what_is_there() {
    let dir = directory();
    let mut opened = open(dir.path(), 2).unwrap();
    let of_all = [Kind::Counter, Kind::Timing, Kind::Set, Kind::Event];
    let says: Vec<_> = of_all.iter().map(|kind| Says::Event(*kind, 1, 5)).collect();
    for sender in 0..8 {
        receive(&mut opened, sender, (1, 0), &[Says::State(30)]);
        receive(&mut opened, sender, (1, 1), &says);
    }
    cut(&mut opened, 5);
    drop(opened);
    let mut opened = open_mapped(dir.path(), Some(RULES), 2).unwrap();
    assert_eq!(values(&opened, "total"), [240.0]);
    let mut of_events = values(&opened, "b.c");
    of_events.sort_by(f64::total_cmp);
    assert_eq!(of_events, [1.0, 8.0, 8.0, 40.0], "a member, timings, events, a sum");
    for sender in 0..8 {
        receive(&mut opened, sender, (1, 2), &[Says::State(31)]);
    }
    assert_eq!((values(&opened, "total"), values(&opened, "sizes")), (vec![248.0], vec![248.0]));
    cut(&mut opened, 6);
    drop(opened);
    // Some are dropped now, and others by themselves again: what each sender has stated is there.
    let rules = "[[rule]]\nmatch = \"b.*\"\ndrop = true";
    let mut opened = open_mapped(dir.path(), Some(rules), 1).unwrap();
    let mut own = values(&opened, "total");
    own.retain(|value| *value == 31.0);
    assert_eq!(own.len(), 8);
    receive(&mut opened, 3, (1, 3), &[Says::State(32), Says::Event(Kind::Timing, 1, 5)]);
    assert!(values(&opened, "total").contains(&32.0));
    assert_eq!(opened.collectors[0].counts().mapped_away, 1);
    cut(&mut opened, 7);
    drop(opened);
    // Without rules there is nothing that adds up.
    let opened = open(dir.path(), 1).unwrap();
    assert_eq!(values(&opened, "total").len(), 8);
}
