//! Makes room for a datagram in the socket's own buffer, which is as large as one datagram.

use embassy_net::udp::UdpSocket;
use embassy_time::{Duration, with_timeout};

/// How long to wait for room before everything is checked again, since a link that is down makes no room.
pub(crate) const BUSY: Duration = Duration::from_millis(100);

/// Waits until everything that was given to the socket has been sent. Returns `false` if it has not: then nothing more
/// fits.
pub(crate) async fn is_empty(socket: &mut UdpSocket<'_>) -> bool {
    with_timeout(BUSY, socket.flush()).await.is_ok()
}

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
