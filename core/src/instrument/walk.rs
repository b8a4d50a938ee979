//! Which instruments are sent when.
//!
//! Each flush sends the instruments that have changed since they were last sent, and a share of the others, so that
//! every instrument is sent once per refresh interval, spread over time: thousands of idle instruments cost next to
//! nothing, and a collector that starts late still learns them all. A walk pauses when a datagram is full and continues
//! in the next one.

use super::{Instrument, Instruments};

/// The sender's position among the instruments. Times are in the unit of the client's clock.
#[derive(Clone, Debug)]
pub struct Walk {
    flush: u64,
    refresh: u64,
    next_flush: Option<u64>,
    /// While a walk is under way, the instrument to look at next and the bucket to begin with.
    at: Option<(usize, usize)>,
    /// The version that this instrument had when its first bucket was sent.
    version: u32,
    /// This walk sends the unchanged instruments from this index on, `share` of them.
    turn: usize,
    share: usize,
    /// Whether the next walk sends everything.
    all: bool,
    /// Whether the next walk begins at once.
    now: bool,
}

impl Walk {
    /// Creates a walk that begins every `flush` and sends every instrument at least once in `refresh`.
    #[must_use]
    pub const fn new(flush: u64, refresh: u64) -> Self {
        Self {
            flush,
            refresh,
            next_flush: None,
            at: None,
            version: 0,
            turn: 0,
            share: 0,
            all: true,
            now: false,
        }
    }

    /// Makes the next walk begin at the next opportunity, whatever the time.
    pub fn flush(&mut self) {
        self.now = true;
    }

    /// Makes the next walk send every instrument, for when the last one may not have arrived.
    pub fn resend_all(&mut self) {
        self.all = true;
    }

    /// The time at which the next walk begins; 0 before the first one.
    #[must_use]
    pub fn deadline(&self) -> u64 {
        self.next_flush.unwrap_or(0)
    }

    /// Begins a walk if it is time for one, and returns whether one is under way with something to send. Takes time
    /// linear in the number of instruments when a walk begins or continues, constant time otherwise.
    pub fn due<I: Instruments + ?Sized>(&mut self, now: u64, instruments: &I) -> bool {
        let count = instruments.len();
        if self.at.is_none() && (self.now || self.is_time(now)) {
            self.now = false;
            self.next_flush = Some(now.saturating_add(self.flush));
            self.share = if core::mem::take(&mut self.all) { count } else { self.share_of(count) };
            self.at = Some((0, 0));
        }
        let Some((mut index, bucket)) = self.at else { return false };
        while index < count && bucket == 0 && !self.wants(index, count, instruments) {
            index += 1;
        }
        self.at = (index < count).then_some((index, bucket));
        if self.at.is_none() {
            self.end(count);
        }
        self.at.is_some()
    }

    /// The instrument to send next and the bucket to begin with, while a walk is [`due`](Self::due).
    #[must_use]
    pub fn current(&self) -> Option<(usize, usize)> {
        self.at
    }

    /// The version with which the current instrument is marked once all of it is sent: the version that it had when its
    /// first part was read. Whatever is recorded after that may belong to a part that has already been sent.
    pub fn version(&mut self, instrument: &dyn Instrument) -> u32 {
        if self.at.is_none_or(|(_, bucket)| bucket == 0) {
            self.version = instrument.version();
        }
        self.version
    }

    /// Moves past what was sent: to the next instrument, or to `next_bucket` of the same one.
    pub fn advance(&mut self, next_bucket: Option<usize>) {
        if let Some((index, bucket)) = &mut self.at {
            match next_bucket {
                Some(next) => *bucket = next,
                None => (*index, *bucket) = (*index + 1, 0),
            }
        }
    }

    fn is_time(&self, now: u64) -> bool {
        // If the clock has gone back by more than an interval, a walk begins at once rather than when the clock has
        // caught up.
        self.next_flush.is_none_or(|next| now >= next || next - now > self.flush)
    }

    /// How many unchanged instruments a walk sends, so that each is sent once in `refresh`.
    fn share_of(&self, count: usize) -> usize {
        // In 32 bits, because a 64-bit division takes a chip more code than the rest of the walk. Cutting off low bits
        // can only make walks fewer and shares larger.
        let cut = u64::BITS - self.refresh.leading_zeros().min(32) - 32;
        let refresh = (self.refresh >> cut) as u32;
        let flush = (self.flush >> cut) + u64::from(self.flush.trailing_zeros() < cut);
        let walks = refresh / u32::try_from(flush).unwrap_or(u32::MAX).max(1);
        count.div_ceil(usize::try_from(walks.max(1)).unwrap_or(usize::MAX))
    }

