//! A worker: owns shards, reads their streams, and sends on what they say.
//!
//! ```text
//!  leases ──► readers, one for each shard ──► samples ──► outbox ──► receivers of remote write
//!    ▲           │       ▲
//!    └─ commit ──┘       └── messages of the shard's stream, from where its snapshot ends
//! ```
//!
//! What a worker knows of a shard follows from the stream alone, and the time of everything is the log's. So it does not
//! matter who reads, or how often: the same samples come out, with the same times. A worker that goes on although its
//! lease is over can write nothing else, and its snapshots are refused.

mod metrics;
mod reader;
mod samples;
mod shards;
mod snapshot;
mod stand;
mod state;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::Stream;

use super::lease::{Keeper, WorkerId};
pub use metrics::WorkReport;

use super::log::{FleetError, Log, LogConfig};
use super::parts;
use crate::export::{Packer, RemoteWriteConfig, WriteOnly, write_only};
use crate::http::{HttpServer, safe};
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::metrics::{Distributions, Document as _, Page, Text};
use crate::server::StartError;
use crate::shared::Shard;
use samples::Samples;
use shards::Shards;
use state::Rules;

/// How long the end waits until all shards are handed over.
const END: Duration = Duration::from_secs(4);

/// What a worker does. All but the name, the addresses and the threads must be the same for all workers of a fleet.
///
/// ```
/// use ringstat_collector::{RemoteWriteConfig, fleet::{LogConfig, WorkConfig}};
///
/// let config = WorkConfig {
///     remote_write: RemoteWriteConfig::to(["http://127.0.0.1:9090/api/v1/write"]),
///     ..WorkConfig::of("worker-1", LogConfig::at("nats://127.0.0.1:4222"))
/// };
/// assert_eq!(config.name, "worker-1");
/// ```
#[derive(Clone, Debug)]
pub struct WorkConfig {
    /// What this worker is called, to people.
    pub name: String,
    /// The number of threads that read shards, at least one.
    pub threads: usize,
    /// The address on which to serve `/metrics`, or `None` for no HTTP.
    pub http: Option<SocketAddr>,
    /// The limits on what is kept of each shard.
    pub limits: Limits,
    /// What becomes of the series that are sent.
    pub mapping: Option<Mapping>,
    /// How timings, distributions and histogram instruments are shown.
    pub distributions: Distributions,
    /// Where samples go.
    pub remote_write: RemoteWriteConfig,
    /// The log.
    pub log: LogConfig,
}

