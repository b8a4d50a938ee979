//! Everything that a chip needs in order to record, in one `static`.
//!
//! [`Stats`] knows the ring, the instruments, the clock and the count of what was given up, and implements
//! [`Recorder`]: tasks and interrupts record through `&'static STATS`. The task that owns the socket polls a
//! [`Sender`] with it.
//!
//! ```
//! use ringstat_core::prelude::*;
//!
//! fn micros() -> u64 { 0 } // the chip's timer
//!
//! static FRAMES: Counter = Counter::new("radio.frames");
//! static STATS: Stats<64> =
//!     Stats::new(event_ring!(64), Clock::micros(micros)).instruments(&[&FRAMES]);
//!
//! FRAMES.inc();
//! STATS.level("board.celsius", 21i32).record();
//! # assert_eq!(STATS.waiting(), 1);
//! ```

mod clock;
mod lane;
#[cfg(feature = "serial")]
mod line;
mod observe;
mod policy;
mod ring;
#[cfg(all(test, not(loom)))]
mod tests;

pub use clock::Clock;
use lane::All;
pub use lane::Lane;
#[cfg(feature = "serial")]
pub use line::{Line, LineConfig};
pub use policy::{ByPolicy, PolicyRing};
pub use ring::{AnyRing, EventRing};

use crate::format::Format;
use crate::instrument::Instrument;
use crate::ledger::{Cause, Drops, Ledger};
use crate::policy::Policy;
use crate::record::{
    Borrowed, Copied, DEFAULT_INLINE, DraftStrings, Event, Interner, NoNames, Outcome, Priority,
    Recorder, Resolve, TagMemory,
};
use crate::ring::Source;
use crate::send::{
    AckError, Identity, Inputs, LeanSender, Packed, Retained, RetainedStore, RetainingSender,
    Sender, SenderConfig, Step, Store, Time, Totals,
};
use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::wire::LeanEncoder;

/// Where a chip's records go, and where the sender finds them: room for `N` events, and for `C` critical ones. `M` is
/// the memory for tags that do not fit a slot; there is none unless it is [provided](Self::tag_memory).
///
/// All tasks and interrupts share one ring: see [`mpmc`](crate::ring::mpmc) for what a preempted recorder delays, and
/// for how long interrupts are masked on parts without compare-and-swap.
///
/// ```
/// use ringstat_core::prelude::*;
///
/// fn now() -> u64 { 0 } // the chip's timer
///
/// static STATS: Stats<64, 8> =
///     Stats::new(event_ring!(64), Clock::micros(now)).critical(event_ring!(8));
///
/// assert!(STATS.event("door.open").priority(Priority::Critical).record().is_recorded());
/// assert_eq!(STATS.waiting(), 1);
/// ```
#[derive(Debug)]
pub struct Stats<const N: usize, const C: usize = 0, M = NoNames> {
    ring: &'static EventRing<N>,
    /// Rings that belong to one task, interrupt or core each.
    lanes: &'static [&'static dyn AnyRing],
    critical: Option<&'static dyn AnyRing>,
    clock: Clock,
    /// What the clock lacks to the time since 1970; 0 until somebody knows.
    shift: AtomicU64,
    /// How a full ring makes room, if it does: a pointer, so that a program whose rings do not has no code for it.
    evict: Option<Evict<N>>,
    /// The function to call once this many events wait.
    wake: Option<(usize, fn())>,
    /// Whether it is called when one event waits, too.
    wakes_at_first: bool,
    /// What was asked of the sender's task since the last poll: [`WOKEN`], [`FLUSH`].
    woken: AtomicU8,
    instruments: &'static [&'static dyn Instrument],
    tag_memory: M,
    drops: [AtomicU32; Cause::COUNT],
}

/// Adds an event to a full ring in place of others, which it passes on; returns whether it could.
type Evict<const N: usize> = fn(&EventRing<N>, &Event, &mut dyn FnMut(Event)) -> bool;

fn evict<const N: usize>(
    ring: &EventRing<N>,
    event: &Event,
    evicted: &mut dyn FnMut(Event),
) -> bool {
    ring.0.try_push_evicting(event, evicted)
}

/// The function to call was called.
const WOKEN: u8 = 1;
/// Everything is to be sent.
const FLUSH: u8 = 2;

