//! A bad network in user space, for kernels without `netem`: a process between client and collector would be one more
//! thing to go wrong, so it is a thread with two sockets in the collector's namespace.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use ringstat_core::testkit::{FaultReport, FaultTransport, Faults};
use ringstat_core::transport::{SendError, Transport};

use crate::netns::Namespace;

/// Forwards datagrams, with faults on purpose that it counts exactly.
#[derive(Debug)]
pub(crate) struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    network: Mutex<FaultTransport<Forward>>,
    stop: AtomicBool,
}

impl Shared {
    fn network(&self) -> MutexGuard<'_, FaultTransport<Forward>> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket towards the collector.
#[derive(Debug)]
struct Forward(UdpSocket);

impl Transport for Forward {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.0.send(datagram).map(drop).map_err(|_| SendError::Other)
    }
}

impl Relay {
    /// Forwards what arrives at `at` to `to`, both on `machine`.
    pub(crate) fn start(machine: &Namespace, at: &str, to: &str, faults: Faults) -> Self {
        let (from, forward) = machine.enter(|| {
            let forward = UdpSocket::bind("127.0.0.1:0").expect("a port");
            forward.connect(to).expect("an address");
            (UdpSocket::bind(at).expect("the port is free"), forward)
        });
        // The relay itself must lose nothing.
        setsockopt(&from, RcvBufForce, &(16 << 20)).expect("root may");
        from.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let network = Mutex::new(FaultTransport::new(Forward(forward), faults, 42));
        let shared = Arc::new(Shared { network, stop: AtomicBool::new(false) });
        let mine = shared.clone();
        let thread = std::thread::spawn(move || {
            let mut buf = vec![0; 65_536];
            while !mine.stop.load(Ordering::Relaxed) {
                // Nothing there: look whether to stop.
                let Ok(length) = from.recv(&mut buf) else { continue };
                // What could not be forwarded shows in the report.
                let _ = mine.network().send(&buf[..length]);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// How many datagrams it was given.
    pub(crate) fn offered(&self) -> u64 {
        self.shared.network().report().offered
    }

    /// The network is well again; what was held back is on its way. Returns what it did.
    pub(crate) fn recover(&self) -> FaultReport {
        let mut network = self.shared.network();
        network.set_faults(Faults::NONE);
        network.flush();
        network.report()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; this one may be unwinding, too.
            let _ = thread.join();
        }
    }
}
