//! A draft of an event, and where its text and dynamic tags are until it is recorded.
//!
//! A [`Recorder`] chooses between two kinds of drafts:
//!
//! - [`Copied`]: each string goes into the slot at once, and what does not fit is refused. A draft is then little more
//!   than its event, as chips want it.
//! - [`Borrowed`](crate::record::Borrowed): the draft remembers where the strings are, and they are copied once, when the event is recorded, to
//!   where they will be read: into the slot in the ring, or into the memory beside it. (Bytes written twice in a row
//!   cost a core more than the copying: it cannot read in one piece what it has just written in several.)

use crate::ledger::Cause;
use crate::record::{
    DEFAULT_INLINE, Event, Kind, Name, Outcome, Priority, Recorder, Symbol, Tag, Value,
};

/// A draft of an event. Nothing is recorded until [`record`](Draft::record) is called.
///
/// ```
/// use core::time::Duration;
/// use ringstat_core::{ledger::Cause, prelude::*};
///
/// static STATS: Stats<16> = Stats::new(event_ring!(16), Clock::micros(|| 0)); // a chip's timer
///
/// let outcome = STATS.timing("door.open", Duration::from_millis(1500)).tag("door", "north").priority(Priority::High).record();
/// assert_eq!(outcome, Outcome::Recorded);
/// // What does not fit is refused as a whole, and counted.
/// let outcome = STATS.event("door.forced").tag("door", "the one at the far end of the corridor").record();
/// assert_eq!(outcome, Outcome::Dropped(Cause::TagTooLong));
/// ```
#[must_use = "nothing is recorded until `.record()`"]
pub struct Draft<'a, R: Recorder<INLINE> + ?Sized, const INLINE: usize = DEFAULT_INLINE> {
    recorder: &'a R,
    event: Event<INLINE>,
    strings: R::Strings<'a>,
    /// The cause of the first failure.
    refused: Option<Cause>,
}

impl<'a, R: Recorder<INLINE> + ?Sized, const INLINE: usize> Draft<'a, R, INLINE> {
    /// Begins an event of any kind.
    #[inline(always)]
    pub fn new(recorder: &'a R, kind: Kind, name: Name, value: Value) -> Self {
        let (event, refused) = Event::checked(kind, name, value, recorder.now());
        Self { recorder, event, strings: R::Strings::new(), refused }
    }

    /// Sets the static tags, for instance `&[("service", "shop")]`.
    #[inline(always)]
    pub fn tags(mut self, tags: &'static [Tag]) -> Self {
        if let Err(cause) = self.event.set_tags(tags) {
            self.refused = self.refused.or(Some(cause));
        }
        self
    }

    /// Adds a dynamic tag: up to 16 of them, keys and values of up to 255 bytes each where the recorder has memory for
    /// long tags, and else as many bytes as the slot has room for. What does not fit makes [`record`](Self::record)
    /// refuse the whole event: tags are never cut silently.
    #[inline(always)]
    pub fn tag(mut self, key: &'a str, value: &'a str) -> Self {
        if let Err(cause) = self.strings.push_tag(&mut self.event, key, value) {
            self.refused = self.refused.or(Some(cause));
        }
        self
    }

    /// Adds dynamic tags that are in a list, each as [`tag`](Self::tag) does; in a loop of calls to that one, the draft
    /// would move for each.
    ///
    /// ```
    /// # use ringstat_core::prelude::*;
    /// # fn now() -> u64 { 0 }
    /// # static STATS: Stats<16> = Stats::new(event_ring!(16), Clock::micros(now));
    /// let labels = [("shop", "north"), ("till", "7")];
    /// let _ = STATS.count("orders", 1u8).tag_each(labels).record();
    /// ```
    #[inline]
    pub fn tag_each(mut self, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (key, value) in tags {
            if let Err(cause) = self.strings.push_tag(&mut self.event, key, value) {
                self.refused = self.refused.or(Some(cause));
            }
        }
        self
    }

    /// Replaces the number by a text of up to 1000 bytes (or as many as the slot has room for): the member of a set, or
    /// what an event says. Comes before the first `tag`.
    #[inline(always)]
    pub fn text(mut self, text: &'a str) -> Self {
        if let Err(cause) = self.strings.push_text(&mut self.event, text) {
            self.refused = self.refused.or(Some(cause));
        }
        self
    }

    /// Replaces the number by an interned text.
    #[inline(always)]
    pub fn symbol(mut self, text: Symbol) -> Self {
        self.event.set_symbol(text);
        self
    }

    /// Sets how much the event matters when not all can be kept.
    #[inline(always)]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.event.set_priority(priority);
        self
    }

    /// Sets the time of the event, in the unit of the client's clock, in place of the time of the record call.
    #[inline(always)]
    pub fn at(mut self, time: u64) -> Self {
        self.event.set_time(time);
        self
    }

    /// Says that the caller records one in `rate`, so that the receiver can scale up.
    #[inline(always)]
    pub fn sampled(mut self, rate: u8) -> Self {
        self.event.set_rate(rate);
        self
    }

    /// Records the event, and says what became of it. This never blocks and never allocates.
    #[inline(always)]
    pub fn record(&self) -> Outcome {
        match self.refused {
            None => self.strings.record(self.recorder, &self.event),
            Some(cause) => self.recorder.refuse(cause),
        }
    }
}

/// Where the text and the dynamic tags of a draft are until the event is recorded: [`Copied`] or
/// [`Borrowed`](crate::record::Borrowed). Sealed.
pub trait DraftStrings<'a>: sealed::DraftStrings {
    #[doc(hidden)]
    fn new() -> Self;

    #[doc(hidden)]
    fn push_text<const I: usize>(&mut self, e: &mut Event<I>, text: &'a str) -> Result<(), Cause>;

    #[doc(hidden)]
    fn push_tag<const I: usize>(
        &mut self,
        event: &mut Event<I>,
        key: &'a str,
        value: &'a str,
    ) -> Result<(), Cause>;

    #[doc(hidden)]
    fn record<const I: usize>(&self, to: &(impl Recorder<I> + ?Sized), e: &Event<I>) -> Outcome;
}

/// Prevents other implementations of the trait.
mod sealed {
    pub trait DraftStrings {}
    impl DraftStrings for super::Copied {}
    impl DraftStrings for crate::record::Borrowed<'_> {}
}

/// Copies the strings of a draft into its event at once.
#[derive(Clone, Copy, Debug)]
pub struct Copied;

impl DraftStrings<'_> for Copied {
    #[inline(always)]
    fn new() -> Self {
        Self
    }

    #[inline]
    fn push_text<const I: usize>(&mut self, event: &mut Event<I>, text: &str) -> Result<(), Cause> {
        event.set_text(text)
    }

    #[inline]
    fn push_tag<const I: usize>(
        &mut self,
        event: &mut Event<I>,
        key: &str,
        value: &str,
    ) -> Result<(), Cause> {
        event.push_tag(key, value)
    }

    #[inline(always)]
    fn record<const I: usize>(&self, to: &(impl Recorder<I> + ?Sized), e: &Event<I>) -> Outcome {
        if e.is_bare() {
            // A copy, which costs nothing: what is lent out has to lie in memory, and the rest of the draft need not.
            let event = *e;
            return to.push(&event);
        }
        to.push(e)
    }
}
