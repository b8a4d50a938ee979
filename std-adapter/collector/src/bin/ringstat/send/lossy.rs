//! A bad network on purpose: `send --loss` drops datagrams behind the client, which does not notice.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringstat_core::testkit::{FaultTransport, Faults};
use ringstat_core::transport::{SendError, Transport};
use ringstat_std::TransportFn;
use serde::Serialize;

use crate::failure::{Exit, Failure};

/// A socket that waits for room, so that what the fault transport says was dropped is all that was.
struct Socket(UdpSocket);

impl Transport for Socket {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        // The first refusal belongs to the datagram before.
        match self.0.send(datagram).or_else(|_| self.0.send(datagram)) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Err(SendError::Refused),
            Err(_) => Err(SendError::Other),
        }
    }
}

/// What was done to the datagrams.
#[derive(Clone, Copy, Serialize, Debug)]
pub(crate) struct Simulated {
    offered: u64,
    lost: u64,
}

/// The network between a client and its receiver.
pub(crate) struct Lossy(Arc<Mutex<FaultTransport<Socket>>>);

impl Lossy {
    pub(crate) fn new(to: &str, loss: f64, seed: u64) -> Result<Self, Failure> {
        let failed = |e| Failure::new(Exit::Environment, format_args!("cannot reach {to}: {e}"));
        let to_any = |to: SocketAddr| -> (std::net::IpAddr, u16) {
            if to.is_ipv4() {
                (Ipv4Addr::UNSPECIFIED.into(), 0)
            } else {
                (Ipv6Addr::UNSPECIFIED.into(), 0)
            }
        };
        let address = to.to_socket_addrs().map_err(failed)?.next();
        let address = address.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let socket = UdpSocket::bind(to_any(address)).map_err(failed)?;
        socket.connect(address).map_err(failed)?;
        let faults = Faults { loss, ..Faults::NONE };
        Ok(Self(Arc::new(Mutex::new(FaultTransport::new(Socket(socket), faults, seed)))))
    }

    /// What the client is to send through.
    pub(crate) fn transport(&self) -> Arc<TransportFn> {
        let network = self.0.clone();
        Arc::new(move |datagram: &[u8]| lock(&network).send(datagram))
    }

    /// From now on everything arrives.
    pub(crate) fn recover(&self) {
        lock(&self.0).set_faults(Faults::NONE);
    }

    pub(crate) fn report(&self) -> Simulated {
        let report = lock(&self.0).report();
        Simulated { offered: report.offered, lost: report.lost }
    }
}

fn lock(network: &Mutex<FaultTransport<Socket>>) -> MutexGuard<'_, FaultTransport<Socket>> {
    network.lock().unwrap_or_else(PoisonError::into_inner)
}
