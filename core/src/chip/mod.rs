//! Everything that a chip records with, in one `static`.
//!
//! [`Stats`] knows the ring, the instruments, the clock and the count of what was given up, and implements
//! [`Recorder`]: tasks and interrupts record by `&'static STATS`. Whoever owns the socket polls a
//! [`Sender`] with it.
//!
//! ```
//! use ringstat_core::event_ring;
//! use ringstat_core::instrument::Counter;
//! use ringstat_core::record::Recorder;
//! use ringstat_core::chip::Stats;
//!
//! fn now() -> u64 { 0 } // the chip's timer
//!
//! static FRAMES: Counter = Counter::new("radio.frames");
//! static STATS: Stats<64> = Stats::new(event_ring!(64), now).instruments(&[&FRAMES]);
//!
//! FRAMES.inc();
//! STATS.gauge("board.celsius", 21i32).record();
//! # assert_eq!(STATS.waiting(), 1);
//! ```

mod lane;

use lane::All;
pub use lane::Lane;

use crate::format::Format;
use crate::instrument::Instrument;
use crate::ledger::{Cause, Drops, Ledger};
use crate::record::{Event, NoNames, Outcome, Priority, Recorder};
use crate::ring::{Source, mpmc};
use crate::send::{Inputs, Sender, Step, Store, Time, Totals};
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

/// What records go to, and where the sender finds them. `N` is the size of the ring.
///
/// One ring for all tasks and interrupts: see [`mpmc`] for what a recorder that is preempted in the middle delays, and
/// for how long interrupts are masked where there is no compare-and-swap.
#[derive(Debug)]
pub struct Stats<const N: usize> {
    ring: &'static EventRing<N>,
    /// Rings of one task, interrupt or core each.
    lanes: &'static [&'static dyn AnyRing],
    critical: Option<&'static dyn AnyRing>,
    clock: fn() -> u64,
    when_full: WhenFull,
    /// From so many waiting events on, each record calls this.
    wake: Option<(usize, fn())>,
    instruments: &'static [&'static dyn Instrument],
    drops: [AtomicU32; Cause::COUNT],
}

/// Room for `N` events, 60 to 72 bytes each; [`event_ring!`](crate::event_ring) makes one in place.
///
/// It is a static of its own since all of it is zero in the beginning: it takes memory but no flash.
#[derive(Debug)]
pub struct EventRing<const N: usize>(mpmc::Ring<Event, [mpmc::Cell<Event>; N]>);

impl<const N: usize> EventRing<N> {
    /// An empty ring.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(mpmc::Ring::new([const { mpmc::Cell::new() }; N]))
    }
}

#[cfg(not(loom))]
impl<const N: usize> Default for EventRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A `&'static` [`EventRing`](crate::chip::EventRing) with room for so many events, for the initializer of a static.
/// (Elsewhere each place that says it has one ring, however often it is passed.)
#[macro_export]
macro_rules! event_ring {
    ($capacity:expr) => {{
        static RING: $crate::chip::EventRing<{ $capacity }> = $crate::chip::EventRing::new();
        &RING
    }};
}

/// An [`EventRing`] of any size; nothing else is one.
#[expect(private_bounds, reason = "what it can do is for this module alone")]
pub trait AnyRing: Reserve {}

impl<const N: usize> AnyRing for EventRing<N> {}

/// What is done with a ring of any size.
trait Reserve: Sync {
    fn push(&self, event: &Event) -> bool;
    fn pop(&self) -> Option<Event>;
    fn len(&self) -> usize;
    fn capacity(&self) -> usize;
}

impl<const N: usize> Reserve for EventRing<N> {
    fn push(&self, event: &Event) -> bool {
        self.0.try_push(event)
    }
    fn pop(&self) -> Option<Event> {
        self.0.pop()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn capacity(&self) -> usize {
        N
    }
}

impl core::fmt::Debug for dyn AnyRing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} of {} events", self.len(), self.capacity())
    }
}

impl Source<Event> for &dyn AnyRing {
    fn drain(&mut self, max: usize, mut f: impl FnMut(Event)) -> usize {
        (0..max).map_while(|_| self.pop().map(&mut f)).count()
    }
    fn len(&self) -> usize {
        Reserve::len(*self)
    }
    fn capacity(&self) -> usize {
        Reserve::capacity(*self)
    }
}

