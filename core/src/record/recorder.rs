//! The recording interface: `Recorder` and the draft of an event.
//!
//! [`Recorder`] is implemented by every client, so the same lines record on a chip and on a server:
//!
//! ```
//! # use ringstat_core::{ledger::Cause, record::{Event, Outcome, Recorder}};
//! # use core::time::Duration;
//! # struct Client; impl Recorder for Client {
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
use crate::record::spill::{Area, Spill, Spilled};
use crate::record::{
    DEFAULT_INLINE, Event, Kind, Name, Priority, STRING_LIMIT, Symbol, TEXT_LIMIT, Tag, Value,
};

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
    /// The current time of the client's cheap clock, in the clock's unit.
    fn now(&self) -> u64;

    /// Hands over a finished event. The ledger counts it, whatever becomes of it. If the recorder later evicts an event
    /// that it accepted, it must [give the event back](Event::give_back).
    fn push(&self, event: &Event<INLINE>) -> Outcome;

    /// Counts a record that could not become an event, under `cause`.
    fn refuse(&self, cause: Cause) -> Outcome;

    /// Whether [`tag_memory`](Self::tag_memory) can ever return one. If not, the code for it is compiled out.
    const HAS_TAG_MEMORY: bool = false;

    /// The memory for tags and texts that do not fit the slot. Without such memory they are refused.
    #[inline]
    fn tag_memory(&self) -> Option<Area<'_>> {
        None
    }

    /// Gives back what an event holds in the tag memory, after [`push`](Self::push) has refused the event.
    #[inline]
    fn give_back(&self, _event: &Event<INLINE>) {}

    /// Begins an event that adds `amount` to a counter. For a counter that is incremented often, the instrument
    /// [`Counter`](crate::instrument::Counter) is cheaper and cannot be dropped.
    #[inline]
    fn count(&self, name: impl Into<Name>, amount: impl Into<Value>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Counter, name.into(), amount.into())
    }

    /// Begins an event with the latest value of something. The instrument [`Gauge`](crate::instrument::Gauge) does the
    /// same more cheaply, but without a time and dynamic tags.
    #[inline]
    fn level(&self, name: impl Into<Name>, value: impl Into<Value>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Gauge, name.into(), value.into())
    }

    /// Begins an event that says how long something took.
    #[inline]
    fn timing(&self, name: impl Into<Name>, took: Duration) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Timing, name.into(), Value::millis(took))
    }

    /// Begins an event with one sample of a distribution.
    #[inline]
    fn distribution(
        &self,
        name: impl Into<Name>,
        sample: impl Into<Value>,
    ) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Distribution, name.into(), sample.into())
    }

    /// Begins an event that adds a number to a set whose distinct members are counted.
    #[inline]
    fn set(&self, name: impl Into<Name>, member: impl Into<Value>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Set, name.into(), member.into())
    }

    /// Begins an event that says that something happened.
    #[inline]
    fn event(&self, name: impl Into<Name>) -> Draft<'_, Self, INLINE> {
        Draft::new(self, Kind::Event, name.into(), Value::U64(1))
    }
}

/// An event under construction. Nothing is recorded until [`record`](Draft::record) is called.
#[must_use = "nothing is recorded until `.record()`"]
pub struct Draft<'a, R: ?Sized, const INLINE: usize = DEFAULT_INLINE> {
    recorder: &'a R,
    event: Result<Event<INLINE>, Cause>,
    /// The text and dynamic tags, once they no longer fit the event.
    spill: Option<Spill<'a>>,
}

impl<'a, R: Recorder<INLINE> + ?Sized, const INLINE: usize> Draft<'a, R, INLINE> {
    /// Begins an event of any kind.
    #[inline]
    pub fn new(recorder: &'a R, kind: Kind, name: Name, value: Value) -> Self {
        Self { recorder, event: Event::new(kind, name, value, recorder.now()), spill: None }
    }

    /// Applies `f` unless an earlier step has failed: the first failure decides the cause.
    #[inline]
    fn edit(mut self, f: impl FnOnce(&mut Event<INLINE>) -> Result<(), Cause>) -> Self {
        if let Ok(event) = &mut self.event
            && let Err(cause) = f(event)
        {
            self.event = Err(cause);
        }
        self
    }

    /// Sets the static tags, for instance `&[("service", "shop")]`.
    #[inline]
    pub fn tags(self, tags: &'static [Tag]) -> Self {
        self.edit(|e| e.set_tags(tags))
    }

