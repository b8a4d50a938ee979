//! What is the matter with a data directory.

use std::path::PathBuf;
use std::{fmt, io};

use redb::{DatabaseError, StorageError};

use super::FORMAT;

/// Why a data directory cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum DataError {
    /// Another process has it.
    InUse(PathBuf),
    /// A file is not as it was written.
    Damaged {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It was written by a later version.
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its format.
        format: u32,
    },
    /// There is nothing in it.
    Empty(PathBuf),
    /// The system does not allow it.
    Io(PathBuf, io::Error),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(dir) => {
                write!(f, "another process uses the data directory {}", dir.display())
            }
            Self::Damaged { file, what } => write!(f, "{} is damaged: {what}", file.display()),
            Self::Newer { file, format } => write!(
                f,
                "{} was written by a later version: its format is {format}, and this one reads up to {FORMAT}",
                file.display()
            ),
            Self::Empty(dir) => write!(f, "there is no data in {}", dir.display()),
            Self::Io(path, e) => write!(f, "cannot use {}: {e}", path.display()),
        }
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, e) => Some(e),
            _ => None,
        }
    }
}

impl DataError {
    pub(super) fn damaged(file: impl Into<PathBuf>, what: impl fmt::Display) -> Self {
        Self::Damaged { file: file.into(), what: what.to_string() }
    }

    /// What the store says of a file.
    pub(super) fn of(file: impl Into<PathBuf>, error: impl Into<redb::Error>) -> Self {
        let file = file.into();
        match error.into() {
            redb::Error::Io(e)
                if !matches!(
                    e.kind(),
                    // What a file says that is not as the store writes it.
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Io(file, e)
            }
            other => Self::damaged(file, other),
        }
    }

    /// Whether `--recover` would help.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

/// What a commit may fail with, as one.
pub(super) type Failed = redb::Error;

/// A database error that is about the machine, as the others are.
pub(super) fn failed(error: DatabaseError) -> Failed {
    match error {
        DatabaseError::Storage(StorageError::Io(e)) => Failed::Io(e),
        other => other.into(),
    }
}
