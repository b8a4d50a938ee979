//! What the receiving threads and the HTTP thread share.

mod http;
pub(crate) mod kernel;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(crate) use http::{HttpCounters, count};

use crate::intake::{Collector, Lately};
use crate::metrics::Distributions;
use crate::report::{Io, IoCounts, Report};

/// The collector behind its lock, and what the server knows besides.
#[derive(Debug)]
pub(crate) struct Shared {
    collector: Mutex<Collector>,
    start: Instant,
    ready: AtomicBool,
    stop: AtomicBool,
    addresses: Vec<SocketAddr>,
    /// How `/metrics` shows them.
    pub(crate) distributions: Distributions,
    /// Receive calls that failed for a reason other than "nothing there".
    pub(crate) receive_errors: AtomicU64,
    /// The largest number that was read: reading fails while no descriptor is free, and a counter must not decrease.
    kernel_drops: AtomicU64,
    before: Mutex<Lately<IoCounts>>,
    pub(crate) http: HttpCounters,
}

impl Shared {
    pub(crate) fn new(
        collector: Collector,
        addresses: Vec<SocketAddr>,
        distributions: Distributions,
    ) -> Self {
        Self {
            collector: Mutex::new(collector),
            start: Instant::now(),
            ready: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            addresses,
            distributions,
            receive_errors: AtomicU64::new(0),
            kernel_drops: AtomicU64::new(0),
            before: Mutex::new(Lately::new(0, IoCounts::default())),
            http: HttpCounters::default(),
        }
    }

    /// Every operation leaves the collector consistent, so a poisoned lock is fine.
    pub(crate) fn collector(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// The addresses on which datagrams are received.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What only the sockets know.
    pub(crate) fn io(&self) -> Io {
        let now = self.io_counts();
        Io { now, before: *self.before().before() }
    }

    fn io_counts(&self) -> IoCounts {
        let drops = self.addresses.iter().filter_map(|a| kernel::drops(*a)).sum();
        IoCounts {
            kernel_drops: self.kernel_drops.fetch_max(drops, Ordering::Relaxed).max(drops),
            receive_errors: self.receive_errors.load(Ordering::Relaxed),
            http: self.http.read(),
        }
    }

    /// Does what is due; see [`Collector::tick`].
    pub(crate) fn tick(&self) {
        let now_ms = self.now_ms();
        self.collector().tick(now_ms);
        self.before().turn(now_ms, || self.io_counts());
    }

    fn before(&self) -> MutexGuard<'_, Lately<IoCounts>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A report of the present state with at most `series` series, made at once.
    pub(crate) fn report(&self, series: usize) -> Report {
        let io = self.io();
        Report::of(&self.collector(), &io, self.now_ms(), series)
    }

    /// Whether every socket is open and nothing has asked the threads to stop.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.stopping()
    }

    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}
