//! Sockets and threads around the collector: where bytes come in, and where its replies go out.
//!
//! Each receiving thread has a shard of the state and a socket at every address, and each sender belongs to one thread.
//! The kernel passes a sender's datagrams to that thread's sockets; those that come to another thread are handed on
//! ([`handoff`]). One more thread serves HTTP, and holds a shard only briefly at a time.

mod config;
mod handoff;
mod replies;
mod trains;
mod udp;
#[cfg(unix)]
mod unix;
mod waker;

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::{fmt, io};

pub use config::{ServerConfig, StartError};

use crate::data::{self, KeeperThreads};
use crate::export::{self, Exporting};
use crate::http::{HttpServer, router};
use crate::intake::Collector;
use crate::metrics::Distributions;
use crate::report::Report;
use crate::shared::{Shared, kernel};
use handoff::Handoff;
#[cfg(feature = "nats")]
pub(crate) use trains::{Received, Trains};
#[cfg(feature = "nats")]
pub(crate) use udp::{DRAIN, POLL_INTERVAL};
use udp::{Endpoint, Receiver, ReceiverContext};
#[cfg(feature = "nats")]
pub(crate) use waker::Waker;

/// A function that sees datagrams as they arrive.
pub type TapFn = dyn Fn(&[u8]) + Send + Sync;

/// Starts collectors.
///
/// ```
/// use ringstat_collector::{Server, ServerConfig};
///
/// // Port 0 picks a free port.
/// let config = ServerConfig {
///     udp: vec!["127.0.0.1:0".parse()?],
///     http: Some("127.0.0.1:0".parse()?),
///     ..ServerConfig::default()
/// };
/// let running = Server::start(config)?;
/// println!("clients send to {:?}", running.udp());
/// let report = running.stop(0);
/// assert!(report.closes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Server;

impl Server {
    /// Opens the sockets and starts the threads.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: ServerConfig) -> Result<Running, StartError> {
        Self::start_tapped(config, Arc::new(|_: &[u8]| {}))
    }

    /// Like [`start`](Self::start), but passes every datagram to `tap` before the collector takes it, for measurements
    /// along the way. The receiving threads call it and wait for it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_tapped(config: ServerConfig, tap: Arc<TapFn>) -> Result<Running, StartError> {
        let threads = config.threads.max(1);
        let mut groups = Vec::new();
        for at in config.udp {
            groups.push(kernel::open(at, threads).map_err(|e| StartError::Udp(at, e))?);
        }
        #[cfg(unix)]
        let unix = open_unix(&config.unix)?;
        #[cfg(not(unix))]
        open_unix(&config.unix)?;
        let opened = config
            .data
            .as_ref()
            .map(|data| data::open(data, config.limits, config.mapping.clone(), threads));
        let (mut shards, keeper) = match opened.transpose().map_err(StartError::Data)? {
            Some(opened) => (opened.collectors, Some((opened.now_ms, opened.keeper))),
            None => (Collector::mapped_shards(config.limits, config.mapping, threads), None),
        };
        shards.iter_mut().for_each(|shard| shard.take_statsd(config.statsd));
        if config.distributions == Distributions::Summaries {
            let now_ms = keeper.as_ref().map_or(0, |(now_ms, _)| *now_ms);
            shards.iter_mut().for_each(|shard| shard.keep_windows(now_ms));
        }
        // The directory is locked by now.
        let dir = config.data.as_ref().map(|data| (&*data.dir, data.recover));
        let addresses: Vec<_> = groups.iter().map(|group| group.address).collect();
        let takes_lines = config.statsd.is_some();
        let outputs = export::prepare(config.outputs, dir, &addresses, takes_lines)?;
        let relays = outputs.relays().clone();
        let mut shared = Shared::new(shards, addresses, config.distributions);
        if let Some((now_ms, keeper)) = &keeper {
            shared = shared.with_keeper(*now_ms, keeper.shared().clone());
        }
        let shared = Arc::new(shared.with_outputs(outputs.stands().clone()));
        let receive_buffer = groups.iter().map(|group| group.receive_buffer).min().unwrap_or(0);
        let mut running = Running {
            shared: shared.clone(),
            http: None,
            receive_buffer,
            threads: Vec::new(),
            exporting: None,
            keeper_threads: None,
        };
        if let Some((_, keeper)) = keeper {
            running.keeper_threads = Some(keeper.start(&shared).map_err(StartError::Thread)?);
        }
        running.exporting = Some(outputs.start(&shared).map_err(StartError::Thread)?);
        if let Some(at) = config.http {
            let started = HttpServer::start(at, router(&shared), shared.http.clone());
            running.http = Some(started.map_err(|e| StartError::Http(at, e))?);
        }
        let handoffs: io::Result<_> = (0..threads).map(|_| Handoff::new()).collect();
        let handoffs = handoffs.map_err(StartError::Thread)?;
        let context = Arc::new(ReceiverContext {
            shared: shared.clone(),
            handoffs,
            drained: AtomicUsize::new(0),
            relays,
            tap,
        });
        let mut sockets: Vec<Vec<Endpoint>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, group) in groups.into_iter().enumerate() {
            let endpoints = endpoints(number, group.sockets, threads);
            sockets
                .iter_mut()
                .zip(endpoints)
                .for_each(|(of_thread, endpoint)| of_thread.push(endpoint));
        }
        for (number, sockets) in sockets.into_iter().enumerate() {
            let receiver = Receiver { context: context.clone(), number, sockets };
            let thread = std::thread::Builder::new().name(format!("ringstat-udp-{number}"));
            let receiving = thread.spawn(move || receiver.run());
            running.threads.push(receiving.map_err(StartError::Thread)?);
        }
        #[cfg(unix)]
        for (number, socket) in unix.into_iter().enumerate() {
            let context = context.clone();
            let thread = std::thread::Builder::new().name(format!("ringstat-unix-{number}"));
            let receiving = thread.spawn(move || socket.run(&context));
            running.threads.push(receiving.map_err(StartError::Thread)?);
        }
        shared.set_ready();
        Ok(running)
    }
}

