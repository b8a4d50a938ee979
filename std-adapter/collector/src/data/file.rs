//! A database in one file. After a failure it is opened again, with everything that was last committed.

use std::path::{Path, PathBuf};

use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};

use super::FORMAT;
use super::directory::Directory;
use super::disk::Disk;
use super::error::{CommitError, DataError, commit_error};

/// The file's metadata.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// The key for its format, as four bytes, low ones first, which all versions can read.
const FORMAT_KEY: &str = "format";
/// The size of the database's cache. More would not be faster, since nothing is read back while the collector runs.
const CACHE: usize = 16 << 20;

/// A database in one file.
#[derive(Debug)]
pub(super) struct StoreFile {
    path: PathBuf,
    disk: Disk,
    /// `None` after a failure.
    db: Option<Database>,
}

impl StoreFile {
    /// Creates a file with what `first` writes to it. It gets its final name only when its contents are on disk.
    pub(super) fn create(
        dir: &Directory,
        name: &str,
        disk: &Disk,
        first: impl FnOnce(&WriteTransaction) -> Result<(), CommitError>,
    ) -> Result<Self, DataError> {
        let made = format!("{name}.new");
        let path = dir.file(&made);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(DataError::Io(path, e));
            }
            _ => {}
        }
        let mut file = Self { path: path.clone(), disk: disk.clone(), db: None };
        let written = file.write(|txn| {
            txn.open_table(META)?.insert(FORMAT_KEY, &FORMAT.to_le_bytes()[..])?;
            first(txn)
        });
        written.map_err(|e| DataError::of(&path, e))?;
        drop(file);
        dir.settle(&made, name)?;
        Self::open(dir, name, disk)
    }

    /// Opens an existing file, and checks every page of it.
    pub(super) fn open(dir: &Directory, name: &str, disk: &Disk) -> Result<Self, DataError> {
        let path = dir.file(name);
        let length = std::fs::metadata(&path).map_err(|e| DataError::Io(path.clone(), e))?.len();
        if length == 0 {
            // The database would take it for one that has yet to be created.
            return Err(DataError::damaged(path, "it is empty"));
        }
        let mut file = Self { path, disk: disk.clone(), db: None };
        file.db = Some(file.database().map_err(|e| DataError::of(&file.path, e))?);
        file.check_format()?;
        Ok(file)
    }

    fn database(&self) -> Result<Database, CommitError> {
        let file = Directory::options().open(&self.path)?;
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let file = self.disk.file(file, &name).map_err(commit_error)?;
        builder.create_with_backend(file).map_err(commit_error)
    }

    fn check_format(&self) -> Result<(), DataError> {
        let format = self.meta(FORMAT_KEY)?;
        let format = format.as_deref().and_then(|f| Some(u32::from_le_bytes(f.try_into().ok()?)));
        match format {
            Some(FORMAT) => Ok(()),
            Some(format) if format > FORMAT => {
                Err(DataError::Newer { file: self.path.clone(), format })
            }
            Some(format) => Err(DataError::Older { file: self.path.clone(), format }),
            None => Err(DataError::damaged(&self.path, "it does not say its format")),
        }
    }

    /// Returns the metadata under that name.
    pub(super) fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, DataError> {
        self.read(|txn| {
            let table = txn.open_table(META)?;
            Ok(table.get(name)?.map(|value| value.value().to_vec()))
        })
    }

    /// Reads what was committed last.
    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&ReadTransaction) -> Result<T, CommitError>,
    ) -> Result<T, DataError> {
        let seen = self.db.as_ref().ok_or(CommitError::DatabaseClosed).and_then(|db| {
            let txn = db.begin_read()?;
            look(&txn)
        });
        seen.map_err(|e| DataError::of(&self.path, e))
    }

    /// Commits everything that `change` does, or nothing. When this returns, committed data is on disk.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, CommitError>,
    ) -> Result<T, CommitError> {
        // After a failure the database refuses everything until it is opened again.
        let db = match self.db.take() {
            Some(db) => db,
            None => self.database()?,
        };
        let txn = db.begin_write()?;
        let changed = change(&txn)?;
        txn.commit()?;
        self.db = Some(db);
        Ok(changed)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the length of the file.
    pub(super) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.len())
    }
}
