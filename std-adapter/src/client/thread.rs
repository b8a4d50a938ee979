//! The worker's thread, from the point of view of a client's handles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use super::fork::Forks;
use crate::shared::Shared;

/// Ends the worker when the last handle is dropped.
#[derive(Debug)]
pub(super) struct Thread {
    handle: Mutex<Option<JoinHandle<()>>>,
    worker: ThreadId,
    shared: Arc<Shared>,
    /// What a child of this process needs.
    pub(super) forks: Forks,
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.shared.valve.is_forked() {
            // The thread is not in this process: it can neither be joined nor detached.
            let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(handle.take());
        } else {
            self.stop(after(self.linger()));
        }
    }
}

impl Thread {
    pub(super) fn new(handle: JoinHandle<()>, shared: Arc<Shared>, forks: Forks) -> Self {
        let worker = handle.thread().id();
        Self { handle: Mutex::new(Some(handle)), worker, shared, forks }
    }

    /// Makes the worker check its requests.
    pub(super) fn unpark(&self) {
        if let Some(handle) = &*self.lock() {
            handle.thread().unpark();
        }
    }

    /// How long the last handle waits for what is left to be sent.
    pub(super) fn linger(&self) -> Duration {
        self.forks.config().linger
    }

    /// Refuses further records, and makes the worker send what is left until `deadline`.
    pub(super) fn ask_to_end(&self, deadline: Instant) {
        self.shared.valve.close();
        {
            let mut state = self.shared.control.lock();
            state.stop_at = Some(state.stop_at.map_or(deadline, |at| at.min(deadline)));
        }
        self.unpark();
    }

    /// Waits until the worker has ended. At `deadline` the worker gives up what is left, which takes it a moment; if a
    /// transport keeps it from doing so, it is not waited for.
    pub(super) fn wait_for_end(&self, deadline: Instant) {
        // Longer than any call of a transport that does not block.
        const CALL: Duration = Duration::from_millis(50);
        let mut until = deadline;
        while !self.is_worker() && !self.shared.control.wait(until, |s| s.stopped) {
            if until > deadline && self.shared.control.is_in_transport() {
                return;
            }
            until = deadline.max(Instant::now()) + CALL;
        }
    }

    /// Ends the worker as [`ask_to_end`](Self::ask_to_end) does, and waits for it.
    pub(super) fn stop(&self, deadline: Instant) {
        self.ask_to_end(deadline);
        self.wait_for_end(deadline);
        let handle = self.lock().take();
        let stopped = self.shared.control.lock().stopped;
        if let Some(handle) = handle
            && stopped
            && !self.is_worker()
        {
            // A worker that panicked has reported it on standard error; there is nothing to add.
            let _ = handle.join();
        }
    }

    /// Whether the caller is the worker itself, in a call of its transport: it cannot wait for its own work.
    pub(super) fn is_worker(&self) -> bool {
        std::thread::current().id() == self.worker
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The instant `timeout` from now, at most a century ahead, since instants are limited.
pub(super) fn after(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + timeout.min(CENTURY)
}
