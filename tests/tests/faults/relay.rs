//! A bad network in user space, for kernels without `netem`. It consists of two threads with two sockets in the
//! collector's namespace, because a process between client and collector would be one more thing that can fail.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use ringstat_core::send::{SendError, Transport};
use ringstat_core::testkit::{FaultReport, FaultTransport, Faults};

use ringstat_tests::netns::Namespace;

/// Forwards datagrams in both directions, with injected faults that it counts exactly.
#[derive(Debug)]
pub(crate) struct Relay {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    there: Mutex<FaultTransport<Out>>,
    back: Mutex<FaultTransport<Out>>,
    /// The client's address, once it has sent something.
    client: Mutex<Option<SocketAddr>>,
    stop: AtomicBool,
}

/// A socket to forward to: it is either connected, or used with an address.
#[derive(Debug)]
struct Out {
    socket: Arc<UdpSocket>,
    to: Option<SocketAddr>,
}

impl Transport for Out {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        let sent = match self.to {
            Some(to) => self.socket.send_to(datagram, to),
            None => self.socket.send(datagram),
        };
        sent.map(drop).map_err(|_| SendError::Other)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relay {
    /// Forwards what arrives at `at` to `to`, both on `machine`, and the answers back.
    pub(crate) fn start(machine: &Namespace, at: &str, to: &str, faults: Faults) -> Self {
        let (outer, inner) = machine.enter(|| {
            let inner = UdpSocket::bind("127.0.0.1:0").expect("a port");
            inner.connect(to).expect("an address");
            (UdpSocket::bind(at).expect("the port is free"), inner)
        });
        for socket in [&outer, &inner] {
            // The relay itself must not lose anything.
            setsockopt(socket, RcvBufForce, &(16 << 20)).expect("root may");
            socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        }
        let (outer, inner) = (Arc::new(outer), Arc::new(inner));
        let network = |socket: &Arc<UdpSocket>, seed| {
            let out = Out { socket: socket.clone(), to: None };
            Mutex::new(FaultTransport::new(out, faults, seed))
        };
        let shared = Arc::new(Shared {
            there: network(&inner, 42),
            back: network(&outer, 43),
            client: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let (there, back) = (shared.clone(), shared.clone());
        let threads = vec![
            std::thread::spawn(move || {
                there.receive(&outer, |from, datagram| {
                    *lock(&there.client) = Some(from);
                    // Datagrams that could not be forwarded show in the report.
                    let _ = lock(&there.there).send(datagram);
                });
            }),
            std::thread::spawn(move || {
                back.receive(&inner, |_, datagram| {
                    let mut network = lock(&back.back);
                    network.inner_mut().to = *lock(&back.client);
                    let _ = network.send(datagram);
                });
            }),
        ];
        Self { shared, threads }
    }

    /// Waits until the client has sent this many datagrams.
    pub(crate) fn until_offered(&self, datagrams: u64) {
        let offered = || lock(&self.shared.there).report().offered;
        for _ in 0..1000 {
            if offered() >= datagrams {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the cable lost some: {} of {datagrams}", offered());
    }

    /// Ends the faults, and sends what was held back. Returns what it did to the client's datagrams.
    pub(crate) fn recover(&self) -> FaultReport {
        for network in [&self.shared.back, &self.shared.there] {
            let mut network = lock(network);
            network.set_faults(Faults::NONE);
            network.flush();
        }
        lock(&self.shared.there).report()
    }
}

impl Shared {
    /// Passes on what arrives, until it is told to stop.
    fn receive(&self, socket: &UdpSocket, mut hand_on: impl FnMut(SocketAddr, &[u8])) {
        let mut buf = vec![0; 65_536];
        while !self.stop.load(Ordering::Relaxed) {
            // There is nothing to receive, or no address yet, so it checks whether to stop.
            let Ok((length, from)) = socket.recv_from(&mut buf) else { continue };
            hand_on(from, &buf[..length]);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has been printed already, and this thread may be unwinding, too.
            let _ = thread.join();
        }
    }
}
