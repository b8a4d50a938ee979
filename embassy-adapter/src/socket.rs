//! The socket's own buffer, which is as large as one datagram.

use embassy_net::udp::UdpSocket;

/// Makes an empty buffer usable as a whole. Datagrams that were received but not read are lost, so they must be read
/// before.
///
/// smoltcp 0.13 uses its buffer as a ring, and hands out only contiguous room up to the buffer's end: after the first
/// datagram no other would find room. A socket that is opened again starts at the beginning.
pub(crate) fn renew(socket: &mut UdpSocket<'_>, port: u16) {
    socket.close();
    // Port 0 is the only one that cannot be bound to.
    let _ = socket.bind(port.max(1));
}

/// A buffer of zeros.
///
/// Inlined into a future, it would be aligned to 8 bytes, for which the compiler calls another `memclr` than the one that every
/// firmware has.
#[inline(never)]
pub(crate) fn zeroed<const BYTES: usize>() -> [u8; BYTES] {
    [0; BYTES]
}