impl core::fmt::Debug for dyn Instrument {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl<const N: usize> Stats<N> {
    /// Creates a static whose records go to `ring`, which nothing else may use. `clock` returns the time with which
    /// events are stamped.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new(ring: &'static EventRing<N>, clock: Clock) -> Self {
        Self {
            ring,
            lanes: &[],
            critical: None,
            clock,
            shift: AtomicU64::new(0),
            evict: None,
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
    /// The adapter must hand the receiver's answers to the [sender](Sender::acknowledged).
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
        Stats {
            ring: self.ring,
            lanes: self.lanes,
            critical: Some(ring),
            clock: self.clock,
            shift: self.shift,
            evict: self.evict,
            wake: self.wake,
            wakes_at_first: self.wakes_at_first,
            woken: self.woken,
            instruments: self.instruments,
            tag_memory: NoNames,
            drops: self.drops,
        }
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
        self.with_names(memory)
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
        self.with_names(names)
    }

    const fn with_names<M: Copy>(self, names: M) -> Stats<N, C, M> {
        Stats {
            ring: self.ring,
            lanes: self.lanes,
            critical: self.critical,
            clock: self.clock,
            shift: self.shift,
            evict: self.evict,
            wake: self.wake,
            wakes_at_first: self.wakes_at_first,
            woken: self.woken,
            instruments: self.instruments,
            tag_memory: names,
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
    /// there is the [`PolicyRing`].
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

    /// Returns a recorder for lane `index`, which uses the shared ring when the lane is full. If there is no such lane,
    /// it always uses the shared ring.
    #[inline]
    #[must_use]
    pub fn lane(&self, index: usize) -> Lane<'_, N, C, M> {
        Lane::new(self, self.lanes.get(index).copied())
    }

    /// The number of events that wait in all rings.
    #[must_use]
    pub fn waiting(&self) -> usize {
        All(self).len() + self.critical.map_or(0, |ring| ring.len())
    }

    /// How many records the record calls gave up, by cause. Each count wraps at 2^32.
    #[must_use]
    pub fn drops(&self) -> Drops {
        let mut sum = Drops::NONE;
        for (cause, n) in Cause::ALL.into_iter().zip(&self.drops) {
            sum.add(cause, u64::from(n.load(Ordering::Relaxed)));
        }
        sum
    }

    /// The clock that events are stamped with.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What the clock says now: for the polls of who has no other clock.
    #[must_use]
    pub fn time(&self) -> Time {
        let now = self.clock.now();
        Time { monotonic: now, wall: now }
    }

    /// Sets the date, learned by SNTP for example: the present time since 1970, in units of the clock. From the next datagram
    /// on all times are sent as times since 1970, also those of earlier records. The run and its epoch go on.
    pub fn set_time(&self, since_1970: u64) {
        // Relaxed: nothing else depends on it. 0 means unknown; a clock that really lacks nothing needs no shift.
        self.shift.store(since_1970.wrapping_sub(self.clock.now()), Ordering::Relaxed);
    }

    /// Makes the sender's next polls send everything that waits, and all instruments that have changed; wakes its task.
    pub fn flush(&self) {
        self.woken.fetch_or(FLUSH, Ordering::AcqRel);
        if let Some((_, wake)) = self.wake {
            wake();
        }
    }

    /// Creates the usual configuration of a sender for this clock: [`SenderConfig::new`] with the clock's unit and origin.
    #[must_use]
    pub const fn config(&self) -> SenderConfig {
        SenderConfig {
            since_boot: self.clock.is_since_boot(),
            ..SenderConfig::new(self.clock.unit())
        }
    }

    /// Creates a sender for what is recorded here, with the tables of [`LeanSender`] and room for `C` critical events.
    /// A sender with other tables or another format can be created from any [`Format`], with room for as many critical
    /// events.
    ///
    /// # Panics
    /// When the configuration is for a clock that counts in another unit: begin with [`config`](Self::config).
    #[must_use]
    pub fn sender(&self, identity: Identity, config: &SenderConfig) -> LeanSender<16, C> {
        assert!(config.unit as u8 == self.clock.unit() as u8, "the clock counts in another unit");
        Sender::new(identity, config)
    }

    /// Creates a sender as [`sender`](Self::sender) does, whose critical events outlive a reset of the chip in `memory`.
    ///
    /// If an earlier run has left events there, they are sent first, in that run's name, and nothing else until they are
    /// acknowledged. Events that are recorded meanwhile wait in their rings. From then on a critical event outlives a
    /// reset once a [`poll`](Self::poll) has taken it out of its ring.
    ///
    /// ```
    /// use ringstat_core::prelude::*;
    /// use ringstat_core::send::Retained;
    /// # fn micros() -> u64 { 0 } fn random() -> u32 { 5 }
    ///
    /// // On a chip: #[unsafe(link_section = ".uninit.ringstat")]
    /// static RETAINED: Retained<8> = Retained::new();
    /// static STATS: Stats<64, 8> =
    ///     Stats::new(event_ring!(64), Clock::micros(micros)).critical(event_ring!(8));
    ///
    /// let epoch = RETAINED.epoch(Epoch::random(random()));
    /// let sender = STATS.retaining_sender(Identity::new(7, epoch), &STATS.config(), &RETAINED);
    /// assert!(!sender.is_recovering(), "there was no run before");
    /// ```
    ///
    /// # Panics
    /// As [`sender`](Self::sender).
    #[must_use]
    pub fn retaining_sender<const BYTES: usize>(
        &self,
        identity: Identity,
        config: &SenderConfig,
        memory: &'static Retained<C, BYTES>,
    ) -> RetainingSender<16, C> {
        assert!(config.unit as u8 == self.clock.unit() as u8, "the clock counts in another unit");
        Sender::with_parts(identity, config, LeanEncoder::new(), RetainedStore::new(memory))
    }

    /// Polls the sender with what was recorded here: see [`Sender::poll`]. `now` is in the unit of the clock in here.
    pub fn poll<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Step {
        self.feed(sender, now);
        self.with_inputs(|inputs| sender.poll(now, inputs, buf))
    }

    /// Whether the sender has something to send: see [`Sender::due`].
    ///
    /// # Errors
    /// When to come back if there is nothing.
    pub fn due<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
    ) -> Result<(), u64> {
        self.feed(sender, now);
        self.with_inputs(|inputs| sender.due(now, inputs))
    }

