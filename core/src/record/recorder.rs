//! The recording interface: `Recorder` and the draft of an event.
//!
//! [`Recorder`] is implemented by every client, so the same lines record on a chip and on a server:
//!
//! ```
//! # use ringstat_core::{ledger::Cause, record::{Copied, Event, Outcome, Recorder}};
//! # use core::time::Duration;
//! # struct Client; impl Recorder for Client {
//! # type Strings<'a> = Copied;
//! # fn now(&self) -> u64 { 0 }
//! # fn push(&self, _: &Event) -> Outcome { Outcome::Recorded }
//! # fn refuse(&self, cause: Cause) -> Outcome { Outcome::Dropped(cause) } }
//! # let stats = Client; let elapsed = Duration::from_millis(3);
//! stats.timing("db.query", elapsed).tag("table", "orders").record();
//! stats.count("cache.miss", 1u8).tags(&[("service", "shop")]).record();
//! ```

use core::fmt;
use core::time::Duration;

use crate::ledger::Cause;
use crate::record::{Borrowed, DEFAULT_INLINE, Draft, DraftStrings, Event, Kind, Name, Value};

/// What became of a record call. It can safely be ignored: the ledger counts every outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The record is in the ring.
    Recorded,
    /// The record is in the ring, and the oldest record of the lowest priority was dropped to make room for it.
    RecordedEvicting,
    /// The record was given up, and counted under this cause.
    Dropped(Cause),
}

impl Outcome {
    /// Whether the record was accepted.
    #[inline]
    #[must_use]
    pub fn is_recorded(self) -> bool {
        !matches!(self, Self::Dropped(_))
    }
}

/// Formats the outcome like `dropped: the ring was full`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("recorded"),
            Self::RecordedEvicting => f.write_str("recorded, in place of an older record"),
            Self::Dropped(cause) => write!(f, "dropped: {cause}"),
        }
    }
}

/// Anything that accepts records: a client, the static of a chip, one of its lanes. Callers use the methods named after
/// the kinds of records.
///
/// `INLINE` is the room for dynamic tags in a slot, in bytes; see [`Event`].
///
/// ```
/// use ringstat_core::record::{Outcome, Priority, Recorder};
///
/// /// Works with a client on a server as well as with the static of a chip.
/// fn ordered(stats: &impl Recorder, articles: u32) -> Outcome {
///     stats.count("orders", articles).tag("shop", "north").priority(Priority::High).record()
/// }
/// ```
pub trait Recorder<const INLINE: usize = DEFAULT_INLINE> {
    /// Where text and dynamic tags are while an event is made: [`Copied`](super::Copied) or [`Borrowed`].
    type Strings<'a>: DraftStrings<'a>
    where
        Self: 'a;

    /// The client's cheap clock, in its unit.
    fn now(&self) -> u64;

    /// Hands over a finished event. The ledger counts it, whatever becomes of it. If the recorder later evicts an event
    /// that it accepted, it must [give the event back](Event::give_back).
    fn push(&self, event: &Event<INLINE>) -> Outcome;

    /// Counts a record that could not become an event, under `cause`.
    fn refuse(&self, cause: Cause) -> Outcome;

    /// The same for an event whose text and dynamic tags are not in its slot yet: of recorders whose drafts keep them
    /// [`Borrowed`].
    ///
    /// Unless a recorder says otherwise, what does not fit the slot is refused.
    #[inline]
    fn push_with(&self, event: &Event<INLINE>, strings: &Borrowed<'_>) -> Outcome {
        let mut event = *event;
        match event.set_strings(strings) {
            Ok(()) => self.push(&event),
            Err(cause) => self.refuse(cause),
        }
    }

    /// Begins an event that adds `amount` to a counter. For a counter that is incremented often, the instrument
    /// [`Counter`](crate::instrument::Counter) is cheaper and cannot be dropped.
    #[inline(always)]
    fn count(&self, name: impl Into<Name>, amount: impl Into<Value>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Counter, name.into(), amount.into())
    }

    /// Begins an event with the latest value of something. The instrument [`Gauge`](crate::instrument::Gauge) does the
    /// same more cheaply, but without a time and dynamic tags.
    #[inline(always)]
    fn level(&self, name: impl Into<Name>, value: impl Into<Value>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Gauge, name.into(), value.into())
    }

    /// Begins an event that says how long something took.
    #[inline(always)]
    fn timing(&self, name: impl Into<Name>, took: Duration) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Timing, name.into(), Value::millis(took))
    }

    /// Begins an event with one sample of a distribution.
    #[inline(always)]
    fn distribution(
        &self,
        name: impl Into<Name>,
        sample: impl Into<Value>,
    ) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Distribution, name.into(), sample.into())
    }

    /// Begins an event that adds a number to a set whose distinct members are counted.
    #[inline(always)]
    fn set(&self, name: impl Into<Name>, member: impl Into<Value>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Set, name.into(), member.into())
    }

    /// Begins an event that says that something happened.
    #[inline(always)]
    fn event(&self, name: impl Into<Name>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Event, name.into(), Value::U64(1))
    }
}
