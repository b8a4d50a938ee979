//! Batching: when the events that wait in the ring are worth a datagram.
//!
//! A batch closes on count, bytes or age, or when the ring is half full, whichever comes first. The count follows how full
//! the ring is: small batches that are sent soon while there is little to do, large ones under load. Until then the events
//! stay in the ring, which is the batch's memory, so that a drop policy still applies to them and nothing is stored twice.

/// When a batch closes. Times are in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BatchLimits {
    /// The number of events that closes a batch while there is little to do.
    pub(super) least: usize,
    /// The number of events that closes a batch under any load. After each batch, the number in effect follows how full
    /// the ring was: below [`LOW_WATERMARK`] it shrinks, above [`HIGH_WATERMARK`] it grows, above [`FULL_WATERMARK`]
    /// faster.
    pub(super) events: usize,
    /// The number of bytes at which a batch closes, as expected for its events.
    pub(super) bytes: usize,
    /// The time after which a batch closes, counted from when its first event may have arrived.
    pub(super) age: u64,
}

/// Below this fill, in percent of the ring, batches become smaller.
const LOW_WATERMARK: u8 = 25;
/// Above this fill they become larger, by an eighth each time.
const HIGH_WATERMARK: u8 = 50;
/// Above this fill they become twice as large each time.
const FULL_WATERMARK: u8 = 75;

/// Decides when to pack.
#[derive(Clone, Debug)]
pub(super) struct Batcher {
    limits: BatchLimits,
    /// The number of events that closes a batch at the moment.
    events: usize,
    /// How full the ring was when last examined, in percent.
    fill: u8,
    /// Whether any event was waiting then.
    waiting: bool,
    /// The time since which the waiting events may have waited: when nothing was seen to wait, or a batch was packed.
    since: Option<u64>,
    /// The running mean of the bytes that an event takes, in sixteenths.
    bytes_x16: usize,
}

/// The expected size of an event before the first one was packed.
const FIRST_GUESS: usize = 24;

impl Batcher {
    /// Creates a batcher that has seen nothing yet.
    pub(super) const fn new(limits: BatchLimits) -> Self {
        let (events, bytes_x16) = (limits.least, FIRST_GUESS * 16);
        Self { limits, events, fill: 0, waiting: false, since: None, bytes_x16 }
    }

    /// The number of events that closes a batch at the moment; at least 1.
    pub(super) fn size(&self) -> usize {
        self.events.min(self.greatest()).max(1)
    }

    /// The largest batch: events beyond a full datagram are never waited for.
    fn greatest(&self) -> usize {
        self.limits.events.min(self.limits.bytes.saturating_mul(16) / self.bytes_x16.max(1))
    }

    /// Whether `waiting` events are a batch at `now`, in a ring that is `fill` percent full. Takes constant time.
    ///
    /// Events that are seen for the first time may have arrived right after the last call, and their age counts from
    /// then on: a caller that looks rarely sends at once.
    pub(super) fn ready(&mut self, waiting: usize, fill: u8, now: u64) -> bool {
        self.waiting = waiting > 0;
        self.fill = fill;
        // If the clock has gone back, the age starts again, rather than closing the batch never or at once.
        let since = match self.since {
            Some(since) if since <= now && self.waiting => since,
            _ => *self.since.insert(now),
        };
        // A ring that holds less than a datagram has to be emptied while there is room for what comes meanwhile.
        let half = fill >= HIGH_WATERMARK;
        self.waiting && (half || waiting >= self.size() || now - since >= self.limits.age)
    }

    /// The time at which the age of the waiting events closes the batch, if any wait.
    pub(super) fn deadline(&self) -> Option<u64> {
        let since = self.since.filter(|_| self.waiting);
        since.map(|since| since.saturating_add(self.limits.age))
    }

