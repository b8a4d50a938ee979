//! Instruction counts of hot operations: `ringstat-instructions` runs one operation a thousand times under callgrind.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::exact;
use crate::failure::{Exit, Failure};
use crate::results::Metric;
use crate::tools;

/// How often the program runs the operation.
const TIMES: f64 = 1000.0;
const LIMIT: Duration = Duration::from_secs(300);
const BUILD: Duration = Duration::from_secs(1800);

/// Returns whether valgrind is installed.
pub(super) fn are_countable() -> bool {
    tools::run(Command::new("valgrind").arg("--version"), LIMIT).is_ok_and(|e| e.code == Some(0))
}

/// Counts the instructions of each operation.
pub(super) fn metrics() -> Result<Vec<Metric>, Failure> {
    let program = build()?;
    let names =
        tools::run(Command::new(&program).arg("list"), LIMIT)?.success("ringstat-instructions")?;
    let names = String::from_utf8_lossy(&names).into_owned();
    let log = std::env::temp_dir().join(format!("ringstat-callgrind-{}", std::process::id()));
    let count = |name: &str| {
        let instructions = count(&program, name, &log)?;
        Ok(exact("instructions", name, "instructions", (instructions / TIMES).floor()))
    };
    let counted = names.lines().map(count).collect();
    // The log is missing only if valgrind did not start, and then there is nothing to remove.
    let _ = std::fs::remove_file(&log);
    counted
}

/// Builds the program optimized but without link-time optimization, in a target folder of its own and with the same
/// flags whatever the profile of this build is.
fn build() -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--profile", "loom", "--package", "ringstat-instructions"]);
    cargo.args(["--target-dir", "target/instructions", "--message-format=json-render-diagnostics"]);
    let said = tools::run(&mut cargo, BUILD)?.success("cargo build of ringstat-instructions")?;
    tools::executable(&String::from_utf8_lossy(&said))
        .ok_or_else(|| Failure::new(Exit::Environment, "cargo did not report the program's path"))
}

fn count(program: &Path, name: &str, log: &Path) -> Result<f64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    valgrind.args(["--toggle-collect=*measured*", &format!("--log-file={}", log.display())]);
    tools::run(valgrind.arg(program).arg(name), LIMIT)?.success("valgrind")?;
    let text = std::fs::read_to_string(log).map_err(|e| Failure::file("read", log, &e))?;
    collected(&text).filter(|n| *n > 0.0).ok_or_else(|| {
        Failure::new(Exit::Verdict, format_args!("no instruction of {name} was counted"))
    })
}

/// Extracts the number from a line such as `==1== Collected : 123`.
fn collected(log: &str) -> Option<f64> {
    let line = log.lines().find_map(|l| l.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_collected_is_read() {
        assert_eq!(
            collected("==7== Events    : Ir\n==7== Collected : 165432\n==7==\n"),
            Some(165_432.0)
        );
        assert_eq!(collected("==7== valgrind: no such file\n"), None);
    }
}
