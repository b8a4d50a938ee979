//! OTLP: OpenTelemetry's protocol, over HTTP and gRPC.
//!
//! Once an interval every series becomes a data point ([`points`]): counters and events are sums, distributions are
//! exponential histograms ([`exponential`]), senders are resources. Points are cumulative since the collector first saw
//! the series, or contain the difference from the point before ([`memory`]). A series that rules add up from others is one
//! point, whichever shards they are in.

mod carrier;
mod exponential;
mod grpc;
mod memory;
mod points;

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;

pub(super) use self::carrier::OtlpCarrier;
use self::memory::Memory;
use self::points::{Named, Requests, Said};
use super::config::OtlpTemporality;
use super::rounds::{self, Round};
use super::walk;
use crate::intake::{Collector, SenderInfo};
use crate::outbox::Outbox;
use crate::report::Group;
use crate::series::Data;
use crate::shared::Shared;
use crate::store::{PageKey, Series};

/// Takes data points once an interval.
#[derive(Debug)]
pub(super) struct Otlp {
    temporality: AggregationTemporality,
    memory: Memory,
    outbox: Arc<Outbox>,
}

impl Otlp {
    /// Takes note of series restored from disk, which do not count as new. Call it before datagrams arrive.
    pub(super) fn new(
        temporality: OtlpTemporality,
        outbox: Arc<Outbox>,
        shared: &Shared,
        now_ms: u64,
    ) -> Self {
        let temporality = match temporality {
            OtlpTemporality::Cumulative => AggregationTemporality::Cumulative,
            OtlpTemporality::Delta => AggregationTemporality::Delta,
        };
        let is_delta = temporality == AggregationTemporality::Delta;
        let mut otlp = Self { temporality, memory: Memory::new(now_ms, is_delta), outbox };
        let (mut walk, mut groups) = (walk::Walk::default(), Groups::new());
        while walk.step(shared, |shard, collector, series| {
            if series.is_group() {
                otlp.note(&mut groups, shard, collector, series);
            } else if !series.is_part() {
                otlp.memory.say(shard, series);
            }
        }) {}
        for (key, group) in groups {
            otlp.memory.group(key, group.gained);
        }
        otlp.memory.end_round(now_ms);
        otlp
    }

    /// Takes note of what a shard has of a series that adds up others.
    fn note(&mut self, groups: &mut Groups, shard: usize, collector: &Collector, series: &Series) {
        let gained = self.memory.gained(shard, series);
        let group = groups.entry(series.page_key()).or_insert_with(|| {
            let info = series.shown_sender().and_then(|sender| info(collector, sender)).cloned();
            let is_level = matches!(series.data, Data::Gauge(_) | Data::Set(_));
            Summed { of: Named::of(collector.store(), series), info, is_level, gained: None }
        });
        match (&mut group.gained, gained) {
            (Some(all), Some(gained)) => all.add(gained),
            (none @ None, gained) => *none = gained,
            (Some(_), None) => {}
        }
    }
}

/// The series that add up others, of all shards.
type Groups = BTreeMap<PageKey, Summed>;

/// What all shards have of a series that adds up others.
#[derive(Debug)]
struct Summed {
    of: Named,
    /// What the sender says of itself, if it is of one.
    info: Option<SenderInfo>,
    /// Whether it is a gauge or a set, whose value takes a look at all shards together.
    is_level: bool,
    gained: Option<Said>,
}

fn info(collector: &Collector, sender: u64) -> Option<&SenderInfo> {
    collector.sender(sender)?.info()
}

impl Round for Otlp {
    fn newest_ms(&self) -> u64 {
        self.outbox.newest_ms()
    }

    fn skipped(&self, rounds: u64) {
        self.outbox.skipped(rounds);
    }

    fn take(&mut self, time_ms: u64, shared: &Shared) {
        let now_ms = shared.now_ms();
        let mut requests = Requests::new(time_ms, self.temporality);
        let (mut walk, mut batches) = (walk::Walk::default(), Vec::new());
        let mut groups = Groups::new();
        while walk.step(shared, |shard, collector, series| {
            if series.is_part() {
                // What it is a part of is sent.
                return;
            }
            if series.is_group() {
                return self.note(&mut groups, shard, collector, series);
            }
            let is_over = || collector.is_stale(series.sender, now_ms);
            if let Some(said) = self.memory.say(shard, series)
                && !(matches!(said, Said::Level(_)) && is_over())
            {
                let of = Named::of(collector.store(), series);
                requests.add(of, || info(collector, series.sender), said);
            }
        }) {
            batches.extend(requests.take(false));
            std::thread::sleep(walk::BETWEEN);
        }
        for (key, Summed { of, info, is_level, gained }) in groups {
            let said =
                if is_level { level(shared, key, now_ms) } else { self.memory.group(key, gained) };
            if let Some(said) = said {
                requests.add(of, || info.as_ref(), said);
            }
            batches.extend(requests.take(false));
        }
        batches.extend(requests.take(true));
        self.memory.end_round(time_ms);
        // What leaves is not to be taken back by a crash.
        rounds::wait_for_disk(shared);
        batches.into_iter().for_each(|batch| self.outbox.put(batch));
    }
}

/// The value of a gauge or set that is made of others, unless all of them are silent.
fn level(shared: &Shared, key: PageKey, now_ms: u64) -> Option<Said> {
    match Group::at(shared, key, now_ms)?.data {
        Data::Gauge(gauge) => Some(Said::Level(gauge.value())),
        Data::Set(set) => Some(Said::Level(set.len() as f64)),
        _ => None,
    }
}
