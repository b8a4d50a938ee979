//! Batching: when the events that wait in the ring are worth a datagram.
//!
//! A batch closes on count, bytes or age, whichever is first. The count follows how full the ring is: small batches
//! that go out soon while there is little to do, large ones under load. The events stay in the ring until then: the
//! ring is the batch's memory, so that a drop policy still reaches them and nothing is held twice.

/// When a batch closes. Times in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchLimits {
    /// Closes with so many events while the ring is nearly empty,
    pub least: usize,
    /// and with so many when it is [half full](HIGH_WATERMARK); in between with a number in between.
    pub events: usize,
    /// Closes when they are expected to take so many bytes.
    pub bytes: usize,
    /// Closes when the first of them was seen so long ago.
    pub age: u64,
}

/// Up to so many percent of the ring batches are smallest.
pub const LOW_WATERMARK: u8 = 10;
/// From so many percent on they are largest.
pub const HIGH_WATERMARK: u8 = 50;

/// Decides when to pack.
#[derive(Clone, Debug)]
pub struct Batcher {
    limits: BatchLimits,
    /// When events were first seen waiting, since the last time that none were.
    since: Option<u64>,
    /// Running mean of the bytes that an event takes, in sixteenths.
    bytes_x16: usize,
}

/// What to expect of an event before the first one was packed.
const FIRST_GUESS: usize = 24;

impl Batcher {
    /// A batcher that has seen nothing yet.
    #[must_use]
    pub const fn new(limits: BatchLimits) -> Self {
        Self { limits, since: None, bytes_x16: FIRST_GUESS * 16 }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> BatchLimits {
        self.limits
    }

    /// How many events close a batch of a ring that is `fill` percent full: from the least to the greatest number in
    /// a straight line between the watermarks. At least 1.
    #[must_use]
    pub fn size(&self, fill: u8) -> usize {
        // More than fills a datagram is never waited for.
        let whole = self.limits.bytes.saturating_mul(16) / self.bytes_x16.max(1);
        let greatest = self.limits.events.min(whole).max(1);
        let least = self.limits.least.clamp(1, greatest);
        let above = usize::from(fill.clamp(LOW_WATERMARK, HIGH_WATERMARK) - LOW_WATERMARK);
        least + (greatest - least) * above / usize::from(HIGH_WATERMARK - LOW_WATERMARK)
    }

    /// Whether `waiting` events are a batch at `now`, in a ring that is `fill` percent full. Constant time.
    pub fn ready(&mut self, waiting: usize, fill: u8, now: u64) -> bool {
        if waiting == 0 {
            self.since = None;
            return false;
        }
        // A clock that went backwards starts the age again, rather than never or at once.
        let since = match self.since {
            Some(since) if since <= now => since,
            _ => *self.since.insert(now),
        };
        waiting >= self.size(fill) || now - since >= self.limits.age
    }

    /// When the age of what waits closes the batch, if anything waits.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.since.map(|since| since.saturating_add(self.limits.age))
    }

    /// Learns that `events` events took `bytes` bytes, and starts the age of what is still waiting at `now`.
    pub fn packed(&mut self, events: usize, bytes: usize, now: u64) {
        if let Some(mean) = (bytes * 16).checked_div(events) {
            self.bytes_x16 = (self.bytes_x16 * 7 + mean) / 8;
        }
        self.since = Some(now);
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
    fn the_count_follows_the_load_between_the_watermarks() {
        let b = Batcher::new(BatchLimits { least: 4, events: 36, ..LIMITS });
        assert_eq!(
            [0, 10, 20, 30, 40, 50, 100].map(|fill| b.size(fill)),
            [4, 4, 12, 20, 28, 36, 36]
        );
        let mut b = Batcher::new(BatchLimits { least: 4, events: 36, ..LIMITS });
        assert!(b.ready(4, 10, 0) && !b.ready(4, 50, 0) && b.ready(36, 50, 0));
    }

    #[test]
    fn closes_on_age_of_the_first() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(1, 0, 100));
        assert_eq!(b.deadline(), Some(150));
        assert!(!b.ready(5, 0, 149));
        assert!(b.ready(5, 0, 150));
        assert!(!b.ready(0, 0, 151));
        assert!(!b.ready(1, 0, 152), "an empty ring starts the age again");
        assert_eq!(b.deadline(), Some(202));
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
        assert_eq!(b.size(255), 1);
        let b =
            Batcher::new(BatchLimits { least: 7, events: usize::MAX, bytes: usize::MAX, age: 0 });
        assert!(b.size(0) == 7 && b.size(30) > 7);
    }
}
