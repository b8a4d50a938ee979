//! Whatever is sent, `/metrics` is a page that Prometheus accepts, and honest senders' data on it is unharmed.

#[cfg(feature = "prometheus")]
mod dashboards;
#[cfg(feature = "prometheus")]
mod forms;
mod hostile;
mod parser;
#[cfg(feature = "prometheus")]
mod prometheus;

use hostile::{Record, datagrams};
use parser::parse;
use proptest::prelude::*;
use ringstat_collector::{Collector, Distributions, Io, Limits};

const HONEST: u64 = 0x0e57;

/// Returns the page, with distributions as histograms.
fn metrics(collector: &Collector) -> String {
    ringstat_collector::metrics(collector, &Io::default(), 0, Distributions::Histograms)
}

/// Returns the page after these records of hostile senders and three records of an honest one.
fn page(hostile: &[Record], limits: Limits) -> (Collector, String) {
    let mut collector = Collector::new(limits);
    let honest: Vec<_> =
        (1..=3).map(|n| Record::counter("honest.requests", f64::from(n))).collect();
    datagrams(HONEST, 0, &honest).iter().for_each(|d| _ = collector.receive(d, 0));
    for sender in [1, 2] {
        datagrams(sender, 0, hostile).iter().for_each(|d| _ = collector.receive(d, 0));
    }
    assert!(collector.counts().closes(), "{:?}", collector.counts());
    let page = metrics(&collector);
    (collector, page)
}

fn check(hostile: &[Record]) {
    let (collector, page) = page(hostile, Limits::default());
    checked(&collector, &page);
    let shown = Distributions::Summaries;
    checked(&collector, &ringstat_collector::metrics(&collector, &Io::default(), 0, shown));
}

fn checked(collector: &Collector, page: &str) {
    let samples = parse(page).unwrap_or_else(|e| panic!("{e}\n{page}"));
    let id = format!("{HONEST:016x}");
    let honest =
        samples.iter().find(|s| s.name == "honest_requests_total" && s.labels["sender"] == id);
    assert_eq!(honest.map(|s| (s.value, s.labels.len())), Some((6.0, 1)), "{page}");
    // No series is left out: each has its samples.
    let own = ["ringstat_collector_", "ringstat_sender_"];
    let sent = samples.iter().filter(|s| !own.iter().any(|o| s.name.starts_with(o)));
    let series = sent.filter(|s| s.is_first).count();
    assert_eq!(series, collector.store().len(), "{page}");
}

proptest! {
    #[test]
    fn any_names_tags_and_values_make_a_valid_page(records in hostile::records()) {
        check(&records);
    }
}

#[test]
fn known_tricks_make_a_valid_page() {
    check(&hostile::tricks());
}

#[test]
fn the_same_is_spelled_the_same_at_each_scrape_and_in_each_life() {
    let (collector, first) = page(&hostile::tricks(), Limits::default());
    assert_eq!(metrics(&collector), first);
    let sorted = |page: &str| {
        let mut lines: Vec<_> = page.lines().map(str::to_owned).collect();
        // The numbers that distinguish look-alikes depend on their order of arrival.
        lines.retain(|l| !l.contains("ringstat_collector_series_bytes"));
        lines.sort_unstable();
        lines
    };
    assert_eq!(sorted(&page(&hostile::tricks(), Limits::default()).1), sorted(&first));
}

#[test]
fn a_page_has_a_length_and_a_series_has_one() {
    let limits = Limits { page: 100_000, ..Limits::default() };
    let (_, page) = page(&hostile::wide(), limits);
    assert!(page.len() < 100_000 + (64 << 10), "{}", page.len());
    let samples = parse(&page).unwrap();
    let omitted = samples.iter().find(|s| s.name == "ringstat_collector_page_omitted_series");
    assert!(omitted.unwrap().value > 100.0);
    assert!(page.lines().all(|l| l.len() < 5000));
}
