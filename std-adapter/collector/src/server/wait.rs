//! How a receiving thread sleeps until something arrives.

use std::net::UdpSocket;
use std::time::Duration;

/// Sleeps until there is something to receive, for `limit` at most. It may wake early; the next receive call tells why.
#[cfg(unix)]
pub(super) fn readable(socket: &UdpSocket, limit: Duration) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
    let _ = poll(&mut fds, timeout);
}

/// Does the same without `poll`: the socket blocks for that long and peeks at what arrives. (On Windows, peeking at a
/// datagram that is larger than the buffer is an error, and leaves it in place.)
#[cfg(not(unix))]
pub(super) fn readable(socket: &UdpSocket, limit: Duration) {
    let _ = socket
        .set_read_timeout(Some(limit))
        .and_then(|()| socket.set_nonblocking(false))
        .and_then(|()| socket.peek(&mut [0]));
    let _ = socket.set_nonblocking(true);
}
