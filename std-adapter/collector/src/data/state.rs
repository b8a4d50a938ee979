//! The state that is written once a second: cuts of the shards.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, STATE};
use super::disk::Disk;
use super::error::{CommitError, DataError};
use super::file::{META, StoreFile};
use crate::intake::{SenderRow, ShardRow};
use crate::rows::{self, Rows};
use crate::store::{SeriesRow, ValueRow};

/// A shard, and a number within it.
type Key = (u32, u64);
type Definition = TableDefinition<'static, Key, &'static [u8]>;

const SHARDS: Definition = TableDefinition::new("shards");
const SENDERS: Definition = TableDefinition::new("senders");
const SERIES: Definition = TableDefinition::new("series");
const VALUES: Definition = TableDefinition::new("values");

/// The key for the state's metadata.
const ABOUT: &str = "about";

/// The metadata of the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// The identifier of the other file that belongs to it.
    pub(super) id: u64,
    /// The number of shards.
    pub(super) shards: u32,
    /// Critical events up to this number are in the state, whatever their shard.
    pub(super) floor: u64,
    /// The key with which members of sets are hashed.
    pub(super) key: (u64, u64),
    /// The time at which it was written, in milliseconds since 1970.
    pub(super) saved_unix_ms: u64,
}

/// A row as it was read.
#[derive(Debug)]
pub(super) enum Loaded<'a> {
    Shard(u32, Box<ShardRow>),
    Sender(u32, u64, Box<SenderRow>),
    Series(u32, u32, SeriesRow<'a>, ValueRow),
}

/// The file of the state.
#[derive(Debug)]
pub(super) struct State {
    file: StoreFile,
    pub(super) about: About,
}

impl State {
    /// Creates an empty file.
    pub(super) fn create(dir: &Directory, disk: &Disk, about: About) -> Result<Self, DataError> {
        let file = StoreFile::create(dir, STATE, disk, |txn| {
            Tables::open(txn)?;
            put_about(txn, &about)
        })?;
        Ok(Self { file, about })
    }

    /// Opens an existing file.
    pub(super) fn open(dir: &Directory, disk: &Disk) -> Result<Self, DataError> {
        let file = StoreFile::open(dir, STATE, disk)?;
        let about = file.meta(ABOUT)?;
        let about = about.and_then(|bytes| postcard::from_bytes(&bytes).ok());
        let about =
            about.ok_or_else(|| DataError::damaged(file.path(), "it does not say what it is"))?;
        Ok(Self { file, about })
    }

    /// Reads all rows: shards, senders, and series in the order of their places. A row that cannot be read is an error,
    /// unless `skip` accepts it.
    pub(super) fn load(
        &self,
        mut each: impl FnMut(Loaded<'_>),
        mut skip: impl FnMut(&'static str) -> bool,
    ) -> Result<(), DataError> {
        let path = self.file.path();
        let mut bad = None;
        self.file.read(|txn| {
            let mut refuse = |what| {
                if !skip(what) {
                    bad = Some(what);
                }
            };
            for row in txn.open_table(SHARDS)?.iter()? {
                let (key, value) = row?;
                match postcard::from_bytes(value.value()) {
                    Ok(row) => each(Loaded::Shard(key.value().0, Box::new(row))),
                    Err(_) => refuse("the counts of a shard"),
                }
            }
            for row in txn.open_table(SENDERS)?.iter()? {
                let ((shard, id), value) = row.map(|(key, value)| (key.value(), value))?;
                match postcard::from_bytes(value.value()) {
                    Ok(row) => each(Loaded::Sender(shard, id, Box::new(row))),
                    Err(_) => refuse("a sender"),
                }
            }
            let values = txn.open_table(VALUES)?;
            for row in txn.open_table(SERIES)?.iter()? {
                let ((shard, place), what) = row.map(|(key, value)| (key.value(), value))?;
                let value = values.get((shard, place))?;
                let value = value.and_then(|v| postcard::from_bytes::<ValueRow>(v.value()).ok());
                let row = postcard::from_bytes::<SeriesRow<'_>>(what.value());
                match (u32::try_from(place), row, value) {
                    (Ok(place), Ok(row), Some(value)) if value.data.is_sound(row.class) => {
                        each(Loaded::Series(shard, place, row, value));
                    }
                    _ => refuse("a series"),
                }
            }
            Ok(())
        })?;
        match bad {
            Some(what) => Err(DataError::damaged(path, format_args!("{what} cannot be read"))),
            None => Ok(()),
        }
    }

    /// Returns the highest place of each shard, and the number of series.
    pub(super) fn places(&self) -> Result<(Vec<u64>, u64), DataError> {
        use redb::ReadableTableMetadata;
        self.file.read(|txn| {
            let series = txn.open_table(SERIES)?;
            let mut highest = Vec::new();
            for shard in 0..self.about.shards {
                let last = series.range((shard, 0)..=(shard, u64::MAX))?.next_back();
                highest.push(last.transpose()?.map_or(0, |(key, _)| key.value().1));
            }
            Ok((highest, series.len()?))
        })
    }

    /// Commits everything that `change` does, or nothing.
    pub(super) fn write(
        &mut self,
        about: About,
        change: impl FnOnce(&mut Tables<'_>) -> Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        self.file.write(|txn| {
            change(&mut Tables::open(txn)?)?;
            put_about(txn, &about)
        })?;
        self.about = about;
        Ok(())
    }

    pub(super) fn file(&self) -> &StoreFile {
        &self.file
    }
}

fn put_about(txn: &WriteTransaction, about: &About) -> Result<(), CommitError> {
    let bytes = postcard::to_allocvec(about).unwrap_or_default();
    txn.open_table(META)?.insert(ABOUT, &*bytes)?;
    Ok(())
}

/// The tables during a write.
pub(super) struct Tables<'t> {
    shards: Table<'t, Key, &'static [u8]>,
    senders: Table<'t, Key, &'static [u8]>,
    series: Table<'t, Key, &'static [u8]>,
    values: Table<'t, Key, &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(txn: &'t WriteTransaction) -> Result<Self, CommitError> {
        Ok(Self {
            shards: txn.open_table(SHARDS)?,
            senders: txn.open_table(SENDERS)?,
            series: txn.open_table(SERIES)?,
            values: txn.open_table(VALUES)?,
        })
    }

    /// Writes and deletes rows of a shard.
    pub(super) fn apply(&mut self, shard: u32, rows: &Rows) -> Result<(), CommitError> {
        for (table, key, row) in rows.iter() {
            let table = match table {
                rows::Table::Shard => &mut self.shards,
                rows::Table::Sender => &mut self.senders,
                rows::Table::Series => &mut self.series,
                rows::Table::Value => &mut self.values,
            };
            match row {
                Some(row) => table.insert((shard, key), row)?,
                None => table.remove((shard, key))?,
            };
        }
        Ok(())
    }

    /// Deletes all rows of one shard, or of all.
    pub(super) fn clear(&mut self, shard: Option<u32>) -> Result<(), CommitError> {
        let (from, to) = shard.map_or((0, u32::MAX), |shard| (shard, shard));
        let Self { shards, senders, series, values } = self;
        for table in [shards, senders, series, values] {
            table.retain_in((from, 0)..=(to, u64::MAX), |_, _| false)?;
        }
        Ok(())
    }
}
