//! Self-monitoring: how a client is doing, as plain data.
//!
//! Every adapter fills the same [`Snapshot`], which can be serialized in any serde format.

use core::fmt;
use core::time::Duration;

use serde::Serialize;

use crate::instrument::Buckets;
use crate::ledger::Ledger;
use crate::observe::Health;
use crate::send::BreakerState;

/// What a client knows about itself at one moment. Durations are in nanoseconds, sizes in bytes.
///
/// ```
/// use ringstat_core::observe::{Reason, Snapshot};
///
/// fn report(snapshot: &Snapshot) {
///     println!("{snapshot}"); // a few lines for people; serde serializes all fields
///     if snapshot.health.has(Reason::Drops) {
///         println!("dropped: {}", snapshot.ledger.dropped);
///     }
/// }
/// # report(&Snapshot::default());
/// ```
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub struct Snapshot {
    /// The client's number as a sender.
    pub sender: u64,
    /// The number of this run of the client.
    pub epoch: u32,
    /// How long the client has run.
    pub uptime_nanos: u64,
    /// How the client is doing, and why.
    pub health: Health,
    /// What became of every record.
    pub ledger: Ledger,
    /// The rings between recorders and the sending thread.
    pub buffer: Buffer,
    /// What was sent, and what could not be.
    pub output: Output,
    /// The pool that datagrams are packed into.
    pub pool: PoolUse,
    /// How long records take, measured on a sample of them.
    pub latency: Latency,
    /// How much memory the client holds, and how much it may hold at most.
    pub memory: Memory,
    /// The circuit breaker between the client and its receiver.
    pub breaker: BreakerUse,
    /// How much is being held back, by rings and by the throttle.
    pub degradation: Degradation,
}

/// Formats the snapshot on a few lines, for people.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { buffer, output, memory, .. } = self;
        let nanos = Duration::from_nanos;
        writeln!(f, "sender   {:016x}, up {:.1?}", self.sender, nanos(self.uptime_nanos))?;
        writeln!(f, "health   {:#}", self.health)?;
        writeln!(f, "ledger   {}", self.ledger)?;
        writeln!(
            f,
            "buffer   {} of {} events, fullest {} %, peak {}",
            buffer.used, buffer.capacity, buffer.fullest_percent, buffer.peak
        )?;
        writeln!(
            f,
            "output   {} datagrams, {} bytes, {} send errors, breaker {}, opened {} times",
            output.datagrams,
            output.bytes,
            output.send_errors,
            self.breaker.state,
            self.breaker.opened
        )?;
        writeln!(
            f,
            "latency  p50 {:.1?}, p99 {:.1?}, of one record in {}",
            nanos(self.latency.total.p50),
            nanos(self.latency.total.p99),
            self.latency.one_in
        )?;
        write!(f, "memory   {} of {} bytes", memory.used, memory.budget)
    }
}

/// The rings between recorders and the sending thread.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Buffer {
    /// The number of waiting events.
    pub used: u64,
    /// The number of events that fit.
    pub capacity: u64,
    /// The largest number of events that waited, as far as the sender saw.
    pub peak: u64,
    /// How full the fullest ring is.
    pub fullest_percent: u8,
}

/// What was sent, and what could not be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Output {
    /// Batches: groups of datagrams sent together.
    pub batches: u64,
    /// How often the sender woke up to check for work.
    pub wakes: u64,
    /// Datagrams that the transport accepted.
    pub datagrams: u64,
    /// Bytes of the datagrams that the transport accepted.
    pub bytes: u64,
    /// Datagrams that were packed and given up.
    pub failed: u64,
    /// Attempts to send that failed; backpressure does not count as a failure.
    pub send_errors: u64,
    /// Attempts that met a full socket buffer.
    pub backpressure: u64,
    /// How often the transport panicked. A panic while it sends is a send error as well.
    pub panics: u64,
    /// Critical events that a receiver acknowledged.
    pub acknowledged: u64,
    /// How often a critical event was sent again.
    pub repeated: u64,
    /// Critical events that wait for their acknowledgement.
    pub unacknowledged: u64,
    /// Datagrams from the receiver that were no acknowledgement for this client.
    pub bad_replies: u64,
    /// Strings that the format could not carry unchanged, and that were sent altered.
    pub altered: u64,
    /// How often an instrument had changed and was not sent, because the format cannot carry its name or because its tags
    /// do not fit a datagram.
    pub unsendable: u64,
}

