//! This program as of another commit: built in a folder of its own, and kept for the next time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Exit, Failure};
use crate::tools;

/// A build with link-time optimization takes minutes.
const BUILD: Duration = Duration::from_secs(3600);
const GIT: Duration = Duration::from_secs(120);

/// The binary of `commit`; of `.`, this one.
pub(super) fn binary(commit: &str) -> Result<PathBuf, Failure> {
    if commit == "." {
        return tools::myself();
    }
    let hash = git(&["rev-parse", "--verify", "--quiet", &format!("{commit}^{{commit}}")])
        .map_err(|_| {
            Failure::new(Exit::Usage, format_args!("'{commit}' is no commit"))
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
    git(&["worktree", "add", "--quiet", "--detach", "--force", &tree.to_string_lossy(), &hash])?;
    let built = build(&tree, &desk.join("build"));
    // Whatever became of the build: the tree is no longer needed.
    let removed = git(&["worktree", "remove", "--force", &tree.to_string_lossy()]);
    let binary = built?;
    removed?;
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file("make", folder, &e))?;
    }
    std::fs::copy(&binary, &kept).map_err(|e| Failure::file("copy", &binary, &e))?;
    Ok(kept)
}

fn build(tree: &Path, target: &Path) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", target).args([
        "build",
        "--release",
        "--quiet",
        "--package",
        "ringstat-benches",
        "--bin",
        "perf",
    ]);
    tools::run(&mut cargo, BUILD)?
        .success("cargo build")
        .map_err(|e| e.hint("Only commits that have the performance desk can be compared."))?;
    Ok(target.join("release/perf"))
}

fn git(args: &[&str]) -> Result<String, Failure> {
    let output = tools::run(Command::new("git").args(args), GIT)?.success("git")?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}
