//! What is kept, against what was known; with disks that fail, files that are damaged, and threads that are others.

#[cfg(unix)]
mod cost;
mod cuts;
mod damage;
mod descriptions;
mod failures;
mod format;
mod groups;
mod replay;
mod wire;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::disk::Disk;
use super::{DataConfig, DataError, Opened, open_on};
use crate::intake::Collector;
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::report::{Io, Report};
use crate::rows::{Outrun, Rows};

/// How often what is chosen by a seed is tried.
const ROUNDS: u8 = 16;

/// A directory that is gone with its test.
fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(dir: &Path, shards: usize) -> Result<Opened, DataError> {
    open_mapped(dir, None, shards)
}

/// The same, with these rules.
fn open_mapped(dir: &Path, rules: Option<&str>, shards: usize) -> Result<Opened, DataError> {
    let mapping = rules.map(|rules| Mapping::parse(rules).unwrap());
    open_on(&Disk::default(), &DataConfig::new(dir), Limits::default(), mapping, shards)
}

/// What collectors know of senders and series, without what is of one life only.
fn known(collectors: &[Collector], now_ms: u64) -> Value {
    let report = Report::of(collectors, &Io::default(), now_ms, usize::MAX);
    let mut known = serde_json::to_value(report).unwrap();
    // Each shard counts its piece of a series that adds up others.
    for of_this_life in ["health", "degraded_senders", "io", "data", "series_bytes", "series_count"]
    {
        known.as_object_mut().unwrap().remove(of_this_life);
    }
    for sender in known["senders"].as_array_mut().unwrap() {
        sender.as_object_mut().unwrap().remove("health");
    }
    for list in ["senders", "series"] {
        known[list].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    }
    known
}

/// Writes a cut of each shard, as the thread does.
fn cut(opened: &mut Opened, now_ms: u64) {
    let mut rows: [Rows; 2] = Default::default();
    for (shard, collector) in (0..).zip(&mut opened.collectors) {
        let Some(begun) = collector.begin_cut(now_ms) else { continue };
        let state = &mut opened.keeper.files.state;
        let written = state.write(state.about, |tables| {
            if begun.has_all {
                tables.clear(Some(shard))?;
            }
            while collector.cut_some(Duration::from_secs(1), &mut rows)? {}
            super::apply(tables, shard, &mut rows)
        });
        collector.end_cut(written.is_ok());
    }
}

/// Writes critical events, as the thread does.
fn keep_critical(opened: &mut Opened) {
    for (shard, collector) in (0..).zip(&mut opened.collectors) {
        let mut batch = crate::intake::Critical::default();
        batch.take(collector.critical());
        let more = batch.iter().map(|(number, datagram)| (shard, number, datagram));
        opened.keeper.files.critical.add(more, std::iter::empty()).unwrap();
    }
}
