//! Programs of this workspace, built with the profile of the test that runs them, so that a test never runs an outdated
//! program.

use std::path::PathBuf;
use std::process::Command;

/// Runs `cargo build` with `args`, and returns the path of `program` in the folder of the profile.
///
/// # Panics
/// Panics if it does not build.
#[must_use]
pub fn build(args: &[&str], program: &str) -> PathBuf {
    let me = std::env::current_exe().expect("this program");
    let directory = me.ancestors().nth(2).expect("target/PROFILE/deps/test");
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "-q", "--locked", "--profile", profile])
        .args(args)
        .status()
        .expect("cargo runs");
    assert!(built.success(), "{program} builds");
    directory.join(program)
}
