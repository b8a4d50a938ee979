//! Everything that a chip needs in order to record, in one `static`.
//!
//! [`Stats`] knows the ring, the instruments, the clock and the count of what was given up, and implements
//! [`Recorder`](crate::record::Recorder): tasks and interrupts record through `&'static STATS`. The task that owns the socket polls a
//! [`Sender`](crate::send::Sender) with it.
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
mod long_tags;
mod observe;
mod policy;
mod poll;
mod recording;
mod ring;
#[cfg(not(loom))]
mod setup;
#[cfg(all(test, not(loom)))]
mod tests;

pub use clock::Clock;
use lane::All;
pub use lane::Lane;
#[cfg(feature = "serial")]
pub use line::{Line, LineConfig};
pub use long_tags::LongTags;
pub use policy::{ByPolicy, PolicyRing};
pub use ring::{AnyRing, EventRing};

use crate::instrument::Instrument;
use crate::ledger::{Cause, Drops};
use crate::record::{Event, NoNames, Resolve};
use crate::ring::Source;
use crate::send::Time;
use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Ordering};

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
    /// Where latencies are measured, if they are: a pointer for the same reason.
    latency: Option<&'static dyn observe::Timed>,
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

/// The function to call was called.
const WOKEN: u8 = 1;
/// Everything is to be sent.
const FLUSH: u8 = 2;

impl core::fmt::Debug for dyn Instrument {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
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
}
