//! A file that is rotated: it keeps its name, and the old content goes to a file with the time in its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::export::config::JsonLinesConfig;

/// A file that is rotated.
#[derive(Debug)]
pub(super) struct Rotating {
    config: JsonLinesConfig,
    /// `None` after a failure; the next write opens the file again.
    file: Option<Arc<File>>,
    /// The size of its complete lines, in bytes.
    length: u64,
    /// When its first line was written, in milliseconds of Unix time.
    begun_ms: Option<u64>,
}

impl Rotating {
    /// Opens the file, to append to what is there.
    pub(super) fn open(config: JsonLinesConfig) -> io::Result<Self> {
        let mut rotating = Self { config, file: None, length: 0, begun_ms: None };
        rotating.opened()?;
        Ok(rotating)
    }

    pub(super) fn path(&self) -> &Path {
        &self.config.file
    }

    /// The file, opened again after a failure or a rotation.
    fn opened(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        // As private as the measurements.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = Arc::new(options.open(&self.config.file)?);
        self.length = file.metadata()?.len();
        Ok(self.file.insert(file).clone())
    }

    /// Appends complete lines: all of them, or none.
    pub(super) fn write(&mut self, lines: &[u8], time_ms: u64) -> io::Result<()> {
        if self.is_due(lines.len() as u64, time_ms) {
            self.rotate(time_ms)?;
        }
        let file = self.opened()?;
        let written = (&*file).write_all(lines);
        if written.is_err() {
            // A part of a line is worse than none.
            let _ = file.set_len(self.length);
            self.file = None;
            return written;
        }
        self.length += lines.len() as u64;
        self.begun_ms.get_or_insert(time_ms);
        Ok(())
    }

    /// Whether the file must be rotated before this many bytes are added.
    fn is_due(&self, more: u64, time_ms: u64) -> bool {
        let is_large = self.length + more > self.config.max_bytes;
        let age_ms = self.begun_ms.map_or(0, |begun| time_ms.saturating_sub(begun));
        let is_old = self.config.max_age.is_some_and(|age| u128::from(age_ms) >= age.as_millis());
        self.length > 0 && (is_large || is_old)
    }

    /// Puts the file aside under a name with the time, compresses it, and deletes the oldest.
    fn rotate(&mut self, time_ms: u64) -> io::Result<()> {
        self.file = None;
        (self.length, self.begun_ms) = (0, None);
        let aside = self.aside(time_ms);
        fs::rename(&self.config.file, &aside)?;
        if self.config.compress {
            // If there is no room for that, it stays as it is.
            if let Err(e) = compress(&aside) {
                tracing::error!("{} cannot be compressed: {e}", aside.display());
            }
        }
        let mut old = self.rotated()?;
        while old.len() > self.config.keep {
            fs::remove_file(old.remove(0))?;
        }
        Ok(())
    }

    /// The first name for that time that no file has, compressed or not.
    fn aside(&self, time_ms: u64) -> PathBuf {
        let mut time_ms = time_ms;
        loop {
            let mut name = self.config.file.clone().into_os_string();
            // Of equal length for the next centuries, so that names are in the order of their times.
            name.push(format!(".{time_ms:014}"));
            let aside = PathBuf::from(name);
            if !aside.exists() && !compressed(&aside).exists() {
                return aside;
            }
            time_ms += 1;
        }
    }

    /// The files that were put aside, the oldest first.
    fn rotated(&self) -> io::Result<Vec<PathBuf>> {
        let path = &self.config.file;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_rotated = |of: &str| {
            let rest = of.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('.'));
            let time = rest.map(|rest| rest.strip_suffix(".gz").unwrap_or(rest));
            time.is_some_and(|time| time.len() == 14 && time.bytes().all(|b| b.is_ascii_digit()))
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(dir.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            if is_rotated(&entry.file_name().to_string_lossy()) {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The name of a file when it is compressed.
fn compressed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// Replaces a file by a compressed one, which has its name only when it is whole.
fn compress(path: &Path) -> io::Result<()> {
    let made = path.with_extension("gz.new");
    let written = (|| {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = GzEncoder::new(options.open(&made)?, Compression::default());
        io::copy(&mut File::open(path)?, &mut out)?;
        out.finish()?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&made);
        return written;
    }
    fs::rename(&made, compressed(path))?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use super::*;

    fn open(dir: &Path, max_bytes: u64, max_age: Option<Duration>, compress: bool) -> Rotating {
        let config = JsonLinesConfig {
            max_bytes,
            max_age,
            compress,
            keep: 3,
            ..JsonLinesConfig::to(dir.join("out.jsonl"))
        };
        Rotating::open(config).unwrap()
    }

    fn read(path: &Path) -> String {
        let mut text = String::new();
        if path.extension().is_some_and(|e| e == "gz") {
            flate2::read::GzDecoder::new(File::open(path).unwrap())
                .read_to_string(&mut text)
                .unwrap();
        } else {
            text = fs::read_to_string(path).unwrap();
        }
        text
    }

    #[test]
    fn it_is_rotated_by_size_compressed_and_the_oldest_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = open(dir.path(), 10, None, true);
        for n in 0..6u64 {
            file.write(format!("line {n}\n").as_bytes(), n).unwrap();
        }
        assert_eq!(read(file.path()), "line 5\n");
        let rotated = file.rotated().unwrap();
        assert!(rotated.iter().all(|path| path.extension().is_some_and(|e| e == "gz")));
        let texts: Vec<_> = rotated.iter().map(|path| read(path)).collect();
        assert_eq!(texts, ["line 2\n", "line 3\n", "line 4\n"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing else is left");
    }

    #[test]
    fn it_is_rotated_by_age_and_goes_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let age = Some(Duration::from_secs(1));
        let mut file = open(dir.path(), 1000, age, false);
        for time_ms in [5000, 5500, 6000, 6999] {
            file.write(format!("{time_ms}\n").as_bytes(), time_ms).unwrap();
        }
        let mut file = open(dir.path(), 1000, age, false);
        file.write(b"7000\n", 7000).unwrap();
        assert_eq!(read(file.path()), "6000\n6999\n7000\n");
        file.write(b"9000\n", 9000).unwrap();
        let texts: Vec<_> = file.rotated().unwrap().iter().map(|path| read(path)).collect();
        assert_eq!(texts, ["5000\n5500\n", "6000\n6999\n7000\n"]);
    }

    #[test]
    fn two_rotations_at_one_time_have_names_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = open(dir.path(), 1, None, false);
        (0..3).for_each(|_| file.write(b"x\n", 7).unwrap());
        assert_eq!(file.rotated().unwrap().len(), 2);
    }
}
