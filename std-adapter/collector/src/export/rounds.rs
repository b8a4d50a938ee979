//! Rounds: what an output does once an interval, in a thread of its own.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::shared::Shared;

/// When the clock was set back by less than this, the next round waits for it; by more, the earlier time was wrong.
const SET_BACK_MS: u64 = 600_000;

/// What an output does once an interval.
pub(super) trait Round: Send + 'static {
    /// The time of the last round, in this life or an earlier one; 0 before the first.
    fn newest_ms(&self) -> u64;

    /// Counts rounds that were left out.
    fn skipped(&self, rounds: u64);

    /// Takes the samples of this moment, in milliseconds of Unix time.
    fn take(&mut self, time_ms: u64, shared: &Shared);
}

/// Whether the rounds are to end.
#[derive(Default, Debug)]
pub(super) struct End {
    asked: Mutex<bool>,
    news: Condvar,
}

impl End {
    /// Asks for a last round.
    pub(super) fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.news.notify_all();
    }
}

/// Starts rounds. `running` is dropped when the last one is over.
pub(super) fn start(
    round: impl Round,
    interval: Duration,
    shared: &Arc<Shared>,
    end: &Arc<End>,
    running: Sender<Infallible>,
) -> io::Result<()> {
    let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    let rounds = Rounds { round, interval_ms, shared: shared.clone(), end: end.clone() };
    Builder::new().name("ringstat-export".into()).spawn(move || {
        rounds.run();
        drop(running);
    })?;
    Ok(())
}

struct Rounds<R> {
    round: R,
    interval_ms: u64,
    shared: Arc<Shared>,
    end: Arc<End>,
}

impl<R: Round> Rounds<R> {
    fn run(mut self) {
        let mut last = None;
        while let Some(due) = self.wait() {
            let newest = self.round.newest_ms();
            if let Some(last) = last
                && due > last + self.interval_ms
            {
                self.round.skipped((due - last) / self.interval_ms - 1);
            }
            last = Some(due);
            if due <= newest && newest - due < SET_BACK_MS {
                // The clock was set back, and nobody takes samples older than those that they have.
                self.round.skipped(1);
            } else {
                self.round.take(due, &self.shared);
            }
        }
        let newest = self.round.newest_ms();
        self.round.take(unix_ms().max(newest + 1), &self.shared);
    }

    /// Waits until the next round is due, and returns its time, or `None` if the collector ends.
    fn wait(&self) -> Option<u64> {
        let mut due_ms = self.after(unix_ms());
        let mut asked = self.end.asked.lock().unwrap_or_else(PoisonError::into_inner);
        while !*asked {
            let now_ms = unix_ms();
            if now_ms >= due_ms {
                return Some(due_ms);
            }
            // In steps, since the clock may be set.
            due_ms = due_ms.min(self.after(now_ms));
            let left = Duration::from_millis(due_ms - now_ms).min(Duration::from_secs(1));
            let waited = self.end.news.wait_timeout(asked, left);
            asked = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// The first time after `now_ms` at which a round is due: multiples of the interval, the same after a restart.
    const fn after(&self, now_ms: u64) -> u64 {
        (now_ms / self.interval_ms + 1).saturating_mul(self.interval_ms)
    }
}

/// Waits until the present state is on disk, if there is a data directory that can be written.
pub(super) fn wait_for_disk(shared: &Shared) {
    let Some(keeper) = shared.keeper() else { return };
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
        // If it cannot be written, that is told elsewhere.
        let _ = runtime.block_on(keeper.written());
    }
}

/// The current time, in milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX))
}
