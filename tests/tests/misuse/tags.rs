//! Tags and texts that just fit, and that just do not fit. None is ever truncated.

use ringstat_core::record::Outcome::{self, Dropped, Recorded};
use ringstat_core::record::{DEFAULT_INLINE, DYNAMIC_TAG_LIMIT, TEXT_LIMIT};
use ringstat_std::{Cause, Client, ClientConfig, Counter, Recorder, Tag};

use crate::{SOON, assert_only, client, end, text, value};

/// The bytes that a tag takes in a slot besides its text.
const OVERHEAD: usize = 2;

/// Returns a configuration whose datagrams have room for the longest event.
fn roomy() -> ClientConfig {
    ClientConfig { payload: 16_384, ..ClientConfig::default() }
}

fn record(stats: &Client, tags: &[(&str, &str)]) -> Outcome {
    let draft = stats.level("fits", 1u8);
    tags.iter().fold(draft, |draft, (key, value)| draft.tag(key, value)).record()
}

/// Checks that each set is recorded, and arrives unchanged.
fn arrive(config: ClientConfig, sets: &[&[(&str, &str)]]) {
    let (stats, spy) = client(config);
    for tags in sets {
        assert_eq!(record(&stats, tags), Recorded, "{tags:?}");
    }
    let (ledger, report) = end(stats, &spy);
    assert_eq!(ledger.sent, sets.len() as u64, "{ledger:?}");
    let mut arrived: Vec<_> = report.series.iter().map(|s| s.tags.clone()).collect();
    arrived.sort();
    let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
    let mut expected: Vec<Vec<_>> =
        sets.iter().map(|tags| tags.iter().map(owned).collect()).collect();
    // The collector sorts them.
    expected.iter_mut().for_each(|tags| tags.sort());
    expected.sort();
    assert_eq!(arrived, expected);
}

#[test]
fn dynamic_ones_as_people_have_them_arrive() {
    arrive(
        ClientConfig::default(),
        &[
            &[("route", "/users"), ("method", "GET"), ("status", "200")],
            &[("request", "3f9a1c77-52e0-4c1b-9a60-1d2e3f405162")],
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", text(90))],
            &[("zone", "eu-central-1a"), ("host", "ip-10-77-0-1.ec2.internal"), ("", "")],
        ],
    );
}

#[test]
fn dynamic_ones_fill_the_slot_to_the_last_byte_and_go_on_beside_it() {
    let room = DEFAULT_INLINE - OVERHEAD;
    arrive(
        ClientConfig::default(),
        &[&[(text(room - 1), "v")], &[("", text(room))], &[("", "")], &[("k", text(room))]],
    );
}

#[test]
fn dynamic_ones_are_at_most_16_of_at_most_255_bytes() {
    let longest = vec![(text(255), text(255)); DYNAMIC_TAG_LIMIT];
    arrive(roomy(), &[&longest, &longest[..15], &[("k", text(255))], &[(text(255), "")]]);
    let (stats, spy) = client(roomy());
    assert_eq!(record(&stats, &[("k", text(256))]), Dropped(Cause::TagTooLong));
    assert_eq!(record(&stats, &[(text(256), "v")]), Dropped(Cause::TagTooLong));
    assert_eq!(record(&stats, &[("a", text(100)), ("k", text(256))]), Dropped(Cause::TagTooLong));
    assert_eq!(record(&stats, &[("k", text(9)); 17]), Dropped(Cause::TooManyTags));
    // An event that is too large for a datagram is only noticed when it is packed.
    let (small, small_spy) = client(ClientConfig::default());
    assert_eq!(record(&small, &longest), Recorded);
    assert_eq!(record(&small, &[("k", text(255))]), Recorded);
    let (ledger, _) = end(small, &small_spy);
    assert_eq!((ledger.dropped.get(Cause::TooLarge), ledger.sent), (1, 1));
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.dropped.get(Cause::TagTooLong), ledger.sent), (3, 0));
    assert_eq!(ledger.dropped.get(Cause::TooManyTags), 1);
    assert!(ledger.closes() && report.series.is_empty());
}

#[test]
fn without_memory_for_them_long_ones_are_refused() {
    let (stats, spy) = client(ClientConfig { tag_memory: 0, ..ClientConfig::default() });
    assert_eq!(record(&stats, &[("k", text(25))]), Dropped(Cause::TagTooLong));
    let three = [("k", text(9)), ("k", text(9)), ("a", "")];
    assert_eq!(record(&stats, &three), Dropped(Cause::TagTooLong));
    let long = stats.event("said").text(text(DEFAULT_INLINE));
    assert_eq!(long.record(), Dropped(Cause::TextTooLong));
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.dropped.get(Cause::TagTooLong), ledger.sent), (2, 0));
    assert_eq!(ledger.dropped.get(Cause::TextTooLong), 1);
    assert!(ledger.closes() && report.series.is_empty());
}