/// A pool of buffers for datagrams; see [`crate::send`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct PoolUse {
    /// The number of places in the pool.
    pub capacity: u64,
    /// How many places hold a datagram that has not been sent yet.
    pub used: u64,
    /// How often a free place was found.
    pub hits: u64,
    /// How often no place was free. The records then stayed in the ring.
    pub misses: u64,
}

/// How long records take from the call to the socket.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Latency {
    /// One record in this many is timed.
    pub one_in: u32,
    /// The time from the record call to the datagram.
    pub in_buffer: Quantiles,
    /// The duration of one call of the transport.
    pub send: Quantiles,
    /// The time from the record call until the transport accepted the datagram.
    pub total: Quantiles,
}

/// A distribution in nanoseconds, reduced to four quantiles; all are 0 while there are no values.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Quantiles {
    /// The number of values.
    pub count: u64,
    /// The median: half of the values are below it.
    pub p50: u64,
    /// 95 % of the values are below it.
    pub p95: u64,
    /// 99 % of the values are below it.
    pub p99: u64,
    /// 99.9 % of the values are below it.
    pub p999: u64,
}

impl Quantiles {
    /// The quantiles of a histogram, within its relative error. Takes time linear in the number of buckets.
    #[must_use]
    pub fn of(buckets: &dyn Buckets) -> Self {
        let counts = || (0..buckets.buckets()).map(|i| buckets.bucket_count(i));
        let count: u64 = counts().sum();
        // The value that one in `above` of all is at least as large as. In words, as a chip divides no more than those.
        let at = |above: usize| {
            let above = usize::try_from(count).unwrap_or(usize::MAX).div_ceil(above) as u64;
            let mut left = count;
            let index = counts().position(|n| {
                left = left.saturating_sub(n);
                left < above
            });
            // Values may arrive between the passes, but none disappear.
            let index = index.unwrap_or(buckets.buckets().saturating_sub(1));
            if count == 0 { 0 } else { buckets.layout().whole_middle(index) }
        };
        Self { count, p50: at(2), p95: at(20), p99: at(100), p999: at(1000) }
    }
}

/// How much memory the client holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Memory {
    /// Bytes taken so far: rings as far as they have ever been filled, buffers, names, instruments.
    pub used: u64,
    /// The largest number of bytes that the client can take, fixed when it is created.
    pub budget: u64,
    /// Bytes of names that were made at run time.
    pub names: u64,
    /// Bytes available for such names.
    pub names_capacity: u64,
    /// Bytes in use for tags and texts that do not fit a slot.
    pub tags: u64,
    /// Bytes available for them.
    pub tags_capacity: u64,
    /// Instruments that were made at run time.
    pub instruments: u64,
    /// The number of such instruments that fit.
    pub instruments_capacity: u64,
    /// Instruments requested beyond that number; they share an overflow series.
    pub instruments_refused: u64,
}

/// The circuit breaker between the client and its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct BreakerUse {
    /// Whether it lets datagrams through.
    pub state: BreakerState,
    /// How often it has opened.
    pub opened: u64,
}

/// How much is held back while there is too much to record.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Degradation {
    /// The level of the fullest ring: 0 lets everything in, 1 samples, 2 sheds.
    pub level: u8,
    /// The throttle's level: 0 lets everything through.
    pub throttle: u8,
    /// The throttle keeps one in this many low- and normal-priority records.
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
