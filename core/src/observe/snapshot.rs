//! Self-monitoring: how a client is doing, as plain data.
//!
//! Every adapter fills the same [`Snapshot`]; any serde format shows it.

use serde::Serialize;

use crate::instrument::{Buckets, percentile};
use crate::ledger::Ledger;
use crate::observe::Health;
use crate::send::BreakerState;

/// A client at one moment. Durations in nanoseconds, sizes in bytes.
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub struct Snapshot {
    /// Who the client is.
    pub sender: u64,
    /// Which of its runs.
    pub epoch: u32,
    /// How long it has run.
    pub uptime_nanos: u64,
    /// Its grade, and why.
    pub health: Health,
    /// What became of every record.
    pub ledger: Ledger,
    /// The rings.
    pub buffer: Buffer,
    /// What left, and what did not.
    pub output: Output,
    /// The places that datagrams are packed into.
    pub pool: PoolUse,
    /// How long records take, of one in so many.
    pub latency: Latency,
    /// What it takes of the memory that it may take at most.
    pub memory: Memory,
    /// The circuit breaker.
    pub breaker: BreakerUse,
    /// What is held back at the moment.
    pub degradation: Degradation,
}

/// The rings.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Buffer {
    /// Events that wait.
    pub used: u64,
    /// Events that there is room for.
    pub capacity: u64,
    /// The most that ever waited, as the sender saw it.
    pub peak: u64,
    /// How full the fullest ring is.
    pub fullest_percent: u8,
}

/// What was sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Output {
    /// Batches: groups of datagrams handed over together.
    pub batches: u64,
    /// How often the sender woke up to see whether there is anything to do.
    pub wakes: u64,
    /// Datagrams that the transport took.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams given up.
    pub failed: u64,
    /// Attempts to send that failed; backpressure is no failure.
    pub send_errors: u64,
    /// Attempts that met a full socket buffer.
    pub backpressure: u64,
    /// Critical events acknowledged,
    pub acknowledged: u64,
    /// sent again,
    pub repeated: u64,
    /// and waiting for their acknowledgement.
    pub unacknowledged: u64,
    /// Datagrams from the receiver that were no acknowledgement for this client.
    pub bad_replies: u64,
}

/// A pool of places for datagrams, see [`crate::send`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct PoolUse {
    /// How many places there are.
    pub capacity: u64,
    /// How many hold a datagram that is not sent yet.
    pub used: u64,
    /// How often a free one was found,
    pub hits: u64,
    /// and how often not: the records stayed in the ring.
    pub misses: u64,
}

/// How long records take.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Latency {
    /// One record in so many is looked at.
    pub one_in: u32,
    /// From the record call to the datagram.
    pub in_buffer: Quantiles,
    /// One call of the transport.
    pub send: Quantiles,
    /// From the record call until the transport took it.
    pub total: Quantiles,
}

/// A distribution in four numbers, in nanoseconds; 0 while there are no values.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Quantiles {
    /// How many values there are.
    pub count: u64,
    /// Half are below.
    pub p50: u64,
    /// 95 % are below.
    pub p95: u64,
    /// 99 % are below.
    pub p99: u64,
    /// 99.9 % are below.
    pub p999: u64,
}

impl Quantiles {
    /// Of a histogram, to its relative error. Linear in the number of buckets.
    #[must_use]
    pub fn of(buckets: &dyn Buckets) -> Self {
        let at = |q| percentile(buckets, q).unwrap_or(0.0) as u64;
        Self {
            count: (0..buckets.buckets()).map(|i| buckets.bucket_count(i)).sum(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
        }
    }
}

/// Memory that the client holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Memory {
    /// Taken so far: rings as far as they were ever filled, buffers, names, instruments.
    pub used: u64,
    /// What it can be at most, known when the client is made.
    pub budget: u64,
    /// Bytes of names made at run time,
    pub names: u64,
    /// and how many there is room for.
    pub names_capacity: u64,
    /// Instruments made at run time,
    pub instruments: u64,
    /// how many there is room for,
    pub instruments_capacity: u64,
    /// and how many were asked for beyond that.
    pub instruments_refused: u64,
}

/// The circuit breaker.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct BreakerUse {
    /// What it does.
    pub state: BreakerState,
    /// How often it has opened.
    pub opened: u64,
}

/// What is held back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Degradation {
    /// The level of the fullest ring: 0 everything, 1 sampling, 2 shedding.
    pub level: u8,
    /// The throttle's level: 0 lets everything through.
    pub throttle: u8,
    /// Of low and normal records the throttle keeps one in so many.
    pub throttle_one_in: u8,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::instrument::Histogram;

    #[test]
    fn quantiles_are_those_of_the_histogram() {
        let histogram: Histogram = Histogram::new("h");
        assert_eq!(Quantiles::of(&histogram), Quantiles::default());
        (1..=1000).for_each(|n| histogram.record(n * 1000));
        let quantiles = Quantiles::of(&histogram);
        let near = |value: u64, expected: u64| value.abs_diff(expected) * 100 <= expected * 7;
        assert_eq!(quantiles.count, 1000);
        assert!(near(quantiles.p50, 500_000) && near(quantiles.p99, 990_000), "{quantiles:?}");
    }
}
