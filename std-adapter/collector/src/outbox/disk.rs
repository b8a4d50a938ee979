//! Batches on disk, with a transaction for each one that is added or delivered.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use crate::data::DataError;

/// Each batch by its number: its time and its samples, eight bytes each with the low ones first, then the body.
const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");
/// The number of the first batch that a target has not had, by the target's name.
const CURSORS: TableDefinition<'_, &str, u64> = TableDefinition::new("cursors");
/// The keys below.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT_KEY: &str = "format";
const NEXT_KEY: &str = "next";
const NEWEST_KEY: &str = "newest_ms";

/// The version of this format.
const FORMAT: u64 = 1;
/// The size of the database's cache. Bodies are read once, if at all.
const CACHE: usize = 4 << 20;

/// Why an operation failed.
pub(crate) type Failed = redb::Error;

/// Batches in one file.
#[derive(Debug)]
pub(crate) struct DiskQueue {
    path: PathBuf,
    /// `None` after a failure; the next operation opens the file again.
    db: Mutex<Option<Arc<Database>>>,
}

/// What was found in a file.
#[derive(Default, Debug)]
pub(crate) struct Kept {
    /// The number, time, samples and bytes of each.
    pub(crate) batches: Vec<(u64, u64, u64, usize)>,
    pub(super) cursors: HashMap<String, u64>,
    pub(super) next: u64,
    pub(super) newest_ms: u64,
}

impl DiskQueue {
    /// Opens a file, or creates it. A damaged one is refused, or with `recover` put aside.
    pub(crate) fn open(path: &Path, recover: bool) -> Result<Self, DataError> {
        match Self::prepare(path) {
            Err(DataError::Damaged { what, .. }) if recover => {
                let aside = path.with_extension("damaged");
                fs::rename(path, &aside).map_err(|e| DataError::Io(path.to_owned(), e))?;
                tracing::error!(
                    "{} is damaged: {what}; it is {} now",
                    path.display(),
                    aside.display()
                );
                Self::prepare(path)
            }
            opened => opened,
        }
    }

    fn prepare(path: &Path) -> Result<Self, DataError> {
        let queue = Self { path: path.to_owned(), db: Mutex::new(None) };
        let mut format = FORMAT;
        let written = queue.write(|txn| {
            let mut meta = txn.open_table(META)?;
            let found = meta.get(FORMAT_KEY)?.map(|found| found.value());
            format = found.unwrap_or(FORMAT);
            if found.is_none() {
                meta.insert(FORMAT_KEY, FORMAT)?;
            }
            txn.open_table(BATCHES)?;
            txn.open_table(CURSORS)?;
            Ok(())
        });
        written.map_err(|e| DataError::of(path, e))?;
        if format > FORMAT {
            let format = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(DataError::Newer { file: path.to_owned(), format });
        }
        Ok(queue)
    }

    /// Reads everything but the bodies.
    pub(crate) fn load(&self) -> Result<Kept, DataError> {
        let load = || -> Result<Kept, Failed> {
            let txn = self.db()?.begin_read()?;
            let meta = txn.open_table(META)?;
            let number = |key| Ok::<_, Failed>(meta.get(key)?.map_or(0, |value| value.value()));
            let mut kept =
                Kept { next: number(NEXT_KEY)?, newest_ms: number(NEWEST_KEY)?, ..Kept::default() };
            for cursor in txn.open_table(CURSORS)?.iter()? {
                let (name, next) = cursor?;
                kept.cursors.insert(name.value().to_owned(), next.value());
            }
            for batch in txn.open_table(BATCHES)?.iter()? {
                let (number, row) = batch?;
                let (time_ms, samples, body) = split(row.value())?;
                kept.batches.push((number.value(), time_ms, samples, body.len()));
            }
            Ok(kept)
        };
        load().map_err(|e| DataError::of(&self.path, e))
    }

