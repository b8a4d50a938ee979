//! The socket: connected, never blocking, many datagrams a system call where the kernel can.
//!
//! What a UDP sender really sees, and what is made of it (Linux; other systems differ in detail):
//!
//! - `ECONNREFUSED` answers the datagram *before*, and the call that reports it sends nothing: it is tried again at
//!   once. The refusal is counted: it says that nobody listens.
//! - `EAGAIN` and `ENOBUFS` are backpressure: the datagram is kept and offered again.
//! - `EMSGSIZE` is permanent for that datagram; for a train of them it means that a segment is larger than the link's
//!   packets, and they go one by one.
//! - `ENETUNREACH`, `EHOSTUNREACH`, `ENETDOWN`, `EPERM`, `EACCES`: there is no way to the receiver now.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ringstat_core::send::{SendError, Transport};

/// At most so many datagrams go to the kernel in one call. More lose more than they gain.
pub(crate) const MAX_SEGMENTS: usize = 32;
/// And at most so many bytes: a UDP payload.
const MAX_BYTES: usize = 65_507;

/// A connected UDP socket.
#[derive(Debug)]
pub(crate) struct Udp {
    socket: UdpSocket,
    peer: SocketAddr,
    /// The size of the segments that the kernel cuts, if it does.
    segment: Option<usize>,
    payload: usize,
    /// Answers to earlier datagrams that nobody listened.
    refusals: u64,
    /// One of them came up while replies were read.
    refused: bool,
}

impl Udp {
    /// Opens a socket to `to`, and asks the kernel to cut what is longer than `payload` into datagrams of that size.
    pub(crate) fn connect(to: SocketAddr, payload: usize) -> io::Result<Self> {
        let any: SocketAddr = if to.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        let segment = segmentation(&socket, payload).then_some(payload);
        Ok(Self { socket, peer: to, segment, payload, refusals: 0, refused: false })
    }

    /// A socket like this one, to another receiver.
    pub(crate) fn reconnect(&self, to: SocketAddr) -> io::Result<Self> {
        Self::connect(to, self.payload)
    }

    /// How many datagrams of `payload` bytes one [`send_many`](Self::send_many) takes.
    pub(crate) fn segments(&self, payload: usize) -> usize {
        match self.segment {
            Some(segment) if segment == payload => (MAX_BYTES / payload).clamp(1, MAX_SEGMENTS),
            _ => 1,
        }
    }

    /// Has the kernel cut what is longer than a datagram, or not. Returns whether it ever did.
    pub(crate) fn set_segmentation(&self, on: bool) -> bool {
        self.segment.is_some_and(|segment| {
            // Where it is refused the next send says so.
            segmentation(&self.socket, if on { segment } else { 0 });
            true
        })
    }

    /// How often an answer said that nobody listened when an earlier datagram came.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Whether such an answer waits to be reported; it is then reported here, and by no later send.
    pub(crate) fn take_refusal(&mut self) -> bool {
        let waiting = self.socket.take_error().ok().flatten();
        let refused = std::mem::take(&mut self.refused);
        waiting.is_some_and(|e| classify(&e) == SendError::Refused) || refused
    }

    /// A datagram from the receiver, if one waits; its length. What is longer than `buf` is cut off.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        match self.socket.recv(buf) {
            Ok(length) => Some(length),
            Err(e) => {
                if classify(&e) == SendError::Refused {
                    self.refusals += 1;
                    self.refused = true;
                }
                None
            }
        }
    }

    /// The receiver.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    fn try_send(&self, bytes: &[u8]) -> Result<(), SendError> {
        match self.socket.send(bytes) {
            Ok(_) => Ok(()),
            Err(e) => Err(classify(&e)),
        }
    }
}

impl Transport for Udp {
    /// Sends one datagram, or as many as `bytes` has segments.
    fn send(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        match self.try_send(bytes) {
            // It belongs to an earlier datagram, and this one was not sent.
            Err(SendError::Refused) => {
                self.refusals += 1;
                self.try_send(bytes)
            }
            result => result,
        }
    }
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
    #[cfg(target_os = "linux")]
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::ENOBUFS) => return SendError::WouldBlock,
        Some(nix::errno::Errno::EMSGSIZE) => return SendError::TooLarge,
        _ => {}
    }
    SendError::Other
}

/// Whether the kernel cuts for us (UDP_SEGMENT, Linux 4.18). A size of 0 turns it off.
#[cfg(target_os = "linux")]
fn segmentation(socket: &UdpSocket, payload: usize) -> bool {
    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::UdpGsoSegment;
    i32::try_from(payload).is_ok_and(|size| setsockopt(socket, UdpGsoSegment, &size).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn segmentation(_: &UdpSocket, _: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(payload: usize) -> (Udp, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        (Udp::connect(receiver.local_addr().unwrap(), payload).unwrap(), receiver)
    }

    #[test]
    fn one_call_sends_many_datagrams_where_the_kernel_cuts() {
        let (mut udp, receiver) = pair(200);
        let n = udp.segments(200);
        let mut bytes = vec![1; 200 * n];
        bytes.truncate(200 * n - if n > 1 { 50 } else { 0 });
        udp.send(&bytes).unwrap();
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
            // The kernel reports the answer to an earlier datagram; give loopback a moment to answer.
            std::thread::sleep(std::time::Duration::from_millis(1));
            match udp.try_send(b"x") {
                Err(SendError::Refused) => refused += 1,
                other => other.unwrap(),
            }
        }
        assert!(refused >= 4, "{refused} of 10");
        let receiver = UdpSocket::bind(address).unwrap();
        udp.send(b"back").unwrap();
        let mut buf = [0; 8];
        let length = receiver.recv(&mut buf).unwrap();
        assert_eq!(&buf[..length], b"back");
    }

    #[test]
    fn errors_are_told_apart() {
        let of = |errno: i32| classify(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(nix::libc::EAGAIN), SendError::WouldBlock);
        assert_eq!(of(nix::libc::ENOBUFS), SendError::WouldBlock);
        assert_eq!(of(nix::libc::EMSGSIZE), SendError::TooLarge);
        assert_eq!(of(nix::libc::ENETUNREACH), SendError::Unreachable);
        assert_eq!(of(nix::libc::EPERM), SendError::Unreachable);
        assert_eq!(of(nix::libc::EIO), SendError::Other);
    }
}
