//! Restores collectors from the disk: the last cut of each shard, then the critical events that came after it.

use std::collections::HashMap;

use super::critical::CriticalFile;
use super::directory::{CRITICAL, Directory, STATE};
use super::disk::Disk;
use super::error::DataError;
use super::state::{About, Loaded, State};
use super::status::unix_ms;
use crate::intake::{Collector, Entry, MemberKey, shard_of, shard_of_sender};
use crate::limits::Limits;
use crate::mapping::Mapping;

/// Both files of a directory.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) state: State,
    pub(super) critical: CriticalFile,
}

impl Files {
    /// Opens the existing files. With `create`, missing ones are created; with `recover`, damaged ones are replaced and
    /// kept under another name.
    pub(super) fn open(
        dir: &Directory,
        disk: &Disk,
        create: bool,
        recover: bool,
    ) -> Result<Self, DataError> {
        let state = found(dir, STATE, recover, || State::open(dir, disk))?;
        let critical = found(dir, CRITICAL, recover, || CriticalFile::open(dir, disk))?;
        let new = |id| About {
            id,
            shards: 1,
            floor: 0,
            key: MemberKey::random().parts(),
            saved_unix_ms: unix_ms(),
        };
        let missing = |name| DataError::damaged(dir.file(name), "it is missing");
        let (state, critical) = match (state, critical) {
            (Some(state), Some(critical)) if state.about.id == critical.id => (state, critical),
            (Some(state), Some(_)) if recover => {
                set_aside(dir, CRITICAL, "it belongs to another state")?;
                let critical = CriticalFile::create(dir, disk, state.about.id)?;
                (state, critical)
            }
            (Some(_), Some(_)) => {
                let what = format!("it does not belong to {STATE}");
                return Err(DataError::damaged(dir.file(CRITICAL), what));
            }
            (Some(state), None) if recover => {
                let critical = CriticalFile::create(dir, disk, state.about.id)?;
                (state, critical)
            }
            (Some(_), None) => return Err(missing(CRITICAL)),
            // The state is created last, so this directory was still being created.
            (None, Some(critical)) if create && (recover || critical.len()? == 0) => {
                (State::create(dir, disk, new(critical.id))?, critical)
            }
            (None, Some(_)) => return Err(missing(STATE)),
            (None, None) if create => {
                let about = new(MemberKey::random().parts().0);
                let critical = CriticalFile::create(dir, disk, about.id)?;
                (State::create(dir, disk, about)?, critical)
            }
            (None, None) => return Err(DataError::Empty(dir.path().to_owned())),
        };
        Ok(Self { state, critical })
    }
}

/// Opens a file if it exists. With recovery, a damaged one counts as missing.
fn found<T>(
    dir: &Directory,
    name: &str,
    recover: bool,
    open: impl FnOnce() -> Result<T, DataError>,
) -> Result<Option<T>, DataError> {
    if !dir.has(name)? {
        return Ok(None);
    }
    match open() {
        Err(DataError::Damaged { what, .. }) if recover => {
            set_aside(dir, name, &what)?;
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

fn set_aside(dir: &Directory, name: &str, what: &str) -> Result<(), DataError> {
    let to = dir.set_aside(name)?;
    tracing::warn!(
        "{name} was damaged ({what}), and is kept as {}: what was in it is lost",
        to.display()
    );
    Ok(())
}

/// The restored data.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) collectors: Vec<Collector>,
    /// The time at which the clock continues.
    pub(super) now_ms: u64,
    /// Numbers of critical events continue after this one.
    pub(super) latest: u64,
    /// The number of datagrams with critical events that came after the last cut.
    pub(super) replayed: u64,
}

/// Restores everything into this many shards. Rows that cannot be read are skipped with `recover`, and otherwise an
/// error.
pub(super) fn restore(
    files: &Files,
    limits: Limits,
    mapping: Option<Mapping>,
    shards: usize,
    recover: bool,
) -> Result<Restored, DataError> {
    let Files { state, critical } = files;
    let about = state.about;
    // Rules may make series that are not on disk, so that those that are cannot keep their places.
    let is_mapped = mapping.is_some();
    let key = MemberKey::of(about.key);
    let mut collectors = Collector::shards_with_key(limits, mapping, shards, key);
    let count = collectors.len();
    let same = !is_mapped && about.shards as usize == count && is_dense(state)?;
    let all = std::cell::Cell::new(!same);
    let (mut now_ms, mut throughs) = (0u64, HashMap::new());
    let mut numbers = HashMap::new();
    let each = |row: Loaded<'_>| match row {
        Loaded::Shard(shard, row) => {
            now_ms = now_ms.max(row.now_ms);
            throughs.insert(shard, row.through);
            let to = if same { shard as usize % count } else { 0 };
            collectors[to].restore_shard(&row);
        }
        Loaded::Sender(shard, id, row) => {
            // Processes that share a number stay together.
            if row.number != id {
                numbers.insert(id, row.number);
            }
            let to = shard_of_sender(row.number, count);
            all.set(all.get() | (to != shard as usize));
            collectors[to].restore_sender(id, *row, now_ms);
        }
        Loaded::Series(shard, place, row, value) => {
            let number = numbers.get(&row.sender).copied().unwrap_or(row.sender);
            let to = shard_of_sender(number, count);
            let stays = same && to == shard as usize;
            all.set(all.get() | !stays);
            collectors[to].restore_series(stays.then_some(place), &row, value);
        }
    };
    state.load(each, |what| {
        if recover {
            all.set(true);
            tracing::warn!("{what} could not be read, and is lost");
        }
        recover
    })?;
    let through = |shard| throughs.get(&shard).copied().unwrap_or(0).max(about.floor);
    let mut latest = throughs.values().copied().max().unwrap_or(0).max(about.floor);
    critical.load(|_, number, _| latest = latest.max(number))?;
    collectors.iter_mut().for_each(|collector| collector.keep(all.get(), latest, now_ms));
    let mut replayed = 0;
    critical.load(|shard, number, bytes| {
        if number > through(shard)
            && let Some(entry) = Entry::read(bytes)
        {
            replayed += 1;
            let of = shard_of(entry.datagram, None, count);
            collectors[of].replay(&entry, now_ms);
        }
    })?;
    Ok(Restored { collectors, now_ms, latest, replayed })
}

/// Returns whether series may keep their places, which they may unless most places are empty.
fn is_dense(state: &State) -> Result<bool, DataError> {
    let (highest, series) = state.places()?;
    let places = highest.iter().fold(0u64, |sum, place| sum.saturating_add(*place));
    Ok(places <= series.saturating_mul(4).saturating_add(1024))
}
