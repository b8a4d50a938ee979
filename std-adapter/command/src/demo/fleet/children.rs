//! The processes of the demo's fleet: a broker with its log in a directory of its own, receivers and workers. All end with
//! this value.

use std::io::{self, BufRead as _, BufReader, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::common::failure::{Exit, Failure};

/// How many receivers there are, and how many workers.
const EACH: usize = 2;
/// The number of shards.
const SHARDS: u16 = 8;
/// What the log may have of each, in bytes.
const SHARD_BYTES: u32 = 16 << 20;
/// How long the broker may take to begin.
const START: Duration = Duration::from_secs(10);
/// How to get a broker.
const INSTALL: &str = "Debian and Ubuntu: `sudo apt-get install nats-server`; macOS: `brew install nats-server`; \
all others: https://nats.io/download";

pub(super) struct Children {
    /// The URL of the log.
    pub(super) log: String,
    /// The addresses to which senders send.
    pub(super) receivers: Vec<String>,
    /// The addresses of the workers' pages.
    workers: Vec<SocketAddr>,
    // In this order: the directory is removed when nobody uses it any more.
    processes: Vec<Process>,
    directory: TempDir,
}

/// A process that ends with this value.
struct Process(Child);

/// What a part says when it has started.
#[derive(Deserialize)]
struct Addresses {
    #[serde(default)]
    udp: Vec<SocketAddr>,
    http: Option<SocketAddr>,
}

impl Children {
    /// Starts the broker, and then the others.
    pub(super) fn start() -> Result<Self, Failure> {
        let cannot = |what: &str, e: io::Error| {
            Failure::new(Exit::Environment, format_args!("cannot start {what}: {e}"))
        };
        let directory = tempfile::Builder::new().prefix("ringstat-demo-").tempdir();
        let directory = directory.map_err(|e| cannot("the log", e))?;
        let port = free_port().map_err(|e| cannot("the log", e))?;
        let mut broker = Command::new("nats-server");
        broker.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]);
        broker.arg(directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let broker = Process::start(&mut broker).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Failure::new(Exit::Environment, "a fleet needs nats-server, which is not installed")
                    .hint(INSTALL)
            }
            _ => cannot("nats-server", e),
        })?;
        let mut children = Self {
            log: format!("nats://127.0.0.1:{port}"),
            receivers: Vec::new(),
            workers: Vec::new(),
            processes: vec![broker],
            directory,
        };
        children.wait_for_broker(port)?;
        let own = std::env::current_exe().map_err(|e| cannot("a part", e))?;
        for n in 0..2 * EACH {
            let mut part = Command::new(&own);
            if n < EACH {
                part.args(["receive", "--udp", "127.0.0.1:0"]);
            } else {
                part.args(["work", "--name", &format!("worker-{}", n + 1 - EACH)]);
            }
            part.args(["--http", "127.0.0.1:0", "--json", "--log", &children.log]);
            part.args(["--shards", &SHARDS.to_string(), "--shard-bytes", &SHARD_BYTES.to_string()]);
            part.env("RUST_LOG", "error").stdout(Stdio::piped());
            let mut part = Process::start(&mut part).map_err(|e| cannot("a part", e))?;
            let says = part.0.stdout.take().and_then(says);
            children.processes.push(part);
            let says = says.ok_or_else(|| {
                Failure::new(Exit::Environment, "a part of the fleet did not start")
                    .hint("What it said is above. `ringstat receive --help` and `ringstat work --help` explain it.")
            })?;
            children.receivers.extend(says.udp.iter().map(ToString::to_string));
            children.workers.extend(says.http.filter(|_| n >= EACH));
        }
        Ok(children)
    }

    /// Waits until the broker listens.
    fn wait_for_broker(&mut self, port: u16) -> Result<(), Failure> {
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let has_ended = !matches!(self.processes[0].0.try_wait(), Ok(None));
            if has_ended || Instant::now() >= deadline {
                return Err(Failure::new(Exit::Environment, "nats-server does not start")
                    .hint("`nats-server -js -a 127.0.0.1` shows why."));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What runs, for people.
    pub(super) fn told(&self) -> String {
        let pages: Vec<_> = self.workers.iter().map(|at| format!("http://{at}/metrics")).collect();
        format!(
            "The log is at {} ({}), receivers at {}, workers' pages at {}.",
            self.log,
            self.directory.path().display(),
            self.receivers.join(" and "),
            pages.join(" and ")
        )
    }

    /// The sum of a family over all senders, as the workers have it.
    pub(super) fn stored(&self, family: &str) -> u64 {
        let pages = self.workers.iter().flat_map(|at| {
            // A worker that does not have the shard says so, and has no samples of it.
            (0..SHARDS).filter_map(move |shard| {
                let url = format!("http://{at}/shards/{shard}/metrics");
                ureq::get(&url).call().ok()?.body_mut().read_to_string().ok()
            })
        });
        let sum = |page: String| -> f64 {
            let samples = page.lines().filter(|line| line.starts_with(&format!("{family}{{")));
            let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
            values.sum()
        };
        pages.map(sum).sum::<f64>() as u64
    }
}

impl Process {
    fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null());
        // Ctrl-C is for the demo, which ends the others when it has counted.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        command.spawn().map(Self)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The addresses in the first line that a part says.
fn says(out: ChildStdout) -> Option<Addresses> {
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// A port that nobody uses now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
