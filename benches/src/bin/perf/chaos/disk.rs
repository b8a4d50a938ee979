//! A disk that can be full: a small file system in memory, which nobody else sees and which goes with this process.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// Where it is mounted.
const PLACE: &str = "target/perf/disk";

/// The mounted file system.
#[derive(Debug)]
pub(super) struct Disk(PathBuf);

impl Disk {
    /// Mounts it for this process, which must not have started any threads yet.
    pub(super) fn mount() -> Result<Self, Failure> {
        let place = Path::new(PLACE);
        fs::create_dir_all(place).map_err(|e| Failure::file("make", place, &e))?;
        mount(place).map_err(|e| {
            Failure::new(Exit::Environment, format_args!("no disk to fill: {e}")).hint(
                "It takes root, or user namespaces: `sysctl kernel.unprivileged_userns_clone=1`, or on Ubuntu \
                 `sysctl kernel.apparmor_restrict_unprivileged_userns=0`.",
            )
        })?;
        Ok(Self(place.to_owned()))
    }

    /// Returns an empty directory on it.
    pub(super) fn directory(&self) -> Result<PathBuf, Failure> {
        let data = self.0.join("data");
        match fs::remove_dir_all(&data) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(Failure::file("remove", &data, &e));
            }
            _ => {}
        }
        fs::create_dir(&data).map_err(|e| Failure::file("make", &data, &e))?;
        Ok(data)
    }

    /// Takes all the room that is left, to the last page.
    pub(super) fn fill(&self) -> Result<(), Failure> {
        let path = self.ballast();
        let mut ballast = File::create(&path).map_err(|e| Failure::file("make", &path, &e))?;
        loop {
            match ballast.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(e) => return Err(Failure::file("write", &path, &e)),
            }
        }
    }

    /// Gives the room back.
    pub(super) fn free(&self) -> Result<(), Failure> {
        let path = self.ballast();
        fs::remove_file(&path).map_err(|e| Failure::file("remove", &path, &e))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

/// Mounts a file system of 16 MiB in a mount namespace of our own: as root, or as root of a user namespace.
#[cfg(target_os = "linux")]
fn mount(place: &Path) -> io::Result<()> {
    use nix::mount::MsFlags;
    use nix::sched::{CloneFlags, unshare};
    use nix::unistd::{getgid, getuid};

    const NONE: Option<&str> = None;
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        let (user, group) = (getuid(), getgid());
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    // What is mounted here must not appear elsewhere.
    nix::mount::mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let size = Some("size=16m");
    nix::mount::mount(Some("none"), place, Some("tmpfs"), MsFlags::empty(), size)?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn mount(_place: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