/// Binds the Unix sockets.
#[cfg(unix)]
fn open_unix(paths: &[PathBuf]) -> Result<Vec<unix::UnixSocket>, StartError> {
    let bind = |path: &PathBuf| {
        unix::UnixSocket::bind(path).map_err(|e| StartError::Unix(path.clone(), e))
    };
    paths.iter().map(bind).collect()
}

/// Elsewhere there are none.
#[cfg(not(unix))]
fn open_unix(paths: &[PathBuf]) -> Result<(), StartError> {
    match paths.first() {
        None => Ok(()),
        Some(path) => Err(StartError::Unix(path.clone(), io::ErrorKind::Unsupported.into())),
    }
}

/// Assigns the sockets of one address to the threads. A thread without a socket of its own replies through another's.
fn endpoints(number: usize, sockets: Vec<UdpSocket>, threads: usize) -> Vec<Endpoint> {
    let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
    let lent: Vec<_> = (sockets.len()..threads).map(|_| sockets[0].clone()).collect();
    let lent = lent.into_iter();
    let own = sockets.into_iter().map(|socket| Endpoint { socket, borrowed: false });
    let mut endpoints: Vec<_> =
        own.chain(lent.map(|socket| Endpoint { socket, borrowed: true })).collect();
    if endpoints.iter().any(|endpoint| endpoint.borrowed) {
        // Each address then has a different thread.
        endpoints.rotate_right(number % threads);
    }
    endpoints
}

/// A running collector. Dropping it stops it.
///
/// ```
/// use ringstat_collector::{Server, ServerConfig};
///
/// let config = ServerConfig { udp: vec!["127.0.0.1:0".parse()?], http: None, ..ServerConfig::default() };
/// let running = Server::start(config)?;
/// std::net::UdpSocket::bind("127.0.0.1:0")?.send_to(b"not ours", running.udp()[0])?;
/// // Takes what the kernel has received, and ends.
/// let report = running.stop(0);
/// assert_eq!(report.datagrams, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Running {
    shared: Arc<Shared>,
    http: Option<HttpServer>,
    receive_buffer: usize,
    threads: Vec<JoinHandle<()>>,
    exporting: Option<Exporting>,
    keeper_threads: Option<KeeperThreads>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = (self.udp(), self.http());
        f.debug_struct("Running").field("addresses", &addresses).finish_non_exhaustive()
    }
}

impl Running {
    /// The addresses on which datagrams are received.
    #[must_use]
    pub fn udp(&self) -> &[SocketAddr] {
        self.shared.addresses()
    }

    /// The address on which pages and metrics are served.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
    }

    /// The size of the kernel's receive buffer in bytes; if there are several sockets, the smallest.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// A report of the present state, with at most `series` series.
    #[must_use]
    pub fn report(&self, series: usize) -> Report {
        self.shared.report(series)
    }

    /// What `/metrics` would answer at present.
    #[must_use]
    pub fn metrics(&self) -> String {
        let Shared { distributions, .. } = *self.shared;
        let (io, now_ms) = (self.shared.io_and_process(), self.shared.now_ms());
        crate::metrics(&*self.shared, &io, now_ms, distributions)
    }

    /// Processes what the kernel has already received, for at most a second, stops, and returns the final report.
    /// Whatever is still missing then is lost.
    #[must_use]
    pub fn stop(mut self, series: usize) -> Report {
        self.end();
        let io = self.shared.io();
        self.shared.shards().iter().for_each(|shard| shard.write().finish());
        Report::of(&*self.shared, &io, self.shared.now_ms(), series)
    }

    fn end(&mut self) {
        self.shared.stop();
        // The kernel's count of drops disappears with the sockets, so it is read and kept.
        let _ = self.shared.io();
        if let Some(http) = self.http.take() {
            http.stop();
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has reported it on standard error.
            let _ = thread.join();
        }
        if let Some(exporting) = self.exporting.take() {
            exporting.end();
        }
        if let Some(keeper_threads) = self.keeper_threads.take() {
            // Whatever could not be written has been logged.
            keeper_threads.end();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
