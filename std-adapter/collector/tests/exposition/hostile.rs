//! Records that no honest sender would send.

use proptest::prelude::*;
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames, Tag};
use ringstat_core::wire::Encoder;

/// A record to send.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Record {
    pub(crate) fn new(kind: Kind, name: &str, tags: &[(&str, &str)], value: f64) -> Self {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self { kind, name: name.into(), tags, value }
    }

    pub(crate) fn counter(name: &str, value: f64) -> Self {
        Self::new(Kind::Counter, name, &[], value)
    }
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Packs these records into datagrams, leaving out what the format has no room for.
pub(crate) fn datagrams(sender: u64, first: u32, records: &[Record]) -> Vec<Vec<u8>> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut all = Vec::new();
    for (sequence, some) in (first..).zip(records.chunks(4)) {
        let mut buf = vec![0; 8972];
        let header = Header { sender, sequence, epoch: 1, ..Header::default() };
        let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
        for record in some {
            let value = ringstat_core::record::Value::from(record.value);
            let made: Result<Event, _> =
                Event::new(record.kind, leak(&record.name).into(), value, 0);
            let Ok(mut event) = made else { continue };
            let tags: Vec<Tag> = record.tags.iter().map(|(k, v)| (leak(k), leak(v))).collect();
            if event.set_tags(Box::leak(tags.into_boxed_slice())).is_ok() {
                let _ = open.event(&event, &NoNames);
            }
        }
        let length = open.finish(false);
        buf.truncate(length);
        all.push(buf);
    }
    all
}

const KINDS: [Kind; 5] = [Kind::Counter, Kind::Gauge, Kind::Timing, Kind::Distribution, Kind::Set];

/// Texts that are likely to collide or to be misread.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]?[._]?[ab]?",
        "(__)?(name|sender|le|quantile|job)(__)?",
        "ringstat[._](collector|sender)[._](series|records_total|x)?",
        "[a](_sum|_count|_total|_seconds|_2|_bucket)?",
        any::<String>().prop_map(|s| s.chars().take(40).collect()),
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), -1e3..1e3, Just(-0.0)]
}

pub(crate) fn records() -> impl Strategy<Value = Vec<Record>> {
    let tags = prop::collection::vec((text(), text()), 0..6);
    let record = (prop::sample::select(KINDS.to_vec()), text(), tags, value());
    let record = record.prop_map(|(kind, name, tags, value)| Record { kind, name, tags, value });
    prop::collection::vec(record, 0..40)
}

/// Every trick that was ever found to work.
pub(crate) fn tricks() -> Vec<Record> {
    let mut all = Vec::new();
    let tags: [&[(&str, &str)]; 9] = [
        &[("__name__", "up")],
        &[("sender", "0000000000000e57")],
        &[("a.b", "1"), ("a_b", "2")],
        &[("a.b", "1"), ("a_b_2", "2")],
        &[("zone", "eu"), ("zone", "eu")],
        &[("zone", "eu")],
        &[("zone", "eu"), ("empty", "")],
        &[("quantile", "0.5"), ("le", "1")],
        &[("v", "\"} 1\nup 0\n\\")],
    ];
    let names = [
        "honest.requests",
        "honest_requests",
        "honest.requests_total",
        "up",
        "a",
        "a_sum",
        "a_count",
        "a_total",
        "a_seconds",
        "ringstat_collector_series",
        "ringstat_collector_datagrams_total",
        "ringstat_sender_lost",
        "ringstat.sender.lost",
        "1",
        "",
        "\n# TYPE x counter",
        "é",
        "ringstat.overflow",
    ];
    for name in names {
        // The honest sender's own series must not be affected.
        for tags in tags {
            for kind in KINDS {
                for value in [1.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX] {
                    all.push(Record::new(kind, name, tags, value));
                }
            }
        }
    }
    all
}

/// Series with the largest number of tags, of the largest length.
pub(crate) fn wide() -> Vec<Record> {
    let value = "\n".repeat(200);
    (0..500)
        .map(|n| {
            let mut tags: Vec<(String, String)> =
                (0..8).map(|k| (format!("key{k}"), value.clone())).collect();
            tags.push(("n".into(), n.to_string()));
            Record { kind: Kind::Distribution, name: "wide".into(), tags, value: 1.0 }
        })
        .collect()
}
