//! The checks of a data directory: who may write there, how much room there is, and what it lies on.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Finding;

/// A disk that takes longer than this to keep a page keeps acknowledgements waiting beyond the promised 50 ms.
const SLOW: Duration = Duration::from_millis(30);

/// All checks of the directory, in which at most `most` bytes of state are kept.
pub(super) fn directory(dir: &Path, most: u64) -> Vec<Finding> {
    let there = existing(dir);
    let mut findings = vec![writable(dir, &there)];
    findings.push(room(dir, free(&there), size(dir), most));
    let mounts = fs::read_to_string("/proc/self/mounts").ok();
    let real = fs::canonicalize(&there).unwrap_or(there);
    findings.push(file_system(dir, &real, mounts.as_deref()));
    findings
}

/// The directory, or the nearest one above that exists.
fn existing(dir: &Path) -> PathBuf {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().find(|d| d.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Whether a file can be made and synced there.
fn writable(dir: &Path, there: &Path) -> Finding {
    let shown = dir.display();
    match write_and_sync(there) {
        Ok(took) if took > SLOW => Finding::unknown(
            "data directory",
            format!(
                "{shown} takes {took:.0?} to keep a page: acknowledgements come later than the 50 ms that a disk allows which is well"
            ),
        ),
        Ok(took) => Finding::ok(
            "data directory",
            format!("{shown} can be written; a sync takes {took:.1?}"),
        ),
        Err(e) => Finding::mend(
            "data directory",
            format!("{shown} cannot be written: {e}"),
            format!("sudo install -d -m 700 -o \"$USER\" {shown}"),
        ),
    }
}

/// Makes a file of a page, and removes it. Returns how long its sync took.
fn write_and_sync(dir: &Path) -> io::Result<Duration> {
    let path = dir.join(format!(".ringstat-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let synced = file.write_all(&[0; 4096]).and_then(|()| {
        let begun = Instant::now();
        file.sync_all().map(|()| begun.elapsed())
    });
    // What has been made goes, whether or not it could be filled.
    fs::remove_file(&path)?;
    synced
}

/// The bytes of the files that are there.
fn size(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// The bytes that this user may still write.
#[cfg(unix)]
fn free(there: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(there).ok()?;
    // The types differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    let (blocks, size) = (u64::from(stat.blocks_available()), stat.fragment_size() as u64);
    Some(blocks.saturating_mul(size))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

/// A commit writes beside what it replaces, so that there are two copies of what has changed.
fn room(dir: &Path, free: Option<u64>, used: u64, most: u64) -> Finding {
    let need = most.saturating_mul(2);
    match free {
        Some(free) if free.saturating_add(used) >= need => {
            Finding::ok("data room", format!("{} MiB are free", free >> 20))
        }
        Some(free) => Finding::mend(
            "data room",
            format!(
                "{} MiB are free, and {} MiB may be needed for max-bytes of {} MiB: what does not fit is not kept",
                free >> 20,
                need.saturating_sub(used) >> 20,
                most >> 20
            ),
            format!("df -h {}", dir.display()),
        ),
        None => Finding::unknown("data room", "this system does not say how much is free"),
    }
}

/// What the directory lies on, by the table of mounted file systems.
fn file_system(dir: &Path, real: &Path, mounts: Option<&str>) -> Finding {
    const WHAT: &str = "data disk";
    let Some(kind) = mounts.and_then(|table| kind(real, table)) else {
        return Finding::unknown(WHAT, "this system does not say what the directory lies on");
    };
    let mend = |why: &str| {
        let shown = dir.display();
        Finding::mend(WHAT, format!("{kind}: {why}"), format!("findmnt --target {shown}"))
    };
    match kind {
        "tmpfs" | "ramfs" | "devtmpfs" => mend("it is memory: a restart of the machine forgets"),
        "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "9p" | "ceph" | "afs" | "virtiofs" => {
            mend("it is on another machine, which keeps locks and syncs in its own way")
        }
        remote if remote.starts_with("fuse.") => {
            mend("a program answers for it, which may not keep what was synced")
        }
        "overlay" => Finding::unknown(WHAT, "overlay: it lasts as long as its container"),
        kind => Finding::ok(WHAT, kind),
    }
}

/// The kind of the innermost file system that has the path.
fn kind<'t>(path: &Path, table: &'t str) -> Option<&'t str> {
    let mounted = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?.replace("\\040", " "), fields.next()?))
    });
    let above = mounted.filter(|(at, _)| path.starts_with(at));
    // Of several at one place, the last one counts.
    above.max_by_key(|(at, _)| at.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_directory_is_tried_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("not/yet");
        for at in [dir.path(), &inside] {
            let found = writable(at, &existing(at));
            assert_ne!(found.verdict, Verdict::Mend, "{found:?}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let found = writable(&file, &file);
        assert!(found.mend.unwrap().starts_with("sudo install -d"));
    }

    #[test]
    fn room_is_for_two_copies() {
        let dir = Path::new("/d");
        let of = |free, used| room(dir, free, used, 100 << 20).verdict;
        assert_eq!(of(Some(200 << 20), 0), Verdict::Ok);
        assert_eq!(of(Some(150 << 20), 50 << 20), Verdict::Ok);
        assert_eq!(of(Some(150 << 20), 0), Verdict::Mend);
        assert_eq!(of(None, 0), Verdict::Unknown);
        #[cfg(unix)]
        assert!(free(Path::new("/")).is_some());
    }

    #[test]
    fn memory_networks_and_containers_are_named() {
        let table = "/dev/vda / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\nhost:/a /mnt/a nfs4 rw 0 0\n\
                     sshfs /mnt/with\\040space fuse.sshfs rw 0 0\noverlay /merged overlay rw 0 0\n\
                     old /twice tmpfs rw 0 0\nnew /twice xfs rw 0 0\n";
        let of = |path: &str| file_system(Path::new(path), Path::new(path), Some(table));
        for (path, verdict) in [
            ("/var/lib/ringstat", Verdict::Ok),
            ("/running", Verdict::Ok),
            ("/run/ringstat", Verdict::Mend),
            ("/mnt/a/b", Verdict::Mend),
            ("/mnt/with space/b", Verdict::Mend),
            ("/merged/b", Verdict::Unknown),
            ("/twice", Verdict::Ok),
        ] {
            assert_eq!(of(path).verdict, verdict, "{path}");
        }
        assert_eq!(of("/twice").state, "xfs");
        assert_eq!(file_system(Path::new("/"), Path::new("/"), None).verdict, Verdict::Unknown);
    }
}