    /// Packs what was recorded here: see [`Sender::pack`].
    pub fn pack<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Option<Packed> {
        self.with_inputs(|inputs| sender.pack(now, inputs, buf))
    }

    /// What the sender is given before it is asked.
    fn feed<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
    ) {
        const { assert!(C == 0 || E::ACKNOWLEDGES, "nobody acknowledges critical events") };
        // Before the look into the rings: who records behind it wakes again. AcqRel, as in `wake_once`: of two that
        // change this, the later one sees what the earlier one did before.
        if self.woken.swap(0, Ordering::AcqRel) & FLUSH != 0 {
            sender.flush();
            // Whoever flushes wants to know what has arrived.
            sender.ask();
        }
        match self.shift.load(Ordering::Relaxed) {
            0 => {}
            shift => sender.set_wall(shift),
        }
        if let Some(mut critical) = self.critical {
            sender.keep_with(now, &mut critical, &self.tag_memory);
        }
    }

    /// What the sender takes from.
    fn with_inputs<R>(
        &self,
        f: impl FnOnce(&mut Inputs<'_, All<'_, N, C, M>, [&'static dyn Instrument], M>) -> R,
    ) -> R {
        f(&mut Inputs {
            events: &mut All(self),
            instruments: self.instruments,
            names: &self.tag_memory,
            dropped: self.drops().total(),
        })
    }

    /// Calls [`Sender::probe`] with the number of records that the recorders have given up.
    pub fn probe<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Option<Packed> {
        sender.probe(now, self.drops().total(), buf)
    }

    /// Calls [`Sender::goodbye`] with what the recorders have given up so far.
    pub fn goodbye<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Option<Packed> {
        sender.goodbye(now, self.drops().total(), buf)
    }

    /// Calls [`Sender::acknowledged`] with the names and the tag memory of this static.
    ///
    /// # Errors
    /// As [`Sender::acknowledged`].
    pub fn acknowledged<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        datagram: &[u8],
    ) -> Result<u64, AckError> {
        sender.acknowledged(datagram, &self.tag_memory)
    }

    /// What became of every record, from this static and the sender that it is polled with. Exact whenever no call is
    /// in progress.
    #[must_use]
    pub fn ledger<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &Sender<E, K, CARRY>,
    ) -> Ledger {
        self.account(sender.totals())
    }