#[test]
fn a_text_is_at_most_1000_bytes_and_comes_before_tags() {
    let (stats, spy) = client(roomy());
    for length in [0, DEFAULT_INLINE - 1, DEFAULT_INLINE, 255, 256, TEXT_LIMIT] {
        assert_eq!(stats.event("said").text(text(length)).record(), Recorded);
    }
    let behind = stats.event("said").tag("k", "v").text("t");
    assert_eq!(behind.record(), Dropped(Cause::Invalid));
    let behind = stats.event("said").tag("k", text(99)).text("t");
    assert_eq!(behind.record(), Dropped(Cause::Invalid));
    let long = stats.event("said").text(text(TEXT_LIMIT + 1));
    assert_eq!(long.record(), Dropped(Cause::TextTooLong));
    // The last event, whose text is shown.
    let said = stats.event("said").text(text(TEXT_LIMIT)).tag("k", text(100));
    assert_eq!(said.record(), Recorded);
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.dropped.get(Cause::Invalid), ledger.sent), (2, 7));
    assert_eq!(ledger.dropped.get(Cause::TextTooLong), 1);
    assert_eq!(value(&report, "said"), Some(6.0));
    let tagged = report.series.iter().find(|s| !s.tags.is_empty()).unwrap();
    assert_eq!(tagged.tags, [("k".to_owned(), text(100).to_owned())]);
    assert_eq!(tagged.text.as_deref(), Some(text(TEXT_LIMIT)));
}

/// Returns this many tags that share a value of that many bytes, which is on the wire once.
fn tags(count: usize, value: usize) -> &'static [Tag] {
    let value = text(value);
    let tag = |i| (&*Box::leak(format!("k{i}").into_boxed_str()), value);
    Box::leak((0..count).map(tag).collect::<Vec<_>>().into_boxed_slice())
}

#[test]
fn static_ones_are_at_most_255_of_at_most_255_bytes_in_one_datagram() {
    let (stats, spy) = client(ClientConfig { payload: 8972, ..ClientConfig::default() });
    assert_eq!(stats.level("fits", 1u8).tags(tags(0, 0)).record(), Recorded);
    assert_eq!(stats.level("fits", 1u8).tags(tags(100, 255)).record(), Recorded);
    assert_eq!(stats.level("no", 1u8).tags(tags(256, 1)).record(), Dropped(Cause::TooManyTags));
    // The record call accepts these; the mistake is noticed when they are packed.
    assert_eq!(stats.level("no", 1u8).tags(tags(1, 256)).record(), Recorded);
    assert_eq!(stats.level("no", 1u8).tags(tags(1, 70_000)).record(), Recorded);
    assert_eq!(stats.level("fits", 1u8).tags(tags(255, 1)).record(), Recorded);
    assert_eq!(stats.level("after", 1u8).record(), Recorded);
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
    // Both that are static have changed once, however the flushes fall; the one made at run time was refused.
    assert_eq!(output.unsendable, 2, "{output:?}");
    assert_eq!(stats.overflowed_instruments(), 1);
    let (ledger, report) = end(stats, &spy);
    assert_eq!((ledger.recorded, ledger.sent), (1, 1));
    assert_eq!(value(&report, "event"), Some(1.0));
    assert_eq!((value(&report, "good"), value(&report, "fits")), (Some(1.0), Some(1.0)));
    assert_eq!((value(&report, "huge"), value(&report, "long")), (None, None));
}

/// Strings are identified by address and length. These two start at the same address, and their lengths have the same
/// lowest byte.
#[test]
fn a_value_that_is_too_long_is_not_taken_for_a_shorter_one_that_begins_like_it() {
    let (stats, spy) = client(ClientConfig::default());
    let long = text(259);
    let short: &'static [Tag] = Box::leak(Box::new([("k", &long[..3])]));
    let both: &'static [Tag] = Box::leak(Box::new([("k", &long[..3]), ("l", long)]));
    assert_eq!(stats.level("fits", 1u8).tags(short).record(), Recorded);
    assert_eq!(stats.level("no", 1u8).tags(both).record(), Recorded);
    let (ledger, report) = end(stats, &spy);
    assert_only(&ledger, Cause::TooLarge, 1);
    assert_eq!((value(&report, "fits"), value(&report, "no")), (Some(1.0), None));
}

/// The same for tag sets.
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
