//! What is pushed, compared with what a scrape finds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::export::remote_write::batch::STALE;
use crate::intake::Collector;
use crate::limits::Limits;
use crate::metrics::{Distributions, metrics};
use crate::report::Io;

#[path = "../../../tests/exposition/hostile.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod hostile;

use hostile::Record;

/// A series as a receiver sees it: its labels, its value and its time.
type Seen = (BTreeMap<String, String>, u64, i64);

/// Reads requests as a receiver of version 2.0 does, and checks what the specification demands of each.
fn read_2(batches: &[Batch]) -> Vec<Seen> {
    let mut all = Vec::new();
    for batch in batches {
        let request = wire::read(&batch.body).unwrap();
        assert_eq!(request.symbols[0], "");
        let text = |place: &u32| request.symbols[*place as usize].clone();
        assert_eq!(request.timeseries.len() as u64, batch.samples);
        for series in &request.timeseries {
            let labels: Vec<_> =
                series.labels_refs.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
            assert!(labels.is_sorted_by(|(a, _), (b, _)| a < b), "{labels:?}");
            assert!(labels.iter().all(|(k, v)| !k.is_empty() && !v.is_empty()), "{labels:?}");
            let [sample] = series.samples[..] else { panic!("{series:?}") };
            text(&series.metadata.help_ref);
            text(&series.metadata.unit_ref);
            all.push((labels.into_iter().collect(), sample.value.to_bits(), sample.timestamp));
        }
    }
    all
}

/// The same of version 1.0.
fn read_1(batches: &[Batch]) -> Vec<Seen> {
    let mut all = Vec::new();
    for batch in batches {
        let body = wire::as_version_1(&batch.body, true).unwrap();
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let request = <proto::WriteRequest as prost::Message>::decode(&*message).unwrap();
        assert!(!request.metadata.is_empty());
        for series in request.timeseries {
            let [sample] = series.samples[..] else { panic!("{series:?}") };
            let labels = series.labels.into_iter().map(|l| (l.name, l.value)).collect();
            all.push((labels, sample.value.to_bits(), sample.timestamp));
        }
    }
    all
}

struct Bench {
    collector: Collector,
    packer: Packer,
}

impl Bench {
    fn new(own: &[(&str, &str)]) -> Self {
        Self::with(own, RemoteWriteHistograms::Classic)
    }

    fn with(own: &[(&str, &str)], histograms: RemoteWriteHistograms) -> Self {
        let own: Vec<_> = own.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { collector: Collector::new(Limits::default()), packer: Packer::new(&own, histograms) }
    }

    fn record(&mut self, sender: u64, first: u32, records: &[Record]) {
        for datagram in hostile::datagrams(sender, first, records) {
            self.collector.receive(&datagram, 0);
        }
    }

    fn pack(&mut self, time_ms: u64, now_ms: u64) -> Vec<Batch> {
        let shown = self.packer.shown(Distributions::default());
        let page = Page::new(now_ms, &Io::default(), shown);
        let (batches, omitted) = self.packer.pack(time_ms, page, &self.collector, || {});
        assert_eq!(omitted, 0);
        batches
    }
}

/// What a scrape finds, as its consumer names it: its own labels win, and those of the page are renamed.
fn scraped(bench: &Bench, now_ms: u64) -> usize {
    let page = metrics(&bench.collector, &Io::default(), now_ms, Distributions::default());
    page.lines().filter(|line| !line.starts_with('#')).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_was_sent_is_pushed_as_it_is_scraped(records in hostile::records()) {
        let mut bench = Bench::new(&[("job", "ringstat"), ("instance", "here")]);
        bench.record(1, 0, &records);
        let batches = bench.pack(15_000, 0);
        let pushed = read_2(&batches);
        prop_assert_eq!(pushed.len(), scraped(&bench, 0));
        let mut series: Vec<_> = pushed.iter().map(|(labels, ..)| labels).collect();
        series.sort_unstable();
        series.dedup();
        prop_assert_eq!(series.len(), pushed.len(), "no series comes twice");
        for (labels, _, time) in &pushed {
            prop_assert_eq!((&*labels["job"], &*labels["instance"], *time), ("ringstat", "here", 15_000));
        }
        prop_assert_eq!(read_1(&batches), pushed);
    }
}

