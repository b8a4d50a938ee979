//! A receiver: takes datagrams, and publishes them to the log.
//!
//! ```text
//!  sockets ──► threads: check, pack by shard ──► queue ──► lanes, one for each shard ──► log
//!     ▲           │ receipts                   (bounded)                                  │
//!     └───────────┴────────────── acknowledgements of critical events ◄───────────────────┘
//! ```
//!
//! It keeps nothing that another receiver would miss: any number may run, and a sender may send to any of them, or to
//! two. A stream that is nearly full gets nothing more. What the log does not take waits in memory, and on disk if it may, up to a limit; then datagrams are refused, and
//! counted. Nothing is acknowledged that the log has not confirmed.

mod account;
mod lanes;
mod publisher;
mod queue;
mod room;
mod runs;
mod spool;
mod thread;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;

pub use account::ReceiveReport;

use super::log::{FleetError, Log, LogConfig};
use super::parts;
use crate::http::{HttpServer, safe};
use crate::server::StartError;
use crate::server::Waker;
use crate::shared::kernel;
use account::Account;
use publisher::Publisher;
use queue::Queue;
use spool::Spool;
use thread::{Intake, Receiver};

/// Where a receiver listens, and which log it feeds.
///
/// ```
/// use ringstat_collector::fleet::{LogConfig, ReceiveConfig};
///
/// let config = ReceiveConfig {
///     udp: vec!["0.0.0.0:8125".parse()?],
///     threads: 2,
///     ..ReceiveConfig::to(LogConfig::at("nats://127.0.0.1:4222"))
/// };
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceiveConfig {
    /// The addresses on which to receive datagrams; port 0 picks a free one.
    pub udp: Vec<SocketAddr>,
    /// The number of threads that receive, at least one.
    pub threads: usize,
    /// Whether lines of StatsD are taken.
    pub statsd: bool,
    /// The address on which to serve `/metrics`, or `None` for no HTTP.
    pub http: Option<SocketAddr>,
    /// How many bytes may wait for the log, in memory and on disk together. Beyond it datagrams are refused.
    pub queue_bytes: usize,
    /// The directory of the queue on disk, which no other receiver uses, or `None` for a queue in memory alone. With it, what
    /// waits for longer than a moment outlives the receiver, and a receipt is sent when what it is for is safe.
    pub data: Option<PathBuf>,
    /// The log.
    pub log: LogConfig,
}

impl ReceiveConfig {
    /// A receiver for this log, with the defaults for everything else.
    #[must_use]
    pub fn to(log: LogConfig) -> Self {
        Self {
            udp: vec![([127, 0, 0, 1], 8125).into()],
            threads: 1,
            statsd: true,
            http: Some(([127, 0, 0, 1], 9125).into()),
            queue_bytes: 256 << 20,
            data: None,
            log,
        }
    }
}

/// A receiver that runs.
#[derive(Debug)]
pub struct Receiving {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    publisher: Option<JoinHandle<()>>,
    http: Option<HttpServer>,
    /// The smallest receive buffer that the system granted, in bytes.
    pub receive_buffer: usize,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    account: Arc<Account>,
    addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    log: Log,
}

