//! The far end: a real collector on loopback, and a probe that measures how long events took to get there.
//!
//! The probe counts StatsD lines itself, and this collector does not read them; the socket, the batching and the kernel's
//! count of drops are the same.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringstat_collector::{Report, Running, Server, ServerConfig};
use ringstat_std::{Protocol, clock};

use super::arrivals::Arrivals;
use super::latency::Latencies;
use super::stages::Received;
use super::workload;
use crate::collect;
use crate::common::failure::Failure;

/// A collector that `load` starts itself.
pub(crate) struct Receiver {
    running: Running,
    probe: Arc<Probe>,
}

impl Receiver {
    /// Starts a collector. The probe decodes only some of the datagrams of `rate` events per second, so that its work,
    /// which comes on top of the collector's, stays small.
    pub(crate) fn start(rate: u64, protocol: Protocol) -> Result<Self, Failure> {
        let probe = Arc::new(Probe::new(rate, protocol));
        let config = ServerConfig {
            udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            http: None,
            statsd: None,
            ..ServerConfig::default()
        };
        let tap = probe.clone();
        let started = Server::start_tapped(config, Arc::new(move |d: &[u8]| tap.look(d)));
        let running = started.map_err(collect::cannot_start)?;
        Ok(Self { running, probe })
    }

    /// Notes that the first event is due at `start`, in nanoseconds since the Unix epoch.
    pub(crate) fn begin(&self, start: u64) {
        self.probe.start.store(start, Ordering::Relaxed);
    }

    /// The address on which it receives.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.running.udp().first().copied()
    }

    /// Waits until all `datagrams` have arrived or are known to be lost, or nothing arrives any more; then stops.
    /// Returns what arrived, and how long events took.
    pub(crate) fn finish(self, datagrams: u64) -> (Received, Latencies) {
        wait_for(&self.running, datagrams);
        let mut received = received(&self.running.stop(usize::MAX));
        match self.probe.protocol {
            Protocol::Native => {}
            // The probe has counted them.
            Protocol::DogStatsD | Protocol::StatsD => {
                received.events = self.probe.lines.load(Ordering::Relaxed);
            }
        }
        let latencies = self.probe.lock().latencies.clone();
        (received, latencies)
    }
}

/// Waits until that many datagrams have arrived or are known to be lost, or nothing arrives any more.
pub(crate) fn wait_for(running: &Running, datagrams: u64) {
    /// When nothing has arrived on loopback for this long, nothing more will.
    const QUIET: Duration = Duration::from_secs(1);
    let mut seen = 0;
    let mut since = Instant::now();
    loop {
        let report = running.report(0);
        let now = report.datagrams + report.kernel_drops;
        if now >= datagrams || since.elapsed() >= QUIET {
            return;
        }
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn received(report: &Report) -> Received {
    let ours = report.series.iter().filter(|s| s.name.starts_with(workload::PREFIX));
    Received {
        // Counts of events, which are whole numbers.
        events: ours.map(|s| s.value as u64).sum(),
        refused: report.overflowed + report.refused_series,
        datagrams: report.datagrams,
        kernel_drops: report.kernel_drops,
    }
}

/// Decodes one datagram in `every`, and compares the times of its events with the present.
struct Probe {
    protocol: Protocol,
    every: u64,
    seen: AtomicU64,
    /// The number of lines that belong to the load.
    lines: AtomicU64,
    start: AtomicU64,
    arrivals: Mutex<Arrivals>,
}

impl Probe {
    /// A datagram holds some 70 events, so at most about 200 000 events per second are examined.
    fn new(rate: u64, protocol: Protocol) -> Self {
        Self {
            protocol,
            every: (rate / 200_000).max(1),
            seen: AtomicU64::new(0),
            lines: AtomicU64::new(0),
            start: AtomicU64::new(0),
            arrivals: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, datagram: &[u8]) {
        let timed = self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every);
        match self.protocol {
            Protocol::Native if timed => {
                self.lock().examine(datagram, |name| name.starts_with(workload::PREFIX));
            }
            Protocol::Native => {}
            Protocol::DogStatsD | Protocol::StatsD => self.text(datagram, timed),
        }
    }

    fn text(&self, datagram: &[u8], timed: bool) {
        let now = clock::exact().saturating_sub(self.start.load(Ordering::Relaxed));
        let prefix = workload::PREFIX.as_bytes();
        let lines = || datagram.split(|byte| *byte == b'\n').filter(|l| l.starts_with(prefix));
        self.lines.fetch_add(lines().count() as u64, Ordering::Relaxed);
        if !timed {
            return;
        }
        let arrivals = &mut *self.lock();
        let lines = lines().filter_map(|line| std::str::from_utf8(line).ok());
        lines.filter_map(workload::due).for_each(|due| {
            arrivals.latencies.record(now.saturating_sub(due));
        });
    }
}
