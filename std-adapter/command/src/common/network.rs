//! A bad network on purpose, between a client and a receiver that do not notice: `send --loss`, `demo --fault`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringstat_core::send::{SendError, Transport};
use ringstat_core::testkit::{FaultReport, FaultTransport, Faults, Rng};
use ringstat_std::{RepliesFn, TransportFn};

use crate::common::failure::{Exit, Failure};

/// A socket that waits for room, so that what the fault transport says was dropped is all that was.
#[derive(Clone)]
struct Socket(Arc<UdpSocket>);

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

/// The network between a client and its receiver.
#[derive(Clone)]
pub(crate) struct Network {
    there: Arc<Mutex<FaultTransport<Socket>>>,
    back: Arc<Mutex<Rng>>,
    socket: Socket,
    /// There is no way to the receiver.
    cut: Arc<AtomicBool>,
}

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
        let address = address.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let socket = UdpSocket::bind(any(address)).map_err(failed)?;
        socket.connect(address).map_err(failed)?;
        let socket = Socket(Arc::new(socket));
        Ok(Self {
            there: Arc::new(Mutex::new(FaultTransport::new(socket.clone(), faults, seed))),
            back: Arc::new(Mutex::new(Rng::new(seed.wrapping_add(1)))),
            socket,
            cut: Arc::default(),
        })
    }

    /// What the client is to send through.
    pub(crate) fn transport(&self) -> Arc<TransportFn> {
        let network = self.clone();
        Arc::new(move |datagram: &[u8]| {
            if network.cut.load(Ordering::Relaxed) {
                return Err(SendError::Unreachable);
            }
            network.lock().send(datagram)
        })
    }

    /// What the client is to hear through: replies are lost as often as what they answer.
    pub(crate) fn replies(&self) -> Arc<RepliesFn> {
        let network = self.clone();
        Arc::new(move |buf: &mut [u8]| {
            loop {
                let length = receive(&network.socket.0, buf)?;
                let loss = network.lock().faults().loss;
                let mut rng = network.back.lock().unwrap_or_else(PoisonError::into_inner);
                if !network.cut.load(Ordering::Relaxed) && !rng.chance(loss) {
                    return Some(length);
                }
            }
        })
    }

    /// From now on everything arrives.
    pub(crate) fn recover(&self) {
        self.cut(false);
        self.lock().set_faults(Faults::NONE);
    }

    /// Takes the way to the receiver away, or gives it back.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// What was done to the datagrams.
    pub(crate) fn report(&self) -> FaultReport {
        self.lock().report()
    }

    fn lock(&self) -> MutexGuard<'_, FaultTransport<Socket>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next datagram, if one waits. The socket blocks when it sends, so this asks the kernel not to, just here.
fn receive(socket: &UdpSocket, buf: &mut [u8]) -> Option<usize> {
    use rustix::net::{RecvFlags, recv};
    let (_, length) = recv(socket, buf, RecvFlags::DONTWAIT).ok()?;
    Some(length)
}
