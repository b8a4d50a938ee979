//! Runs the real command.
#![allow(dead_code, reason = "each test target uses its own share")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The command, not started yet.
pub(crate) fn ringstat(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringstat"));
    command.args(args);
    command
}

/// Runs the command to its end with `input` on standard input.
pub(crate) fn run(args: &[&str], input: &str) -> Output {
    let mut command = ringstat(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // From a thread of its own: the command may fill its output before it has read all of its input.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the command ends");
    // A command that refuses its arguments does not read.
    let _ = writer.join().expect("no panic");
    output
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
