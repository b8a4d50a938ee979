//! Everything that a chip records with, in one `static`.
//!
//! [`Stats`] holds the ring, the instruments' list, the clock and the count of what was given up, and implements
//! [`Recorder`]: tasks and interrupts record by `&'static STATS`. Whoever owns the socket polls a
//! [`Sender`] with it.
//!
//! ```
//! use ringstat_core::instrument::Counter;
//! use ringstat_core::record::Recorder;
//! use ringstat_core::stats::Stats;
//!
//! fn now() -> u64 { 0 } // the chip's timer
//!
//! static FRAMES: Counter = Counter::new("radio.frames");
//! static STATS: Stats<64> = Stats::new(now).instruments(&[&FRAMES]);
//!
//! FRAMES.inc();
//! STATS.gauge("board.celsius", 21i32).record();
//! # assert_eq!(STATS.waiting(), 1);
//! ```

use crate::encode::Encode;
use crate::event::Event;
use crate::instrument::Instrument;
use crate::ledger::{Cause, Drops, Ledger};
use crate::name::NoNames;
use crate::record::{Outcome, Recorder};
use crate::ring::{Full, mpmc};
use crate::sender::{Inputs, Poll, Sender, Time};
use crate::sync::{AtomicU32, Ordering};

/// What a full ring gives up.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum WhenFull {
    /// The newest record: what is in the ring stays.
    #[default]
    DropNewest,
    /// The oldest record: what is new gets in.
    DropOldest,
}

/// Room for `N` events. 60 to 72 bytes each.
///
/// One ring for all tasks and interrupts: see [`mpmc`] for what a recorder that is preempted in the middle delays, and
/// for how long interrupts are masked where there is no compare-and-swap.
#[derive(Debug)]
pub struct Stats<const N: usize> {
    ring: mpmc::Ring<Event, [mpmc::Cell<Event>; N]>,
    clock: fn() -> u64,
    when_full: WhenFull,
    instruments: &'static [&'static dyn Instrument],
    drops: [AtomicU32; Cause::COUNT],
}

impl core::fmt::Debug for dyn Instrument {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl<const N: usize> Stats<N> {
    /// An empty ring; `clock` gives the time that events are stamped with.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(clock: fn() -> u64) -> Self {
        Self {
            ring: mpmc::Ring::new([const { mpmc::Cell::new() }; N]),
            clock,
            when_full: WhenFull::DropNewest,
            instruments: &[],
            drops: [const { AtomicU32::new(0) }; Cause::COUNT],
        }
    }

    /// Names the instruments that are sent.
    #[must_use]
    pub const fn instruments(mut self, instruments: &'static [&'static dyn Instrument]) -> Self {
        self.instruments = instruments;
        self
    }

    /// Says what a full ring gives up.
    #[must_use]
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// How many events wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ring.len()
    }

    /// Records given up at the record call, by cause. Each count wraps at 2^32.
    #[must_use]
    pub fn drops(&self) -> Drops {
        let mut sum = Drops::NONE;
        for (cause, n) in Cause::ALL.into_iter().zip(&self.drops) {
            sum.add(cause, u64::from(n.load(Ordering::Relaxed)));
        }
        sum
    }

    /// [`Sender::poll`] with what is in here.
    pub fn poll<const SLOTS: usize, const ARENA: usize, const CARRY: usize, E: Encode>(
        &self,
        sender: &mut Sender<{ crate::event::DEFAULT_INLINE }, SLOTS, ARENA, CARRY, E>,
        now: Time,
        buf: &mut [u8],
    ) -> Poll {
        let mut inputs = Inputs {
            events: &mut &self.ring,
            instruments: self.instruments,
            names: &NoNames,
            dropped: self.drops().total(),
        };
        sender.poll(now, &mut inputs, buf)
    }

    /// What became of every record, with the sender that is polled with this: exact at every quiet point.
    #[must_use]
    pub fn ledger<const SLOTS: usize, const ARENA: usize, const CARRY: usize, E: Encode>(
        &self,
        sender: &Sender<{ crate::event::DEFAULT_INLINE }, SLOTS, ARENA, CARRY, E>,
    ) -> Ledger {
        let totals = sender.totals();
        let refused = self.drops();
        let mut dropped = totals.dropped;
        dropped.merge(&refused);
        let waiting = self.ring.len() as u64;
        Ledger {
            recorded: totals.taken + waiting + refused.total(),
            sent: totals.sent,
            aggregated: 0,
            dropped,
            in_flight: totals.in_flight() + waiting,
        }
    }

    fn count(&self, cause: Cause) {
        if let Some(cell) = self.drops.get(cause as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<const N: usize> Recorder for Stats<N> {
    fn now(&self) -> u64 {
        (self.clock)()
    }

    fn push(&self, event: Event) -> Outcome {
        let mut evicted = false;
        let pushed = match self.when_full {
            WhenFull::DropNewest => self.ring.push(event),
            WhenFull::DropOldest => self.ring.push_evicting(event, |_| {
                evicted = true;
                self.count(Cause::Evicted);
            }),
        };
        match pushed {
            Ok(()) if evicted => Outcome::RecordedEvicting,
            Ok(()) => Outcome::Recorded,
            Err(Full(_)) => self.refuse(Cause::Full),
        }
    }

    fn refuse(&self, cause: Cause) -> Outcome {
        self.count(cause);
        Outcome::Dropped(cause)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::instrument::Counter;
    use crate::sender::{Config, Identity};

    static FRAMES: Counter = Counter::new("frames");

    fn now() -> u64 {
        7
    }

    #[test]
    fn a_chip_sends_with_small_tables_and_its_ledger_closes() {
        static STATS: Stats<8> =
            Stats::new(now).instruments(&[&FRAMES]).when_full(WhenFull::DropOldest);
        let mut sender: Sender<26, 16, 0, 2> = Sender::new(
            Identity { sender: 1, epoch: 1 },
            &Config { payload: 256, ..Config::DEFAULT },
        );
        for i in 0..20u32 {
            assert!(STATS.gauge("g", i).record().is_recorded());
        }
        assert_eq!(STATS.gauge("", 0u8).record(), Outcome::Dropped(Cause::Invalid));
        FRAMES.inc();
        assert!(STATS.ledger(&sender).closes());
        sender.flush();
        let mut buf = [0; 256];
        while let Poll::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) {
            sender.sent(packed);
        }
        let ledger = STATS.ledger(&sender);
        assert!(ledger.closes());
        assert_eq!((ledger.recorded, ledger.sent), (21, 8));
        assert_eq!(ledger.dropped.get(Cause::Evicted), 12);
    }
}