    /// The same ledger from the totals of the sender, for a caller that does not have the sender itself.
    #[must_use]
    pub fn account(&self, totals: &Totals) -> Ledger {
        totals.ledger(self.waiting() as u64, &self.drops(), 0)
    }

    /// Wakes the sender's task if enough events wait.
    fn tell(&self) {
        if let Some((enough, wake)) = self.wake {
            let waiting = self.ring.0.len();
            if waiting >= enough || (waiting == 1 && self.wakes_at_first) {
                self.wake_once(wake);
            }
        }
    }

    /// Wakes the sender's task if enough events wait in all rings together.
    fn tell_all(&self) {
        if let Some((enough, wake)) = self.wake {
            let waiting = All(self).len();
            if waiting >= enough || (waiting == 1 && self.wakes_at_first) {
                self.wake_once(wake);
            }
        }
    }

    /// Each wake costs the task a look, so one is enough until it has looked.
    #[inline(never)]
    fn wake_once(&self, wake: fn()) {
        // A change, not a look: whoever changes it later sees what was recorded before, see `feed`.
        if self.woken.fetch_or(WOKEN, Ordering::AcqRel) & WOKEN == 0 {
            wake();
        }
    }

    // The two functions below are called rarely, and inlined they would take registers from code that runs often.

    #[inline]
    fn give_up(&self, cause: Cause) -> Outcome {
        self.tally(cause);
        Outcome::Dropped(cause)
    }

    #[inline(never)]
    fn push_critical(&self, critical: &dyn AnyRing, event: &Event) -> Outcome {
        if !critical.push(event) {
            return self.give_up(Cause::Full);
        }
        if let Some((_, wake)) = self.wake {
            wake();
        }
        Outcome::Recorded
    }

    #[inline(never)]
    fn push_full(&self, event: &Event) -> Outcome {
        let mut evicted = false;
        let pushed = self.evict.is_some_and(|evict| {
            evict(self.ring, event, &mut |oldest| {
                oldest.give_back(&self.tag_memory);
                evicted = true;
                self.tally(Cause::Evicted);
            })
        });
        self.tell();
        match pushed {
            true if evicted => Outcome::RecordedEvicting,
            true => Outcome::Recorded,
            false => self.give_up(Cause::Full),
        }
    }

    /// Pushes an event with its strings, which are given back where it is not taken.
    fn push_long(
        &self,
        event: &Event,
        strings: &Borrowed<'_>,
        push: impl FnOnce(&Event) -> Outcome,
    ) -> Outcome {
        let write = |strings: &Borrowed<'_>| match self.tag_memory.area(0) {
            Some(area) => area.write(strings),
            None => Err(strings.too_long(DEFAULT_INLINE)),
        };
        let pushed = event.push_with_strings(strings, &self.tag_memory, write, push);
        pushed.unwrap_or_else(|cause| self.give_up(cause))
    }

    fn tally(&self, cause: Cause) {
        if let Some(cell) = self.drops.get(cause as usize) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Memory for long tags, or none. Sealed.
pub trait LongTags: Resolve + sealed::LongTags {
    /// How drafts keep their strings.
    type Strings<'a>: DraftStrings<'a>;
}

/// Keeps others from implementing the trait.
mod sealed {
    pub trait LongTags {}
    impl LongTags for super::NoNames {}
    impl<const B: usize> LongTags for &super::TagMemory<B> {}
    #[cfg(not(loom))]
    impl<const S: usize, const B: usize> LongTags for &super::Interner<S, B> {}
}

/// Tags have to fit the slot.
impl LongTags for NoNames {
    type Strings<'a> = Copied;
}

/// Tags have to fit the slot; names need not be static.
#[cfg(not(loom))]
impl<const S: usize, const B: usize> LongTags for &Interner<S, B> {
    type Strings<'a> = Copied;
}

/// Tags that do not fit the slot go there.
impl<const B: usize> LongTags for &TagMemory<B> {
    type Strings<'a> = Borrowed<'a>;
}

impl<const N: usize, const C: usize, M: LongTags> Recorder for Stats<N, C, M> {
    type Strings<'a>
        = M::Strings<'a>
    where
        Self: 'a;

    fn now(&self) -> u64 {
        self.clock.now()
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

    #[inline(never)]
    fn push_with(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
        self.push_long(event, strings, |event| self.push(event))
    }

    fn refuse(&self, cause: Cause) -> Outcome {
        self.give_up(cause)
    }
}
