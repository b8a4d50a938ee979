//! A disk that is really full: a small file system in memory, mounted where nobody else sees it. What does not fit is told
//! and counted, the collector goes on, nothing is acknowledged that is not there; and when there is room again, all is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{ChildStdout, Stdio};
use std::time::{Duration, Instant};

use ringstat_core::record::{Priority, Recorder as _};
use ringstat_std::Client;
use ringstat_tests::collector::program;
use ringstat_tests::process::{self, Process};
use serde_json::Value;

/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(60);

/// A file system of 8 MB in a mount namespace that lives as long as this.
struct Disk {
    holder: Process,
    at: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let at = std::env::temp_dir().join(format!("ringstat-full-{}", std::process::id()));
        std::fs::create_dir_all(&at).expect("a mount point");
        let mut command = process::command("unshare");
        let script = format!(
            "mount -t tmpfs -o size=8m none {} && echo mounted && exec sleep 3600",
            at.display()
        );
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let mut holder = Process::start({
            command.stdout(Stdio::piped());
            command
        })
        .expect("a mount namespace");
        let mut line = String::new();
        BufReader::new(holder.stdout().expect("piped")).read_line(&mut line).expect("its word");
        assert_eq!(line, "mounted\n", "it is mounted, which requires root");
        Self { holder, at }
    }

    /// The same directory, as seen from outside.
    fn outside(&self) -> PathBuf {
        let at = self.at.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.holder.id())).join(at)
    }

    /// A command that sees it.
    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = process::command("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).arg("--");
        command.arg(program()).args(args);
        command
    }

    /// Takes all the room that is left, to the last byte.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.outside().join("ballast")).expect("a file");
        let full = loop {
            if let Err(e) = ballast.write_all(&[0; 4096]) {
                break e;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    fn free(&self) {
        std::fs::remove_file(self.outside().join("ballast")).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is mounted there goes with its namespace.
        let _ = std::fs::remove_dir(&self.at);
    }
}

struct Collector {
    process: Process,
    _out: BufReader<ChildStdout>,
    udp: String,
    http: String,
}

impl Collector {
    fn start(disk: &Disk, udp: &str) -> Self {
        let data = disk.at.to_str().expect("text");
        let args = ["collect", "--udp", udp, "--http", "127.0.0.1:0", "--json", "--data", data];
        let mut command = disk.command(&args);
        command.stdout(Stdio::piped());
        let mut process = Process::start(command).expect("it starts");
        let mut out = BufReader::new(process.stdout().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("its addresses");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let text = |of: &Value| of.as_str().expect("an address").to_owned();
        let (udp, http) = (text(&said["udp"][0]), text(&said["http"]));
        Self { process, _out: out, udp, http }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).expect("it serves");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.get("/api/state")).expect("JSON")
    }

    fn until(&self, what: &str, done: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.state();
            if done(&state) {
                return state;
            }
            assert!(begun.elapsed() < SOON, "never {what}: {state}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn sum(state: &Value, name: &str) -> f64 {
    let all = state["series"].as_array().expect("series").iter();
    all.filter(|s| s["name"] == name).map(|s| s["value"].as_f64().expect("a number")).sum()
}

fn complains(state: &Value) -> bool {
    let reasons = state["health"]["reasons"].as_array().expect("reasons");
    reasons.iter().any(|r| r.as_str().is_some_and(|r| r.contains("data directory")))
}

pub(crate) fn full() {
    let disk = Disk::new();
    let collector = Collector::start(&disk, "127.0.0.1:0");
    let stats = Client::builder(&collector.udp)
        .report_interval(None)
        .flush_interval(Duration::from_millis(20))
        .critical_events(1024)
        .ack_timeout(Duration::from_millis(50))
        .ack_timeout_max(Duration::from_millis(500))
        .ack_attempts(255)
        .build()
        .expect("a client");
    let counter = stats.counter("total", &[]);
    let alarm = |count: usize| {
        for _ in 0..count {
            assert!(stats.event("alarm").priority(Priority::Critical).record().is_recorded());
        }
    };
    counter.add(1);
    alarm(10);
    stats.flush(SOON).expect("they are on disk");
    disk.fill();
    // What is new needs room.
    for n in 0..100 {
        stats.count("wide", 1u8).tag("n", &n.to_string()).record();
    }
    counter.add(1);
    alarm(100);
    let full = collector.until("full", |state| {
        let data = &state["io"]["data"];
        let failed = |of: &str| data[of].as_u64() > Some(0);
        failed("commit_failures") && failed("critical_failures") && failed("withheld")
    });
    assert_eq!(
        (&full["health"]["status"], complains(&full)),
        (&"unhealthy".into(), true),
        "{full}"
    );
    assert!(stats.flush(Duration::from_secs(1)).is_err(), "nothing is acknowledged");
    // It goes on in memory, and says what it has.
    counter.add(1);
    let known = collector.until("known", |s| sum(s, "total") == 3.0 && sum(s, "alarm") == 110.0);
    assert_eq!(sum(&known, "wide"), 100.0);
    let page = collector.get("/metrics");
    assert!(page.contains("\ntotal_total{") || page.contains("\ntotal{"), "a scrape is answered");
    disk.free();
    collector.until("written", |state| state["data"]["failing"] == false);
    stats.flush(SOON).expect("now they are on disk");
    let well = collector.until("well", |state| state["health"]["status"] != "unhealthy");
    assert!(complains(&well), "it is still told that commits failed lately: {well}");
    let Collector { process, udp, .. } = collector;
    process.kill();
    let check = process::run(disk.command(&["data", "check", disk.at.to_str().expect("text")]), "");
    assert!(check.status.success(), "{check:?}");
    let collector = Collector::start(&disk, &udp);
    let known = collector.until("heard", |s| sum(s, "alarm") == 110.0 && sum(s, "total") == 3.0);
    assert_eq!(sum(&known, "wide"), 100.0);
    let ledger = stats.shutdown(SOON);
    assert!(ledger.closes(), "{ledger:?}");
    let mut collector = collector;
    collector.process.terminate();
    assert!(collector.process.wait().expect("it ends").success(), "its ledger closes");
}
