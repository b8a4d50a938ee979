//! Batching: when the events that wait in the ring are worth a datagram.
//!
//! A batch closes on count, bytes or age, whichever is first. The events stay in the ring until then: the ring is
//! the batch's memory, so that a drop policy still reaches them and nothing is held twice.

/// When a batch closes. Times in the unit of the client's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Closes with so many events.
    pub events: usize,
    /// Closes when they are expected to take so many bytes.
    pub bytes: usize,
    /// Closes when the first of them was seen so long ago.
    pub age: u64,
}

/// Decides when to pack.
#[derive(Clone, Debug)]
pub struct Batcher {
    limits: Limits,
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
    pub const fn new(limits: Limits) -> Self {
        Self { limits, since: None, bytes_x16: FIRST_GUESS * 16 }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes how many events close a batch, for clients that follow the load.
    pub fn set_events(&mut self, events: usize) {
        self.limits.events = events.max(1);
    }

    /// Whether `waiting` events are a batch at `now`. Constant time.
    pub fn ready(&mut self, waiting: usize, now: u64) -> bool {
        if waiting == 0 {
            self.since = None;
            return false;
        }
        // A clock that went backwards starts the age again, rather than never or at once.
        let since = match self.since {
            Some(since) if since <= now => since,
            _ => *self.since.insert(now),
        };
        waiting >= self.limits.events
            || waiting.saturating_mul(self.bytes_x16) / 16 >= self.limits.bytes
            || now - since >= self.limits.age
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

    const LIMITS: Limits = Limits { events: 10, bytes: 1000, age: 50 };

    #[test]
    fn closes_on_count() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(9, 0));
        assert!(b.ready(10, 0));
    }

    #[test]
    fn closes_on_age_of_the_first() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(1, 100));
        assert_eq!(b.deadline(), Some(150));
        assert!(!b.ready(5, 149));
        assert!(b.ready(5, 150));
        assert!(!b.ready(0, 151));
        assert!(!b.ready(1, 152), "an empty ring starts the age again");
        assert_eq!(b.deadline(), Some(202));
    }

    #[test]
    fn closes_on_the_bytes_that_it_learned_to_expect() {
        let mut b = Batcher::new(Limits { events: 1000, ..LIMITS });
        for _ in 0..100 {
            b.packed(10, 1000, 0);
        }
        assert!(!b.ready(9, 0));
        assert!(b.ready(11, 0), "eleven at about a hundred bytes each");
    }

    #[test]
    fn a_clock_that_goes_backwards_delays_by_one_age_at_most() {
        let mut b = Batcher::new(LIMITS);
        assert!(!b.ready(1, 1000));
        assert!(!b.ready(1, 10));
        assert!(b.ready(1, 60));
    }

    #[test]
    fn extreme_values_do_no_harm() {
        let mut b = Batcher::new(Limits { events: 0, bytes: 0, age: u64::MAX });
        assert!(b.ready(usize::MAX, u64::MAX));
        assert_eq!(b.deadline(), Some(u64::MAX));
        b.packed(0, 0, 0);
        b.set_events(0);
        assert_eq!(b.limits().events, 1);
    }
}
