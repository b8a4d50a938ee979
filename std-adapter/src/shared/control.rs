//! How handles and the worker talk to each other. Nothing of it is on the record path.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ringstat_core::observe::{BreakerUse, Health, Output, PoolUse};
use ringstat_core::send::Totals;

/// What was asked of the worker and what it has done, with a way to wait for it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

/// What was asked of the worker, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Flushes asked for, and the last one that is done.
    pub(crate) flush_asked: u64,
    pub(crate) flush_done: u64,
    /// The worker is to end, at the latest then.
    pub(crate) stop_at: Option<Instant>,
    /// The worker has ended.
    pub(crate) stopped: bool,
    /// The sender's account as of its last round.
    pub(crate) totals: Totals,
    /// How things were going then, for snapshots.
    pub(crate) aggregated: u64,
    pub(crate) breaker: BreakerUse,
    pub(crate) output: Output,
    pub(crate) pool: PoolUse,
    pub(crate) peak: u64,
    pub(crate) health: Health,
    pub(crate) throttle: u8,
}

impl Control {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody who [waits](Self::wait).
    pub(crate) fn changed(&self) {
        self.changed.notify_all();
    }

    /// Waits until `done`, at the latest until `deadline`. Returns whether it is.
    pub(crate) fn wait(&self, deadline: Instant, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
