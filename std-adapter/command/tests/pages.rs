//! The lines of shell on the pages about sockets, lines, rules, data and outputs, run as they stand there: only paths lead to
//! an empty directory, addresses to where somebody waits for what they say, and intervals are short.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::collector::Collector;
use common::{run, stderr};

const PAGES: [&str; 2] = [include_str!("../README.md"), include_str!("../../docs/exporting.md")];
const RULES: &str =
    "[[rule]]\nmatch = \"page.*\"\nname = \"page.mapped\"\nlabels = { page = \"$1\" }\n";
const SOON: Duration = Duration::from_secs(60);

/// The lines of shell that collect, check rules or look at data, word by word and without remarks.
fn lines() -> Vec<Vec<&'static str>> {
    let blocks = PAGES.iter().flat_map(|page| page.split("\n```sh\n").skip(1));
    let lines = blocks.flat_map(|block| block.split("\n```").next().unwrap().lines());
    let words = lines.map(|line| {
        let command = line.split(" #").next().unwrap().trim();
        command.split_whitespace().map(|word| word.trim_matches('\'')).collect::<Vec<_>>()
    });
    words.filter(|w| matches!(w[..], ["ringstat", "collect" | "map" | "data", ..])).collect()
}

/// What the pages' paths and addresses lead to.
struct Place {
    dir: tempfile::TempDir,
    /// Takes requests over HTTP, and says their paths.
    web: String,
    paths: Receiver<String>,
    /// The server to which datagrams are relayed.
    server: UdpSocket,
}

