//! What a sender asks of a format: the seam between [`sender`](crate::sender) and the encoders.
//!
//! [`wire::Encoder`](crate::wire::Encoder) writes ringstat's own format; with the feature `text`, `text::Encoder` writes
//! the lines of DogStatsD and StatsD. A sender is generic over its encoder, so that the one which is not used costs
//! neither time nor flash.

use crate::event::Event;
use crate::instrument::Instrument;
use crate::name::Resolve;
use crate::wire::header::{Header, Prologue};

/// Why a record is not in the datagram. It is then as it was before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No room left: close this datagram and put the record into the next. In an empty datagram: never fits.
    Full,
    /// The interner does not know one of its symbols.
    UnknownSymbol,
    /// The format has no way to say it.
    Unsupported,
}

/// Opens datagrams in one format.
pub trait Encode {
    /// A datagram in the making.
    type Datagram<'a>: Pack
    where
        Self: 'a;

    /// Whether a datagram without records tells the receiver something.
    const HEARTBEATS: bool;

    /// Opens a datagram in `buf`, whose length is the payload limit.
    ///
    /// # Errors
    /// [`Refused::Full`] when `buf` is too short for any datagram.
    fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Self::Datagram<'a>, Refused>;

    /// Learns what became of the datagram with that sequence number. Formats of cumulative state need not know; one
    /// that sends increments takes back those of a datagram that was given up.
    fn settle(&mut self, _sequence: u32, _sent: bool) {}

    /// How many strings had to be altered so far, because the format reserves some of their characters.
    fn altered(&self) -> u64 {
        0
    }
}

/// Fills one datagram: each record whole or not at all.
pub trait Pack {
    /// How many records it holds.
    fn records(&self) -> u16;

    /// How many bytes it would have if it were finished now.
    fn size(&self) -> usize;

    /// Adds an event.
    ///
    /// # Errors
    /// See [`Refused`].
    fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused>;

    /// Adds an event that is to be acknowledged. Formats that know no acknowledgements add it like any other.
    ///
    /// # Errors
    /// See [`Refused`].
    fn identified<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        _above_floor: u64,
    ) -> Result<(), Refused> {
        self.event(event, names)
    }

    /// Adds what the receiver is to know of the instrument with that number, or of a histogram the buckets from
    /// `from_bucket` on. Returns `None` when all of it is in, else the bucket to go on with in the next datagram.
    ///
    /// # Errors
    /// See [`Refused`].
    fn instrument(
        &mut self,
        number: usize,
        instrument: &dyn Instrument,
        from_bucket: usize,
    ) -> Result<Option<usize>, Refused>;

    /// Closes the datagram and returns its length; with `pad` and a format that can, filled up to its limit.
    fn finish(self, pad: bool) -> usize;
}
