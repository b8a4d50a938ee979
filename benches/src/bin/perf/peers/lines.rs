//! Lines of StatsD, parsed and stored. `benches/statsd-peers.py` compares whole servers, sockets included.

use std::fmt::Write as _;

use ringstat_collector::{Collector, Limits, Source};
use ringstat_core::testkit::Rng;

use super::{Effort, Goal, Measured, Row, check, nanos};
use crate::stats::median;

/// What a client sends at most in one datagram, if nobody tells it otherwise.
const PAYLOAD: usize = 1432;

/// Datagrams of lines of 50 names with three tags each, a thousand series in all, and how many lines there are.
fn datagrams() -> (Vec<String>, u64) {
    let mut rng = Rng::new(7);
    let (mut all, mut lines) = (vec![String::new()], 0);
    while all.len() <= 200 {
        let (name, tag) = (rng.below(50), rng.below(20));
        let mut line = match name % 5 {
            0 | 1 => format!("app.http.requests.{name}:{}|c", rng.below(10)),
            2 => format!("app.db.query.time.{name}:{}.{}|ms", rng.below(1000), rng.below(100)),
            3 => format!("app.queue.depth.{name}:{}|g", rng.below(10_000)),
            _ => format!("app.payload.bytes.{name}:{}|h|@0.5", rng.below(100_000)),
        };
        let _ = write!(line, "|#service:shop{},route:/cart/{tag},region:eu-west-1", tag % 5);
        if all.last().is_some_and(|datagram| datagram.len() + 1 + line.len() > PAYLOAD) {
            all.push(String::new());
        }
        if let Some(datagram) = all.last_mut() {
            if !datagram.is_empty() {
                datagram.push('\n');
            }
            *datagram += &line;
            lines += 1;
        }
    }
    (all, lines)
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    let (datagrams, lines) = datagrams();
    let from = Source::Network(([10, 0, 0, 1], 4000).into());
    // The collector already knows the sender and its series, as it does after the first second.
    let mut collector = Collector::new(Limits::default());
    let mut times = Vec::new();
    for round in 0..=effort.rounds {
        let before = (collector.counts().lines, collector.counts().stored);
        let time = nanos(lines, || {
            for datagram in &datagrams {
                collector.receive_from(datagram.as_bytes(), Some(&from), round as u64);
            }
        });
        let counts = collector.counts();
        check((counts.lines, counts.stored) == (before.0 + lines, before.1 + lines), || {
            "not every line was stored".into()
        })?;
        if round > 0 {
            times.push(time);
        }
    }
    let time = median(&times);
    let detail = format!(
        "{:.1} million a second on one core, in memory; {} series",
        1e3 / time,
        collector.store().len()
    );
    let what = "collector, a line of StatsD with 3 tags parsed and stored";
    Ok(vec![Row::new(what, time, Goal::AtMost(150.0), " ns", detail)])
}