#[test]
fn what_a_sender_calls_job_gives_way() {
    let mut bench = Bench::new(&[("job", "ours")]);
    bench.record(
        1,
        0,
        &[Record::new(
            ringstat_core::record::Kind::Counter,
            "a",
            &[("job", "x"), ("exported_job", "y")],
            1.0,
        )],
    );
    let pushed = read_2(&bench.pack(1, 0));
    let (labels, ..) = pushed.iter().find(|(l, ..)| l["__name__"] == "a_total").unwrap();
    assert_eq!(
        [&labels["job"], &labels["exported_job"], &labels["exported_exported_job"]],
        ["ours", "y", "x"]
    );
}

#[test]
fn a_series_that_is_there_no_more_is_marked_once() {
    let mut bench = Bench::new(&[]);
    bench.record(1, 0, &[Record::counter("stays", 1.0)]);
    bench.record(2, 0, &[Record::counter("goes", 2.0)]);
    let first = read_2(&bench.pack(1000, 0));
    let is_stale = |(_, value, _): &&Seen| *value == STALE;
    assert_eq!(first.iter().filter(is_stale).count(), 0);
    // Both are forgotten, and one comes back.
    bench.collector.tick(Limits::default().idle.as_millis() as u64 + 1);
    while !bench.collector.store().is_empty() {
        bench.collector.tick(Limits::default().idle.as_millis() as u64 + 1);
    }
    bench.record(1, 9, &[Record::counter("stays", 1.0)]);
    let second = read_2(&bench.pack(2000, 0));
    let of_second: Vec<_> =
        second.iter().filter(is_stale).map(|(labels, _, time)| (labels.clone(), *time)).collect();
    // All that the first moment has and the second has not: the sender's rows, and its counter.
    let there: Vec<_> =
        second.iter().filter(|s| !is_stale(s)).map(|(labels, ..)| labels.clone()).collect();
    let mut gone: Vec<_> =
        first.iter().map(|(l, ..)| (l.clone(), 2000)).filter(|(l, _)| !there.contains(l)).collect();
    gone.sort();
    let mut marked = of_second;
    marked.sort();
    assert_eq!(marked, gone);
    assert!(marked.iter().any(|(l, _)| l["__name__"] == "goes_total"));
    assert!(marked.iter().all(|(l, _)| l["__name__"] != "stays_total"));
    assert_eq!(read_2(&bench.pack(3000, 0)).iter().filter(is_stale).count(), 0);
}

#[test]
fn requests_are_bounded_and_lose_nothing() {
    let mut bench = Bench::new(&[]);
    for sender in 0..50 {
        let records: Vec<_> =
            (0..300).map(|n| Record::counter(&format!("counter.{n}"), f64::from(n))).collect();
        bench.record(sender, 0, &records);
    }
    let batches = bench.pack(1000, 0);
    assert!(batches.len() > 3 && batches.iter().all(|b| b.samples <= 5000), "{}", batches.len());
    let pushed = read_2(&batches);
    assert_eq!(pushed.len(), scraped(&bench, 0));
    let of_one = pushed.iter().filter(|(l, ..)| l["__name__"] == "counter_299_total");
    assert_eq!(of_one.map(|(_, value, _)| f64::from_bits(*value)).sum::<f64>(), 50.0 * 299.0);
}

