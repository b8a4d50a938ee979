//! The data directory keeps what a collector knows on disk, so that a restart forgets nothing.
//!
//! There are two files. `state.redb` contains cuts of the shards: once a second, the changes of each shard are copied,
//! a slice at a time, and written in one transaction. `critical.redb` contains the datagrams that brought critical
//! events since then, written in small transactions of their own; events are acknowledged only when they are on disk.
//! The next start reads the last cut of each shard and the critical events that came after it. Anything else that came
//! after the cut is lost, and is counted as lost, since the trackers of sequence numbers are part of the cut.
//!
//! [`open`] reads the directory into collectors; a [`Keeper`] then runs two threads ([`cuts`], [`acks`]). Neither of
//! them holds a shard while it writes.

mod acks;
mod critical;
mod cuts;
mod directory;
mod disk;
mod error;
#[cfg(test)]
mod faults;
mod file;
mod inspect;
mod keeper;
mod load;
mod state;
mod status;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(crate) use acks::{AckRequest, ReplyTo};
use directory::Directory;
use disk::Disk;
pub use error::DataError;
pub use inspect::{DataReport, check_data, show_data};
pub(crate) use keeper::{Keeper, KeeperShared, KeeperThreads, ShardsMut};
use load::{Files, restore};

use crate::intake::Collector;
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::rows::Rows;

/// The version of the format in which the data is kept; it increases with each change.
pub(crate) const FORMAT: u32 = 3;

/// Where a collector keeps its data.
///
/// ```
/// use ringstat_collector::{DataConfig, Server, ServerConfig};
///
/// # let dir = std::env::temp_dir().join(format!("ringstat-example-{}", std::process::id()));
/// let config = ServerConfig {
///     udp: vec!["127.0.0.1:0".parse()?],
///     http: None,
///     data: Some(DataConfig::new(&dir)),
///     ..ServerConfig::default()
/// };
/// // What is acknowledged is on disk, and the next start finds everything again.
/// assert!(Server::start(config)?.stop(0).closes);
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataConfig {
    /// The directory, which is created if it does not exist. Only one process can use it at a time.
    pub dir: PathBuf,
    /// Whether to set aside a damaged file and continue with the rest. Otherwise the collector does not start.
    pub recover: bool,
}

impl DataConfig {
    /// Uses this directory, without recovery.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), recover: false }
    }
}

/// A data directory whose data has been read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) collectors: Vec<Collector>,
    /// The time at which the collector's clock continues.
    pub(crate) now_ms: u64,
    pub(crate) keeper: Keeper,
}

/// Locks a data directory, and reads it into this many shards.
pub(crate) fn open(
    config: &DataConfig,
    limits: Limits,
    mapping: Option<Mapping>,
    shards: usize,
) -> Result<Opened, DataError> {
    open_on(&Disk::default(), config, limits, mapping, shards)
}

fn open_on(
    disk: &Disk,
    config: &DataConfig,
    limits: Limits,
    mapping: Option<Mapping>,
    shards: usize,
) -> Result<Opened, DataError> {
    let dir = Directory::lock(&config.dir, true)?;
    let mut files = Files::open(&dir, disk, true, config.recover)?;
    let load::Restored { mut collectors, now_ms, latest, replayed } =
        restore(&files, limits, mapping, shards, config.recover)?;
    // From here on the critical events of earlier runs are in the state, whatever its division into shards.
    let about = state::About {
        shards: collectors.len() as u32,
        floor: latest,
        saved_unix_ms: status::unix_ms(),
        ..files.state.about
    };
    let moved = about.shards != files.state.about.shards;
    let mut rows: [Rows; 2] = Default::default();
    let written = files.state.write(about, |tables| {
        if moved {
            tables.clear(None)?;
        }
        for (shard, collector) in (0..).zip(&mut collectors) {
            let Some(begun) = collector.begin_cut(now_ms) else { continue };
            if begun.has_all {
                tables.clear(Some(shard))?;
            }
            while collector.cut_some(std::time::Duration::from_millis(10), &mut rows)? {
                apply(tables, shard, &mut rows)?;
            }
            apply(tables, shard, &mut rows)?;
            collector.end_cut(true);
        }
        Ok(())
    });
    written.map_err(|e| DataError::of(files.state.file().path(), e))?;
    let cleared = files.critical.clear();
    cleared.map_err(|e| DataError::of(files.critical.file().path(), e))?;
    let (senders, series) =
        collectors.iter().fold((0, 0), |(a, b), c| (a + c.sender_count(), b + c.store().len()));
    tracing::info!(senders, series, replayed, "the data in {} is loaded", dir.path().display());
    let keeper = Keeper::new(dir, disk.clone(), files, latest, collectors.len());
    Ok(Opened { collectors, now_ms, keeper })
}

fn apply(
    tables: &mut state::Tables<'_>,
    shard: u32,
    rows: &mut [Rows; 2],
) -> Result<(), error::CommitError> {
    for rows in rows {
        tables.apply(shard, rows)?;
        rows.clear();
    }
    Ok(())
}
