//! The environment in which a run was measured, without which its numbers mean nothing.

use std::process::Command;

use serde::{Deserialize, Serialize};

/// A machine and the build that ran on it. Fields are empty where the system does not tell.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// The full hash of the commit.
    pub(crate) commit: String,
    /// The branch; empty if none is checked out.
    #[serde(default)]
    pub(crate) branch: String,
    /// Whether the working tree differs from the commit.
    pub(crate) dirty: bool,
    /// The name of the machine.
    pub(crate) machine: String,
    pub(crate) kernel: String,
    pub(crate) cpu: String,
    pub(crate) cores: u32,
    /// The governor of the CPU frequency.
    pub(crate) governor: String,
    /// The load average of the last minute.
    pub(crate) load: f64,
    pub(crate) rustc: String,
    /// The version of ringstat.
    pub(crate) version: String,
}

impl Environment {
    pub(crate) fn here() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find(|l| l.starts_with("model name"));
        let status = output("git", &["status", "--porcelain", "--untracked-files=no"]);
        Self {
            commit: output("git", &["rev-parse", "HEAD"]),
            branch: branch(),
            dirty: !status.is_empty(),
            machine: read("/proc/sys/kernel/hostname"),
            kernel: read("/proc/sys/kernel/osrelease"),
            cpu: model.and_then(|l| l.split_once(": ")).map_or("", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, |n| n.get() as u32),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|l| l.parse().ok())
                .unwrap_or(0.0),
            rustc: output("rustc", &["--version"]),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Returns whether both are the same machine.
    pub(crate) fn same_machine(&self, other: &Self) -> bool {
        (&self.machine, &self.cpu) == (&other.machine, &other.cpu)
    }

    /// Returns whether both are the same machine and commit, as far as that can be known.
    pub(crate) fn same_code(&self, other: &Self) -> bool {
        self.same_machine(other) && (&self.commit, self.dirty) == (&other.commit, other.dirty)
    }

    /// The abbreviated commit.
    pub(crate) fn short(&self) -> String {
        let short = self.commit.get(..10).unwrap_or("no commit");
        format!("{short}{}", if self.dirty { "+" } else { "" })
    }

    /// Formats the environment in one line.
    pub(crate) fn line(&self) -> String {
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        format!(
            "{}, {} cores, Linux {}, governor {}, load {:.2}, {}",
            or(&self.cpu, "unknown CPU"),
            self.cores,
            or(&self.kernel, "unknown"),
            or(&self.governor, "unknown"),
            self.load,
            or(&self.rustc, "unknown compiler"),
        )
    }
}

/// Returns the branch that is checked out, or the one that a public CI says it builds.
fn branch() -> String {
    let checked_out = output("git", &["symbolic-ref", "--quiet", "--short", "HEAD"]);
    let built =
        ["GITHUB_HEAD_REF", "GITHUB_REF_NAME"].into_iter().filter_map(|v| std::env::var(v).ok());
    std::iter::once(checked_out).chain(built).find(|name| !name.is_empty()).unwrap_or_default()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn output(command: &str, args: &[&str]) -> String {
    let output = Command::new(command).args(args).output();
    let text = output.ok().filter(|o| o.status.success()).map(|o| o.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}
