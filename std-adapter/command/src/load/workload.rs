//! What the threads record: the events of a service that answers requests, makes requests, and works.
//!
//! For every kind used here, a collector knows how many events arrived (each counter event adds one), so the events of
//! a run can be counted at the far end by series.

use std::time::Duration;

use ringstat_std::{Client, Outcome, Recorder, Tag};

/// The prefix of every name in the load.
pub(crate) const PREFIX: &str = "load.";

#[derive(Clone, Copy)]
enum Kind {
    Count,
    Timing,
    Distribution,
}

static TAGS: [&[Tag]; 4] = [
    &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")],
    &[("service", "shop"), ("route", "/orders"), ("region", "eu-west-1")],
    &[("service", "search"), ("route", "/query"), ("region", "us-east-1")],
    &[("service", "billing"), ("route", "/invoice"), ("region", "us-east-1")],
];

static NAMES: [(Kind, &str); 6] = [
    (Kind::Count, "load.http.requests"),
    (Kind::Timing, "load.http.duration"),
    (Kind::Distribution, "load.http.response.bytes"),
    (Kind::Timing, "load.db.query"),
    (Kind::Count, "load.cache.misses"),
    (Kind::Distribution, "load.queue.depth"),
];

/// Records event number `i`, due `due` nanoseconds after `start`, which is in nanoseconds since the Unix epoch.
#[inline]
pub(crate) fn record(client: &Client, i: u64, start: u64, due: u64) -> Outcome {
    let (kind, name) = NAMES[(i % NAMES.len() as u64) as usize];
    let tags = TAGS[(i / NAMES.len() as u64 % TAGS.len() as u64) as usize];
    // Any values will do as long as they are not all alike.
    let value = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    let draft = match kind {
        Kind::Count => client.count(name, 1u8),
        Kind::Timing => client.timing(name, Duration::from_micros(value)),
        Kind::Distribution => client.distribution(name, due / 1000),
    };
    draft.tags(tags).at(start + due).record()
}

/// When the event of a line was due, in nanoseconds after the start, if the line says so. Lines have no time stamps
/// finer than a second, so distributions carry that time as their value, in microseconds.
pub(crate) fn due(line: &str) -> Option<u64> {
    let distribution =
        |(kind, name): &(Kind, &str)| matches!(kind, Kind::Distribution) && line.starts_with(name);
    NAMES.iter().find(|named| distribution(named))?;
    let micros: u64 = line.split('|').next()?.rsplit(':').next()?.parse().ok()?;
    Some(micros * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_recognised_at_the_far_end() {
        assert!(NAMES.iter().all(|(_, name)| name.starts_with(PREFIX)));
    }

    #[test]
    fn a_line_of_a_distribution_says_when_it_was_due() {
        assert_eq!(due("load.queue.depth:1234|d|#service:shop"), Some(1_234_000));
        assert_eq!(due("load.queue.depth.shop:7|ms"), Some(7000));
        for line in ["load.db.query:1234|ms", "load.http.requests:1|c", "load.queue.depth:x|d", ""]
        {
            assert_eq!(due(line), None, "{line}");
        }
    }
}
