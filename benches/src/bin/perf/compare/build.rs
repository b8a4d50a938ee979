//! Builds this program as of another commit, in a folder of its own, and keeps the binary for the next time.
//!
//! The folder is filled from `git archive`, not by `git worktree`: if the process is killed in the middle, it leaves
//! neither a worktree nor a branch behind, only files below `target`, which the next build of that commit removes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Exit, Failure};
use crate::tools;

/// The time limit, which allows for cold caches on a small machine.
const BUILD: Duration = Duration::from_secs(3600);
const GIT: Duration = Duration::from_secs(120);

/// Returns the binary of `commit`, or this one if `commit` is `.`.
pub(crate) fn binary(commit: &str) -> Result<PathBuf, Failure> {
    if commit == "." {
        return tools::myself();
    }
    let hash = git(&["rev-parse", "--verify", "--quiet", &format!("{commit}^{{commit}}")])
        .map_err(|_| {
            Failure::new(Exit::Usage, format_args!("'{commit}' is not a commit"))
                .hint("Give a commit, `.` for the working tree, or a kept run as in @12.")
        })?;
    let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    let desk = root.join("target/perf");
    let kept = desk.join("bin").join(&hash);
    if kept.exists() {
        return Ok(kept);
    }
    let tree = desk.join(format!("tree-{hash}"));
    eprintln!("building {commit} ({})", &hash[..hash.len().min(10)]);
    let built = unpack(&hash, &root, &tree).and_then(|()| build(&tree, &desk.join("build")));
    // Whether or not the build succeeded, the files are no longer needed.
    let removed = std::fs::remove_dir_all(&tree);
    let binary = built?;
    removed.map_err(|e| Failure::file("remove", &tree, &e))?;
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file("make", folder, &e))?;
    }
    // The rename is atomic: a process that is killed here does not leave half a binary behind.
    let half = kept.with_extension("half");
    std::fs::copy(&binary, &half).map_err(|e| Failure::file("copy", &binary, &e))?;
    std::fs::rename(&half, &kept).map_err(|e| Failure::file("keep", &kept, &e))?;
    Ok(kept)
}

/// Extracts the files of a commit into `tree`, which then contains nothing else.
fn unpack(hash: &str, root: &Path, tree: &Path) -> Result<(), Failure> {
    if tree.exists() {
        std::fs::remove_dir_all(tree).map_err(|e| Failure::file("remove", tree, &e))?;
    }
    std::fs::create_dir_all(tree).map_err(|e| Failure::file("make", tree, &e))?;
    let archive = tree.join("commit.tar");
    let path = archive.to_string_lossy().into_owned();
    // `git archive` covers only the folder it runs in, so it runs at the root of the repository.
    let root = root.to_string_lossy();
    git(&["-C", &root, "archive", "--format=tar", "--output", &path, hash])?;
    let mut tar = Command::new("tar");
    // The files get the current time, because cargo takes files older than the last build as unchanged.
    tar.current_dir(tree).args(["--extract", "--touch", "--file", &path]);
    tools::run(&mut tar, GIT)?.success("tar")?;
    std::fs::remove_file(&archive).map_err(|e| Failure::file("remove", &archive, &e))
}

/// What the desk itself needs, and no benchmark runs: it is not worth optimizing.
const UNMEASURED: [&str; 10] = [
    "clap_builder",
    "inferno",
    "libsqlite3-sys",
    "plotters",
    "plotters-backend",
    "plotters-svg",
    "quick-xml",
    "redb",
    "rusqlite",
    "statrs",
];

/// Builds without link-time optimization, which takes minutes for a gain of a few percent that affects both versions
/// alike. All commits share one target folder, so that what did not change between them is built once.
fn build(tree: &Path, target: &Path) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", target);
    cargo.args(["build", "--release", "--package", "ringstat-benches", "--bin", "perf"]);
    cargo.args(["--config", "profile.release.lto=false"]);
    cargo.args(["--config", "profile.release.codegen-units=16"]);
    cargo.args(["--config", "profile.release.debug=false"]);
    for name in UNMEASURED {
        cargo.args(["--config", &format!("profile.release.package.{name}.opt-level=0")]);
    }
    tools::run(&mut cargo, BUILD)?
        .success("cargo build")
        .map_err(|e| e.hint("Only commits that have the performance desk can be compared."))?;
    Ok(target.join("release/perf"))
}

/// Returns the commit at which `head` left `base`.
pub(super) fn merge_base(base: &str, head: &str) -> Result<String, Failure> {
    git(&["merge-base", base, head]).map_err(|_| {
        Failure::new(Exit::Usage, format_args!("{base} and {head} have no commit in common"))
    })
}

fn git(args: &[&str]) -> Result<String, Failure> {
    let output = tools::run(Command::new("git").args(args), GIT)?.success("git")?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_unpacked_over_what_a_killed_build_left_and_git_knows_nothing_of_it() {
        let tree = std::env::temp_dir().join(format!("ringstat-unpack-{}", std::process::id()));
        std::fs::create_dir_all(&tree).unwrap();
        std::fs::write(tree.join("left-over"), "").unwrap();
        let hash = git(&["rev-parse", "HEAD"]).unwrap();
        let before = git(&["worktree", "list"]).unwrap();
        let root = git(&["rev-parse", "--show-toplevel"]).unwrap();
        unpack(&hash, Path::new(&root), &tree).unwrap();
        let there =
            ["Cargo.toml", "Cargo.lock", "left-over", "commit.tar"].map(|f| tree.join(f).exists());
        std::fs::remove_dir_all(&tree).unwrap();
        assert_eq!(there, [true, true, false, false]);
        assert_eq!(git(&["worktree", "list"]).unwrap(), before);
    }
}