    /// Writes down the targets, and how far each of them has come.
    pub(super) fn set_cursors<'n>(
        &self,
        cursors: impl Iterator<Item = (&'n str, u64)>,
    ) -> Result<(), DataError> {
        let written = self.write(|txn| {
            let mut table = txn.open_table(CURSORS)?;
            table.retain(|_, _| false)?;
            for (name, next) in cursors {
                table.insert(name, next)?;
            }
            Ok(())
        });
        written.map_err(|e| DataError::of(&self.path, e))
    }

    /// Writes a batch. When this returns, it is on disk.
    pub(super) fn put(
        &self,
        number: u64,
        time_ms: u64,
        samples: u64,
        body: &[u8],
    ) -> Result<(), Failed> {
        let row = [&time_ms.to_le_bytes(), &samples.to_le_bytes(), body].concat();
        self.write(|txn| {
            txn.open_table(BATCHES)?.insert(number, &*row)?;
            let mut meta = txn.open_table(META)?;
            meta.insert(NEXT_KEY, number + 1)?;
            meta.insert(NEWEST_KEY, time_ms)?;
            Ok(())
        })
    }

    /// Writes batches, each with its number, its samples and its body, and deletes others. When this returns, it is on disk.
    #[cfg(feature = "nats")]
    pub(crate) fn change<'b>(
        &self,
        put: impl Iterator<Item = (u64, u64, &'b [u8])>,
        delete: &[u64],
    ) -> Result<(), Failed> {
        self.write(|txn| {
            let mut batches = txn.open_table(BATCHES)?;
            for (number, samples, body) in put {
                let row = [&0u64.to_le_bytes(), &samples.to_le_bytes(), body].concat();
                batches.insert(number, &*row)?;
            }
            for number in delete {
                batches.remove(number)?;
            }
            Ok(())
        })
    }

    /// Reads the body of a batch.
    pub(crate) fn get(&self, number: u64) -> Result<Arc<[u8]>, Failed> {
        let txn = self.db()?.begin_read()?;
        let table = txn.open_table(BATCHES)?;
        let row = table.get(number)?.ok_or_else(|| corrupted("a batch is missing"))?;
        let (_, _, body) = split(row.value())?;
        Ok(body.into())
    }

    /// Deletes batches, and writes down how far a target has come.
    pub(super) fn delete(
        &self,
        numbers: &[u64],
        cursor: Option<&(String, u64)>,
    ) -> Result<(), Failed> {
        self.write(|txn| {
            let mut batches = txn.open_table(BATCHES)?;
            for number in numbers {
                batches.remove(number)?;
            }
            if let Some((name, next)) = cursor {
                txn.open_table(CURSORS)?.insert(&**name, next)?;
            }
            Ok(())
        })
    }

    fn write(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let db = self.db()?;
        let transact = || {
            let txn = db.begin_write()?;
            change(&txn)?;
            Ok(txn.commit()?)
        };
        let written: Result<(), Failed> = transact();
        if written.is_err() {
            // After a failure the database refuses everything until it is opened again.
            *self.open_db() = None;
        }
        written
    }

    fn db(&self) -> Result<Arc<Database>, Failed> {
        let mut db = self.open_db();
        if let Some(db) = &*db {
            return Ok(db.clone());
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        // As private as the measurements.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path)?;
        let file = FileBackend::new(file)?;
        let opened = Database::builder().set_cache_size(CACHE).create_with_backend(file)?;
        Ok(db.insert(Arc::new(opened)).clone())
    }

    fn open_db(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time, samples and body of a row.
fn split(row: &[u8]) -> Result<(u64, u64, &[u8]), Failed> {
    let (time_ms, rest) = row.split_first_chunk().ok_or_else(|| corrupted("a row is too short"))?;
    let (samples, body) =
        rest.split_first_chunk().ok_or_else(|| corrupted("a row is too short"))?;
    Ok((u64::from_le_bytes(*time_ms), u64::from_le_bytes(*samples), body))
}

fn corrupted(what: &str) -> Failed {
    Failed::Corrupted(what.into())
}
