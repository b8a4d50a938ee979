//! The directory: who has it, and which files are in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::DataError;

/// A data directory that nobody else uses while this is there.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked. The system unlocks it when the process ends, however it does.
    _lock: File,
}

/// What is kept once a second.
pub(super) const STATE: &str = "state.redb";
/// Critical events since then.
pub(super) const CRITICAL: &str = "critical.redb";

impl Directory {
    /// Takes a directory, which is made where there is none if `make`.
    pub(super) fn take(path: &Path, make: bool) -> Result<Self, DataError> {
        let io = |at: &Path| {
            let at = at.to_owned();
            move |e| DataError::Io(at, e)
        };
        if make {
            // What is in there is as private as what was measured.
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
        // For whoever looks who has it.
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

    /// Whether a file is there, whatever is in it.
    pub(super) fn has(&self, name: &str) -> Result<bool, DataError> {
        let file = self.file(name);
        file.try_exists().map_err(|e| DataError::Io(file, e))
    }

    /// Gives a file that was made under another name its own, once and for all.
    pub(super) fn settle(&self, made: &str, name: &str) -> Result<(), DataError> {
        let (from, to) = (self.file(made), self.file(name));
        let settled = fs::rename(&from, &to);
        // The name has to be on disk as well.
        #[cfg(unix)]
        let settled = settled.and_then(|()| File::open(&self.path)?.sync_all());
        settled.map_err(|e| DataError::Io(to, e))
    }

    /// Puts a damaged file away, under a name that says when; returns that.
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
