//! Sockets and threads around the collector.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringstat_core::wire::ack::Ack;

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

use crate::collector::Collector;
use crate::limits::Limits;
use crate::report::Report;
use crate::{kernel, web};

/// Where and how a collector runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where datagrams arrive; port 0 takes a free one. Several sockets feed one collector, which drops duplicates.
    pub udp: Vec<SocketAddr>,
    /// Where pages and metrics are asked for; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            udp: vec![([127, 0, 0, 1], 8125).into()],
            http: Some(([127, 0, 0, 1], 9125).into()),
            limits: Limits::default(),
        }
    }
}

/// Why a collector did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on.
    Udp(SocketAddr, io::Error),
    /// The address cannot be listened on.
    Http(SocketAddr, String),
    /// No thread could be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(at, e) => write!(
                f,
                "cannot receive on {at}: {e}; another process may have that port: choose one with --udp, or 0 for a free one"
            ),
            Self::Http(at, e) => write!(
                f,
                "cannot serve on {at}: {e}; another process may have that port: choose one with --http, or 0 for a free one"
            ),
            Self::Thread(e) => write!(f, "cannot start a thread: {e}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Looks at datagrams as they come in.
pub type TapFn = dyn Fn(&[u8]) + Send + Sync;

/// Starts collectors.
#[derive(Clone, Copy, Debug)]
pub struct Server;

/// What the threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    collector: Mutex<Collector>,
    start: Instant,
    stop: AtomicBool,
    addresses: Vec<SocketAddr>,
    /// Receive calls that failed for a reason other than "nothing there".
    errors: AtomicU64,
}

impl Shared {
    /// Every step leaves the collector consistent, so a panic elsewhere spoils nothing.
    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub(crate) fn kernel_drops(&self) -> u64 {
        self.addresses.iter().filter_map(|a| kernel::drops(*a)).sum()
    }

    pub(crate) fn report(&self, series: usize) -> Report {
        let drops = self.kernel_drops();
        Report::of(&self.collector(), drops, self.now_ms(), series)
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// A collector at work. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    http: Option<SocketAddr>,
    receive_buffer: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the sockets and starts the threads.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: Config) -> Result<Running, StartError> {
        Self::start_tapped(config, Arc::new(|_: &[u8]| {}))
    }

    /// Like [`start`](Self::start), and shows every datagram to `tap` before the collector takes it: for measuring
    /// along the way. The receiving threads call it and wait for it.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_tapped(config: Config, tap: Arc<TapFn>) -> Result<Running, StartError> {
        let mut sockets = Vec::new();
        let mut addresses = Vec::new();
        let mut receive_buffer = usize::MAX;
        for at in config.udp {
            let opened = kernel::open(at).and_then(|(s, size)| Ok((s.local_addr()?, s, size)));
            let (address, socket, size) = opened.map_err(|e| StartError::Udp(at, e))?;
            receive_buffer = receive_buffer.min(size);
            addresses.push(address);
            sockets.push(socket);
        }
        let shared = Arc::new(Shared {
            collector: Mutex::new(Collector::new(config.limits)),
            start: Instant::now(),
            stop: AtomicBool::new(false),
            addresses,
            errors: AtomicU64::new(0),
        });
        let mut running =
            Running { shared: shared.clone(), http: None, receive_buffer, threads: Vec::new() };
        if let Some(at) = config.http {
            let (address, threads) =
                web::serve(at, &shared).map_err(|e| StartError::Http(at, e.to_string()))?;
            running.http = Some(address);
            running.threads = threads;
        }
        for socket in sockets {
            let (shared, tap) = (shared.clone(), tap.clone());
            let thread = std::thread::Builder::new().name("ringstat-udp".into());
            let receiving = thread.spawn(move || receive(&socket, &shared, &*tap));
            running.threads.push(receiving.map_err(StartError::Thread)?);
        }
        Ok(running)
    }
}

impl Running {
    /// Where datagrams arrive.
    #[must_use]
    pub fn udp(&self) -> &[SocketAddr] {
        &self.shared.addresses
    }

    /// Where pages and metrics are asked for.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The kernel's receive buffer in bytes, the smallest of all sockets.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// What the collector knows now, with at most `series` series.
    #[must_use]
    pub fn report(&self, series: usize) -> Report {
        self.shared.report(series)
    }

