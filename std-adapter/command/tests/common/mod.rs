//! Runs the real command.
#![allow(dead_code, reason = "each test target uses its own share")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Duration;

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

/// What a collector answers on `/metrics`.
pub(crate) fn scrape(http: &str) -> String {
    let mut stream = TcpStream::connect(http).expect("it serves");
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // Of HTTP 1.0, so that the page comes without the sizes of its chunks.
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, page) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    page.to_owned()
}

/// The last line of JSON in `text`.
pub(crate) fn json(text: &str) -> serde_json::Value {
    let line = text.lines().rfind(|line| line.starts_with('{')).expect(text);
    serde_json::from_str(line).expect(line)
}
