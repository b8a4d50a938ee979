//! Runs the real command.
#![allow(dead_code, reason = "each test target uses its own share")]

pub(crate) mod collector;

use std::process::{Command, Output};

use ringstat_tests::process;

/// The command, before it is started.
pub(crate) fn ringstat(args: &[&str]) -> Command {
    let mut command = process::command(env!("CARGO_BIN_EXE_ringstat"));
    command.args(args);
    command
}

/// Runs the command to its end with `input` on standard input.
pub(crate) fn run(args: &[&str], input: &str) -> Output {
    process::run(ringstat(args), input)
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

/// The last line of JSON in `text`.
pub(crate) fn json(text: &str) -> serde_json::Value {
    let line = text.lines().rfind(|line| line.starts_with('{')).expect(text);
    serde_json::from_str(line).expect(line)
}
