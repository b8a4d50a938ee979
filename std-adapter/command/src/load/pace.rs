//! Pacing: when each event is due, regardless of the ones before.
//!
//! The times are fixed before the run begins. A generator that waits for each call to return before it schedules the
//! next one sends less exactly when the thing under test is slow, and then reports that it was fast ("coordinated
//! omission"). Here, a thread that was held up finds all events of that time due and records them at once, and each
//! counts as late as it was.

use super::profile::Profile;

/// The due times of one thread's share of the load.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Schedule {
    profile: Profile,
    /// The threads take turns: this one records every `threads`th event, from event number `thread` on.
    thread: u64,
    threads: u64,
    /// The number of events that it has to record.
    events: u64,
}

impl Schedule {
    /// The share of thread number `thread` of `threads`.
    pub(crate) fn new(profile: Profile, thread: usize, threads: usize) -> Self {
        let (thread, threads) = (thread as u64, threads as u64);
        let events = profile.total().saturating_sub(thread).div_ceil(threads);
        Self { profile, thread, threads, events }
    }

    /// The number of events that this thread has to record.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// When event number `i` is due, in nanoseconds after the start.
    pub(crate) fn due(&self, i: u64) -> u64 {
        self.profile.due(self.thread + self.threads * i)
    }

    /// How many events are due at `now`, in nanoseconds after the start.
    pub(crate) fn ready(&self, now: u64) -> u64 {
        let since = self.profile.due_by(now) - self.thread as f64;
        if since < 0.0 { 0 } else { ((since / self.threads as f64) as u64 + 1).min(self.events) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::scenario::{Numbers, Scenario};
    use super::*;

    fn schedule(rate: u64, duration: Duration, thread: usize, threads: usize) -> Schedule {
        let numbers = Numbers { rate, duration, ..Scenario::Baseline.numbers() };
        Schedule::new(Profile::of(Scenario::Baseline, &numbers), thread, threads)
    }

    #[test]
    fn the_shares_add_up_whatever_divides_what() {
        for (rate, ms, threads) in
            [(10_000, 1000, 4), (1, 1000, 3), (999_983, 777, 32), (7, 100, 2)]
        {
            let duration = Duration::from_millis(ms);
            let share = |t| schedule(rate, duration, t, threads).events();
            let all: u64 = (0..threads).map(share).sum();
            assert_eq!(all, rate * ms / 1000, "{rate} {ms} {threads}");
        }
    }

    #[test]
    fn an_event_is_ready_from_its_due_time_on_and_not_before() {
        let schedule = schedule(3000, Duration::from_secs(10), 1, 4);
        assert_eq!(schedule.events(), 7500);
        for i in [0, 1, 2, 1000, 7499] {
            let due = schedule.due(i);
            assert!(schedule.ready(due.saturating_sub(2)) <= i, "{i}");
            // The due time was truncated to a whole nanosecond.
            assert!(schedule.ready(due + 1) > i, "{i}");
        }
        assert_eq!(schedule.ready(u64::MAX), 7500);
    }

    #[test]
    fn events_of_a_held_up_thread_stay_due_at_their_own_times() {
        let schedule = schedule(1000, Duration::from_secs(1), 0, 1);
        // After a pause of 100 ms there are 101 to record, the first of them due 100 ms ago.
        assert_eq!(schedule.ready(100_000_000), 101);
        assert_eq!(schedule.due(0), 0);
        assert_eq!(schedule.due(100), 100_000_000);
    }
}
