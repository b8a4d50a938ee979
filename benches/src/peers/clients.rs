//! Clients that send nowhere, so that what is timed is the caller's part.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use cadence::{BufferedUdpMetricSink, StatsdClient};
use ringstat_core::send::from_fn;
use ringstat_std::{BuildError, Client};

/// ringstat, with a transport that throws everything away.
///
/// # Errors
/// When its thread cannot be started.
pub fn ours() -> Result<Client, BuildError> {
    Client::builder("nowhere:1").report_interval(None).build_with(from_fn(|_| Ok(())))
}

/// A socket that nobody reads, for clients that want one: the kernel drops what does not fit.
#[derive(Debug)]
pub struct Nobody(UdpSocket);

impl Nobody {
    /// # Errors
    /// When there is no port left.
    pub fn new() -> io::Result<Self> {
        UdpSocket::bind("127.0.0.1:0").map(Self)
    }

    /// Where it does not listen.
    ///
    /// # Errors
    /// None, while it is open.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// What cadence buffers before it sends to `to`.
///
/// # Errors
/// When there is no port left.
pub fn cadence_sink(to: SocketAddr) -> io::Result<BufferedUdpMetricSink> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    BufferedUdpMetricSink::from(to, socket).map_err(io::Error::other)
}

/// cadence, buffered.
///
/// # Errors
/// When there is no port left.
pub fn cadence(to: SocketAddr) -> io::Result<StatsdClient> {
    Ok(StatsdClient::from_sink("app", cadence_sink(to)?))
}
