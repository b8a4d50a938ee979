//! What is in a data directory, without starting a collector.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::directory::Directory;
use super::disk::Disk;
use super::error::DataError;
use super::load::{Files, restore};
use super::{FORMAT, status};
use crate::limits::Limits;
use crate::report::{Io, Report};

/// What is in a data directory.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DataReport {
    /// The directory.
    pub dir: PathBuf,
    /// The form of the data.
    pub format: u32,
    /// Into how many parts it is divided: as many as threads received.
    pub shards: u32,
    /// How long ago it was written last, in seconds.
    pub age_seconds: f64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Senders.
    pub senders: usize,
    /// Series.
    pub series: usize,
    /// Datagrams with critical events that came after the last cut.
    pub critical: u64,
}

/// Reads all of a data directory, and checks whatever is in it. Nothing is changed.
///
/// # Errors
/// What is the matter with it.
pub fn check_data(dir: &Path) -> Result<DataReport, DataError> {
    look(dir).map(|(report, _)| report)
}

/// What a collector would know if it began with a data directory, with at most `series` series.
///
/// # Errors
/// As [`check_data`].
pub fn show_data(dir: &Path, series: usize) -> Result<(DataReport, Report), DataError> {
    let (report, restored) = look(dir)?;
    let shown = Report::of(&restored.collectors[..], &Io::default(), restored.now_ms, series);
    Ok((report, shown))
}

fn look(dir: &Path) -> Result<(DataReport, super::load::Restored), DataError> {
    if !dir.is_dir() {
        return Err(DataError::Empty(dir.to_owned()));
    }
    let held = Directory::take(dir, false)?;
    let files = Files::open(&held, &Disk::default(), false, false)?;
    let about = files.state.about;
    // Whatever is there, however much.
    let all = Limits {
        senders: usize::MAX >> 1,
        series: usize::MAX >> 1,
        series_per_sender: usize::MAX >> 1,
        bytes: usize::MAX >> 1,
        ..Limits::default()
    };
    let restored = restore(&files, all, about.shards as usize, false)?;
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
