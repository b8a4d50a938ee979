//! A fleet at a glance: who has which shard, what is in its stream, and how far snapshots go; and what its receivers and
//! workers say of themselves.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::lease::Record;
use super::log::{FleetError, Log, LogConfig};
use super::names::{LEASES, shard_key, stream};
use super::parts::{self, Answer, Named};
use super::receive::ReceiveReport;
use super::work::WorkReport;

/// How many shards are asked for at a time.
const AT_ONCE: usize = 16;

/// A shard at a glance.
#[derive(Clone, PartialEq, Serialize, Debug)]
#[non_exhaustive]
pub struct ShardStatus {
    /// The shard.
    pub shard: u16,
    /// The worker that has its lease, or whose lease nobody has taken over yet.
    pub worker: Option<String>,
    /// The number of the last message of its stream.
    pub last: u64,
    /// The number of the last message that is in a snapshot: what follows is read again on a take-over.
    pub saved: u64,
    /// The size of that snapshot, in bytes.
    pub snapshot_bytes: u64,
    /// What the stream keeps, in bytes.
    pub bytes: u64,
    /// Messages a second that came while it was looked at.
    pub rate: f64,
}

/// A receiver at a glance.
#[derive(Clone, PartialEq, Serialize, Debug)]
#[non_exhaustive]
pub struct ReceiverStatus {
    /// Its address as the broker sees it, and those on which it listens.
    pub name: String,
    /// What it has counted since it started.
    #[serde(flatten)]
    pub report: ReceiveReport,
    /// Datagrams a second that it received while it was looked at,
    pub received_rate: f64,
    /// and that the log confirmed.
    pub logged_rate: f64,
}

/// A worker at a glance.
#[derive(Clone, PartialEq, Serialize, Debug)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// What it is called.
    pub name: String,
    /// What it knows of its shards. A shard's counts go with it from worker to worker.
    #[serde(flatten)]
    pub report: WorkReport,
    /// Datagrams a second that it read while it was looked at,
    pub datagram_rate: f64,
    /// and records that it stored.
    pub stored_rate: f64,
}

/// A fleet at a glance.
#[derive(Clone, PartialEq, Serialize, Debug)]
#[non_exhaustive]
pub struct FleetStatus {
    /// All shards.
    pub shards: Vec<ShardStatus>,
    /// The receivers that answer, by name.
    pub receivers: Vec<ReceiverStatus>,
    /// The workers that answer, by name.
    pub workers: Vec<WorkerStatus>,
}

/// Looks at all shards of a fleet, and asks all its parts, twice with `between` in between.
///
/// # Errors
/// The log cannot be reached, or has no fleet.
pub fn status(config: &LogConfig, between: Duration) -> Result<FleetStatus, FleetError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let log = Log::open(config, "ringstat fleet").await?;
        let (begun, before) = (Instant::now(), look(&log, config).await?);
        tokio::time::sleep(between).await;
        let seconds = begun.elapsed().as_secs_f64();
        let mut shards = look(&log, config).await?;
        for (now, before) in shards.iter_mut().zip(before) {
            now.rate = now.last.saturating_sub(before.last) as f64 / seconds;
        }
        let (begun, before) = (Instant::now(), parts::ask(&log, config).await?);
        tokio::time::sleep(between).await;
        let seconds = begun.elapsed().as_secs_f64();
        let now = parts::ask(&log, config).await?;
        let (receivers, workers) = compare(&before, now, seconds);
        Ok(FleetStatus { shards, receivers, workers })
    })
}

/// The parts as they are now, with what has changed in so many seconds.
fn compare(
    before: &[Answer],
    now: Vec<Answer>,
    seconds: f64,
) -> (Vec<ReceiverStatus>, Vec<WorkerStatus>) {
    let (mut receivers, mut workers) = (Vec::new(), Vec::new());
    // What was restarted, or has handed shards over, counts from less on.
    let rate = |before: Option<u64>, now: u64| {
        before.map_or(0.0, |before| now.saturating_sub(before) as f64 / seconds)
    };
    for answer in now {
        match answer {
            Answer::Receiver(Named { name, report }) => {
                let before = before.iter().find_map(|of| match of {
                    Answer::Receiver(of) if of.name == name => Some(&of.report),
                    _ => None,
                });
                receivers.push(ReceiverStatus {
                    received_rate: rate(before.map(|of| of.received), report.received),
                    logged_rate: rate(before.map(|of| of.logged), report.logged),
                    name,
                    report,
                });
            }
            Answer::Worker(Named { name, report }) => {
                let before = before.iter().find_map(|of| match of {
                    Answer::Worker(of) if of.name == name => Some(&of.report),
                    _ => None,
                });
                workers.push(WorkerStatus {
                    datagram_rate: rate(before.map(|of| of.datagrams), report.datagrams),
                    stored_rate: rate(before.map(|of| of.stored), report.stored),
                    name,
                    report,
                });
            }
        }
    }
    receivers.sort_by(|a, b| a.name.cmp(&b.name));
    workers.sort_by(|a, b| a.name.cmp(&b.name));
    (receivers, workers)
}

async fn look(log: &Log, config: &LogConfig) -> Result<Vec<ShardStatus>, FleetError> {
    let leases = log.context.get_key_value(LEASES).await.map_err(|e| config.fails(e))?;
    let of_shard = |shard| {
        let leases = &leases;
        async move {
            let stream = log.context.get_stream(stream(shard)).await;
            let state = stream.map_err(|e| config.fails(e))?.cached_info().state.clone();
            let bytes = leases.get(shard_key(shard)).await.map_err(|e| config.fails(e))?;
            let record: Record = match bytes {
                Some(bytes) => serde_json::from_slice(&bytes).map_err(|e| config.fails(e))?,
                None => Record::default(),
            };
            let snapshot = record.snapshot;
            Ok(ShardStatus {
                shard,
                worker: record.holder.map(|holder| holder.worker.to_string()),
                last: state.last_sequence,
                saved: snapshot.as_ref().map_or(0, |of| of.position),
                snapshot_bytes: snapshot.map_or(0, |of| of.bytes),
                bytes: state.bytes,
                rate: 0.0,
            })
        }
    };
    let all = futures_util::stream::iter((0..log.shards).map(of_shard));
    all.buffered(AT_ONCE).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_same_part_and_not_of_one_that_is_new_or_began_again() {
        let worker = |name: &str, datagrams, stored| {
            let report = WorkReport { datagrams, stored, ..WorkReport::default() };
            Answer::Worker(Named { name: name.into(), report })
        };
        let before = [worker("a", 100, 1000), worker("b", 500, 50)];
        let now = vec![worker("c", 7, 7), worker("b", 3, 70), worker("a", 120, 1200)];
        let (receivers, workers) = compare(&before, now, 2.0);
        let rates = workers.iter().map(|of| (&*of.name, of.datagram_rate, of.stored_rate));
        assert_eq!(receivers, []);
        assert_eq!(
            rates.collect::<Vec<_>>(),
            [("a", 10.0, 100.0), ("b", 0.0, 10.0), ("c", 0.0, 0.0)]
        );
    }
}
