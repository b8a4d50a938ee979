//! The faults, and a transport that injects those of the network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use ringstat_core::send::{SendError, Transport};
use ringstat_core::testkit::Rng;

use crate::failure::Failure;

/// A fault to inject.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Fault {
    /// A third of the datagrams is lost silently
    Loss = 1,
    /// The receiver cannot be reached, and the system reports it
    Outage,
    /// The socket's buffer is always full
    Stall,
    /// The collector stops and comes back on the same port
    Restart,
    /// Four threads for each processor never sleep
    Cpu,
    /// Threads fill and free memory as fast as they can: a quarter of what is available, at most 1 GiB
    Memory,
    /// The disk with the collector's data directory is full; needs root or user namespaces
    DiskFull,
}

impl Fault {
    pub(super) const ALL: [Self; 7] = [
        Self::Loss,
        Self::Outage,
        Self::Stall,
        Self::Restart,
        Self::Cpu,
        Self::Memory,
        Self::DiskFull,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Outage => "outage",
            Self::Stall => "stall",
            Self::Restart => "restart",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::DiskFull => "disk-full",
        }
    }
}

/// A socket that fails to send on demand.
#[derive(Clone, Debug)]
pub(super) struct Way(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: UdpSocket,
    /// The fault in force; 0 means none.
    fault: AtomicU8,
    datagrams: AtomicU64,
}

impl Way {
    pub(super) fn to(address: SocketAddr) -> Result<Self, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self(Arc::new(Inner { socket, fault: AtomicU8::new(0), datagrams: AtomicU64::new(0) })))
    }

    pub(super) fn set(&self, fault: Fault) {
        self.0.fault.store(fault as u8, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.0.fault.store(0, Ordering::Relaxed);
    }
}

impl Transport for Way {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        const LOSS: u8 = Fault::Loss as u8;
        const OUTAGE: u8 = Fault::Outage as u8;
        const STALL: u8 = Fault::Stall as u8;
        let count = self.0.datagrams.fetch_add(1, Ordering::Relaxed);
        match self.0.fault.load(Ordering::Relaxed) {
            // The same datagrams are lost in every run.
            LOSS if Rng::new(count).chance(1.0 / 3.0) => return Ok(()),
            OUTAGE => return Err(SendError::Unreachable),
            STALL => return Err(SendError::WouldBlock),
            _ => {}
        }
        self.0.socket.send(datagram).map(drop).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => SendError::WouldBlock,
            io::ErrorKind::ConnectionRefused => SendError::Refused,
            _ => SendError::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_fails_as_it_is_told() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let way = Way::to(receiver.local_addr().unwrap()).unwrap();
        let mut sending = way.clone();
        let mut send = |datagram| sending.send(datagram);
        assert_eq!(send(b"x"), Ok(()));
        way.set(Fault::Outage);
        assert_eq!(send(b"x"), Err(SendError::Unreachable));
        way.set(Fault::Stall);
        assert_eq!(send(b"x"), Err(SendError::WouldBlock));
        way.set(Fault::Loss);
        assert!((0..30).all(|_| send(b"x") == Ok(())));
        way.clear();
        assert_eq!(send(b"last"), Ok(()));
        let (mut received, mut buf) = (0, [0; 8]);
        while &buf[..4] != b"last" {
            receiver.recv(&mut buf).unwrap();
            received += 1;
        }
        assert!((10..32).contains(&received), "{received} of 32, some of them lost");
    }
}
