//! How handles and the worker communicate. None of it is used by record calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "async")]
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use ringstat_core::observe::{BreakerUse, Health, Output, PoolUse};
use ringstat_core::send::Totals;

/// What the worker was asked to do and what it has done, with a way to wait for it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the worker is in a call of a transport, for those who wait; it orders nothing else.
    in_transport: AtomicBool,
    /// The futures that wait for a change.
    #[cfg(feature = "async")]
    wakers: Mutex<Vec<Waker>>,
}

/// What was asked of the worker, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The number of flushes requested; below it, the last one that is done.
    pub(crate) flush_asked: u64,
    pub(crate) flush_done: u64,
    /// The worker has to end by this time.
    pub(crate) stop_at: Option<Instant>,
    /// The worker has ended.
    pub(crate) stopped: bool,
    /// The worker has ended by a panic.
    pub(crate) died: bool,
    /// The sender's account as of the worker's last round.
    pub(crate) totals: Totals,
    /// The state as of that round, for snapshots.
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

    pub(crate) fn is_in_transport(&self) -> bool {
        self.in_transport.load(Ordering::Relaxed)
    }

    pub(crate) fn set_in_transport(&self, is: bool) {
        self.in_transport.store(is, Ordering::Relaxed);
    }

    /// Wakes everybody who waits. The [lock](Self::lock) must not be held, because wakers call into foreign executors.
    pub(crate) fn changed(&self) {
        self.changed.notify_all();
        #[cfg(feature = "async")]
        {
            let mut waiting = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
            let wakers = std::mem::take(&mut *waiting);
            drop(waiting);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Returns what `ready` finds, or registers the task to be woken at the next change.
    #[cfg(feature = "async")]
    pub(crate) fn poll<T>(
        &self,
        context: &Context<'_>,
        ready: impl Fn(&State) -> Option<T>,
    ) -> Poll<T> {
        // The waker is registered before the check, so that a change in between wakes the task.
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
        drop(wakers);
        ready(&self.lock()).map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until `done`, or until `deadline`. Returns whether it is done.
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
