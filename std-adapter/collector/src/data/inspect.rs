//! Inspects a data directory without starting a collector.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::directory::Directory;
use super::disk::Disk;
use super::error::DataError;
use super::load::{Files, restore};
use super::{FORMAT, status};
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::report::{Io, Report};

/// The contents of a data directory.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DataReport {
    /// The directory.
    pub dir: PathBuf,
    /// The format version of the data.
    pub format: u32,
    /// The number of shards, which is that of the receiving threads.
    pub shards: u32,
    /// The time since it was last written, in seconds.
    pub age_seconds: f64,
    /// The size of all files, in bytes.
    pub bytes: u64,
    /// The number of senders.
    pub senders: usize,
    /// The number of series.
    pub series: usize,
    /// The number of datagrams with critical events that came after the last cut.
    pub critical: u64,
}

/// Reads a whole data directory, and checks everything in it. Nothing is changed.
///
/// # Errors
/// Returns an error if the directory cannot be used.
pub fn check_data(dir: &Path) -> Result<DataReport, DataError> {
    look(dir).map(|(report, _)| report)
}

/// Returns what a collector would know if it started from a data directory, with at most `series` series.
///
/// # Errors
/// Returns the same errors as [`check_data`].
pub fn show_data(dir: &Path, series: usize) -> Result<(DataReport, Report), DataError> {
    let (report, restored) = look(dir)?;
    let shown = Report::of(&restored.collectors[..], &Io::default(), restored.now_ms, series);
    Ok((report, shown))
}

fn look(dir: &Path) -> Result<(DataReport, super::load::Restored), DataError> {
    if !dir.is_dir() {
        return Err(DataError::Empty(dir.to_owned()));
    }
    let held = Directory::lock(dir, false)?;
    let files = Files::open(&held, &Disk::default(), false, false)?;
    let about = files.state.about;
    // Everything is read, however much it is.
    let all = Limits {
        senders: usize::MAX >> 1,
        series: usize::MAX >> 1,
        series_per_sender: usize::MAX >> 1,
        bytes: usize::MAX >> 1,
        ..Limits::default()
    };
    let restored = restore(&files, all, Some(Mapping::default()), about.shards as usize, false)?;
    let collectors = &restored.collectors;
    let report = DataReport {
        dir: dir.to_owned(),
        format: FORMAT,
        shards: about.shards,
        age_seconds: status::unix_ms().saturating_sub(about.saved_unix_ms) as f64 / 1000.0,
        bytes: files.state.file().length() + files.critical.file().length(),
        senders: collectors.iter().map(|c| c.sender_count()).sum(),
        series: collectors.iter().map(|c| c.store().len()).sum(),
        critical: restored.replayed,
    };
    Ok((report, restored))
}
