//! A nats-server of a test's own, on loopback, with its data in a directory of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::log::LogConfig;

/// A broker, which ends with the test.
pub(crate) struct Broker {
    directory: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut broker = Self { directory, port: free.port(), process: None };
        broker.go_on();
        broker
    }

    /// Where it is, and how many shards its fleet has.
    pub(crate) fn config(&self, shards: u16) -> LogConfig {
        let url = format!("nats://127.0.0.1:{}", self.port);
        // The broker reserves what all streams may have together.
        LogConfig { shards: Some(shards), max_bytes: 1 << 20, ..LogConfig::at(url) }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again, with its data.
    pub(crate) fn go_on(&mut self) {
        let process = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"])
            .arg(self.directory.path())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.expect("nats-server is installed"));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
