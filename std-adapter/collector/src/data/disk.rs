//! The files as the database sees them: reads, writes and syncs.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};

/// Counts what is done to files, and in tests injects faults.
#[derive(Clone, Default, Debug)]
pub(crate) struct Disk {
    /// Bytes written so far.
    written: Arc<AtomicU64>,
    #[cfg(test)]
    pub(crate) faults: Arc<super::faults::Faults>,
}

impl Disk {
    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn file(&self, file: File, _name: &str) -> Result<OnDisk, DatabaseError> {
        Ok(OnDisk {
            file: FileBackend::new(file)?,
            disk: self.clone(),
            #[cfg(test)]
            name: _name.to_owned(),
        })
    }
}

/// A file, which the directory's lock protects from other processes.
#[derive(Debug)]
pub(super) struct OnDisk {
    file: FileBackend,
    disk: Disk,
    #[cfg(test)]
    name: String,
}

impl StorageBackend for OnDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        #[cfg(test)]
        self.disk.faults.writes(len.saturating_sub(self.len()?))?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        #[cfg(test)]
        self.disk.faults.syncs(&self.name)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.disk.faults.writes(data.len() as u64)?;
        self.disk.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.file.write(offset, data)
    }
}