impl WorkConfig {
    /// A worker for this log, with the defaults for everything else.
    #[must_use]
    pub fn of(name: impl Into<String>, log: LogConfig) -> Self {
        Self {
            name: name.into(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            http: Some(([127, 0, 0, 1], 9126).into()),
            limits: Limits::default(),
            mapping: None,
            distributions: Distributions::default(),
            remote_write: RemoteWriteConfig::default(),
            log,
        }
    }
}

/// A worker that runs.
#[derive(Debug)]
pub struct Working {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
    keeper: Keeper,
    outputs: Option<WriteOnly>,
    http: Option<HttpServer>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    shards: Arc<Shards>,
    outputs: Option<(Vec<String>, Arc<Samples>)>,
    distributions: Distributions,
    log: Log,
    stopping: AtomicBool,
}

impl Working {
    /// Connects to the log, and begins to claim shards.
    ///
    /// # Errors
    /// See [`FleetError`].
    pub fn start(config: WorkConfig) -> Result<Self, FleetError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("ringstat-work")
            .enable_all()
            .build()?;
        let log = runtime.block_on(Log::begin(&config.log, "ringstat work"))?;
        let RemoteWriteConfig { targets, interval, labels, histograms, queue_bytes } =
            &config.remote_write;
        let outputs = if targets.is_empty() {
            None
        } else {
            Some(write_only(&config.remote_write).map_err(StartError::from)?)
        };
        let samples = |of: &WriteOnly| Arc::new(Samples::new(of.outbox.clone(), *queue_bytes));
        let samples = outputs.as_ref().map(|of| (of.names.clone(), samples(of)));
        let rules = Arc::new(Rules {
            limits: config.limits,
            mapping: config.mapping,
            interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1),
        });
        let id = WorkerId::from(format!("{}-{:08x}", config.name, fastrand::u32(..)));
        let (keeper, orders) = runtime.block_on(Keeper::start(log.clone(), &config.log, id))?;
        let of_samples = samples.as_ref().map(|(_, samples)| samples.clone());
        let packer = Packer::new(labels, *histograms);
        let shards = Arc::new(Shards::new(
            log.clone(),
            rules,
            of_samples.map(|samples| (samples, packer, config.distributions)),
            keeper.reports(),
        ));
        let running = shards.clone();
        runtime.spawn(async move { running.run(orders).await });
        let shared = Arc::new(Shared {
            shards,
            outputs: samples,
            distributions: config.distributions,
            log,
            stopping: AtomicBool::new(false),
        });
        let (of_answer, via, name) = (shared.clone(), shared.log.clone(), config.name);
        runtime.spawn(parts::answer(via, move || {
            let report = metrics::report(&of_answer.shards.all(), of_answer.outputs.as_ref());
            parts::Answer::Worker(parts::Named { name: name.clone(), report })
        }));
        let started = config.http.map(|at| {
            let started = HttpServer::start(at, router(&shared), Arc::default());
            started.map_err(|e| StartError::Http(at, e))
        });
        let http = started.transpose()?;
        Ok(Self { shared, runtime, keeper, outputs, http })
    }

    /// The address on which pages are served.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// The shards that this worker reads now.
    #[must_use]
    pub fn shards(&self) -> Vec<u16> {
        self.shared.shards.all().iter().map(|stand| stand.shard).collect()
    }

    /// Hands over all shards, delivers what can be delivered at once, and ends. Returns whether all shards were handed over;
    /// those that were not are taken over by others when their leases are over.
    #[must_use]
    pub fn stop(self) -> bool {
        let Self { shared, runtime, keeper, outputs, http } = self;
        shared.stopping.store(true, Ordering::Release);
        let left =
            runtime.block_on(async { tokio::time::timeout(END, keeper.leave()).await.is_ok() });
        if let Some(outputs) = outputs {
            outputs.end();
        }
        if let Some(http) = http {
            http.stop();
        }
        runtime.shutdown_background();
        left
    }
}

impl Shared {
    fn is_ready(&self) -> bool {
        self.log.is_connected() && !self.stopping.load(Ordering::Acquire)
    }
}

const TEXT: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

fn router(shared: &Arc<Shared>) -> Router {
    let router = Router::new()
        .route("/metrics", get(of_worker))
        .route("/shards/{shard}/metrics", get(of_shard))
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .fallback(async || {
            let there_is = "There are /metrics, /shards/N/metrics, /live and /ready.\n";
            (StatusCode::NOT_FOUND, there_is)
        })
        .with_state(shared.clone());
    safe(router)
}

async fn of_worker(State(shared): State<Arc<Shared>>) -> Response {
    let mut out = String::new();
    metrics::write(&mut out, &shared.shards.all(), shared.outputs.as_ref());
    (TEXT, out).into_response()
}

/// The senders and series of a shard, in slices, so that its reader need not wait for all of it.
async fn of_shard(State(shared): State<Arc<Shared>>, Path(shard): Path<u16>) -> Response {
    const SLICE: Duration = Duration::from_micros(400);
    let stands = shared.shards.all();
    let stand = stands.iter().find(|stand| stand.shard == shard);
    let Some((stand, collector)) = stand.and_then(|stand| Some((stand, stand.collector()?))) else {
        return (StatusCode::NOT_FOUND, "This worker does not have it.\n").into_response();
    };
    let page = Page::of_senders(stand.numbers().read.clock_ms, shared.distributions);
    (TEXT, axum::body::Body::from_stream(slices(page, collector, SLICE))).into_response()
}

/// A page, with slices that take so long each.
fn slices(
    mut page: Page,
    collector: Arc<Shard>,
    time: Duration,
) -> impl Stream<Item = Result<Vec<u8>, Infallible>> {
    // One for all slices: it knows in which family it is.
    let mut text = Text::prometheus();
    futures_util::stream::unfold(true, move |more| {
        let more = more && page.write(&mut text, &*collector, time);
        let slice = text.take();
        let next = (more || !slice.is_empty()).then_some((Ok(slice), more));
        async move {
            if more {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            next
        }
    })
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.is_ready() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}