    /// What `/metrics` would answer now.
    #[must_use]
    pub fn metrics(&self) -> String {
        crate::metrics(&self.shared.collector(), self.shared.kernel_drops(), self.shared.now_ms())
    }

    /// Takes what the kernel has received, stops, and returns the final report: what is still missing is lost.
    #[must_use]
    pub fn stop(mut self, series: usize) -> Report {
        // The drops counter is gone with the sockets.
        let drops = self.shared.kernel_drops();
        self.end();
        self.shared.collector().finish();
        Report::of(&self.shared.collector(), drops, self.shared.now_ms(), series)
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long the threads wait before they look whether to stop.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Receives until told to stop, and then until the kernel has nothing left.
fn receive(socket: &UdpSocket, shared: &Shared, tap: &TapFn) {
    let Ok(state) = UdpSocketState::new(UdpSockRef::from(socket)) else {
        shared.errors.fetch_add(1, Ordering::Relaxed);
        return;
    };
    // Whatever one datagram, or a run of coalesced ones, can be.
    let room = 65_536;
    let mut memory = vec![0u8; room * quinn_udp::BATCH_SIZE];
    let mut meta = vec![RecvMeta::default(); quinn_udp::BATCH_SIZE];
    let (mut asked, mut receipts) = (Vec::new(), HashMap::new());
    loop {
        let stopping = shared.stopping();
        let mut buffers: Vec<_> = memory.chunks_exact_mut(room).map(IoSliceMut::new).collect();
        match state.recv(UdpSockRef::from(socket), &mut buffers, &mut meta) {
            Ok(count) => {
                let now = shared.now_ms();
                for (buffer, meta) in buffers.iter().zip(&meta[..count]) {
                    buffer[..meta.len].chunks(meta.stride.max(1)).for_each(tap);
                }
                let mut collector = shared.collector();
                for (buffer, meta) in buffers.iter().zip(&meta[..count]) {
                    let received = &buffer[..meta.len];
                    for datagram in received.chunks(meta.stride.max(1)) {
                        let asks = collector.receive(datagram, now);
                        if let Some(sender) = asks.ack {
                            ask(&mut asked, sender, meta.addr, datagram.len());
                        }
                        if let Some(receipt) = asks.receipt {
                            let _ = receipts.insert((receipt.sender, meta.addr), receipt);
                        }
                    }
                    // An empty datagram has a stride of zero, and is refused like any other short one.
                    if received.is_empty() {
                        collector.receive(received, now);
                    }
                }
                collector.tick(now);
                drop(collector);
                acknowledge(socket, shared, &mut asked);
                // One that is lost, here or on the way, is asked for again.
                for ((_, to), receipt) in receipts.drain() {
                    let _ = socket.send_to(&receipt.emit(), to);
                }
            }
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                if stopping {
                    return;
                }
                wait(socket);
                shared.collector().tick(shared.now_ms());
            }
            Err(_) => {
                // Nothing a receiver could do about; not to spin on it either.
                shared.errors.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(LOOK);
                if stopping {
                    return;
                }
            }
        }
    }
}

/// Who asked for an acknowledgement: the sender, where it is, and how long its datagram was.
type Asked = (u64, SocketAddr, usize);

/// Notes that a sender asked, once for all of its datagrams that came together.
fn ask(asked: &mut Vec<Asked>, sender: u64, from: SocketAddr, length: usize) {
    match asked.iter_mut().find(|(id, at, _)| (*id, *at) == (sender, from)) {
        Some((.., longest)) => *longest = length.max(*longest),
        None => asked.push((sender, from, length)),
    }
}

/// Answers those who asked. An answer that is lost, here or on the way, is asked for again.
fn acknowledge(socket: &UdpSocket, shared: &Shared, asked: &mut Vec<Asked>) {
    let mut buf = [0; Ack::MAX_LEN];
    for (sender, from, limit) in asked.drain(..) {
        let length = shared.collector().ack(sender, limit, &mut buf);
        if let Some(length) = length {
            let _ = socket.send_to(&buf[..length], from);
        }
    }
}

/// Sleeps until something arrives, but not for long.
fn wait(socket: &UdpSocket) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as _ };
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    // Interrupted or failed: the next receive call says what is the matter.
    let _ = poll(&mut fds, Some(&timeout));
}
