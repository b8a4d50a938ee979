//! `ringstat collect` as a process of its own, on ports that are free.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use ringstat_tests::process::Process;
use serde_json::Value;

use super::{json, ringstat};

/// A running collector. Dropping it kills it.
pub(crate) struct Collector {
    process: Process,
    out: BufReader<ChildStdout>,
    /// The address where it takes datagrams.
    pub(crate) udp: String,
    /// The address where it serves HTTP.
    pub(crate) http: String,
}

impl Collector {
    /// Starts it with these arguments more, and waits until it listens.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", |command| _ = command.args(more))
    }

    /// Starts it at this UDP address, as `prepare` wants it.
    pub(crate) fn start_at(udp: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = ringstat(&["collect", "--udp", udp, "--http", "127.0.0.1:0", "--json"]);
        command.stdout(Stdio::piped());
        prepare(&mut command);
        let mut process = Process::start(command).expect("the collector starts");
        let mut out = BufReader::new(process.stdout().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the addresses");
        let addresses = json(&line);
        let text = |value: &Value| value.as_str().expect("an address").to_owned();
        Self { udp: text(&addresses["udp"][0]), http: text(&addresses["http"]), process, out }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it answers to a GET request.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).expect("it serves");
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // Of HTTP 1.0, so that the answer comes without the sizes of its chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        body.to_owned()
    }

    /// The page of `/metrics`.
    pub(crate) fn scrape(&self) -> String {
        self.get("/metrics")
    }

    /// Ends it without a word.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Asks it to end.
    #[cfg(target_os = "linux")]
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Ends it as an operator does, and returns the ledger that it prints.
    #[cfg(target_os = "linux")]
    pub(crate) fn end(mut self) -> Value {
        self.terminate();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("the ledger");
        assert!(self.process.wait().expect("it ends").success(), "its ledger closes");
        json(&rest)
    }
}