impl core::fmt::Debug for dyn Instrument {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl<const N: usize> Stats<N> {
    /// Records go to `ring`, which nobody else uses; `clock` gives the time that events are stamped with.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(ring: &'static EventRing<N>, clock: fn() -> u64) -> Self {
        Self {
            ring,
            lanes: &[],
            critical: None,
            clock,
            when_full: WhenFull::DropNewest,
            wake: None,
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

    /// Calls `wake` at each record from `waiting` waiting events on, and at each critical one: to tell the sender's task
    /// that there is something to do before its next deadline. It is called where the record is made, so also in
    /// interrupts.
    #[must_use]
    pub const fn wake(mut self, waiting: usize, wake: fn()) -> Self {
        self.wake = Some((waiting, wake));
        self
    }

    /// Gives critical events a ring of their own, in which they are kept until the collector has acknowledged them:
    /// no others delay or crowd them out. Full, it refuses them.
    ///
    /// It goes with a sender that has [room for them](Sender::keeping), and an adapter that hands it the
    /// acknowledgements.
    #[must_use]
    pub const fn critical<const C: usize>(mut self, ring: &'static EventRing<C>) -> Self {
        self.critical = Some(ring);
        self
    }

    /// Gives tasks, interrupts and cores rings of their own: lane 0, 1 and so on, for [`lane`](Self::lane).
    ///
    /// The ring for all is safe for everybody. But what is recorded while a task is interrupted in the middle of a
    /// record call waits until the task has finished, and one that records much crowds out the others. In a lane
    /// nobody else is in the way.
    ///
    /// ```
    /// # use ringstat_core::{chip::Stats, event_ring, record::Recorder};
    /// # fn now() -> u64 { 0 }
    /// const TIMER: usize = 0;
    /// static STATS: Stats<64> = Stats::new(event_ring!(64), now).lanes(&[event_ring!(16)]);
    ///
    /// // In the timer's interrupt:
    /// STATS.lane(TIMER).gauge("timer.late", 3u8).record();
    /// ```
    #[must_use]
    pub const fn lanes(mut self, rings: &'static [&'static dyn AnyRing]) -> Self {
        self.lanes = rings;
        self
    }

    /// Records in lane `index`, and where that is full in the ring for all. Without a lane of that number: always there.
    #[inline]
    #[must_use]
    pub fn lane(&self, index: usize) -> Lane<'_, N> {
        Lane::new(self, self.lanes.get(index).copied())
    }

    /// How many events wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        All(self).len() + self.critical.map_or(0, |ring| ring.len())
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
    pub fn poll<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Step {
        if let Some(mut critical) = self.critical {
            sender.keep(now, &mut critical);
        }
        let mut inputs = Inputs {
            events: &mut All(self),
            instruments: self.instruments,
            names: &NoNames,
            dropped: self.drops().total(),
        };
        sender.poll(now, &mut inputs, buf)
    }

