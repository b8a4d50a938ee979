//! Critical events since the last cut, stored as the datagrams that brought them.
//!
//! They have a file of their own, so that its small commits never wait for a large one.

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};

use super::directory::{CRITICAL, Directory};
use super::disk::Disk;
use super::error::{CommitError, DataError};
use super::file::{META, StoreFile};

/// Datagrams by shard and number. Numbers keep growing over restarts.
const EVENTS: TableDefinition<'static, (u32, u64), &[u8]> = TableDefinition::new("events");
/// The key for the identifier of the state that the file belongs to.
const ID: &str = "id";

/// The file.
#[derive(Debug)]
pub(super) struct CriticalFile {
    file: StoreFile,
    pub(super) id: u64,
}

impl CriticalFile {
    /// Creates an empty file.
    pub(super) fn create(dir: &Directory, disk: &Disk, id: u64) -> Result<Self, DataError> {
        let file = StoreFile::create(dir, CRITICAL, disk, |txn| {
            txn.open_table(EVENTS)?;
            txn.open_table(META)?.insert(ID, &id.to_le_bytes()[..])?;
            Ok(())
        })?;
        Ok(Self { file, id })
    }

    /// Opens an existing file.
    pub(super) fn open(dir: &Directory, disk: &Disk) -> Result<Self, DataError> {
        let file = StoreFile::open(dir, CRITICAL, disk)?;
        let id = file.meta(ID)?.and_then(|id| Some(u64::from_le_bytes(id.try_into().ok()?)));
        let id = id.ok_or_else(|| DataError::damaged(file.path(), "it does not say what it is"))?;
        Ok(Self { file, id })
    }

    /// Reads all datagrams, in the order in which they came.
    pub(super) fn load(&self, mut each: impl FnMut(u32, u64, &[u8])) -> Result<(), DataError> {
        self.file.read(|txn| {
            for row in txn.open_table(EVENTS)?.iter()? {
                let (key, datagram) = row?;
                let (shard, number) = key.value();
                each(shard, number, datagram.value());
            }
            Ok(())
        })
    }

    /// Returns the number of datagrams.
    pub(super) fn len(&self) -> Result<u64, DataError> {
        self.file.read(|txn| Ok(txn.open_table(EVENTS)?.len()?))
    }

    /// Adds datagrams, and removes those that a cut contains: for each shard, those up to a number.
    pub(super) fn add<'a>(
        &mut self,
        more: impl Iterator<Item = (u32, u64, &'a [u8])>,
        through: impl Iterator<Item = (u32, u64)>,
    ) -> Result<(), CommitError> {
        self.file.write(|txn| {
            let mut events = txn.open_table(EVENTS)?;
            for (shard, through) in through {
                events.retain_in((shard, 0)..=(shard, through), |_, _| false)?;
            }
            for (shard, number, datagram) in more {
                events.insert((shard, number), datagram)?;
            }
            Ok(())
        })
    }

    /// Removes all datagrams.
    pub(super) fn clear(&mut self) -> Result<(), CommitError> {
        self.file.write(|txn| Ok(txn.open_table(EVENTS)?.retain(|_, _| false)?))
    }

    pub(super) fn file(&self) -> &StoreFile {
        &self.file
    }
}
