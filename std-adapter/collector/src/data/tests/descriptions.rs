//! What names mean is known at once after a start: no family has another name until its sender says it again.

use ringstat_core::instrument::Unit;

use super::wire::{Says, datagram};
use super::*;
use crate::metrics::{Distributions, metrics};

fn page(opened: &Opened) -> String {
    metrics(&opened.collectors[..], &Io::default(), opened.now_ms, Distributions::default())
}

#[test]
fn what_was_said_of_names_outlives_the_collector() {
    let dir = directory();
    let mut opened = open(dir.path(), 1).unwrap();
    let about = Says::About(Unit::Bytes, "What it \u{2026} means.");
    // The second says it after the cut that has its series.
    opened.collectors[0].receive(&datagram(1, (1, 0), None, &[about, Says::State(5)]), 0);
    opened.collectors[0].receive(&datagram(2, (1, 0), None, &[Says::State(6)]), 0);
    cut(&mut opened, 5);
    opened.collectors[0].receive(&datagram(2, (1, 1), None, &[about]), 0);
    (1..20).for_each(|n| opened.collectors[0].tick(n * 50));
    cut(&mut opened, 1000);
    let before = page(&opened);
    for line in [
        "# HELP total_bytes_total What it \u{2026} means.",
        "total_bytes_total{sender=\"0000000000000001\"} 5",
        "total_bytes_total{sender=\"0000000000000002\"} 6",
    ] {
        assert!(before.lines().any(|of| of == line), "{line}:\n{before}");
    }
    let of_series = |page: &str| -> Vec<String> {
        let all = page.lines().filter(|line| !line.contains("ringstat_")).map(str::to_owned);
        let mut all: Vec<_> = all.collect();
        // In what order a family shows its series is the life's own.
        all.sort();
        all
    };
    for shards in [1, 3, 2] {
        drop(opened);
        opened = open(dir.path(), shards).unwrap();
        assert_eq!(of_series(&page(&opened)), of_series(&before), "{shards} shards");
    }
}
