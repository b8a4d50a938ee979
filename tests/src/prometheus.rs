//! A Prometheus that scrapes what is under test. It has to be installed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{self, Process};

/// A Prometheus that ends with its test.
#[derive(Debug)]
pub struct Prometheus {
    _process: Process,
    at: SocketAddr,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `/metrics` of this address every second.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::scraping_with(target, &[])
    }

    /// The same with these options.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn scraping_with(target: SocketAddr, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let config = format!(
            "scrape_configs:\n- job_name: ringstat\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  static_configs:\n  - targets: ['{target}']\n"
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).expect("a file");
        // This port was free a moment ago.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("its address");
        drop(listener);
        let mut command = process::command("prometheus");
        command
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={at}"))
            .args(["--log.level=error"])
            .args(options);
        let process = Process::start(command).expect("prometheus starts");
        Self { _process: process, at, _dir: dir }
    }

    /// Returns the value of the first series that a query finds.
    #[must_use]
    pub fn value(&self, query: &str) -> Option<f64> {
        let mut stream = TcpStream::connect(self.at).ok()?;
        let query: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
        let head = format!("GET /api/v1/query?query={query} HTTP/1.0\r\nHost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let body = answer.split_once("\r\n\r\n")?.1;
        let json: serde_json::Value = serde_json::from_str(body).ok()?;
        json["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// Repeats the query until its value is right, since the first scrapes take a moment, and returns the value.
    ///
    /// # Panics
    /// Panics if it is not right within a minute.
    pub fn eventually(&self, query: &str, right: impl Fn(f64) -> bool) -> f64 {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match self.value(query) {
                Some(value) if right(value) => return value,
                last => assert!(Instant::now() < end, "{query} is {last:?}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