    /// What became of every record, with the sender that is polled with this: exact at every quiet point.
    #[must_use]
    pub fn ledger<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &Sender<E, K, CARRY>,
    ) -> Ledger {
        self.account(sender.totals())
    }

    /// The same, from the totals of the sender: for who does not have the sender itself.
    #[must_use]
    pub fn account(&self, totals: &Totals) -> Ledger {
        totals.ledger(self.waiting() as u64, &self.drops(), 0)
    }

    /// Wakes the sender's task if there is enough for it.
    fn tell(&self) {
        if let Some((waiting, wake)) = self.wake
            && self.ring.0.len() >= waiting
        {
            wake();
        }
    }

    /// The same, whichever ring it is in.
    fn tell_all(&self) {
        if let Some((waiting, wake)) = self.wake
            && All(self).len() >= waiting
        {
            wake();
        }
    }

    // The two that follow are seldom, and would take registers from what is not.

    #[inline(never)]
    fn push_critical(&self, critical: &dyn AnyRing, event: &Event) -> Outcome {
        if !critical.push(event) {
            return self.refuse(Cause::Full);
        }
        if let Some((_, wake)) = self.wake {
            wake();
        }
        Outcome::Recorded
    }

    #[inline(never)]
    fn push_full(&self, event: &Event) -> Outcome {
        let mut evicted = false;
        let pushed = self.when_full == WhenFull::DropOldest
            && self.ring.0.try_push_evicting(event, |_| {
                evicted = true;
                self.tally(Cause::Evicted);
            });
        self.tell();
        match pushed {
            true if evicted => Outcome::RecordedEvicting,
            true => Outcome::Recorded,
            false => self.refuse(Cause::Full),
        }
    }

    fn tally(&self, cause: Cause) {
        if let Some(cell) = self.drops.get(cause as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<const N: usize> Recorder for Stats<N> {
    fn now(&self) -> u64 {
        (self.clock)()
    }

    fn push(&self, event: &Event) -> Outcome {
        if event.priority() == Priority::Critical
            && let Some(critical) = self.critical
        {
            return self.push_critical(critical, event);
        }
        if !self.ring.0.try_push(event) {
            return self.push_full(event);
        }
        self.tell();
        Outcome::Recorded
    }

    fn refuse(&self, cause: Cause) -> Outcome {
        self.tally(cause);
        Outcome::Dropped(cause)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::instrument::Counter;
    use crate::send::{AckError, Identity, SenderConfig};
    use crate::send::{Keep, LeanSender};
    use crate::wire::Encoder;
    use crate::wire::ack::Ack;

    static FRAMES: Counter = Counter::new("frames");

    fn now() -> u64 {
        7
    }

    #[test]
    fn critical_events_are_kept_until_they_are_acknowledged() {
        static STATS: Stats<8> = Stats::new(event_ring!(8), now).critical(event_ring!(2));
        let identity = Identity { sender: 1, epoch: 1 };
        let config = SenderConfig { payload: 256, ..SenderConfig::DEFAULT };
        let mut sender: Sender<Encoder<16, 0>, Keep<4>, 2> = Sender::new(identity, &config);
        let alarm =
            |n: u32| STATS.event("alarm").at(n.into()).priority(Priority::Critical).record();
        assert_eq!([0, 1].map(alarm), [Outcome::Recorded; 2]);
        assert_eq!(alarm(2), Outcome::Dropped(Cause::Full));
        let mut buf = [0; 256];
        let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) else {
            panic!("they are sent at once");
        };
        sender.sent(packed);
        let ledger = STATS.ledger(&sender);
        assert!(ledger.closes());
        assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (3, 0, 2));
        let mut ack = [0; Ack::MAX_LEN];
        let length = Ack { sender: 1, epoch: 1, base: 0, bitmap: &[0b11] }.emit(&mut ack).unwrap();
        assert_eq!(sender.acknowledged(&ack[..length]), Ok(2));
        let foreign = Ack { sender: 1, epoch: 2, base: 9, bitmap: &[] }.emit(&mut ack).unwrap();
        assert_eq!(sender.acknowledged(&ack[..foreign]), Err(AckError::Foreign));
        assert!(sender.acknowledged(b"no").is_err());
        let ledger = STATS.ledger(&sender);
        assert!(ledger.closes());
        assert_eq!((ledger.sent, ledger.in_flight, sender.unacknowledged()), (2, 0, 0));
    }

    #[test]
    fn a_lane_holds_its_own_and_lends_from_the_ring_for_all() {
        static STATS: Stats<4> =
            Stats::new(event_ring!(4), now).lanes(&[event_ring!(2), event_ring!(3)]);
        let mut sender: LeanSender = Sender::new(
            Identity { sender: 1, epoch: 1 },
            &SenderConfig { payload: 512, ..SenderConfig::DEFAULT },
        );
        let record = |lane: usize, times: usize| -> usize {
            (0..times).filter(|_| STATS.lane(lane).count("c", 1u8).record().is_recorded()).count()
        };
        // Two in the lane and four in the ring for all, which has none left for others; they have their own.
        assert_eq!(record(0, 10), 6);
        assert_eq!(STATS.count("c", 1u8).record(), Outcome::Dropped(Cause::Full));
        assert_eq!((record(1, 10), record(2, 1)), (3, 0));
        assert_eq!(STATS.lane(1).count("", 1u8).record(), Outcome::Dropped(Cause::Invalid));
        assert!(STATS.ledger(&sender).closes());
        sender.flush();
        let mut buf = [0; 512];
        while let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) {
            sender.sent(packed);
        }
        let ledger = STATS.ledger(&sender);
        assert!(ledger.closes());
        assert_eq!((ledger.sent, ledger.in_flight, ledger.recorded), (9, 0, 9 + 4 + 1 + 7 + 1 + 1));
    }

    #[test]
    fn a_chip_sends_with_small_tables_and_its_ledger_closes() {
        static STATS: Stats<8> =
            Stats::new(event_ring!(8), now).instruments(&[&FRAMES]).when_full(WhenFull::DropOldest);
        let mut sender: LeanSender = Sender::new(
            Identity { sender: 1, epoch: 1 },
            &SenderConfig { payload: 256, ..SenderConfig::DEFAULT },
        );
        for i in 0..20u32 {
            assert!(STATS.gauge("g", i).record().is_recorded());
        }
        assert_eq!(STATS.gauge("", 0u8).record(), Outcome::Dropped(Cause::Invalid));
        FRAMES.inc();
        assert!(STATS.ledger(&sender).closes());
        sender.flush();
        let mut buf = [0; 256];
        while let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) {
            sender.sent(packed);
        }
        let ledger = STATS.ledger(&sender);
        assert!(ledger.closes());
        assert_eq!((ledger.recorded, ledger.sent), (21, 8));
        assert_eq!(ledger.dropped.get(Cause::Evicted), 12);
    }
}
