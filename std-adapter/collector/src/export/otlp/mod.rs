//! OTLP: OpenTelemetry's protocol, over HTTP and gRPC.
//!
//! Once an interval every series becomes a data point ([`points`]): counters and events are sums, distributions are
//! exponential histograms ([`exponential`]), senders are resources. Points are cumulative since the collector first saw
//! the series, or contain the difference from the point before ([`memory`]).

mod carrier;
mod exponential;
mod grpc;
mod memory;
mod points;

use std::sync::Arc;

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;

pub(super) use self::carrier::OtlpCarrier;
use self::memory::Memory;
use self::points::Requests;
use super::config::OtlpTemporality;
use super::rounds::{self, Round};
use super::walk;
use crate::outbox::Outbox;
use crate::shared::Shared;

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
        let mut walk = walk::Walk::default();
        while walk.step(shared, |shard, _, series| _ = otlp.memory.say(shard, series)) {}
        otlp.memory.end_round(now_ms);
        otlp
    }
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
        loop {
            let more = walk.step(shared, |shard, collector, series| {
                let is_over = || {
                    let sender = collector.sender(series.sender);
                    sender.is_some_and(|sender| sender.gauges_are_over(now_ms))
                };
                if let Some(said) = self.memory.say(shard, series)
                    && !(matches!(said, points::Said::Level(_)) && is_over())
                {
                    requests.add(collector, series, said);
                }
            });
            batches.extend(requests.take(!more));
            if !more {
                break;
            }
            std::thread::sleep(walk::BETWEEN);
        }
        self.memory.end_round(time_ms);
        // What leaves is not to be taken back by a crash.
        rounds::wait_for_disk(shared);
        batches.into_iter().for_each(|batch| self.outbox.put(batch));
    }
}
