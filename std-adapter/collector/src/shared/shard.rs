//! A shard of the state, between the thread that writes it and those who read it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::intake::Collector;

/// A collector that one thread writes and others look at, each time for less than a millisecond. The writer goes first:
/// readers keep off while it waits.
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

    /// For the thread that writes it.
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

    /// For those who read it: `at` is to be short.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Collector) -> T) -> T {
        self.change(|collector| at(collector))
    }

    /// For those who note what is kept on disk: `at` is to be short.
    pub(crate) fn change<T>(&self, at: impl FnOnce(&mut Collector) -> T) -> T {
        // Whoever gives a lock up and takes it at once may keep others from it for long.
        while self.wanted.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        at(&mut self.lock())
    }

    /// The longest that the writer waited for readers.
    pub(crate) fn longest_pause(&self) -> Duration {
        Duration::from_nanos(self.longest_pause_ns.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Collector> {
        self.collector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
