//! A failing disk, for tests.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// The faults to inject.
#[derive(Debug)]
pub(crate) struct Faults {
    /// How many bytes may still be written.
    room: AtomicU64,
    fails_to_sync: AtomicBool,
    stalled: Mutex<bool>,
    goes_on: Condvar,
    /// The files that have waited.
    waiting: Mutex<Vec<String>>,
    acknowledges_early: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            room: AtomicU64::new(u64::MAX),
            fails_to_sync: AtomicBool::new(false),
            stalled: Mutex::new(false),
            goes_on: Condvar::new(),
            waiting: Mutex::default(),
            acknowledges_early: AtomicBool::new(false),
        }
    }
}

impl Faults {
    /// Lets the disk accept this many bytes more; then it is full.
    pub(crate) fn leave_room(&self, bytes: u64) {
        self.room.store(bytes, Ordering::SeqCst);
    }

    /// Makes syncs fail, so that written data does not reach the disk.
    pub(crate) fn fail_to_sync(&self, fails: bool) {
        self.fails_to_sync.store(fails, Ordering::SeqCst);
    }

    /// Makes the disk hang.
    pub(crate) fn stall(&self, stalled: bool) {
        *self.stalled.lock().unwrap_or_else(PoisonError::into_inner) = stalled;
        self.goes_on.notify_all();
    }

    /// Returns how many times a file waited for a disk that hung.
    pub(crate) fn waiting_for(&self, name: &str) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().filter(|of| *of == name).count()
    }

    /// Introduces a deliberate bug: events are acknowledged before they are on disk.
    pub(crate) fn acknowledge_early(&self) {
        self.acknowledges_early.store(true, Ordering::SeqCst);
    }

    pub(super) fn acknowledges_early(&self) -> bool {
        self.acknowledges_early.load(Ordering::SeqCst)
    }

    pub(super) fn writes(&self, bytes: u64) -> io::Result<()> {
        let full = |room: u64| if room == u64::MAX { Some(room) } else { room.checked_sub(bytes) };
        let left = self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, full);
        left.map(|_| ()).map_err(|_| io::ErrorKind::StorageFull.into())
    }

    pub(super) fn syncs(&self, name: &str) -> io::Result<()> {
        let mut stalled = self.stalled.lock().unwrap_or_else(PoisonError::into_inner);
        if *stalled {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(name.to_owned());
        }
        while *stalled {
            stalled = self.goes_on.wait(stalled).unwrap_or_else(PoisonError::into_inner);
        }
        if self.fails_to_sync.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
}
