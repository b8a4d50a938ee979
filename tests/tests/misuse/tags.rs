//! Tags and texts that just fit, and that just do not. None is ever cut.

use ringstat_core::record::DEFAULT_INLINE;
use ringstat_core::record::Outcome::{Dropped, Recorded};
use ringstat_std::{Cause, ClientConfig, Counter, Recorder, Tag};

use crate::{SOON, assert_only, client, end, text, value};

/// What a tag takes in a slot beside its bytes.
const OVERHEAD: usize = 2;

#[test]
fn dynamic_ones_fill_the_slot_to_the_last_byte() {
    let room = DEFAULT_INLINE - OVERHEAD;
    let (stats, spy) = client(ClientConfig::default());
    assert_eq!(stats.gauge("fits", 1u8).tag(text(room - 1), "v").record(), Recorded);
    assert_eq!(stats.gauge("fits", 1u8).tag("", text(room)).record(), Recorded);
    assert_eq!(stats.gauge("fits", 1u8).tag("", "").record(), Recorded);
    assert_eq!(stats.gauge("no", 1u8).tag("k", text(room)).record(), Dropped(Cause::TooManyTags));
    assert_eq!(stats.gauge("no", 1u8).tag("k", text(300)).record(), Dropped(Cause::TooManyTags));
    // The third is one too many, and the whole record goes.
    let three = stats.gauge("no", 1u8).tag("k", text(9)).tag("k", text(9)).tag("a", "");
    assert_eq!(three.record(), Dropped(Cause::TooManyTags));
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::TooManyTags, 3);
    assert_eq!(value(&report, "no"), None);
    let mut arrived: Vec<_> = report.series.iter().map(|s| s.tags.clone()).collect();
    arrived.sort();
    let tag = |k: &str, v: &str| vec![(k.to_owned(), v.to_owned())];
    assert_eq!(arrived, [tag("", ""), tag("", text(room)), tag(text(room - 1), "v")]);
}

#[test]
fn a_text_fills_the_slot_and_comes_before_tags() {
    let (stats, spy) = client(ClientConfig::default());
    assert_eq!(stats.event("said").text("").record(), Recorded);
    assert_eq!(stats.event("said").text(text(DEFAULT_INLINE - 1)).record(), Recorded);
    let long = stats.event("said").text(text(DEFAULT_INLINE));
    assert_eq!(long.record(), Dropped(Cause::TooManyTags));
    let behind = stats.event("said").tag("k", "v").text("t");
    assert_eq!(behind.record(), Dropped(Cause::TooManyTags));
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::TooManyTags, 2);
    assert_eq!(value(&report, "said"), Some(2.0));
    assert_eq!(report.series[0].text.as_deref(), Some(text(DEFAULT_INLINE - 1)));
}

/// So many tags that share a value of that many bytes, which is on the wire once.
fn tags(count: usize, value: usize) -> &'static [Tag] {
    let value = text(value);
    let tag = |i| (&*Box::leak(format!("k{i}").into_boxed_str()), value);
    Box::leak((0..count).map(tag).collect::<Vec<_>>().into_boxed_slice())
}