    /// Adds a dynamic tag. It is copied into the slot or, together with the tags before it, into the recorder's tag
    /// memory: up to 16 tags with keys and values of up to 255 bytes each. If a tag does not fit,
    /// [`record`](Self::record) refuses the whole event: tags are never cut silently.
    #[inline]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        if let Ok(event) = &mut self.event
            && let Err(cause) = event.push_tag(key, value)
        {
            let spilled = if R::HAS_TAG_MEMORY {
                spill_tag(self.recorder, event, &mut self.spill, key, value)
            } else {
                Err(cause)
            };
            if let Err(cause) = spilled {
                self.event = Err(cause);
            }
        }
        self
    }

    /// Replaces the number by a text of up to 1000 bytes: a member of a set, or the message of an event. Must be called
    /// before the first `tag`.
    #[inline]
    pub fn text(mut self, text: &str) -> Self {
        if let Ok(event) = &mut self.event
            && let Err(cause) = event.set_text(text)
        {
            let spilled = if R::HAS_TAG_MEMORY {
                spill_text(self.recorder, event, &mut self.spill, text, cause)
            } else {
                Err(cause)
            };
            if let Err(cause) = spilled {
                self.event = Err(cause);
            }
        }
        self
    }

    /// Replaces the number by an interned text.
    #[inline]
    pub fn symbol(self, text: Symbol) -> Self {
        self.edit(|e| {
            e.set_symbol(text);
            Ok(())
        })
    }

    /// Sets how much the event matters when not all can be kept.
    #[inline]
    pub fn priority(self, priority: Priority) -> Self {
        self.edit(|e| {
            e.set_priority(priority);
            Ok(())
        })
    }

    /// Sets the time of the event, in the unit of the client's clock, instead of the time of the record call.
    #[inline]
    pub fn at(self, time: u64) -> Self {
        self.edit(|e| {
            e.set_time(time);
            Ok(())
        })
    }

    /// Declares that the caller records only one in `rate`, so that the receiver can scale up.
    #[inline]
    pub fn sampled(self, rate: u8) -> Self {
        self.edit(|e| {
            e.set_rate(rate);
            Ok(())
        })
    }

    /// Records the event and returns what became of it. Never blocks and never allocates.
    // Always inlined, so that a draft without long tags compiles down to its event.
    #[inline(always)]
    pub fn record(self) -> Outcome {
        let Self { recorder, event, spill } = self;
        match (event, spill) {
            (Ok(event), None) => recorder.push(&event),
            (Ok(event), Some(spill)) if R::HAS_TAG_MEMORY => record_spilled(recorder, event, spill),
            (Ok(event), Some(_)) => recorder.push(&event),
            (Err(cause), _) => recorder.refuse(cause),
        }
    }
}

// Not inlined: most tags fit the slot, and a recorder without tag memory only has to set a cause here.

#[inline(never)]
fn record_spilled<R, const INLINE: usize>(
    recorder: &R,
    mut event: Event<INLINE>,
    spill: Spill<'_>,
) -> Outcome
where
    R: Recorder<INLINE> + ?Sized,
{
    event.set_spilled(spill.park());
    let outcome = recorder.push(&event);
    if !outcome.is_recorded() {
        recorder.give_back(&event);
    }
    outcome
}

#[inline(never)]
fn spill_tag<'a, R, const INLINE: usize>(
    recorder: &'a R,
    event: &mut Event<INLINE>,
    spill: &mut Option<Spill<'a>>,
    key: &str,
    value: &str,
) -> Result<(), Cause>
where
    R: Recorder<INLINE> + ?Sized,
{
    if key.len() > STRING_LIMIT || value.len() > STRING_LIMIT {
        return Err(Cause::TagTooLong);
    }
    let spill = match spill {
        Some(spill) => spill,
        None => {
            let area = recorder.tag_memory().filter(|_| event.can_spill());
            let slot = event.in_slot();
            let room = slot.len() + key.len() + value.len() + 3;
            let mut begun = area.ok_or(Cause::TagTooLong)?.take(room)?;
            begun.push_all(slot)?;
            event.set_spilled(Spilled::NOWHERE);
            spill.insert(begun)
        }
    };
    spill.push_tag(key, value)
}

#[inline(never)]
fn spill_text<'a, R, const INLINE: usize>(
    recorder: &'a R,
    event: &mut Event<INLINE>,
    spill: &mut Option<Spill<'a>>,
    text: &str,
    refused: Cause,
) -> Result<(), Cause>
where
    R: Recorder<INLINE> + ?Sized,
{
    if refused != Cause::TextTooLong || text.len() > TEXT_LIMIT {
        return Err(refused);
    }
    let area = recorder.tag_memory().filter(|_| event.can_spill());
    let begun = spill.insert(area.ok_or(refused)?.take(2 + text.len())?);
    begun.push_text(text)?;
    event.set_text_spilled();
    Ok(())
}
