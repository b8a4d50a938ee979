//! Puts a receiving thread to sleep until something arrives, at its sockets or from another thread.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

/// What a thread waits on, and what others wake it with. It may wake early; the next receive call shows why.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Waker(std::os::unix::net::UnixStream, std::os::unix::net::UnixStream);

#[cfg(unix)]
impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let (tx, rx) = std::os::unix::net::UnixStream::pair()?;
        tx.set_nonblocking(true)?;
        rx.set_nonblocking(true)?;
        Ok(Self(tx, rx))
    }

    /// Wakes the thread.
    pub(crate) fn wake(&self) {
        // If the pipe is full of unread wake-ups, one more makes no difference.
        let _ = io::Write::write(&mut &self.0, &[0]);
    }

    /// Sleeps until [`wake`](Self::wake) is called or there is something to receive, for at most `limit`.
    pub(crate) fn wait<'s>(&self, sockets: impl Iterator<Item = &'s UdpSocket>, limit: Duration) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;

        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds: Vec<_> = sockets.map(|socket| readable(socket.as_fd())).collect();
        fds.push(readable(self.1.as_fd()));
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        let _ = poll(&mut fds, timeout);
        let mut wakes = [0; 64];
        while io::Read::read(&mut &self.1, &mut wakes).is_ok_and(|n| n == wakes.len()) {}
    }
}

/// The same without `poll`: a thread that has sockets blocks at each in turn and peeks at what arrives. (On Windows,
/// peeking at a datagram that is larger than the buffer is an error, and leaves it in place.) A thread without sockets
/// is parked.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Waker(std::sync::OnceLock<std::thread::Thread>);

#[cfg(not(unix))]
impl Waker {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(std::sync::OnceLock::new()))
    }

    /// Wakes the thread, if it is parked.
    pub(crate) fn wake(&self) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }

    /// Sleeps until [`wake`](Self::wake) is called or there is something to receive, for at most `limit`.
    pub(crate) fn wait<'s>(&self, sockets: impl Iterator<Item = &'s UdpSocket>, limit: Duration) {
        /// How long one socket may be blocked on while datagrams wait at the others.
        const PEEK_TIMEOUT: Duration = Duration::from_millis(5);
        let mut parked = true;
        for socket in sockets {
            parked = false;
            let _ = socket
                .set_read_timeout(Some(limit.min(PEEK_TIMEOUT)))
                .and_then(|()| socket.set_nonblocking(false))
                .and_then(|()| socket.peek(&mut [0]));
            let _ = socket.set_nonblocking(true);
        }
        if parked {
            let _ = self.0.set(std::thread::current());
            std::thread::park_timeout(limit);
        }
    }
}
