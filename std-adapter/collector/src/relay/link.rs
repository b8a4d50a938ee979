//! The link to one target: a thread with a connected socket. No other thread ever waits for the target.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{Queue, Waiting};
use super::target::{RelayProtocol, RelayTarget};
use crate::report::OutputCause;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a refusal may take to come back, when it is not known whether anybody listens.
const PROBE: Duration = Duration::from_millis(20);
/// How long the kernel's buffer may stay full.
const FULL: Duration = Duration::from_millis(1);
/// How often a name is looked up.
const LOOK_UP: Duration = Duration::from_secs(60);
/// For so long, a collector that is asked about once a second may leave it at that.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a datagram that is too large is logged.
const QUIET: Duration = Duration::from_secs(60);

/// Sends the datagrams of one target's queue.
#[derive(Debug)]
pub(crate) struct Link {
    name: String,
    address: String,
    /// Whether the target answers.
    answers: bool,
    queue: Arc<Queue>,
    /// The addresses at which this collector receives.
    listens: Arc<[SocketAddr]>,
    socket: Option<Connected>,
    /// Failures in a row.
    failures: u32,
    /// Since when an answer is due.
    asked: Option<Instant>,
    /// When a refusal was last logged.
    refused: Option<Instant>,
}

#[derive(Debug)]
struct Connected {
    socket: UdpSocket,
    to: SocketAddr,
    looked_up: Instant,
}

impl Link {
    pub(super) fn new(target: &RelayTarget, queue: Arc<Queue>, listens: Arc<[SocketAddr]>) -> Self {
        Self {
            name: target.to_string(),
            address: target.address.clone(),
            answers: target.protocol == RelayProtocol::Ringstat,
            queue,
            listens,
            socket: None,
            failures: 0,
            asked: None,
            refused: None,
        }
    }

    /// Sends until the collector ends and no datagram, or no time, is left.
    pub(super) fn run(mut self) {
        while let Some(waiting) = self.queue.next() {
            // What is left then is given up.
            let Some(outcome) = self.pass_on(&waiting) else { return };
            self.queue.done(&waiting, outcome);
        }
    }

    /// Retries until the datagram is sent, or can never be.
    fn pass_on(&mut self, waiting: &Waiting) -> Option<Result<(), OutputCause>> {
        loop {
            match self.send(waiting) {
                Ok(()) => {
                    self.left(waiting.asks);
                    return Some(Ok(()));
                }
                Err(e) if is_too_large(&e) => {
                    if self.refused.is_none_or(|at| at.elapsed() >= QUIET) {
                        self.refused = Some(Instant::now());
                        let length = waiting.body.len();
                        tracing::error!(
                            "{} cannot get a datagram of {length} bytes: {e}",
                            self.name
                        );
                    }
                    return Some(Err(OutputCause::Refused));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if !self.queue.pause(FULL) {
                        return None;
                    }
                }
                Err(e) => {
                    // The name may mean another address by now.
                    self.socket = None;
                    if self.queue.failed(&e.to_string()) {
                        tracing::warn!("{} cannot be reached: {e}; datagrams wait", self.name);
                    }
                    if !self.queue.pause(pause(self.failures)) {
                        return None;
                    }
                    self.failures += 1;
                }
            }
        }
    }

    /// Makes one attempt. After a failure it waits for a refusal, which would mean that the datagram has not arrived.
    fn send(&mut self, waiting: &Waiting) -> io::Result<()> {
        let is_probe = self.failures > 0;
        self.connect()?;
        self.hear()?;
        let Some(Connected { socket, .. }) = &self.socket else { return Ok(()) };
        socket.send(&waiting.body)?;
        if is_probe {
            self.queue.pause(PROBE);
            self.hear()?;
        }
        Ok(())
    }

    /// Opens the socket, or a new one if the name resolves to another address by now.
    fn connect(&mut self) -> io::Result<()> {
        if self.socket.as_ref().is_some_and(|of| of.looked_up.elapsed() < LOOK_UP) {
            return Ok(());
        }
        let all: Vec<_> = self.address.to_socket_addrs()?.collect();
        if let Some(of) = self.socket.as_mut().filter(|of| all.contains(&of.to)) {
            of.looked_up = Instant::now();
            return Ok(());
        }
        let to = *all.first().ok_or(io::ErrorKind::NotFound)?;
        if is_own(to, &self.listens) {
            return Err(io::Error::other(format!("{to} is this collector itself")));
        }
        let any: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        self.queue.set_path(socket.local_addr()?, to);
        self.socket = Some(Connected { socket, to, looked_up: Instant::now() });
        Ok(())
    }

    /// Hears answers, which say only that there is somebody: the sender has had its own from this collector. An error is
    /// the target's refusal of something that was sent before.
    fn hear(&mut self) -> io::Result<()> {
        let Some(Connected { socket, .. }) = &self.socket else { return Ok(()) };
        let mut answer = [0; 64];
        loop {
            match socket.recv(&mut answer) {
                Ok(_) => self.asked = None,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // On Windows, an answer that is longer.
                Err(e) if is_too_large(&e) => self.asked = None,
                Err(e) => return Err(e),
            }
        }
    }

    /// Records that a datagram was sent.
    fn left(&mut self, asks: bool) {
        self.failures = 0;
        if self.answers && asks {
            self.asked.get_or_insert_with(Instant::now);
        }
        if self.asked.is_some_and(|since| since.elapsed() > SILENCE) {
            let why = "it does not answer; what is sent may be lost";
            if self.queue.unwell(why) {
                tracing::warn!("{}: {why}", self.name);
            }
        } else if self.queue.well() {
            tracing::info!("{} is there again", self.name);
        }
    }
}

/// The pause after a failure and `before` earlier ones, a quarter shorter or longer at random.
fn pause(before: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << before.min(16)).min(LONGEST_PAUSE);
    whole.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// Whether the error means that the datagram is too large for the path.
fn is_too_large(error: &io::Error) -> bool {
    #[cfg(unix)]
    let code = nix::errno::Errno::EMSGSIZE as i32;
    #[cfg(not(unix))]
    let code = 10040; // WSAEMSGSIZE
    error.raw_os_error() == Some(code)
}

/// Whether what is sent there comes to one of these sockets, which are this collector's.
pub(crate) fn is_own(to: SocketAddr, listens: &[SocketAddr]) -> bool {
    let ip = to.ip().to_canonical();
    // Only an address of this machine can be bound.
    let is_here = || ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok();
    listens.iter().any(|at| {
        at.port() == to.port()
            && (at.ip().to_canonical() == ip
                || (at.ip().is_unspecified() || ip.is_unspecified()) && is_here())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_knows_itself() {
        let at = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|a| a.parse().unwrap()).collect()
        };
        for (to, listens, expected) in [
            ("127.0.0.1:8125", &["127.0.0.1:8125"][..], true),
            ("127.0.0.1:8126", &["127.0.0.1:8125"], false),
            ("127.0.0.1:8125", &["10.9.9.9:1", "0.0.0.0:8125"], true),
            ("127.0.0.2:8125", &["127.0.0.1:8125"], false),
            ("0.0.0.0:8125", &["127.0.0.1:8125"], true),
            ("[::ffff:127.0.0.1]:8125", &["127.0.0.1:8125"], true),
            // Of the block for documentation: nobody's.
            ("192.0.2.1:8125", &["0.0.0.0:8125"], false),
        ] {
            assert_eq!(is_own(to.parse().unwrap(), &at(listens)), expected, "{to} {listens:?}");
        }
    }
}