    /// Notes that `events` events took `bytes` bytes, restarts the age of what is still waiting at `now`, and adapts
    /// the next batch to how full the ring was.
    pub(super) fn packed(&mut self, events: usize, bytes: usize, now: u64) {
        if let Some(mean) = (bytes * 16).checked_div(events) {
            self.bytes_x16 = (self.bytes_x16 * 7 + mean) / 8;
        }
        self.since = Some(now);
        let greatest = self.greatest();
        let least = self.limits.least.min(greatest);
        let size = self.events.clamp(least, greatest);
        self.events = if self.fill < LOW_WATERMARK {
            size - (size - least).div_ceil(8)
        } else if self.fill > FULL_WATERMARK {
            size.saturating_mul(2).min(greatest)
        } else if self.fill > HIGH_WATERMARK {
            size.saturating_add(size.div_ceil(8)).min(greatest)
        } else {
            size
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits { least: 10, events: 10, bytes: 1000, age: 50 };

    #[test]
    fn closes_on_count() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(9, 0, 0));
        assert!(b.ready(10, 0, 0));
    }

    #[test]
    fn the_count_follows_the_load_with_a_pause_between_the_watermarks() {
        let mut b = Batcher::new(BatchLimits { least: 10, events: 100, bytes: 10_000, ..LIMITS });
        let mut after = |fill| {
            b.ready(usize::MAX, fill, 0);
            b.packed(10, 100, 0);
            b.size()
        };
        assert_eq!([0, 24, 25, 50].map(&mut after), [10; 4], "never below the least");
        assert_eq!([51, 60, 75].map(&mut after), [12, 14, 16], "by an eighth");
        assert_eq!([76, 90, 100].map(&mut after), [32, 64, 100], "faster, up to the greatest");
        assert_eq!([50, 30, 25].map(&mut after), [100; 3], "neither high nor low");
        assert_eq!([24, 10, 0].map(&mut after), [88, 78, 69]);
        assert_eq!([0; 40].map(&mut after)[39], 10);
    }

    #[test]
    fn closes_on_age_of_the_first() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(1, 0, 100));
        assert_eq!(b.deadline(), Some(150));
        assert!(!b.ready(5, 0, 149));
        assert!(b.ready(5, 0, 150));
        assert!(!b.ready(0, 0, 151));
        assert_eq!(b.deadline(), None, "nothing waits");
        assert!(!b.ready(1, 0, 152), "an empty ring starts the age again");
        assert_eq!(b.deadline(), Some(201), "it may have come right behind the last look");
        assert!(!b.ready(0, 0, 203));
        assert!(b.ready(1, 0, 300), "who looks seldom sends at once");
    }

    #[test]
    fn closes_on_the_bytes_that_it_learned_to_expect() {
        let mut b = Batcher::new(BatchLimits { least: 1000, events: 1000, ..LIMITS });
        for _ in 0..100 {
            b.packed(10, 1000, 0);
        }
        assert!(!b.ready(9, 0, 0));
        assert!(b.ready(11, 0, 0), "eleven at about a hundred bytes each");
    }

    #[test]
    fn a_clock_that_goes_backwards_delays_by_one_age_at_most() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(1, 0, 1000));
        assert!(!b.ready(1, 0, 10));
        assert!(b.ready(1, 0, 60));
    }

    #[test]
    fn extreme_values_do_no_harm() {
        let mut b = Batcher::new(BatchLimits { least: 0, events: 0, bytes: 0, age: u64::MAX });
        assert!(b.ready(usize::MAX, 0, u64::MAX));
        assert_eq!(b.deadline(), Some(u64::MAX));
        b.packed(0, 0, 0);
        assert_eq!(b.size(), 1);
        let most = usize::MAX;
        let mut b = Batcher::new(BatchLimits { least: most, events: most, bytes: most, age: 0 });
        for fill in [0, 60, 100, 255] {
            b.ready(1, fill, 0);
            b.packed(1, 1, 0);
        }
        assert!(b.size() > 7);
    }
}
