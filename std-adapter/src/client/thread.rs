//! The worker's thread, as the handles of a client see it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use crate::shared::Shared;

/// Ends the worker when the last handle goes.
#[derive(Debug)]
pub(super) struct Thread {
    handle: Mutex<Option<JoinHandle<()>>>,
    worker: ThreadId,
    shared: Arc<Shared>,
    linger: Duration,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop(after(self.linger));
    }
}

impl Thread {
    pub(super) fn new(handle: JoinHandle<()>, shared: Arc<Shared>, linger: Duration) -> Self {
        let worker = handle.thread().id();
        Self { handle: Mutex::new(Some(handle)), worker, shared, linger }
    }

    /// Has the worker look at what is asked of it.
    pub(super) fn unpark(&self) {
        if let Some(handle) = &*self.lock() {
            handle.thread().unpark();
        }
    }

    /// How long the last handle waits for what is left.
    pub(super) fn linger(&self) -> Duration {
        self.linger
    }

    /// Refuses further records, and has the worker send what is left until `deadline`.
    pub(super) fn ask_to_end(&self, deadline: Instant) {
        self.shared.valve.close();
        {
            let mut state = self.shared.control.lock();
            state.stop_at = Some(state.stop_at.map_or(deadline, |at| at.min(deadline)));
        }
        self.unpark();
    }

    /// Waits until the worker has ended. It gives up what is left at the `deadline`, which takes it a moment; where a
    /// transport keeps it from that, it is not waited for.
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

    /// Ends the worker as [asked](Self::ask_to_end), and waits for it.
    pub(super) fn stop(&self, deadline: Instant) {
        self.ask_to_end(deadline);
        self.wait_for_end(deadline);
        let handle = self.lock().take();
        let stopped = self.shared.control.lock().stopped;
        if let Some(handle) = handle
            && stopped
            && !self.is_worker()
        {
            // A worker that panicked has said so on standard error; there is nothing to add.
            let _ = handle.join();
        }
    }

    /// Whether the caller is the worker itself, in a call of its transport: it cannot wait for what it is to do.
    pub(super) fn is_worker(&self) -> bool {
        std::thread::current().id() == self.worker
    }

    fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of `timeout` from now on. What is longer than a century is one: a clock ends somewhere.
pub(super) fn after(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + timeout.min(CENTURY)
}
