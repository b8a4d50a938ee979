//! Threads that start together.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Runs each job in a thread of its own; none begins before all threads are ready. Returns the results in order, and
/// the time from the first beginning to the last end.
///
/// # Panics
/// Panics if a job does.
pub fn together<T, F>(jobs: impl IntoIterator<Item = F>) -> (Vec<T>, Duration)
where
    T: Send,
    F: FnOnce() -> T + Send,
{
    let jobs: Vec<F> = jobs.into_iter().collect();
    let start = Barrier::new(jobs.len());
    let (mut results, mut begins, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    thread::scope(|scope| {
        let spawn = |job: F| {
            scope.spawn(|| {
                start.wait();
                let begun = Instant::now();
                let result = job();
                (result, begun, Instant::now())
            })
        };
        let running: Vec<_> = jobs.into_iter().map(spawn).collect();
        for thread in running {
            let (result, begun, ended) =
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            results.push(result);
            begins.push(begun);
            ends.push(ended);
        }
    });
    let taken = match (begins.iter().min(), ends.iter().max()) {
        (Some(begun), Some(ended)) => *ended - *begun,
        _ => Duration::ZERO,
    };
    (results, taken)
}

/// Keeps the calling thread on the `n`th of the cores on which it may run, counted around. Returns whether it does;
/// only Linux can.
#[must_use]
pub fn pin(n: usize) -> bool {
    #[cfg(target_os = "linux")]
    {
        use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
        use nix::unistd::Pid;

        let this = Pid::from_raw(0);
        let Ok(allowed) = sched_getaffinity(this) else { return false };
        let cores: Vec<usize> =
            (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
        let mut one = CpuSet::new();
        !cores.is_empty()
            && one.set(cores[n % cores.len()]).is_ok()
            && sched_setaffinity(this, &one).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = n;
        false
    }
}

/// Waits for another thread: first in a spin loop, because it may be running at this moment; then by yielding, so that
/// it can run even if there are more threads than cores; and not for ever.
#[derive(Clone, Copy, Default, Debug)]
pub struct Patience {
    spins: u32,
    since: Option<Instant>,
}

impl Patience {
    const SPINS: u32 = 128;
    const END: Duration = Duration::from_secs(20);

    /// Call this when there was nothing to do.
    ///
    /// # Panics
    /// Panics after 20 seconds without anything to do.
    #[inline]
    pub fn wait(&mut self) {
        if self.spins < Self::SPINS {
            self.spins += 1;
            std::hint::spin_loop();
        } else {
            self.give_way();
        }
    }

    #[cold]
    fn give_way(&mut self) {
        let since = *self.since.get_or_insert_with(Instant::now);
        assert!(since.elapsed() < Self::END, "waited for {:?} in vain", Self::END);
        thread::yield_now();
    }

    /// Call this when there was something to do.
    #[inline]
    pub fn renew(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn all_run_at_once_and_come_back_in_order() {
        let there = AtomicU32::new(0);
        let job = |n| {
            let there = &there;
            move || {
                there.fetch_add(1, Ordering::Relaxed);
                let mut patience = Patience::default();
                while there.load(Ordering::Relaxed) < 4 {
                    patience.wait();
                }
                n
            }
        };
        let (results, taken) = together((0..4).map(job));
        assert_eq!(results, [0, 1, 2, 3]);
        assert!(taken > Duration::ZERO);
        assert_eq!(together(Vec::<fn()>::new()), (vec![], Duration::ZERO));
    }
}
