//! What a [`Stats`] is built from, in the initializer of its `static`.

use super::{AnyRing, Clock, EventRing, Stats};
use crate::instrument::{Histogram, Instrument};
use crate::ledger::Cause;
use crate::policy::Policy;
use crate::record::{Event, Interner, NoNames, Resolve, TagMemory};
use crate::sync::{AtomicU8, AtomicU32, AtomicU64};

impl<const N: usize> Stats<N> {
    /// Creates a static whose records go to `ring`, which nothing else may use. `clock` returns the time with which
    /// events are stamped.
    #[must_use]
    pub const fn new(ring: &'static EventRing<N>, clock: Clock) -> Self {
        Self {
            ring,
            lanes: &[],
            critical: None,
            clock,
            shift: AtomicU64::new(0),
            evict: None,
            latency: None,
            wake: None,
            wakes_at_first: false,
            woken: AtomicU8::new(0),
            instruments: &[],
            tag_memory: NoNames,
            drops: [const { AtomicU32::new(0) }; Cause::COUNT],
        }
    }

    /// Gives critical events a ring of their own, for `C` events: other events neither delay nor displace them, and
    /// they are sent until the collector has acknowledged them. The sender has room for as many events that wait for
    /// that; when both are full, further critical events are refused and counted.
    ///
    /// The adapter must hand the receiver's answers to the [sender](crate::send::Sender::acknowledged).
    ///
    /// A ring for none does not compile:
    ///
    /// ```compile_fail,E0080
    /// # use ringstat_core::prelude::*;
    /// # fn micros() -> u64 { 0 }
    /// static STATS: Stats<64, 0> =
    ///     Stats::new(event_ring!(64), Clock::micros(micros)).critical(event_ring!(0));
    /// ```
    #[must_use]
    pub const fn critical<const C: usize>(self, ring: &'static EventRing<C>) -> Stats<N, C> {
        const { assert!(C > 0, "critical events need room to wait for their acknowledgement") };
        self.with(Some(ring), NoNames)
    }
}

