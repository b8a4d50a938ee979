//! Errors of a data directory.

use std::path::PathBuf;
use std::{fmt, io};

use redb::{DatabaseError, StorageError};

use super::FORMAT;
use crate::rows::Outrun;

/// Why a data directory cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum DataError {
    /// Another process is using it.
    InUse(PathBuf),
    /// A file is damaged.
    Damaged {
        /// The damaged file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It was written by a later version.
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format version.
        format: u32,
    },
    /// It was written by an earlier version.
    Older {
        /// The file.
        file: PathBuf,
        /// Its format version.
        format: u32,
    },
    /// There is no data in it.
    Empty(PathBuf),
    /// The system refuses an operation.
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
            Self::Older { file, format } => write!(
                f,
                "{} was written by an earlier version: its format is {format}, and this one reads {FORMAT}",
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

    /// Converts a database error about a file.
    pub(crate) fn of(file: impl Into<PathBuf>, error: impl Into<redb::Error>) -> Self {
        let file = file.into();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => {
                Self::InUse(file.parent().map_or_else(|| file.clone(), PathBuf::from))
            }
            redb::Error::Io(e)
                if !matches!(
                    e.kind(),
                    // The file's contents are not what the database writes.
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

/// The error of a commit.
pub(super) type CommitError = redb::Error;

impl From<Outrun> for CommitError {
    fn from(_: Outrun) -> Self {
        let why = "more has changed meanwhile than may wait in memory: the disk is too slow";
        Self::Io(io::Error::other(why))
    }
}

/// Converts an error of opening a database into the general one.
pub(super) fn commit_error(error: DatabaseError) -> CommitError {
    match error {
        DatabaseError::Storage(StorageError::Io(e)) => CommitError::Io(e),
        other => other.into(),
    }
}
