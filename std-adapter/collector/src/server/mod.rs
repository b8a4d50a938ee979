//! Sockets and threads around the collector: where bytes come in, and where its answers go out.
//!
//! Each receiving thread has a shard of the state and a socket at every address, and each sender belongs to one thread.
//! The kernel passes a sender's datagrams to that thread's sockets; those that come to another thread are handed on
//! ([`inbox`]). One more thread serves HTTP, and holds a shard only briefly at a time.

mod answers;
mod config;
mod inbox;
mod udp;
mod wait;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::{fmt, io};

pub use config::{ServerConfig, StartError};

use crate::data::{self, Keeping};
use crate::http::HttpServer;
use crate::intake::Collector;
use crate::report::Report;
use crate::shared::{Shared, kernel};
use inbox::Inbox;
use udp::{Door, Post, Receiver};

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
        let opened = config.data.map(|data| data::open(&data, config.limits, threads));
        let (shards, keeper) = match opened.transpose().map_err(StartError::Data)? {
            Some(opened) => (opened.collectors, Some((opened.now_ms, opened.keeper))),
            None => (Collector::shards(config.limits, threads), None),
        };
        let addresses = groups.iter().map(|group| group.address).collect();
        let shared = Shared::new(shards, addresses, config.distributions);
        let shared = Arc::new(match &keeper {
            Some((now_ms, keeper)) => shared.kept(*now_ms, keeper.wire().clone()),
            None => shared,
        });
        let receive_buffer = groups.iter().map(|group| group.receive_buffer).min().unwrap_or(0);
        let mut running = Running {
            shared: shared.clone(),
            http: None,
            receive_buffer,
            threads: Vec::new(),
            keeping: None,
        };
        if let Some((_, keeper)) = keeper {
            running.keeping = Some(keeper.start(&shared).map_err(StartError::Thread)?);
        }
        if let Some(at) = config.http {
            let started = HttpServer::start(at, &shared);
            running.http = Some(started.map_err(|e| StartError::Http(at, e))?);
        }
        let inboxes: io::Result<_> = (0..threads).map(|_| Inbox::new()).collect();
        let inboxes = inboxes.map_err(StartError::Thread)?;
        let post =
            Arc::new(Post { shared: shared.clone(), inboxes, drained: AtomicUsize::new(0), tap });
        let mut sockets: Vec<Vec<Door>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, group) in groups.into_iter().enumerate() {
            let doors = doors(number, group.sockets, threads);
            sockets.iter_mut().zip(doors).for_each(|(of_thread, door)| of_thread.push(door));
        }
        for (number, sockets) in sockets.into_iter().enumerate() {
            let receiver = Receiver { post: post.clone(), number, sockets };
            let thread = std::thread::Builder::new().name(format!("ringstat-udp-{number}"));
            let receiving = thread.spawn(move || receiver.run());
            running.threads.push(receiving.map_err(StartError::Thread)?);
        }
        shared.set_ready();
        Ok(running)
    }
}

/// Assigns the sockets of one address to the threads. A thread without a socket of its own answers through another's.
fn doors(number: usize, sockets: Vec<UdpSocket>, threads: usize) -> Vec<Door> {
    let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
    let lent: Vec<_> = (sockets.len()..threads).map(|_| sockets[0].clone()).collect();
    let lent = lent.into_iter();
    let own = sockets.into_iter().map(|socket| Door { socket, borrowed: false });
    let mut doors: Vec<_> = own.chain(lent.map(|socket| Door { socket, borrowed: true })).collect();
    if doors.iter().any(|door| door.borrowed) {
        // Each address then has a different thread.
        doors.rotate_right(number % threads);
    }
    doors
}

/// A running collector. Dropping it stops it.
pub struct Running {
    shared: Arc<Shared>,
    http: Option<HttpServer>,
    receive_buffer: usize,
    threads: Vec<JoinHandle<()>>,
    keeping: Option<Keeping>,
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
        if let Some(keeping) = self.keeping.take() {
            // Whatever could not be written has been logged.
            keeping.end();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
