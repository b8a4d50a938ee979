//! The status of the data directory, for health and metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::report::{DataCounts, DataNow};

/// The source of [`DataCounts`] and [`DataNow`], which the writing threads update.
#[derive(Default, Debug)]
pub(crate) struct Status {
    cuts: AtomicU64,
    cut_failures: AtomicU64,
    critical: AtomicU64,
    critical_failures: AtomicU64,
    withheld: AtomicU64,
    slow: AtomicU64,
    bytes: AtomicU64,
    last_unix_ms: AtomicU64,
    duration_us: AtomicU64,
    longest_us: AtomicU64,
    file_bytes: AtomicU64,
    /// Whether the latest attempt failed.
    failing: AtomicU64,
}

impl Status {
    pub(super) fn cut(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.cuts.fetch_add(1, Ordering::Relaxed);
        self.duration_us.store(micros, Ordering::Relaxed);
        self.longest_us.fetch_max(micros, Ordering::Relaxed);
        self.last_unix_ms.store(unix_ms(), Ordering::Relaxed);
        self.failing.store(0, Ordering::Relaxed);
    }

    /// Notes that a shard had no changes to write, so that what is on disk is current.
    pub(super) fn idle(&self) {
        self.last_unix_ms.store(unix_ms(), Ordering::Relaxed);
    }

    pub(super) fn cut_failed(&self) {
        self.cut_failures.fetch_add(1, Ordering::Relaxed);
        self.failing.store(1, Ordering::Relaxed);
    }

    pub(super) fn critical(&self) {
        self.critical.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn critical_failed(&self) {
        self.critical_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn slow(&self) {
        self.slow.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn withheld(&self, acks: u64) {
        self.withheld.fetch_add(acks, Ordering::Relaxed);
    }

    pub(super) fn written(&self, bytes: u64, file_bytes: u64) {
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
        self.file_bytes.store(file_bytes, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> DataCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DataCounts {
            commits: read(&self.cuts),
            commit_failures: read(&self.cut_failures),
            critical_commits: read(&self.critical),
            critical_failures: read(&self.critical_failures),
            withheld: read(&self.withheld),
            slow: read(&self.slow),
            bytes: read(&self.bytes),
        }
    }

    /// Returns whether the latest attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn now(&self) -> DataNow {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        DataNow {
            last_unix_ms: read(&self.last_unix_ms),
            duration: Duration::from_micros(read(&self.duration_us)),
            longest: Duration::from_micros(read(&self.longest_us)),
            file_bytes: read(&self.file_bytes),
            failing: self.is_failing(),
        }
    }
}

/// The current time, in milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX))
}