impl Place {
    fn new() -> Self {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(SOON)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = listener.local_addr().unwrap().to_string();
        let (tell, paths) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    let mut line = String::new();
                    while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
                        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                        let mut length = 0;
                        while {
                            line.clear();
                            reader.read_line(&mut line).is_ok_and(|n| n > 2)
                        } {
                            let header = line.to_ascii_lowercase();
                            if let Some(n) = header.strip_prefix("content-length:") {
                                length = n.trim().parse().unwrap();
                            }
                        }
                        let _ = reader.read_exact(&mut vec![0; length]);
                        let _ = tell.send(path);
                        let _ = (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                        line.clear();
                    }
                });
            }
        });
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rules.toml"), RULES).unwrap();
        Self { dir, web, paths, server }
    }

    /// Forgets what came for the line before.
    fn clear(&self) {
        while self.paths.try_recv().is_ok() {}
        self.server.set_nonblocking(true).unwrap();
        while self.server.recv(&mut [0; 2048]).is_ok() {}
        self.server.set_nonblocking(false).unwrap();
    }

    fn path(&self, word: &str) -> PathBuf {
        let path = self.dir.path().join(word.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// A word of a page, as it is run.
    fn word(&self, word: &str) -> String {
        if word.starts_with('/') || word == "rules.toml" {
            return self.path(word).to_str().unwrap().to_owned();
        }
        let mut word = word.replace("aggregate=10s", "aggregate=1s");
        for of_page in ["127.0.0.1:9090", "127.0.0.1:4318", "127.0.0.1:4317"] {
            word = word.replace(of_page, &self.web);
        }
        for of_page in ["central:8125", "graphite:8125"] {
            word = word.replace(of_page, &self.server.local_addr().unwrap().to_string());
        }
        word
    }

    /// Waits for a request with that path.
    fn asked(&self, path: &str) {
        let end = Instant::now() + SOON;
        while self.paths.recv_timeout(end.saturating_duration_since(Instant::now())).expect(path)
            != path
        {}
    }

    /// Waits for a datagram.
    fn relayed(&self, what: &str, is_it: impl Fn(&[u8]) -> bool) {
        let end = Instant::now() + SOON;
        let mut buf = [0; 2048];
        loop {
            let length = self.server.recv(&mut buf).expect(what);
            if is_it(&buf[..length]) {
                return;
            }
            assert!(Instant::now() < end, "never {what}");
        }
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// Runs a line that collects, and looks for what each of its flags promises. Returns the flags.
fn collect(place: &Place, words: &[&'static str]) -> Vec<&'static str> {
    let mut args: Vec<_> = words.iter().map(|word| place.word(word)).collect();
    for every_second in ["--remote-write", "--jsonl", "--otlp"] {
        if words.contains(&every_second) {
            args.extend([format!("{every_second}-interval"), "1".to_owned()]);
        }
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    place.clear();
    let collector = Collector::start(&args);
    let mut to = collector.udp.clone();
    if let Some(at) = words.iter().position(|word| *word == "--unix") {
        to = format!("unix://{}", place.word(words[at + 1]));
    }
    let line = UdpSocket::bind("127.0.0.1:0").unwrap();
    line.send_to(b"page.line:3|c", &collector.udp).unwrap();
    let sent = run(&["send", "page.value", "7", "--kind", "counter", "--to", &to], "");
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let refuses = words.contains(&"--no-statsd");
    let is_mapped = words.contains(&"--map");
    let shown = |kind: &str| {
        let mapped = format!("page=\"{kind}\"");
        let sent = format!("\npage_{kind}_total{{");
        collector.scrape().contains(if is_mapped { &mapped } else { &sent })
    };
    until("the value", || shown("value"));
    if refuses {
        assert!(!shown("line"));
    } else {
        until("the line", || shown("line"));
    }
    let flags = words.iter().enumerate().filter(|(_, word)| word.starts_with("--"));
    let flags: Vec<_> = flags.map(|(at, flag)| (*flag, words.get(at + 1).copied())).collect();
    for (flag, of) in &flags {
        match (*flag, of.unwrap_or_default()) {
            // These have been seen to.
            ("--unix" | "--no-statsd" | "--map", _) => {}
            ("--data", dir) => assert!(place.path(dir).read_dir().unwrap().next().is_some()),
            ("--remote-write", _) => place.asked("/api/v1/write"),
            // The other is the beginning of HTTP/2.
            ("--otlp", url) => {
                place.asked(if url.starts_with("grpc") { "*" } else { "/v1/metrics" })
            }
            ("--jsonl", file) => until("a line of JSON", || {
                std::fs::read(place.path(file)).is_ok_and(|text| has(&text, "\"page.value\""))
            }),
            ("--relay", url) if url.contains("aggregate") => {
                place.relayed("a line of all", |datagram| has(datagram, "page.value:7|c"));
            }
            ("--relay", url) if url.starts_with("ringstat") => {
                place.relayed("a datagram", |datagram| datagram.starts_with(b"RS"));
            }
            ("--relay", _) => {
                line.send_to(b"page.line:1|c", &collector.udp).unwrap();
                place.relayed("a line", |datagram| datagram.starts_with(b"page.line:"));
            }
            (other, _) => panic!("nobody looks for what {other} promises"),
        }
    }
    collector.end();
    flags.into_iter().map(|(flag, _)| flag).collect()
}

#[test]
fn every_line_of_shell_does_what_the_pages_say() {
    let place = Place::new();
    let mut seen = BTreeSet::new();
    for words in lines() {
        println!("{}", words.join(" "));
        match words[1] {
            // Without the feature, the command has the flag and says what is lacking.
            "collect" if words.contains(&"--otlp") && !cfg!(feature = "otlp") => {
                let args: Vec<_> = words[1..].iter().map(|word| place.word(word)).collect();
                let args: Vec<_> = args.iter().map(String::as_str).collect();
                let output = run(
                    &[&args[..], &["--udp", "127.0.0.1:0", "--http", "127.0.0.1:0"]].concat(),
                    "",
                );
                assert!(stderr(&output).contains("without the feature `otlp`"), "{output:?}");
                seen.insert("--otlp");
            }
            "collect" => seen.extend(collect(&place, &words[2..])),
            "map" | "data" => {
                // What is behind `<` is on standard input.
                let args = words[1..].iter().take_while(|word| **word != "<");
                let args: Vec<_> = args.map(|word| place.word(word)).collect();
                let args: Vec<_> = args.iter().map(String::as_str).collect();
                let output = run(&args, "page.one:counter\n");
                assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
                if words[2] == "show" {
                    assert!(has(&output.stdout, "page.value"), "{output:?}");
                }
                seen.insert(words[1]);
            }
            _ => unreachable!(),
        }
    }
    let all = [
        "--data",
        "--jsonl",
        "--map",
        "--no-statsd",
        "--otlp",
        "--relay",
        "--remote-write",
        "--unix",
        "data",
        "map",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), all, "the pages show each of them");
}
