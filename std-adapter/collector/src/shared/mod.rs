//! What the receiving threads and the HTTP thread share.

mod http;
pub(crate) mod kernel;
mod process;
mod shard;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub(crate) use http::{HttpCounters, count};
pub(crate) use shard::Shard;

use crate::data::{KeeperShared, ShardsMut};
use crate::intake::{Baseline, Collector, Shards};
use crate::metrics::Distributions;
use crate::outbox::Stands;
use crate::report::{Io, IoCounts, Report};

/// The shards, and what the server knows beside them.
#[derive(Debug)]
pub(crate) struct Shared {
    shards: Vec<Shard>,
    start: Instant,
    /// The time at which the clock started; with a data directory, it continues where that of the last process ended.
    clock_ms: u64,
    keeper: Option<Arc<KeeperShared>>,
    outputs: Arc<Stands>,
    ready: AtomicBool,
    stop: AtomicBool,
    addresses: Vec<SocketAddr>,
    /// How `/metrics` shows distributions.
    pub(crate) distributions: Distributions,
    /// Receive calls that failed for a reason other than "nothing there".
    pub(crate) receive_errors: AtomicU64,
    /// Datagrams that arrived at another thread than that of their sender, and those that could not be handed on.
    pub(crate) handed_on: AtomicU64,
    pub(crate) hand_on_drops: AtomicU64,
    /// The largest number that was read: reading fails while no descriptor is free, and a counter must not decrease.
    kernel_drops: AtomicU64,
    before: Mutex<Baseline<IoCounts>>,
    pub(crate) http: Arc<HttpCounters>,
    /// Each answer to `/metrics` in progress has a copy.
    pub(crate) pages: Arc<()>,
}

impl Shared {
    pub(crate) fn new(
        shards: Vec<Collector>,
        addresses: Vec<SocketAddr>,
        distributions: Distributions,
    ) -> Self {
        Self {
            shards: shards.into_iter().map(Shard::new).collect(),
            start: Instant::now(),
            clock_ms: 0,
            keeper: None,
            outputs: Arc::default(),
            ready: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            addresses,
            distributions,
            receive_errors: AtomicU64::new(0),
            handed_on: AtomicU64::new(0),
            hand_on_drops: AtomicU64::new(0),
            kernel_drops: AtomicU64::new(0),
            before: Mutex::new(Baseline::new(0, IoCounts::default())),
            http: Arc::default(),
            pages: Arc::default(),
        }
    }

    /// The shards, one for each receiving thread.
    pub(crate) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock_ms + self.start.elapsed().as_millis() as u64
    }

    /// Adds a data directory.
    pub(crate) fn with_keeper(self, clock_ms: u64, keeper: Arc<KeeperShared>) -> Self {
        Self { clock_ms, keeper: Some(keeper), ..self }
    }

    /// Adds outputs.
    pub(crate) fn with_outputs(self, outputs: Arc<Stands>) -> Self {
        Self { outputs, ..self }
    }

    /// Where to request acknowledgements if data is kept on disk.
    pub(crate) fn keeper(&self) -> Option<&KeeperShared> {
        self.keeper.as_deref()
    }

    /// The addresses on which datagrams are received.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The counts of the sockets and of the data directory.
    pub(crate) fn io(&self) -> Io {
        let now = self.io_counts();
        let longest_pause = self.shards.iter().map(Shard::longest_pause).max();
        Io {
            now,
            before: *self.before().before(),
            longest_pause: longest_pause.unwrap_or_default(),
            process: None,
            data: self.keeper().map(|keeper| keeper.status().now()),
            outputs: self.outputs.reports(),
        }
    }

    /// Like [`io`](Self::io), with what the system knows of this process.
    pub(crate) fn io_and_process(&self) -> Io {
        Io { process: Some(process::look()), ..self.io() }
    }

    fn io_counts(&self) -> IoCounts {
        let drops = self.addresses.iter().filter_map(|a| kernel::drops(*a)).sum();
        IoCounts {
            kernel_drops: self.kernel_drops.fetch_max(drops, Ordering::Relaxed).max(drops),
            receive_errors: self.receive_errors.load(Ordering::Relaxed),
            handed_on: self.handed_on.load(Ordering::Relaxed),
            hand_on_drops: self.hand_on_drops.load(Ordering::Relaxed),
            http: self.http.read(),
            data: self.keeper().map(|keeper| keeper.status().counts()).unwrap_or_default(),
        }
    }

    /// Does periodic work besides that of each shard.
    pub(crate) fn tick(&self) {
        self.before().rotate(self.now_ms(), || self.io_counts());
        self.outputs.rotate(self.now_ms());
    }

    fn before(&self) -> MutexGuard<'_, Baseline<IoCounts>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A report of the present state with at most `series` series, made at once.
    pub(crate) fn report(&self, series: usize) -> Report {
        let io = self.io();
        Report::of(self, &io, self.now_ms(), series)
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

impl ShardsMut for Shared {
    fn count(&self) -> usize {
        self.shards.len()
    }

    fn change<T>(&self, shard: usize, work: impl FnOnce(&mut Collector) -> T) -> T {
        self.shards[shard].change(work)
    }

    fn now_ms(&self) -> u64 {
        self.now_ms()
    }
}

impl Shards for Shared {
    fn count(&self) -> usize {
        self.shards.len()
    }

    fn look<T>(&self, shard: usize, at: impl FnOnce(&Collector) -> T) -> T {
        self.shards[shard].look(at)
    }
}
