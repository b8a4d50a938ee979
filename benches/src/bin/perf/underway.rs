//! What is being measured at this moment: a file for each process, so that `perf serve` can show it.

use std::path::{Path, PathBuf};

use crate::results::now;

/// Where the files are: `PID`, with the time it began and the command.
const FOLDER: &str = "target/perf/underway";

/// A measurement that is under way until this is dropped.
pub(crate) struct Underway(PathBuf);

impl Underway {
    /// Announces the command line of this process. If that fails, the measurement is merely not shown.
    pub(crate) fn begin() -> Self {
        let file = Path::new(FOLDER).join(std::process::id().to_string());
        let command: Vec<_> = std::env::args().skip(1).collect();
        let _ = std::fs::create_dir_all(FOLDER);
        let _ = std::fs::write(&file, format!("{} perf {}", now(), command.join(" ")));
        Self(file)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Returns when each measurement began and its command. The files of processes that were killed are removed.
pub(crate) fn all() -> Vec<(i64, String)> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let one = |entry: std::fs::DirEntry| {
        let pid = entry.file_name();
        if !Path::new("/proc").join(&pid).exists() {
            let _ = std::fs::remove_file(entry.path());
            return None;
        }
        let text = std::fs::read_to_string(entry.path()).ok()?;
        let (at, command) = text.split_once(' ')?;
        Some((at.parse().ok()?, command.to_owned()))
    };
    let mut all: Vec<_> = entries.filter_map(one).collect();
    all.sort_unstable();
    all
}
