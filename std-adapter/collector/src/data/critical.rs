//! Critical events since the last cut: the datagrams that brought them, as they came.
//!
//! A file of its own, so that its small commits never wait for a large one.

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};

use super::directory::{CRITICAL, Directory};
use super::disk::Disk;
use super::error::{DataError, Failed};
use super::file::{META, StoreFile};

/// By shard and number; numbers grow over all lives.
const EVENTS: TableDefinition<'static, (u32, u64), &[u8]> = TableDefinition::new("events");
/// Under this name, which state the file belongs to.
const ID: &str = "id";

/// The file.
#[derive(Debug)]
pub(super) struct CriticalFile {
    file: StoreFile,
    pub(super) id: u64,
}

impl CriticalFile {
    /// An empty one.
    pub(super) fn make(dir: &Directory, disk: &Disk, id: u64) -> Result<Self, DataError> {
        let file = StoreFile::make(dir, CRITICAL, disk, |txn| {
            txn.open_table(EVENTS)?;
            txn.open_table(META)?.insert(ID, &id.to_le_bytes()[..])?;
            Ok(())
        })?;
        Ok(Self { file, id })
    }

    /// One that is there.
    pub(super) fn open(dir: &Directory, disk: &Disk) -> Result<Self, DataError> {
        let file = StoreFile::open(dir, CRITICAL, disk)?;
        let id = file.meta(ID)?.and_then(|id| Some(u64::from_le_bytes(id.try_into().ok()?)));
        let id = id.ok_or_else(|| DataError::damaged(file.path(), "it does not say what it is"))?;
        Ok(Self { file, id })
    }

    /// Reads all of it, in the order in which it came.
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

    /// How many there are.
    pub(super) fn len(&self) -> Result<u64, DataError> {
        self.file.read(|txn| Ok(txn.open_table(EVENTS)?.len()?))
    }

    /// Adds some, and takes those away that a cut has: of each shard up to a number.
    pub(super) fn add<'a>(
        &mut self,
        more: impl Iterator<Item = (u32, u64, &'a [u8])>,
        through: impl Iterator<Item = (u32, u64)>,
    ) -> Result<(), Failed> {
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

    /// Takes all of it away.
    pub(super) fn clear(&mut self) -> Result<(), Failed> {
        self.file.write(|txn| Ok(txn.open_table(EVENTS)?.retain(|_, _| false)?))
    }

    pub(super) fn file(&self) -> &StoreFile {
        &self.file
    }
}
