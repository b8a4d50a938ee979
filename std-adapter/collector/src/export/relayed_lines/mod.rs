//! Lines of StatsD for the target of a relay, written once an interval from the collector's series.
//!
//! Whatever protocol it came by, and after the rules of a mapping: a counter is sent as its increase, a gauge as its value, a
//! distribution as one line for each bucket that grew, with the growth as its rate. Senders are not told apart, as lines
//! have none: what they count adds up at the target, and of their gauges it has the latest, unless a rule makes one of
//! them.

mod increase;
mod line;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::increase::Increases;
use self::line::Datagrams;
use super::rounds::{self, Round};
use super::walk;
use crate::relay::{Queue, RelayProtocol};
use crate::report::{Group, OutputCause};
use crate::series::Data;
use crate::shared::Shared;

/// Writes lines once an interval.
#[derive(Debug)]
pub(super) struct RelayedLines {
    protocol: RelayProtocol,
    queue: Arc<Queue>,
    increases: Increases,
    newest_ms: u64,
}

impl RelayedLines {
    /// Takes note of series restored from disk, which do not count as new. Call it before datagrams arrive.
    pub(super) fn new(protocol: RelayProtocol, queue: Arc<Queue>, shared: &Shared) -> Self {
        let mut increases = Increases::default();
        let mut walk = walk::Walk::default();
        while walk.step(shared, |shard, _, series| _ = increases.of(shard, series)) {}
        increases.end_round();
        Self { protocol, queue, increases, newest_ms: 0 }
    }
}

impl Round for RelayedLines {
    fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    fn skipped(&self, rounds: u64) {
        self.queue.skipped(rounds);
    }

    fn take(&mut self, time_ms: u64, shared: &Shared) {
        self.newest_ms = time_ms;
        let now_ms = shared.now_ms();
        let mut datagrams = Datagrams::new(self.protocol);
        let (mut walk, mut groups) = (walk::Walk::default(), BTreeSet::new());
        while walk.step(shared, |shard, collector, series| {
            if series.is_part() {
                return;
            }
            let store = collector.store();
            let (name, unit) = (store.shown_name(series), series.shown_unit());
            let tags = || store.shown_tags(series);
            match &series.data {
                // Each shard may have a piece of it, and only together they have a value.
                Data::Gauge(_) | Data::Set(_) if series.is_group() => {
                    groups.insert(series.page_key());
                }
                Data::Gauge(gauge) if !collector.is_stale(series.sender, now_ms) => {
                    datagrams.gauge(name, tags(), gauge.value());
                }
                Data::Set(set) => datagrams.distinct(name, tags(), set.len() as u64),
                _ => {
                    if let Some(increase) = self.increases.of(shard, series) {
                        datagrams.increase(name, tags(), unit, &increase);
                    }
                }
            }
        }) {
            std::thread::sleep(walk::BETWEEN);
        }
        self.increases.end_round();
        for group in groups {
            let Some(group) = Group::at(shared, group, now_ms) else { continue };
            let tags = group.tags.iter().map(|(key, value)| (&**key, &**value));
            match &group.data {
                Data::Gauge(gauge) => datagrams.gauge(&group.name, tags, gauge.value()),
                Data::Set(set) => datagrams.distinct(&group.name, tags, set.len() as u64),
                _ => {}
            }
        }
        // What leaves is not to be taken back by a crash.
        rounds::wait_for_disk(shared);
        let (datagrams, unsupported) = datagrams.end();
        if unsupported > 0 {
            self.queue.refuse(OutputCause::Unsupported, unsupported);
        }
        for (datagram, lines) in datagrams {
            self.queue.put(datagram.into(), lines, false);
        }
    }
}
