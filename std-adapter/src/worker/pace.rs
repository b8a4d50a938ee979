//! How long the worker sleeps between two looks into the rings.
//!
//! Recorders pay no system call to wake it, so it has to guess when there is something to send. Idle, it looks as often
//! as the age of a batch asks: what it finds is then at most so old, and goes out at once. Under load it sleeps for as
//! long as the next batch is likely to take, so that it wakes no more often than it sends.

/// The shortest sleep, in nanoseconds: what a system call to sleep costs, times ten.
const SHORTEST: u64 = 50_000;
/// What cannot be timed, such as a full socket buffer, is looked at again at least so often, in nanoseconds.
const RETRY_MAX: u64 = 10_000_000;

/// The worker's pace. Times in nanoseconds.
#[derive(Debug)]
pub(super) struct Pace {
    longest: u64,
    look: u64,
    retry: u64,
    /// Records made, and when, as of the last look.
    seen: (u64, u64),
}

/// What is known when the worker has nothing more to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) now: u64,
    /// Records made so far.
    pub(super) recorded: u64,
    /// So many of them are a batch,
    pub(super) batch: u64,
    /// and so many fill a ring.
    pub(super) room: u64,
}

impl Pace {
    /// Looks at least every `longest`.
    pub(super) fn new(longest: u64) -> Self {
        let longest = longest.max(SHORTEST);
        Self { longest, look: SHORTEST, retry: SHORTEST, seen: (0, 0) }
    }

    /// How long to sleep until the next batch is likely to be there.
    ///
    /// After a look that found nothing, twice as long as before: a recorder that is preempted for a moment must not send
    /// us to sleep while its ring fills up.
    pub(super) fn look(&mut self, seen: Seen) -> u64 {
        self.retry = SHORTEST;
        let (recorded, at) = std::mem::replace(&mut self.seen, (seen.recorded, seen.now));
        let came = seen.recorded.saturating_sub(recorded);
        let took = seen.now.saturating_sub(at);
        let twice = self.look.saturating_mul(2);
        // Half as many again as a batch, so that nearly every look finds a whole one; of a small ring only a part.
        let wanted = (seen.batch.saturating_mul(3) / 2).min(seen.room / 4).max(1);
        let next = match took.checked_div(came) {
            None => twice,
            Some(each) => each.saturating_mul(wanted).min(twice),
        };
        self.look = next.clamp(SHORTEST, self.longest);
        self.look
    }

    /// How long to sleep before what could not be done is tried again.
    pub(super) fn retry(&mut self) -> u64 {
        let retry = self.retry;
        self.retry = (retry * 2).min(RETRY_MAX).min(self.longest);
        self.look = SHORTEST;
        retry
    }

    /// Whether nothing has come for so long that the pace is as slow as it gets.
    pub(super) fn is_idle(&self) -> bool {
        self.look == self.longest
    }

    /// There is something to do: looks often again.
    pub(super) fn hurry(&mut self) {
        (self.look, self.retry) = (SHORTEST, SHORTEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: u64 = 100_000_000;

    /// How often the worker wakes in a second in which `per_second` records are made, and how many batches it sends.
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
