//! Sockets and threads around the collector: where bytes come in, and where its answers go out.
//!
//! There is one thread for each UDP socket and one for HTTP. They share the collector's lock, which nobody holds for
//! longer than a batch of datagrams or a slice of an answer takes.

mod answers;
mod config;
mod udp;
mod wait;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use config::{ServerConfig, StartError};

use crate::http::HttpServer;
use crate::intake::Collector;
use crate::report::Report;
use crate::shared::{Shared, kernel};

/// A function that sees datagrams as they arrive.
pub type TapFn = dyn Fn(&[u8]) + Send + Sync;

/// Starts collectors.
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
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        let mut receive_buffer = usize::MAX;
        for at in config.udp {
            let opened = kernel::open(at).and_then(|(s, size)| Ok((s.local_addr()?, s, size)));
            let (address, socket, size) = opened.map_err(|e| StartError::Udp(at, e))?;
            receive_buffer = receive_buffer.min(size);
            addresses.push(address);
            sockets.push(socket);
        }
        let shared =
            Arc::new(Shared::new(Collector::new(config.limits), addresses, config.distributions));
        let mut running =
            Running { shared: shared.clone(), http: None, receive_buffer, threads: Vec::new() };
        if let Some(at) = config.http {
            let started = HttpServer::start(at, &shared);
            running.http = Some(started.map_err(|e| StartError::Http(at, e))?);
        }
        for socket in sockets {
            let (shared, tap) = (shared.clone(), tap.clone());
            let thread = std::thread::Builder::new().name("ringstat-udp".into());
            let receiving = thread.spawn(move || udp::receive(&socket, &shared, &*tap));
            running.threads.push(receiving.map_err(StartError::Thread)?);
        }
        shared.set_ready();
        Ok(running)
    }
}

/// A running collector. Dropping it stops it.
pub struct Running {
    shared: Arc<Shared>,
    http: Option<HttpServer>,
    receive_buffer: usize,
    threads: Vec<JoinHandle<()>>,
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
        let (io, now_ms) = (self.shared.io(), self.shared.now_ms());
        crate::metrics(&self.shared.collector(), &io, now_ms, distributions)
    }

    /// Processes what the kernel has already received, for at most a second, stops, and returns the final report.
    /// Whatever is still missing then is lost.
    #[must_use]
    pub fn stop(mut self, series: usize) -> Report {
        self.end();
        let io = self.shared.io();
        let mut collector = self.shared.collector();
        collector.finish();
        Report::of(&collector, &io, self.shared.now_ms(), series)
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
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
