//! A fleet at a glance: who has which shard, what is in its stream, and how far snapshots go.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::lease::Record;
use super::log::{FleetError, Log, LogConfig};
use super::names::{LEASES, shard_key, stream};

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

/// Looks at all shards of a fleet, twice with `between` in between.
///
/// # Errors
/// The log cannot be reached, or has no fleet.
pub fn status(config: &LogConfig, between: Duration) -> Result<Vec<ShardStatus>, FleetError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let log = Log::open(config, "ringstat fleet").await?;
        let (begun, before) = (Instant::now(), look(&log, config).await?);
        tokio::time::sleep(between).await;
        let seconds = begun.elapsed().as_secs_f64();
        let mut now = look(&log, config).await?;
        for (now, before) in now.iter_mut().zip(before) {
            now.rate = now.last.saturating_sub(before.last) as f64 / seconds;
        }
        Ok(now)
    })
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
