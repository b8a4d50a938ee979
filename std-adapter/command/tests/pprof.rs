//! A CPU profile of a running command: asked for over HTTP, and read as pprof reads it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use prost::Message;
use ringstat_tests::process::{self, Process};

/// What the test reads of a profile; <https://github.com/google/pprof/blob/main/proto/profile.proto>.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

impl Profile {
    fn text(&self, index: i64) -> &str {
        &self.string_table[index as usize]
    }

    /// The names of all functions on the stack of a sample.
    fn stack(&self, sample: &Sample) -> Vec<&str> {
        let of = |id: &u64| self.location.iter().find(|l| l.id == *id).expect("a location");
        let lines = sample.location_id.iter().flat_map(|id| &of(id).line);
        let function = |line: &Line| self.function.iter().find(|f| f.id == line.function_id);
        lines.map(|line| self.text(function(line).expect("a function").name)).collect()
    }
}

/// Starts a command with `--pprof`, and returns it with the profile's address.
fn start(args: &[&str]) -> (Process, String) {
    let mut command = process::command(env!("CARGO_BIN_EXE_ringstat"));
    command.args(args).args(["--pprof", "127.0.0.1:0"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Process::start(command).expect("it starts");
    let mut said = BufReader::new(running.stderr().expect("piped"));
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).expect("text") > 0, "it never said where");
        if let Some((_, url)) = line.split_once("http://") {
            let at = url.split('/').next().expect("an address").to_owned();
            // What else it says must not hold it up.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return (running, at);
        }
    }
}

/// Returns the status and the body of an answer.
fn get(at: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(at).expect("it listens");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split_whitespace().nth(1).expect("a status").to_owned();
    (status, answer[end + 4..].to_vec())
}

#[test]
fn a_load_shows_where_its_time_goes() {
    let (load, at) =
        start(&["load", "--rate", "50k", "--concurrency", "2", "--duration", "60", "--json"]);
    let (status, body) = get(&at, "/debug/pprof/profile?seconds=2");
    assert_eq!(status, "200", "{}", String::from_utf8_lossy(&body));
    let profile = Profile::decode(body.as_slice()).expect("a profile");
    let kinds: Vec<_> =
        profile.sample_type.iter().map(|t| (profile.text(t.kind), profile.text(t.unit))).collect();
    assert_eq!(kinds, [("samples", "count"), ("cpu", "nanoseconds")]);
    assert!(!profile.sample.is_empty());
    // Each sample has as many values as there are types, and stands for a 99th of a second.
    for sample in &profile.sample {
        assert_eq!(sample.value.len(), 2);
        assert!(
            sample.value[0] > 0 && sample.value[1] >= sample.value[0] * 10_000_000,
            "{sample:?}"
        );
    }
    let ours =
        |sample: &&Sample| profile.stack(sample).iter().any(|name| name.contains("ringstat"));
    assert!(profile.sample.iter().any(|s| ours(&s)), "{:?}", profile.string_table);
    load.kill();
}

#[test]
fn one_profile_is_taken_at_a_time_and_a_question_must_make_sense() {
    let (collector, at) =
        start(&["collect", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"]);
    for wrong in ["seconds=0", "seconds=61", "seconds=x"] {
        assert_eq!(get(&at, &format!("/debug/pprof/profile?{wrong}")).0, "400", "{wrong}");
    }
    assert_eq!(get(&at, "/metrics").0, "404");
    let mut statuses = std::thread::scope(|scope| {
        let ask = || get(&at, "/debug/pprof/profile?seconds=3").0;
        [scope.spawn(ask), scope.spawn(ask)].map(|asked| asked.join().expect("an answer"))
    });
    statuses.sort();
    assert_eq!(statuses, ["200", "409"]);
    collector.kill();
}

#[test]
fn nobody_else_may_ask() {
    let mut command = process::command(env!("CARGO_BIN_EXE_ringstat"));
    command.args([
        "collect",
        "--udp",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--pprof",
        "0.0.0.0:0",
    ]);
    let output = process::run(command, "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("loopback"), "{said}");
}
