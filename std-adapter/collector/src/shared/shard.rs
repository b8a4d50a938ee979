//! A shard of the state, shared by the thread that writes it and those that read it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::intake::Collector;
#[cfg(feature = "nats")]
use crate::intake::Shards;

/// A collector that one thread writes and others read for less than a millisecond at a time. The writer has priority:
/// readers do not take the lock while it waits.
#[derive(Debug)]
pub(crate) struct Shard {
    collector: Mutex<Collector>,
    /// Whether the writer waits.
    wanted: AtomicBool,
    longest_pause_ns: AtomicU64,
}

impl Shard {
    pub(crate) fn new(collector: Collector) -> Self {
        Self {
            collector: Mutex::new(collector),
            wanted: AtomicBool::new(false),
            longest_pause_ns: AtomicU64::new(0),
        }
    }

    /// Locks the collector for the thread that writes it.
    pub(crate) fn write(&self) -> MutexGuard<'_, Collector> {
        match self.collector.try_lock() {
            Ok(collector) => return collector,
            // Every step leaves the collector consistent, so a panic elsewhere spoils nothing.
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
        let begun = Instant::now();
        self.wanted.store(true, Ordering::Relaxed);
        let collector = self.lock();
        self.wanted.store(false, Ordering::Relaxed);
        let pause = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.longest_pause_ns.fetch_max(pause, Ordering::Relaxed);
        collector
    }

    /// Reads the collector. `at` must be short, because the writer waits for it.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Collector) -> T) -> T {
        self.change(|collector| at(collector))
    }

    /// Changes the collector from another thread than the writer's. `at` must be short, because the writer waits for it.
    pub(crate) fn change<T>(&self, at: impl FnOnce(&mut Collector) -> T) -> T {
        // A thread that releases a lock and takes it again at once can starve the others.
        while self.wanted.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        at(&mut self.lock())
    }

    /// The longest time for which the writer has waited for readers.
    pub(crate) fn longest_pause(&self) -> Duration {
        Duration::from_nanos(self.longest_pause_ns.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard alone is all that its readers see.
#[cfg(feature = "nats")]
impl Shards for Shard {
    fn count(&self) -> usize {
        1
    }

    fn look<T>(&self, _: usize, at: impl FnOnce(&Collector) -> T) -> T {
        self.look(at)
    }
}
