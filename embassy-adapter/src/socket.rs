//! Room for a datagram in the socket's own buffer, which is as large as one datagram.

use embassy_net::udp::UdpSocket;
use embassy_time::{Duration, with_timeout};

/// How long room is waited for before everything is looked at again: that a link is down makes no room.
const BUSY: Duration = Duration::from_millis(100);

/// Waits until all that was given to the socket has left it. `false` if it has not: nothing more fits then.
pub(crate) async fn is_empty(socket: &mut UdpSocket<'_>) -> bool {
    with_timeout(BUSY, socket.flush()).await.is_ok()
}

/// Makes all of an empty buffer usable at once. What was received and not read is gone, so that has to be read before.
///
/// smoltcp 0.13 goes round in its buffer, and hands out what lies between the end of the last datagram and that of the
/// buffer: the first datagram would be the last that finds room. A socket that is opened anew begins at the start.
pub(crate) fn renew(socket: &mut UdpSocket<'_>, port: u16) {
    socket.close();
    // Port 0 is the only one that cannot be bound to.
    let _ = socket.bind(port.max(1));
}
