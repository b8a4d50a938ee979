//! The UDP socket: connected, non-blocking, and with many datagrams per system call where the kernel supports it.
//!
//! What a UDP sender really sees, and how it is treated (on Linux; what differs elsewhere is in `system`):
//!
//! - `ECONNREFUSED` is the answer to the datagram *before*, and the call that reports it sends nothing: the caller
//!   tries again at once.
//! - `EAGAIN` and `ENOBUFS` are backpressure: the datagram is kept and offered again.
//! - `EMSGSIZE` is permanent for that datagram; for several in one call it means that a segment is larger than the
//!   link's packets, and they are sent one by one.
//! - `ENETUNREACH`, `EHOSTUNREACH`, `ENETDOWN`, `EPERM`, `EACCES`: there is no way to the receiver at the moment.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use ringstat_core::send::{SendError, Transport};

use super::addresses::Addresses;
use super::system::{segmentation, unnamed};
use crate::config::MAX_SEGMENTS;

/// The largest number of bytes passed to the kernel in one call: a UDP payload.
const MAX_BYTES: usize = 65_507;

/// How long datagrams are sent one by one before segmentation is tried again.
const SINGLY: Duration = Duration::from_secs(60);

/// A connected UDP socket.
#[derive(Debug)]
pub(crate) struct Udp {
    socket: UdpSocket,
    addresses: Addresses,
    /// The size of the segments that the kernel cuts, if it can.
    segment: Option<usize>,
    /// Until then, datagrams are sent one by one, because segmentation has failed.
    singly_until: Option<Instant>,
    payload: usize,
}

/// Why no socket could be opened.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The name could not be resolved.
    Resolve(io::Error),
    /// No socket could be opened.
    Socket(io::Error),
}

impl Udp {
    /// Opens a socket to `to`, given as `HOST:PORT` or `ADDRESS:PORT`, and asks the kernel to cut longer sends into
    /// datagrams of `payload` bytes. A name is resolved again every `resolve`.
    pub(crate) fn connect(
        to: &str,
        payload: usize,
        resolve: Duration,
    ) -> Result<Self, ConnectError> {
        let mut addresses = Addresses::resolve(to, resolve).map_err(ConnectError::Resolve)?;
        let socket = open_any(&mut addresses).map_err(ConnectError::Socket)?;
        let segment = segmentation(&socket, payload).then_some(payload);
        Ok(Self { socket, addresses, segment, singly_until: None, payload })
    }

    /// Opens a new socket to the address in use, or to the first one after it that can be reached. If none can, the old
    /// socket stays.
    fn reopen(&mut self) {
        if let Ok(socket) = open_any(&mut self.addresses) {
            self.segment = segmentation(&socket, self.payload).then_some(self.payload);
            self.singly_until = None;
            self.socket = socket;
        }
    }

    fn try_send(&self, bytes: &[u8]) -> Result<(), SendError> {
        match self.socket.send(bytes) {
            Ok(_) => Ok(()),
            Err(e) => Err(classify(&e)),
        }
    }

    /// Whether the kernel segments sends at the moment. If it refused recently, it is asked again after a while.
    fn cuts(&mut self) -> bool {
        let Some(segment) = self.segment else { return false };
        if self.singly_until.is_some_and(|until| Instant::now() >= until) {
            // If it is refused, the next send reports it.
            segmentation(&self.socket, segment);
            self.singly_until = None;
        }
        self.singly_until.is_none()
    }

    /// Sends with the kernel's segmentation, and after a failure without it for a while: the link's packets may have
    /// become smaller than a segment, or a device may accept segmentation but not perform it. Datagrams that are sent
    /// singly can be fragmented by the kernel.
    fn send_cut(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        match self.try_send(bytes) {
            Err(SendError::TooLarge | SendError::Other) if self.cuts() => {
                segmentation(&self.socket, 0);
                self.singly_until = Some(Instant::now() + SINGLY);
                Err(SendError::TooLarge)
            }
            result => result,
        }
    }
}

impl Transport for Udp {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        if self.addresses.refresh() {
            self.reopen();
        }
        match self.send_cut(datagram) {
            Err(SendError::TooLarge) => self.try_send(datagram),
            result => result,
        }
    }

    fn send_segments(&mut self, datagrams: &[u8], size: usize) -> Result<(), SendError> {
        if datagrams.len() <= size {
            return self.send(datagrams);
        }
        if self.addresses.refresh() {
            self.reopen();
        }
        if self.cuts() { self.send_cut(datagrams) } else { Err(SendError::TooLarge) }
    }

    fn segments(&self, size: usize) -> usize {
        match self.segment {
            Some(segment) if segment == size => (MAX_BYTES / size).clamp(1, MAX_SEGMENTS),
            _ => 1,
        }
    }

    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        self.socket.recv(buf).map_err(|e| classify(&e))
    }

    fn hears(&self) -> bool {
        true
    }

    fn reconnect(&mut self) {
        if self.addresses.next() {
            self.reopen();
        }
    }

    fn alternatives(&self) -> usize {
        self.addresses.len().saturating_sub(1)
    }
}

