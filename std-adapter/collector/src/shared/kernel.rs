//! The receiving socket: how much the kernel buffers, and how many datagrams it drops.

use std::io;
use std::net::{SocketAddr, UdpSocket};

#[cfg(any(target_os = "linux", target_os = "android"))]
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The requested size of the receive buffer: about 5800 datagrams of 1432 bytes.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Opens a UDP socket at `address` with as large a receive buffer as the system grants, and returns the buffer's size
/// as well.
pub(crate) fn open(address: SocketAddr) -> io::Result<(UdpSocket, usize)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Without privileges, the kernel grants what net.core.rmem_max allows; the size granted is read back.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let forced = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_ok();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let forced = false;
    if !forced {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    let size = SockRef::from(&socket).recv_buffer_size()?;
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), size))
}

/// The number of datagrams that the kernel dropped since the socket at `address` was opened, because they were not read
/// in time. Segments sent together by a sender on this machine are dropped together and count as one. `None` if the
/// system does not provide the number.
pub(crate) fn drops(address: SocketAddr) -> Option<u64> {
    let table = if address.is_ipv4() { "/proc/net/udp" } else { "/proc/net/udp6" };
    let text = std::fs::read_to_string(table).ok()?;
    let port = format!(":{:04X}", address.port());
    let ip = match address {
        // The kernel prints the address as a number in the machine's byte order.
        SocketAddr::V4(v4) => format!("{:08X}", u32::from_ne_bytes(v4.ip().octets())),
        SocketAddr::V6(_) => String::new(),
    };
    let rows = text.lines().skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>());
    let mine = rows
        .filter(|r| r.get(1).is_some_and(|local| local.starts_with(&ip) && local.ends_with(&port)));
    Some(mine.filter_map(|r| r.last()?.parse::<u64>().ok()).sum())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_drops_is_seen() {
        let (socket, size) = open("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(size > 0);
        SockRef::from(&socket).set_recv_buffer_size(4096).unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(drops(address), Some(0));
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        (0..100).for_each(|_| drop(sender.send_to(&[0; 1400], address)));
        assert!(drops(address).unwrap() > 50);
    }
}
