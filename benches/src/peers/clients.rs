//! Clients that discard what they send, so that only the caller's part is timed.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use cadence::{BufferedUdpMetricSink, StatsdClient};
use ringstat_core::send::from_fn;
use ringstat_std::{BuildError, Client};

/// Builds a ringstat client with a transport that discards everything.
///
/// # Errors
/// Returns an error if its thread cannot be started.
pub fn ours() -> Result<Client, BuildError> {
    Client::builder("nowhere:1").report_interval(None).build_with(from_fn(|_| Ok(())))
}

/// A socket that nobody reads, for clients that need a destination: the kernel drops what does not fit.
#[derive(Debug)]
pub struct Nobody(UdpSocket);

impl Nobody {
    /// Binds the socket to a free port.
    ///
    /// # Errors
    /// Returns an error if no port is free.
    pub fn new() -> io::Result<Self> {
        UdpSocket::bind("127.0.0.1:0").map(Self)
    }

    /// Returns the socket's address.
    ///
    /// # Errors
    /// Does not fail while the socket is open.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Creates cadence's buffered sink, which sends to `to`.
///
/// # Errors
/// Returns an error if no port is free.
pub fn cadence_sink(to: SocketAddr) -> io::Result<BufferedUdpMetricSink> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    BufferedUdpMetricSink::from(to, socket).map_err(io::Error::other)
}

/// Creates a buffered cadence client.
///
/// # Errors
/// Returns an error if no port is free.
pub fn cadence(to: SocketAddr) -> io::Result<StatsdClient> {
    Ok(StatsdClient::from_sink("app", cadence_sink(to)?))
}
