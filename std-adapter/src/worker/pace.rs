//! How long the worker sleeps between two checks of the rings.
//!
//! Recorders make no system call to wake it, so it has to guess when there will be something to send. When idle, it
//! checks as often as the batch age requires: what it finds is then at most that old, and is sent at once. Under load
//! it sleeps for as long as the next batch is likely to take, so that it wakes no more often than it sends.

/// The shortest sleep, in nanoseconds: ten times what a system call to sleep costs.
const SHORTEST: u64 = 50_000;
/// The longest pause before another attempt at something whose end is unknown, such as a full socket buffer, in
/// nanoseconds.
const RETRY_MAX: u64 = 10_000_000;

/// The worker's pace. Times in nanoseconds.
#[derive(Debug)]
pub(super) struct Pace {
    longest: u64,
    look: u64,
    retry: u64,
    /// The number of records made, and the time, as of the last check.
    seen: (u64, u64),
}

/// What is known when the worker has nothing left to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) now: u64,
    /// The number of records made so far.
    pub(super) recorded: u64,
    /// The number of records that make a batch.
    pub(super) batch: u64,
    /// The number of records that fill a ring.
    pub(super) room: u64,
}

impl Pace {
    /// Creates a pace that checks at least every `longest`.
    pub(super) fn new(longest: u64) -> Self {
        let longest = longest.max(SHORTEST);
        Self { longest, look: SHORTEST, retry: SHORTEST, seen: (0, 0) }
    }

    /// How long to sleep until the next batch is likely to be complete.
    ///
    /// After a check that found nothing, this is at most twice as long as before: a recorder that is preempted for a
    /// moment must not put the worker to sleep while its ring fills up.
    pub(super) fn look(&mut self, seen: Seen) -> u64 {
        self.retry = SHORTEST;
        let (recorded, at) = std::mem::replace(&mut self.seen, (seen.recorded, seen.now));
        let came = seen.recorded.saturating_sub(recorded);
        let took = seen.now.saturating_sub(at);
        let twice = self.look.saturating_mul(2);
        // One and a half batches, so that nearly every check finds a whole one; of a small ring only a part.
        let wanted = (seen.batch.saturating_mul(3) / 2).min(seen.room / 4).max(1);
        let next = match took.checked_div(came) {
            None => twice,
            Some(each) => each.saturating_mul(wanted).min(twice),
        };
        self.look = next.clamp(SHORTEST, self.longest);
        self.look
    }

    /// How long to sleep before the next attempt at what could not be done.
    pub(super) fn retry(&mut self) -> u64 {
        let retry = self.retry;
        self.retry = (retry * 2).min(RETRY_MAX).min(self.longest);
        self.look = SHORTEST;
        retry
    }

    /// Whether nothing has arrived for so long that the pace is as slow as it gets.
    pub(super) fn is_idle(&self) -> bool {
        self.look == self.longest
    }

    /// Returns to frequent checks, because there is something to do.
    pub(super) fn hurry(&mut self) {
        (self.look, self.retry) = (SHORTEST, SHORTEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: u64 = 100_000_000;

    /// How often per second the worker wakes while `per_second` records are made, and how many batches it sends.
    fn wakes_and_batches(per_second: u64, batch: u64) -> (u64, u64) {
        let mut pace = Pace::new(AGE);
        let (mut now, mut sent, mut wakes, mut batches) = (0, 0, 0, 0);
        while now < 3_000_000_000 {
            let recorded = now * per_second / 1_000_000_000;
            let waiting: u64 = recorded - sent;
            // The first two seconds are for finding the pace.
            let counts = u64::from(now >= 2_000_000_000);
            wakes += counts;
            if waiting >= batch || (waiting > 0 && pace.is_idle()) {
                batches += waiting.div_ceil(batch) * counts;
                sent = recorded;
            }
            now += pace.look(Seen { now, recorded, batch, room: 8192 });
        }
        (wakes, batches)
    }

    #[test]
    fn an_idle_worker_wakes_as_often_as_the_age_of_a_batch_asks() {
        assert_eq!(wakes_and_batches(0, 32), (10, 0));
    }

    #[test]
    fn under_load_it_wakes_no_more_often_than_it_sends() {
        for per_second in [10, 100, 1000, 10_000, 100_000, 400_000] {
            let (wakes, batches) = wakes_and_batches(per_second, 32);
            assert!(wakes <= batches + 1, "{wakes} wakes, {batches} batches at {per_second}/s");
            assert!(wakes >= 9, "{wakes} wakes at {per_second}/s");
        }
    }

    #[test]
    fn no_load_fills_a_ring_while_the_worker_sleeps() {
        for per_second in [1_000_000, 10_000_000] {
            let mut pace = Pace::new(AGE);
            let (mut now, mut before) = (0, 0);
            for _ in 0..1000 {
                let recorded = now * per_second / 1_000_000_000;
                assert!(recorded - before < 8192, "{} at once", recorded - before);
                before = recorded;
                now += pace.look(Seen { now, recorded, batch: 100_000, room: 8192 });
            }
        }
    }

    #[test]
    fn a_moment_of_silence_is_not_idleness() {
        let mut pace = Pace::new(AGE);
        let busy = |i: u64| Seen { now: i * 100_000, recorded: i * 100, batch: 100, room: 8192 };
        (1..100).for_each(|i| _ = pace.look(busy(i)));
        let silent: Vec<_> =
            (100..104).map(|i| pace.look(Seen { recorded: 9900, ..busy(i) })).collect();
        assert_eq!(silent, [300_000, 600_000, 1_200_000, 2_400_000]);
    }

    #[test]
    fn what_cannot_be_timed_is_tried_often_at_first() {
        let mut pace = Pace::new(AGE);
        let pauses: Vec<_> = (0..10).map(|_| pace.retry() / 1000).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        pace.hurry();
        assert_eq!(pace.retry(), SHORTEST);
    }
}
