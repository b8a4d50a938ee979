//! A deliberately bad network between a client and a receiver, which both take for a real one: `send --loss`, `demo
//! --fault`.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringstat_core::send::{SendError, Transport};
use ringstat_core::testkit::{FaultReport, FaultTransport, Faults};

use super::failure::{Exit, Failure};

/// A socket that waits for room, so that nothing is lost besides what the fault transport drops.
struct Socket(UdpSocket);

impl Transport for Socket {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        match self.0.send(datagram) {
            Ok(_) => Ok(()),
            Err(e) if refused(&e) => Err(SendError::Refused),
            Err(_) => Err(SendError::Other),
        }
    }

    /// The socket blocks when it sends, so this asks it not to, just here.
    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        let received = self.0.set_nonblocking(true).and_then(|()| self.0.recv(buf));
        self.0.set_nonblocking(false).map_err(|_| SendError::Other)?;
        received.map_err(|e| if refused(&e) { SendError::Refused } else { SendError::WouldBlock })
    }

    fn hears(&self) -> bool {
        true
    }
}

/// Whether nobody is there: Windows calls it a reset.
fn refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset)
}

/// The network between a client and its receiver. The client has one clone; through another, the network is made better
/// or worse.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<FaultTransport<Socket>>>);

impl Network {
    pub(crate) fn new(to: &str, faults: Faults, seed: u64) -> Result<Self, Failure> {
        let failed = |e| Failure::new(Exit::Environment, format_args!("cannot reach {to}: {e}"));
        let any = |to: SocketAddr| -> (std::net::IpAddr, u16) {
            if to.is_ipv4() {
                (Ipv4Addr::UNSPECIFIED.into(), 0)
            } else {
                (Ipv6Addr::UNSPECIFIED.into(), 0)
            }
        };
        let address = to.to_socket_addrs().map_err(failed)?.next();
        let address = address.ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
        let socket = UdpSocket::bind(any(address)).map_err(failed)?;
        socket.connect(address).map_err(failed)?;
        Ok(Self(Arc::new(Mutex::new(FaultTransport::new(Socket(socket), faults, seed)))))
    }

    /// Lets everything arrive from now on.
    pub(crate) fn recover(&self) {
        self.cut(false);
        self.lock().set_faults(Faults::NONE);
    }

    /// Cuts the connection to the receiver, or restores it.
    pub(crate) fn cut(&self, cut: bool) {
        self.lock().set_outage(cut.then_some(SendError::Unreachable));
    }

    /// Swallows everything without a word, or lets it through again.
    pub(crate) fn swallow(&self, all: bool) {
        let loss = if all { 1.0 } else { 0.0 };
        self.lock().set_faults(Faults { loss, ..Faults::NONE });
    }

    /// What happened to the datagrams.
    pub(crate) fn report(&self) -> FaultReport {
        self.lock().report()
    }

    fn lock(&self) -> MutexGuard<'_, FaultTransport<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Network {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.lock().send(datagram)
    }

    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        self.lock().receive(buf)
    }

    fn hears(&self) -> bool {
        true
    }
}