#[test]
fn static_ones_are_at_most_255_of_at_most_255_bytes_in_one_datagram() {
    let (stats, spy) = client(ClientConfig { payload: 8972, ..ClientConfig::default() });
    assert_eq!(stats.gauge("fits", 1u8).tags(tags(0, 0)).record(), Recorded);
    assert_eq!(stats.gauge("fits", 1u8).tags(tags(100, 255)).record(), Recorded);
    assert_eq!(stats.gauge("no", 1u8).tags(tags(256, 1)).record(), Dropped(Cause::TooManyTags));
    // These pass the record call and are noticed when they are packed.
    assert_eq!(stats.gauge("no", 1u8).tags(tags(1, 256)).record(), Recorded);
    assert_eq!(stats.gauge("no", 1u8).tags(tags(1, 70_000)).record(), Recorded);
    assert_eq!(stats.gauge("fits", 1u8).tags(tags(255, 1)).record(), Recorded);
    assert_eq!(stats.gauge("after", 1u8).record(), Recorded);
    let (ledger, report) = end(stats, &spy);
    assert_eq!(ledger.dropped.get(Cause::TooManyTags), 1);
    assert_eq!(ledger.dropped.get(Cause::TooLarge), 2, "{ledger:?}");
    assert_eq!((ledger.recorded, ledger.sent), (7, 4));
    assert_eq!((value(&report, "no"), value(&report, "after")), (None, Some(1.0)));
    let mut counts: Vec<_> =
        report.series.iter().map(|s| (s.name.as_str(), s.tags.len())).collect();
    counts.sort_unstable();
    assert_eq!(counts, [("after", 0), ("fits", 0), ("fits", 100), ("fits", 255)]);
}

#[test]
fn of_instruments_that_can_never_be_sent_cost_the_others_nothing() {
    static GOOD: Counter = Counter::new("good");
    let huge: &'static Counter = Box::leak(Box::new(Counter::new("huge").tags(tags(300, 100))));
    let long: &'static Counter = Box::leak(Box::new(Counter::new("long").tags(tags(1, 256))));
    let (stats, spy) = client(ClientConfig::default());
    stats.register(huge);
    stats.register(long);
    stats.register(&GOOD);
    let many: Vec<_> = (0..300).map(|i| (format!("k{i}"), text(100))).collect();
    let many: Vec<_> = many.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    stats.counter("made", &many).inc();
    stats.counter("fits", &many[..100]).inc();
    stats.flush(SOON).unwrap();
    [huge, long, &GOOD].into_iter().for_each(Counter::inc);
    let _ = stats.count("event", 1u8).record();
    stats.flush(SOON).unwrap();
    let output = stats.snapshot().output;
    assert!(output.unsendable >= 3, "{output:?}");
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.recorded, ledger.sent), (1, 1));
    assert_eq!(value(&report, "event"), Some(1.0));
    assert_eq!((value(&report, "good"), value(&report, "fits")), (Some(1.0), Some(1.0)));
    assert_eq!((value(&report, "huge"), value(&report, "long")), (None, None));
}

/// Strings are told apart by where they are and how long: these two begin at the same place, and the lengths are the
/// same in their lowest byte.
#[test]
fn a_value_that_is_too_long_is_not_taken_for_a_shorter_one_that_begins_like_it() {
    let (stats, spy) = client(ClientConfig::default());
    let long = text(259);
    let short: &'static [Tag] = Box::leak(Box::new([("k", &long[..3])]));
    let both: &'static [Tag] = Box::leak(Box::new([("k", &long[..3]), ("l", long)]));
    assert_eq!(stats.gauge("fits", 1u8).tags(short).record(), Recorded);
    assert_eq!(stats.gauge("no", 1u8).tags(both).record(), Recorded);
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::TooLarge, 1);
    assert_eq!((value(&report, "fits"), value(&report, "no")), (Some(1.0), None));
}

/// As above, for sets.
#[test]
fn a_set_that_is_too_long_is_not_taken_for_a_shorter_one_that_begins_like_it() {
    let all = tags(3 + 256, 1);
    let new = |tags| &*Box::leak(Box::new(Counter::new("n").tags(tags)));
    let (few, many): (&Counter, &Counter) = (new(&all[..3]), new(all));
    let (stats, spy) = client(ClientConfig { payload: 8972, ..ClientConfig::default() });
    stats.register(few);
    stats.register(many);
    few.add(1);
    many.add(2);
    let (_, report) = end(stats, &spy);
    let mut seen: Vec<_> = report.series.iter().map(|s| (s.tags.len(), s.value)).collect();
    seen.sort_by_key(|(tags, _)| *tags);
    assert_eq!(seen, [(3, 1.0), (259, 2.0)]);
}
