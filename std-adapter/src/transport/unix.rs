//! A Unix datagram socket: for a collector or an agent on the same machine, where nothing is lost on the way.
//!
//! - Each datagram is sent to the path, so that a receiver that has started again is found without being looked for.
//! - `EAGAIN` and `ENOBUFS`, the receiver has enough to read: backpressure, the datagram is kept and offered again.
//! - `ENOENT` and `ECONNREFUSED`, nobody is there: unlike over UDP, this is about the datagram itself.
//! - The socket has a name of its own, so that the receiver can answer.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

use ringstat_core::send::{SendError, Transport};

use super::system::unnamed;

/// An unconnected socket, and where it sends to.
#[derive(Debug)]
pub(crate) struct Unix {
    socket: UnixDatagram,
    to: PathBuf,
    /// Whether the socket has a name to which the receiver can answer.
    named: Name,
}

/// The name of the sender's own socket.
#[derive(Debug)]
enum Name {
    /// It has none.
    None,
    /// The system gave it one that disappears with the socket.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Automatic,
    /// A file.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    File(PathBuf),
}

impl Unix {
    /// Opens a socket that sends to `path`, where nobody needs to listen yet.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Whether it can be an address: sockets have a limit of about a hundred bytes.
        SocketAddr::from_pathname(path)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let named = name(&socket);
        Ok(Self { socket, to: path.to_owned(), named })
    }
}

/// Gives the socket a name. The system picks one that nobody has.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn name(socket: &UnixDatagram) -> Name {
    use nix::sys::socket::{UnixAddr, bind};
    use std::os::fd::AsRawFd;
    match bind(socket.as_raw_fd(), &UnixAddr::new_unnamed()) {
        Ok(()) => Name::Automatic,
        // It sends all the same.
        Err(_) => Name::None,
    }
}

/// Elsewhere it is a file among the temporary ones, as only files are names.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn name(socket: &UnixDatagram) -> Name {
    use nix::sys::socket::{UnixAddr, bind};
    use std::os::fd::AsRawFd;
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("ringstat-{}-{number}", std::process::id()));
    let bound = UnixAddr::new(&file).and_then(|at| bind(socket.as_raw_fd(), &at));
    bound.map_or(Name::None, |()| Name::File(file))
}

impl Drop for Unix {
    fn drop(&mut self) {
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        if let Name::File(file) = &self.named {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Transport for Unix {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        match self.socket.send_to(datagram, &self.to) {
            Ok(_) => Ok(()),
            Err(e) => Err(classify(&e)),
        }
    }

    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        self.socket.recv(buf).map_err(|e| classify(&e))
    }

    fn hears(&self) -> bool {
        !matches!(self.named, Name::None)
    }
}

fn classify(error: &io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => SendError::WouldBlock,
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::PermissionDenied => SendError::Unreachable,
        _ => unnamed(error).unwrap_or(SendError::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path for a socket, in a directory that disappears with it.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("rs-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }

        fn socket(&self) -> PathBuf {
            self.0.join("socket")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_receiver_that_comes_late_or_again_is_found_and_can_answer() {
        let place = Place::new("again");
        let mut unix = Unix::open(&place.socket()).unwrap();
        assert!(unix.hears());
        assert_eq!(unix.send(b"nobody"), Err(SendError::Unreachable));
        for round in 0..2 {
            let receiver = UnixDatagram::bind(place.socket()).unwrap();
            unix.send(b"hello").unwrap();
            let mut buf = [0; 16];
            let (length, from) = receiver.recv_from(&mut buf).unwrap();
            assert_eq!(&buf[..length], b"hello", "round {round}");
            receiver.send_to_addr(b"answer", &from).unwrap();
            let length = unix.receive(&mut buf).unwrap();
            assert_eq!(&buf[..length], b"answer");
            assert_eq!(unix.receive(&mut buf), Err(SendError::WouldBlock));
            drop(receiver);
            // The file is still there, and nobody listens.
            assert_eq!(unix.send(b"gone"), Err(SendError::Unreachable));
            std::fs::remove_file(place.socket()).unwrap();
        }
    }

    #[test]
    fn a_receiver_that_does_not_read_is_backpressure() {
        let place = Place::new("full");
        let receiver = UnixDatagram::bind(place.socket()).unwrap();
        let mut unix = Unix::open(&place.socket()).unwrap();
        let sent = (0..100_000).take_while(|_| unix.send(&[7; 1000]).is_ok()).count();
        assert_eq!(unix.send(&[7; 1000]), Err(SendError::WouldBlock));
        receiver.set_nonblocking(true).unwrap();
        let received = std::iter::from_fn(|| receiver.recv(&mut [0; 2000]).ok()).count();
        assert_eq!(received, sent, "nothing is lost on the way");
        assert_eq!(unix.send(&[0; 10_000_000]), Err(SendError::TooLarge));
        assert_eq!(unix.send(b"again"), Ok(()));
    }

    #[test]
    fn a_path_that_is_too_long_is_an_error() {
        let long = format!("/{}", "x".repeat(200));
        assert!(Unix::open(Path::new(&long)).is_err());
    }
}