impl Receiving {
    /// Connects to the log, begins the fleet if there is none, opens the sockets and starts the threads.
    ///
    /// # Errors
    /// See [`FleetError`].
    pub fn start(config: ReceiveConfig) -> Result<Self, FleetError> {
        let threads = config.threads.max(1);
        let mut groups = Vec::new();
        for at in config.udp {
            groups.push(kernel::open(at, threads).map_err(|e| StartError::Udp(at, e))?);
        }
        let receive_buffer = groups.iter().map(|group| group.receive_buffer).min().unwrap_or(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let log = runtime.block_on(Log::begin(&config.log, "ringstat receive"))?;
        let account = Arc::<Account>::default();
        let spool = config.data.as_deref().map(|data| Spool::open(data, log.shards)).transpose()?;
        if let Some((_, left)) = &spool {
            account.restore(left);
        }
        let safe_receipts = spool.is_some();
        let (queue, batches) = Queue::new(account.clone(), config.queue_bytes);
        let shared = Arc::new(Shared {
            account: account.clone(),
            addresses: groups.iter().map(|group| group.address).collect(),
            stop: Arc::default(),
            log: log.clone(),
        });
        let shards = log.shards;
        let publisher = Publisher { log: log.clone(), account: account.clone(), batches, spool };
        let (of_answer, via) = (shared.clone(), log.clone());
        runtime.spawn(parts::answer(via, move || {
            let report = of_answer.account.report(of_answer.kernel_drops());
            parts::Answer::Receiver(parts::Named { name: of_answer.name(), report })
        }));
        let publishing = std::thread::Builder::new().name("ringstat-log".into());
        let publishing = publishing.spawn(move || runtime.block_on(publisher.run()))?;
        let mut receiving = Self {
            shared: shared.clone(),
            threads: Vec::new(),
            publisher: Some(publishing),
            http: None,
            receive_buffer,
        };
        if let Some(at) = config.http {
            let started = HttpServer::start(at, router(&shared), Arc::default());
            receiving.http = Some(started.map_err(|e| StartError::Http(at, e))?);
        }
        let mut sockets: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
        for group in groups {
            for (of_thread, socket) in sockets.iter_mut().zip(group.sockets) {
                of_thread.push(Arc::new(socket));
            }
        }
        for (number, sockets) in sockets.into_iter().enumerate().filter(|(_, s)| !s.is_empty()) {
            let receiver = Receiver {
                sockets,
                stop: shared.stop.clone(),
                waker: Waker::new()?,
                intake: Intake::new(
                    account.clone(),
                    queue.clone(),
                    shards,
                    config.statsd,
                    safe_receipts,
                ),
            };
            let thread = std::thread::Builder::new().name(format!("ringstat-udp-{number}"));
            receiving.threads.push(thread.spawn(move || receiver.run())?);
        }
        Ok(receiving)
    }

    /// The addresses on which datagrams are received.
    #[must_use]
    pub fn udp(&self) -> &[SocketAddr] {
        &self.shared.addresses
    }

    /// The address on which pages are served.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// The account as it is now; exact when nothing arrives meanwhile.
    #[must_use]
    pub fn report(&self) -> ReceiveReport {
        self.shared.account.report(self.shared.kernel_drops())
    }

    /// Stops receiving, and waits some seconds until the log has what waits. Returns the final account.
    #[must_use]
    pub fn stop(mut self) -> ReceiveReport {
        let kernel_drops = self.shared.kernel_drops();
        self.shared.stop.store(true, Ordering::Release);
        // A thread that panicked has reported that on standard error.
        self.threads.drain(..).for_each(|thread| _ = thread.join());
        if let Some(publisher) = self.publisher.take() {
            let _ = publisher.join();
        }
        if let Some(http) = self.http.take() {
            http.stop();
        }
        self.shared.account.report(kernel_drops)
    }
}

impl Shared {
    /// What it is called, to people: its address as the broker sees it, and those on which it listens.
    fn name(&self) -> String {
        let listens: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", self.log.client.server_info().client_ip, listens.join(","))
    }

    fn kernel_drops(&self) -> u64 {
        self.addresses.iter().filter_map(|at| kernel::drops(*at)).sum()
    }

    fn metrics(&self) -> String {
        let mut out = String::new();
        self.account.write(&mut out, self.kernel_drops(), self.log.is_connected());
        out
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    let (of_metrics, of_ready) = (shared.clone(), shared.clone());
    let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let router = Router::new()
        .route("/metrics", get(async move || (text, of_metrics.metrics())))
        .route("/live", get(async || "live\n"))
        .route(
            "/ready",
            get(async move || {
                if of_ready.log.is_connected() && !of_ready.stop.load(Ordering::Acquire) {
                    "ready\n".into_response()
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
                }
            }),
        )
        .fallback(async || (StatusCode::NOT_FOUND, "There are /metrics, /live and /ready.\n"));
    safe(router)
}
