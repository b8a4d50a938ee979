//! What follows from a stream, and from nothing else.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::snapshot::SnapshotError;
use super::state::{Rules, ShardState};
use crate::fleet::message::{MessageBuilder, TICK};
use crate::limits::Limits;
use crate::metrics::{Distributions, Document as _, Page, Text};

const INTERVAL: u64 = 1000;

fn rules() -> Rules {
    Rules { limits: Limits::default(), mapping: None, interval_ms: INTERVAL }
}

/// A message with lines of StatsD, one datagram each.
fn message(lines: &[&str]) -> Vec<u8> {
    let mut builder = MessageBuilder::default();
    lines.iter().for_each(|line| builder.add(line.as_bytes(), "10.0.0.1:999".parse().unwrap()));
    builder.take().0
}

/// The messages of a stream, with their times.
fn stream() -> Vec<(u64, Vec<u8>)> {
    vec![
        (10_400, message(&["hits:3|c", "users:a|s", "level:7|g"])),
        (10_900, message(&["hits:2|c", "spent:12|ms", "spent:500|ms"])),
        (11_100, TICK.to_vec()),
        (11_050, message(&["users:b|s", "users:a|s"])),
        (15_000, message(&["hits:1|c", "level:+5|g"])),
        (15_999, message(&["spent:3|ms|@0.5"])),
        (16_000, TICK.to_vec()),
    ]
}

/// What is written when the shard's clock passes a moment: the moment, and the page.
type Samples = Vec<(u64, String)>;

fn read(state: &mut ShardState, messages: &[(u64, Vec<u8>)], samples: &mut Samples) {
    for (time, message) in messages {
        for moment in state.moments(&rules(), *time) {
            samples.push((moment, page(state, moment)));
        }
        state.take(state.read.position + 1, *time, message);
    }
}

fn page(state: &ShardState, now_ms: u64) -> String {
    let mut page = Page::of_senders(now_ms, Distributions::default());
    let mut text = Text::prometheus();
    while page.write(&mut text, &*state.collector, Duration::from_secs(1)) {}
    String::from_utf8(text.take()).unwrap()
}

#[test]
fn a_page_in_slices_is_the_same_as_at_once() {
    let mut state = ShardState::new(&rules());
    read(&mut state, &stream(), &mut Samples::new());
    let (whole, page) = (page(&state, 20_000), Page::of_senders(20_000, Distributions::default()));
    let slices = super::slices(page, state.collector.clone(), Duration::from_micros(2));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let slices: Vec<_> = runtime.block_on(slices.map(Result::unwrap).collect());
    assert!(slices.iter().filter(|slice| !slice.is_empty()).count() > 1);
    assert_eq!(String::from_utf8(slices.concat()).unwrap(), whole);
}

#[test]
fn whoever_begins_again_from_a_snapshot_takes_the_same_samples_at_the_same_times() {
    let (stream, mut expected) = (stream(), Samples::new());
    let mut whole = ShardState::new(&rules());
    whole.keep();
    read(&mut whole, &stream, &mut expected);
    let moments: Vec<_> = expected.iter().map(|(moment, _)| *moment).collect();
    assert_eq!(moments, [11_000, 12_000, 15_000, 16_000]);
    assert!(expected[3].1.contains("hits_total{"), "{}", expected[3].1);

    for at in 0..=stream.len() {
        let mut samples = Samples::new();
        let mut before = ShardState::new(&rules());
        before.keep();
        read(&mut before, &stream[..at], &mut samples);
        let mut after = ShardState::restore(&rules(), &before.snapshot()).unwrap();
        after.keep();
        read(&mut after, &stream[at..], &mut samples);
        assert_eq!(samples, expected, "begun again behind message {at}");
        assert_eq!(after.read, whole.read);
    }
}

#[test]
fn what_is_gone_or_cannot_be_read_is_counted() {
    let mut state = ShardState::new(&rules());
    state.take(1, 1000, &message(&["a:1|c"]));
    state.take(5, 2000, b"RSL\x02");
    let cut = message(&["a:1|c", "a:1|c"]);
    state.take(6, 3000, &cut[..cut.len() - 1]);
    let read = state.read;
    assert_eq!((read.messages, read.missing, read.unreadable, read.datagrams), (3, 3, 2, 2));
}

#[test]
fn the_clock_does_not_go_back_and_silence_makes_two_samples() {
    let mut state = ShardState::new(&rules());
    let moments = |state: &ShardState, to| state.moments(&rules(), to).collect::<Vec<_>>();
    assert!(moments(&state, 10_400).is_empty(), "nothing was there before the first message");
    state.take(1, 10_400, TICK);
    assert!(moments(&state, 10_999).is_empty());
    assert_eq!(moments(&state, 11_000), [11_000]);
    assert_eq!(moments(&state, 60_500), [11_000, 60_000], "the first and the last");
    state.take(2, 9_000, TICK);
    assert_eq!(state.read.clock_ms, 10_400);
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let mut state = ShardState::new(&rules());
    state.keep();
    read(&mut state, &stream(), &mut Samples::new());
    let bytes = state.snapshot();
    assert!(ShardState::restore(&rules(), &bytes).is_ok());
    for end in (0..bytes.len()).step_by(7) {
        let cut = ShardState::restore(&rules(), &bytes[..end]);
        assert!(matches!(cut, Err(SnapshotError::Damaged(_))), "cut off at {end}");
    }
    for at in (10..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        // A run of equal bytes can be copied from one place or another: that is no damage.
        if let Ok(same) = ShardState::restore(&rules(), &damaged) {
            assert_eq!(
                (page(&same, 20_000), same.read),
                (page(&state, 20_000), state.read),
                "{at}"
            );
        }
    }
}