/// Opens a socket to the address in use, or to the first one after it that can be reached: a host without IPv6 cannot
/// reach the first address of many names.
fn open_any(addresses: &mut Addresses) -> io::Result<UdpSocket> {
    let mut failed = None;
    for _ in 0..addresses.len() {
        match open(addresses.current()) {
            Ok(socket) => return Ok(socket),
            Err(e) => failed = Some(e),
        }
        addresses.next();
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Opens a non-blocking socket connected to `to`.
fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if to.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn classify(error: &io::Error) -> SendError {
    use io::ErrorKind as E;
    match error.kind() {
        E::WouldBlock | E::Interrupted => return SendError::WouldBlock,
        E::ConnectionRefused | E::ConnectionReset => return SendError::Refused,
        E::NetworkUnreachable
        | E::HostUnreachable
        | E::NetworkDown
        | E::AddrNotAvailable
        | E::PermissionDenied => return SendError::Unreachable,
        _ => {}
    }
    unnamed(error).unwrap_or(SendError::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(payload: usize) -> (Udp, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap().to_string();
        (Udp::connect(&to, payload, Duration::MAX).unwrap(), receiver)
    }

    #[test]
    fn one_call_sends_many_datagrams_where_the_kernel_cuts() {
        let (mut udp, receiver) = pair(200);
        let n = udp.segments(200);
        let mut bytes = vec![1; 200 * n];
        bytes.truncate(200 * n - if n > 1 { 50 } else { 0 });
        udp.send_segments(&bytes, 200).unwrap();
        let mut lengths = Vec::new();
        for _ in 0..n {
            lengths.push(receiver.recv(&mut [0; 300]).unwrap());
        }
        assert_eq!(lengths.iter().sum::<usize>(), bytes.len());
        assert!(lengths[..n - 1].iter().all(|l| *l == 200));
    }

    #[test]
    fn a_closed_port_is_a_refusal_and_a_reopened_one_is_not() {
        let (mut udp, receiver) = pair(200);
        let address = receiver.local_addr().unwrap();
        drop(receiver);
        let mut refused = 0;
        for _ in 0..10 {
            // The kernel reports the answer to an earlier datagram, and loopback takes a moment to answer.
            std::thread::sleep(std::time::Duration::from_millis(1));
            match udp.try_send(b"x") {
                Err(SendError::Refused) => refused += 1,
                other => other.unwrap(),
            }
        }
        assert!(refused >= 4, "{refused} of 10");
        let receiver = UdpSocket::bind(address).unwrap();
        // The last answer may still be on its way.
        let _ = udp.send(b"back").or_else(|_| udp.send(b"back"));
        let mut buf = [0; 8];
        let length = receiver.recv(&mut buf).unwrap();
        assert_eq!(&buf[..length], b"back");
    }

    #[test]
    fn what_has_no_way_is_passed_over_and_where_nobody_answers_the_next_is_tried() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let served = receiver.local_addr().unwrap();
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // A socket that has not asked for it may not broadcast: this is refused at once, like an address without a
        // route.
        let no_way = SocketAddr::from(([255, 255, 255, 255], 9));
        let mut addresses = Addresses::of(vec![no_way, gone, served]);
        let socket = open_any(&mut addresses).unwrap();
        assert_eq!(addresses.current(), gone);
        let mut udp = Udp { socket, addresses, segment: None, singly_until: None, payload: 200 };
        udp.send(b"to nobody").unwrap();
        udp.reconnect();
        udp.send(b"to somebody").unwrap();
        let mut buf = [0; 20];
        let length = receiver.recv(&mut buf).unwrap();
        assert_eq!(&buf[..length], b"to somebody");
        udp.reconnect();
        assert_eq!(udp.addresses.current(), gone, "from the start, past what has no way");
    }

    #[test]
    #[cfg(unix)]
    fn errors_are_told_apart() {
        use nix::libc;
        let of = |errno: i32| classify(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(libc::EAGAIN), SendError::WouldBlock);
        assert_eq!(of(libc::ENOBUFS), SendError::WouldBlock);
        assert_eq!(of(libc::EMSGSIZE), SendError::TooLarge);
        assert_eq!(of(libc::ENETUNREACH), SendError::Unreachable);
        assert_eq!(of(libc::EPERM), SendError::Unreachable);
        assert_eq!(of(libc::EIO), SendError::Other);
    }
}