impl<const N: usize, const C: usize> Stats<N, C> {
    /// Gives events memory for tags and texts that do not fit the 26 bytes of a slot: up to 16 tags with keys and
    /// values of up to 255 bytes each, and texts of 1000 bytes, in blocks of 128 bytes. Without this call they are
    /// refused, and nothing is linked for them.
    ///
    /// ```
    /// # use ringstat_core::prelude::*;
    /// # use ringstat_core::record::TagMemory;
    /// # fn micros() -> u64 { 0 }
    /// static TAGS: TagMemory<8> = TagMemory::new();
    /// static STATS: Stats<64, 0, &TagMemory<8>> = Stats::new(event_ring!(64), Clock::micros(micros)).tag_memory(&TAGS);
    ///
    /// let said = STATS.event("door").tag("card", "3f9a1c77-52e0-4c1b-9a60-1d2e3f405162").record();
    /// # assert!(said.is_recorded());
    /// ```
    #[must_use]
    pub const fn tag_memory<const B: usize>(
        self,
        memory: &'static TagMemory<B>,
    ) -> Stats<N, C, &'static TagMemory<B>> {
        let critical = self.critical;
        self.with(critical, memory)
    }

    /// Lets events have names and texts that are made at run time: symbols of `names`. Without this call nothing is
    /// linked for them. It takes the place of [`tag_memory`](Self::tag_memory).
    ///
    /// ```
    /// # use ringstat_core::prelude::*;
    /// # use ringstat_core::record::Interner;
    /// # fn micros() -> u64 { 0 }
    /// static NAMES: Interner<16, 256> = Interner::new();
    /// static STATS: Stats<64, 0, &Interner<16, 256>> =
    ///     Stats::new(event_ring!(64), Clock::micros(micros)).names(&NAMES);
    ///
    /// let door = NAMES.intern("door.3").unwrap(); // once
    /// assert!(STATS.count(door, 1u8).record().is_recorded());
    /// ```
    #[must_use]
    pub const fn names<const S: usize, const B: usize>(
        self,
        names: &'static Interner<S, B>,
    ) -> Stats<N, C, &'static Interner<S, B>> {
        let critical = self.critical;
        self.with(critical, names)
    }

    /// The same with what its type depends on.
    const fn with<const D: usize, M: Copy>(
        self,
        critical: Option<&'static dyn AnyRing>,
        tag_memory: M,
    ) -> Stats<N, D, M> {
        Stats {
            ring: self.ring,
            lanes: self.lanes,
            critical,
            clock: self.clock,
            shift: self.shift,
            evict: self.evict,
            latency: self.latency,
            wake: self.wake,
            wakes_at_first: self.wakes_at_first,
            woken: self.woken,
            instruments: self.instruments,
            tag_memory,
            drops: self.drops,
        }
    }
}

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
    /// Sets the instruments whose state is sent. An instrument that another `Stats` sends as well is
    /// [`Marked`](crate::instrument::Marked) here.
    #[must_use]
    pub const fn instruments(mut self, instruments: &'static [&'static dyn Instrument]) -> Self {
        self.instruments = instruments;
        self
    }

    /// Sets what a full ring gives up: [`Policy::DropNewest`], the default, or [`Policy::DropOldest`]. For other policies
    /// there is the [`PolicyRing`](super::PolicyRing).
    ///
    /// ```
    /// # use ringstat_core::prelude::*;
    /// # fn micros() -> u64 { 0 }
    /// static STATS: Stats<64> = Stats::new(event_ring!(64), Clock::micros(micros)).policy(Policy::DropOldest);
    /// ```
    ///
    /// # Panics
    /// If the policy needs more than one plain ring ([`Policy::is_plain`] is false). In the initializer of a static
    /// that is a compile error:
    ///
    /// ```compile_fail,E0080
    /// # use ringstat_core::prelude::*;
    /// # fn micros() -> u64 { 0 }
    /// static STATS: Stats<64> = Stats::new(event_ring!(64), Clock::micros(micros)).policy(Policy::Graded(10));
    /// ```
    #[must_use]
    pub const fn policy(mut self, policy: Policy) -> Self {
        assert!(
            policy.is_plain(),
            "a chip's ring drops its newest or its oldest event; for other policies there is PolicyRing"
        );
        self.evict = if policy.evicts() { Some(evict) } else { None };
        self
    }

    /// Sets a function that is called when `waiting` events wait, and at each critical record: it tells the sender's task
    /// that there is something to do before its next deadline. Half of the ring is a good number, since a batch closes
    /// then. It is called once until the next [`poll`](Self::poll), and where the record is made, which may be in an
    /// interrupt.
    #[must_use]
    pub const fn wake(mut self, waiting: usize, wake: fn()) -> Self {
        self.wake = Some((waiting, wake));
        self
    }

    /// Calls that function also when an event is recorded while no other waits, so that it is sent when it is
    /// [`batch_age`](crate::send::SenderConfig::batch_age) old. Without this an event that is alone is noticed when the
    /// sender wakes for another reason, such as its next heartbeat: later, but without a wake of its own.
    #[must_use]
    pub const fn wake_at_first(mut self) -> Self {
        self.wakes_at_first = true;
        self
    }

    /// Measures in `histogram`, in nanoseconds, how long one event in [`SAMPLE_ONE_IN`](crate::send::SAMPLE_ONE_IN) takes
    /// from the record call until the network has accepted its datagram, for [`snapshot`](Self::snapshot). Among the
    /// [`instruments`](Self::instruments), the histogram is sent as well. Without this call nothing is linked for it.
    ///
    /// ```
    /// # use ringstat_core::prelude::*;
    /// # fn micros() -> u64 { 0 }
    /// // From a nanosecond to 17 s, within 12.5 %: 4 buckets an octave.
    /// static LATENCY: Histogram<137> =
    ///     Histogram::new("latency").layout(Layout { precision: 2, min_exponent: 0 });
    /// static STATS: Stats<64> = Stats::new(event_ring!(64), Clock::micros(micros)).latency(&LATENCY);
    /// # use ringstat_core::instrument::Layout;
    /// ```
    #[must_use]
    pub const fn latency<const B: usize>(mut self, histogram: &'static Histogram<B>) -> Self {
        self.latency = Some(histogram);
        self
    }

    /// Gives tasks, interrupts and cores rings of their own: lanes 0, 1 and so on, for [`lane`](Self::lane).
    ///
    /// The shared ring is safe for all of them. But whatever is recorded while a task is interrupted in the middle of a
    /// record call waits until that task has finished, and a task that records much crowds out the others. A lane is
    /// free of both.
    ///
    /// ```
    /// # use ringstat_core::prelude::*;
    /// # fn micros() -> u64 { 0 }
    /// const TIMER: usize = 0;
    /// static STATS: Stats<64> = Stats::new(event_ring!(64), Clock::micros(micros)).lanes(&[event_ring!(16)]);
    ///
    /// // In the timer's interrupt:
    /// STATS.lane(TIMER).level("timer.late", 3u8).record();
    /// ```
    #[must_use]
    pub const fn lanes(mut self, rings: &'static [&'static dyn AnyRing]) -> Self {
        self.lanes = rings;
        self
    }
}

fn evict<const N: usize>(
    ring: &EventRing<N>,
    event: &Event,
    evicted: &mut dyn FnMut(Event),
) -> bool {
    ring.0.try_push_evicting(event, evicted)
}