    fn wants<I: Instruments + ?Sized>(&self, index: usize, count: usize, instruments: &I) -> bool {
        // Whether the instrument at `index` is one of the `share` that begin at `turn`, wrapping around.
        let place = if index >= self.turn { index - self.turn } else { index + count - self.turn };
        place < self.share || {
            let mut changed = false;
            instruments
                .visit(index, &mut |i: &dyn Instrument| changed = i.mark().differs(i.version()));
            changed
        }
    }

    fn end(&mut self, count: usize) {
        self.turn = (self.turn + self.share).checked_rem(count).unwrap_or(0);
        self.share = 0;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::instrument::Counter;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn sent(walk: &mut Walk, now: u64, counters: &[&'static dyn Instrument]) -> Vec<usize> {
        let mut sent = Vec::new();
        while walk.due(now, counters) {
            let (index, _) = walk.current().unwrap();
            counters[index].mark().set(counters[index].version());
            walk.advance(None);
            sent.push(index);
        }
        sent
    }

    fn counters(n: usize) -> Vec<&'static dyn Instrument> {
        let leak = |_| {
            alloc::boxed::Box::leak(alloc::boxed::Box::new(Counter::new("c"))) as &dyn Instrument
        };
        (0..n).map(leak).collect()
    }

    #[test]
    fn first_all_then_the_changed_ones_and_a_rotating_share() {
        static CHANGED: Counter = Counter::new("changed");
        let mut all = counters(9);
        all.push(&CHANGED);
        let mut walk = Walk::new(10, 50); // five walks a refresh: two unchanged ones each
        assert_eq!(sent(&mut walk, 0, &all), (0..10).collect::<Vec<_>>());
        assert_eq!(sent(&mut walk, 9, &all), []);
        CHANGED.inc();
        assert_eq!(sent(&mut walk, 10, &all), [0, 1, 9]);
        assert_eq!(sent(&mut walk, 20, &all), [2, 3]);
        assert_eq!(sent(&mut walk, 30, &all), [4, 5]);
        assert_eq!(sent(&mut walk, 40, &all), [6, 7]);
        assert_eq!(sent(&mut walk, 50, &all), [8, 9]);
        assert_eq!(sent(&mut walk, 60, &all), [0, 1]);
    }

    #[test]
    fn after_a_failure_and_on_request_it_does_not_wait() {
        let all = counters(3);
        let mut walk = Walk::new(10, 1000);
        sent(&mut walk, 0, &all);
        walk.resend_all();
        walk.flush();
        assert_eq!(sent(&mut walk, 1, &all), [0, 1, 2]);
        assert_eq!(walk.deadline(), 11);
    }

    #[test]
    fn a_histogram_goes_on_in_the_next_datagram() {
        let all = counters(2);
        let mut walk = Walk::new(10, 10);
        assert!(walk.due(0, &all[..]));
        walk.advance(Some(7));
        assert!(walk.due(0, &all[..]));
        assert_eq!(walk.current(), Some((0, 7)));
        walk.advance(None);
        assert!(walk.due(0, &all[..]));
        assert_eq!(walk.current(), Some((1, 0)));
    }

    proptest! {
        #[test]
        fn a_share_is_what_64_bits_would_make_it_or_a_little_more(
            refresh in any::<u64>(), flush in 1..u64::MAX, shift in 0..64u32, count in 0..10_000usize,
        ) {
            let (refresh, flush) = (refresh >> shift, (flush >> shift).max(1));
            let share = Walk::new(flush, refresh).share_of(count);
            let exact = count.div_ceil((refresh / flush).clamp(1, 1 << 40) as usize);
            prop_assert!((exact..=exact + exact / 1000 + 1).contains(&share), "{share}, not {exact}");
        }
    }

    #[test]
    fn none_at_all_and_a_backward_clock_do_no_harm() {
        let mut walk = Walk::new(10, 100);
        assert!(!walk.due(1000, &[][..]));
        let all = counters(1);
        assert_eq!(sent(&mut walk, 5, &all), [0], "far behind the deadline: begins again");
    }
}
