//! `ringstat collect`, the real command in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{ChildStdout, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::netns::Namespace;
use super::process::{self, Process};
use super::program::build;

/// The address of its HTTP server, inside its namespace.
const HTTP: &str = "127.0.0.1:9125";

/// A running collector. Dropping it kills it.
#[derive(Debug)]
pub struct Collector<'a> {
    machine: &'a Namespace,
    process: Process,
    out: BufReader<ChildStdout>,
}

impl<'a> Collector<'a> {
    /// Starts a collector and waits until it listens.
    pub fn start(machine: &'a Namespace, udp: &[&str]) -> Self {
        Self::start_with(machine, udp, &[])
    }

    /// The same with more arguments.
    pub fn start_with(machine: &'a Namespace, udp: &[&str], more: &[&str]) -> Self {
        let mut command = process::command(program());
        command.args(["collect", "--json", "--http", HTTP]).stdout(Stdio::piped());
        udp.iter().for_each(|at| _ = command.args(["--udp", at]));
        command.args(more);
        let mut process = machine.start(command);
        let mut out = BufReader::new(process.stdout().expect("piped"));
        let mut addresses = String::new();
        out.read_line(&mut addresses).expect("its addresses");
        assert!(addresses.contains("udp"), "it says where it listens: {addresses:?}");
        Self { machine, process, out }
    }

    /// Returns what it knows now.
    pub fn state(&self) -> Known {
        let answer = self.machine.enter(|| {
            let mut stream = TcpStream::connect(HTTP).expect("the collector serves");
            let request = "GET /api/state HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        });
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Known(serde_json::from_str(body).expect("JSON"))
    }

    /// Polls it until `done` holds, since datagrams are read with a delay.
    pub fn until(&self, what: &str, done: impl Fn(&Known) -> bool) -> Known {
        for _ in 0..1000 {
            let known = self.state();
            if known.senders() > 0 && done(&known) {
                return known;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("never {what}: {:?}", self.state());
    }

    /// Returns what it knows once it has read everything that arrived for `port`.
    pub fn all_read(&self, port: u16) -> Known {
        let mut before = self.state();
        loop {
            let empty = self.machine.unread(port) == 0;
            // The last datagrams may have been read but not counted yet, so the state is read once more.
            let now = self.state();
            if empty && now.number("datagrams") == before.number("datagrams") {
                return now;
            }
            before = now;
        }
    }

    /// Kills it, as the kernel does when memory is short.
    pub fn kill(self) {
        self.process.kill();
    }

    /// Stops it as an operator does, and returns its last report, in which nothing is outstanding.
    pub fn end(mut self) -> Known {
        self.process.terminate();
        let mut ledger = String::new();
        self.out.read_to_string(&mut ledger).expect("its ledger");
        assert!(self.process.wait().expect("it ends").success(), "its ledger closes");
        Known(serde_json::from_str(&ledger).expect("JSON"))
    }
}

/// What a collector with one sender knows.
#[derive(Debug)]
pub struct Known(Value);

impl Known {
    /// Returns one of the collector's own numbers.
    pub fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_else(|| panic!("{field} in {}", self.0))
    }

    /// Returns one of the counts of its sockets.
    #[must_use]
    pub fn io(&self, field: &str) -> u64 {
        self.0["io"][field].as_u64().unwrap_or_else(|| panic!("{field} in {}", self.0["io"]))
    }

    /// Returns the number of senders it has heard from.
    pub fn senders(&self) -> usize {
        self.0["senders"].as_array().map_or(0, Vec::len)
    }

    /// Returns a number about the sender.
    pub fn sender(&self, field: &str) -> u64 {
        assert_eq!(self.senders(), 1, "{}", self.0);
        self.0["senders"][0][field].as_u64().unwrap_or_else(|| panic!("{field} in {}", self.0))
    }

    /// Returns the sum of all series of a name, whatever their tags.
    #[must_use]
    pub fn sum(&self, name: &str) -> u64 {
        let all = self.0["series"].as_array().expect("series");
        let values = all.iter().filter(|s| s["name"] == name).map(|s| s["value"].as_f64());
        values.map(|value| value.expect("a number") as u64).sum()
    }

    /// Returns what it knows about the sender with that number.
    #[must_use]
    pub fn of(&self, sender: u64, field: &str) -> u64 {
        let id = format!("{sender:016x}");
        let all = self.0["senders"].as_array().expect("senders");
        let known = all.iter().find(|s| s["id"] == id.as_str());
        let value = known.and_then(|s| s[field].as_u64());
        value.unwrap_or_else(|| panic!("{field} of {id} in {}", self.0))
    }

    /// Returns the value of a series, or 0 if it does not exist yet.
    pub fn series(&self, name: &str) -> u64 {
        let all = self.0["series"].as_array().expect("series");
        let mut named = all.iter().filter(|s| s["name"] == name);
        let value = named.next().map_or(0.0, |s| s["value"].as_f64().expect("a number"));
        assert!(named.next().is_none(), "one series of that name: {}", self.0);
        assert!(value >= 0.0 && value.fract() == 0.0, "{name} counts: {value}");
        value as u64
    }
}

/// Returns the path of the command, which is built first.
#[must_use]
pub fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let args = ["-p", "ringstat"];
    PROGRAM.get_or_init(|| build(&args, "ringstat"))
}