#[test]
fn families_are_described() {
    let mut bench = Bench::new(&[]);
    bench.record(1, 0, &[Record::new(ringstat_core::record::Kind::Timing, "db.query", &[], 5.0)]);
    let batches = bench.pack(1000, 0);
    let request = wire::read(&batches[0].body).unwrap();
    let series = request.timeseries.iter().find(|series| {
        series.labels_refs.iter().any(|r| request.symbols[*r as usize] == "db_query_seconds_bucket")
    });
    let of = series.unwrap().metadata;
    assert_eq!(of.r#type(), proto::MetricType::Histogram);
    assert_eq!(request.symbols[of.unit_ref as usize], "seconds");
    let body = wire::as_version_1(&batches[0].body, true).unwrap();
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let request = <proto::WriteRequest as prost::Message>::decode(&*message).unwrap();
    let of: Vec<_> = request
        .metadata
        .iter()
        .filter(|m| m.metric_family_name.starts_with("db_query"))
        .map(|m| (&*m.metric_family_name, m.r#type(), &*m.unit))
        .collect();
    assert_eq!(of, [("db_query_seconds", proto::MetricType::Histogram, "seconds")]);
}

/// The native histograms of the series with that name: their buckets by index, and everything else.
fn natives(batches: &[Batch], name: &str) -> Vec<(BTreeMap<i32, i64>, proto::Histogram)> {
    let mut all = Vec::new();
    for batch in batches {
        let request = wire::read(&batch.body).unwrap();
        for series in &request.timeseries {
            let text = |place: u32| &*request.symbols[place as usize];
            let is_name = |pair: &[u32]| text(pair[0]) == "__name__" && text(pair[1]) == name;
            if !series.labels_refs.chunks(2).any(is_name) {
                continue;
            }
            let ([], [of]) = (&*series.samples, &*series.histograms) else { panic!("{series:?}") };
            let (mut buckets, mut index, mut count) = (BTreeMap::new(), 0, 0);
            let mut deltas = of.positive_deltas.iter();
            for span in &of.positive_spans {
                index += span.offset.unwrap();
                for _ in 0..span.length.unwrap() {
                    count += deltas.next().unwrap();
                    buckets.insert(index, count);
                    index += 1;
                }
            }
            assert_eq!(deltas.next(), None);
            all.push((buckets, of.clone()));
        }
    }
    all
}

#[test]
fn a_native_histogram_is_one_sample_and_says_what_was_sent() {
    use ringstat_core::record::Kind;
    let mut bench = Bench::with(&[], RemoteWriteHistograms::Native);
    let timings: Vec<_> = [1000.0, 2000.0, 2000.0, 0.0]
        .map(|ms| Record::new(Kind::Timing, "db.query", &[], ms))
        .into();
    bench.record(1, 0, &timings);
    let batches = bench.pack(1000, 0);
    let found = natives(&batches, "db_query_seconds");
    let [(buckets, of)] = &found[..] else { panic!("{found:?}") };
    // A second is just below 2^(1/32), where bucket 1 ends, as the middle of its own bucket is above it; likewise two.
    assert_eq!(buckets.iter().map(|(i, n)| (*i, *n)).collect::<Vec<_>>(), [(1, 1), (33, 2)]);
    assert_eq!((of.count, of.zero_count, of.sum, of.schema), (Some(4), Some(1), 5.0, 5));
    assert_eq!(of.timestamp, 1000);
    // Version 1.0 has the same, and describes the family by its own name.
    let body = wire::as_version_1(&batches[0].body, true).unwrap();
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let request = <proto::WriteRequest as prost::Message>::decode(&*message).unwrap();
    let in_1 = request.timeseries.iter().flat_map(|s| &s.histograms).collect::<Vec<_>>();
    assert_eq!(in_1, [of]);
    let families = request.metadata.iter().filter(|m| m.metric_family_name.starts_with("db_query"));
    let families: Vec<_> = families.map(|m| (&*m.metric_family_name, m.r#type())).collect();
    assert_eq!(families, [("db_query_seconds", proto::MetricType::Histogram)]);
    // There is nothing else of that family.
    let samples: u64 = batches.iter().map(|b| b.samples).sum();
    let page = metrics(&bench.collector, &Io::default(), 0, Distributions::Histograms);
    let lines = page.lines().filter(|l| !l.starts_with('#') && !l.starts_with("db_query")).count();
    assert_eq!(samples, lines as u64 + 1);
}

#[test]
fn a_native_histogram_that_has_ended_is_marked_as_one() {
    use ringstat_core::record::Kind;
    let mut bench = Bench::with(&[], RemoteWriteHistograms::Native);
    bench.record(1, 0, &[Record::new(Kind::Timing, "job", &[], 5.0)]);
    bench.pack(1000, 0);
    let idle = Limits::default().idle.as_millis() as u64 + 1;
    bench.collector.tick(idle);
    while !bench.collector.store().is_empty() {
        bench.collector.tick(idle);
    }
    let marked = natives(&bench.pack(2000, 0), "job_seconds");
    let [(buckets, of)] = &marked[..] else { panic!("{marked:?}") };
    assert_eq!((buckets.len(), of.sum.to_bits(), of.timestamp), (0, STALE, 2000));
    assert_eq!(natives(&bench.pack(3000, 0), "job_seconds"), []);
}
