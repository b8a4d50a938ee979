//! The directory: its lock, and the files in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::DataError;

/// A data directory that is locked for this process as long as this exists.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The locked file. The system unlocks it when the process ends, in whatever way.
    _lock: File,
}

/// The file of the state, which is written once a second.
pub(super) const STATE: &str = "state.redb";
/// The file of critical events since then.
pub(super) const CRITICAL: &str = "critical.redb";

impl Directory {
    /// Locks a directory. With `create`, it is created if it does not exist.
    pub(super) fn lock(path: &Path, create: bool) -> Result<Self, DataError> {
        let io = |at: &Path| {
            let at = at.to_owned();
            move |e| DataError::Io(at, e)
        };
        if create {
            // The data are as private as the measurements.
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            builder.mode(0o700);
            builder.create(path).map_err(io(path))?;
        }
        let lock = path.join("lock");
        let mut file = Self::options().open(&lock).map_err(io(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataError::InUse(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(DataError::Io(lock, e)),
        }
        // The process id, for anybody who wants to know who holds the lock.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub(super) fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        options.mode(0o600);
        options
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether a file exists, whatever it contains.
    pub(super) fn has(&self, name: &str) -> Result<bool, DataError> {
        let file = self.file(name);
        file.try_exists().map_err(|e| DataError::Io(file, e))
    }

    /// Renames a file that was created under another name to its final one, durably.
    pub(super) fn settle(&self, made: &str, name: &str) -> Result<(), DataError> {
        let (from, to) = (self.file(made), self.file(name));
        let settled = fs::rename(&from, &to);
        // The new name has to reach the disk as well.
        #[cfg(unix)]
        let settled = settled.and_then(|()| File::open(&self.path)?.sync_all());
        settled.map_err(|e| DataError::Io(to, e))
    }

    /// Moves a damaged file out of the way, to a name that contains the time, and returns that name.
    pub(super) fn set_aside(&self, name: &str) -> Result<PathBuf, DataError> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs());
        let from = self.file(name);
        let mut number = 0;
        loop {
            let to = self.file(&format!("{name}.damaged-{seconds}-{number}"));
            if !to.exists() {
                let moved = fs::rename(&from, &to);
                return match moved {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DataError::Io(from, e)),
                    _ => Ok(to),
                };
            }
            number += 1;
        }
    }
}
