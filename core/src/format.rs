//! What a sender requires of a wire format: the seam between [`sender`](crate::send) and the encoders.
//!
//! [`wire::Encoder`](crate::wire::Encoder) writes ringstat's own format; with the feature `text`, `text::Encoder`
//! writes DogStatsD and StatsD lines. A sender is generic over its encoder, so an encoder that is not used costs
//! neither time nor flash.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::instrument::Instrument;
use crate::record::{Event, Resolve};

/// The UDP payload of one Ethernet frame over IPv4, in bytes.
pub const PAYLOAD_ETHERNET: usize = 1472;
/// The UDP payload that every IPv6 path carries unfragmented, in bytes.
pub const PAYLOAD_IPV6_MIN: usize = 1232;
/// The UDP payload of one jumbo frame over IPv4, in bytes.
pub const PAYLOAD_JUMBO: usize = 8972;
/// The smallest payload limit that an encoder accepts, in bytes: enough for the header, the prologue of any account that a
/// sender can reach, the checksum, and a number with a very short name.
pub const PAYLOAD_MIN: usize = 64;
/// The largest payload that a UDP datagram over IPv4 can carry, in bytes.
pub const PAYLOAD_MAX: usize = 65_507;

/// How a datagram is protected.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Mode {
    /// A CRC-32 detects damage; nothing protects against forgery.
    #[default]
    Checksum = 0,
}

/// The fixed header of a datagram: 20 bytes, integers little-endian. It can be read on its own, to route the datagram
/// or to serve as the associated data of a sealed one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Header {
    /// How the datagram is protected.
    pub mode: Mode,
    /// The number of the key, in modes that use one.
    pub key: u8,
    /// The sender's number: unique among the senders of a collector, and unchanged by a restart.
    pub sender: u64,
    /// The number of the sender's run. Each restart begins a new one.
    pub epoch: u32,
    /// The datagram's number within the epoch: 0, 1, 2…, wrapping.
    pub sequence: u32,
}

/// The unit of all times in a datagram, which is the unit of the sender's clock.
// Deserialized from a plain integer: serde's enums would report integers of more than five bytes as malformed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
#[repr(u8)]
pub enum TimeUnit {
    /// Nanoseconds, 10^-9 s.
    #[default]
    Nanos = 0,
    /// Microseconds, 10^-6 s.
    Micros = 1,
    /// Milliseconds, 10^-3 s.
    Millis = 2,
}

impl TimeUnit {
    /// The number of nanoseconds in one unit.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        match self {
            Self::Nanos => 1,
            Self::Micros => 1_000,
            Self::Millis => 1_000_000,
        }
    }
}

/// The part of a datagram between header and records: the sender's own account of its losses, repeated in every
/// datagram.
///
/// On the wire: the number of records as two bytes little-endian, one byte of flags, then the remaining fields as
/// postcard writes them, and `ack_floor` if it is present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prologue {
    /// The number of records that follow.
    pub records: u16,
    /// Whether times count from the sender's start rather than from the Unix epoch.
    pub since_boot: bool,
    /// Whether new strings are packed into six bits a character where their characters allow it.
    pub packed: bool,
    /// The unit of all times in the datagram.
    pub unit: TimeUnit,
    /// When the datagram was packed.
    pub base_time: u64,
    /// Events that the sender has given up in this epoch before they reached a datagram, whatever the cause.
    pub dropped: u64,
    /// Datagrams that the sender has given up in this epoch; each of them used up a sequence number.
    pub failed: u64,
    /// If present, the receiver is asked to acknowledge: critical events from this identifier on may be outstanding.
    pub ack_floor: Option<u64>,
    /// Whether the receiver is asked for a sign of life: a [`Receipt`](crate::wire::receipt::Receipt) for this
    /// datagram.
    pub wants_receipt: bool,
    /// Whether the sender ends: nothing follows in this epoch.
    pub goodbye: bool,
}

impl Default for Prologue {
    /// A prologue of zeros, with packed strings.
    fn default() -> Self {
        Self {
            records: 0,
            since_boot: false,
            packed: true,
            unit: TimeUnit::Nanos,
            base_time: 0,
            dropped: 0,
            failed: 0,
            ack_floor: None,
            wants_receipt: false,
            goodbye: false,
        }
    }
}

/// Why a record was not added to a datagram. The datagram is unchanged.
// Not `#[non_exhaustive]`: a sender must decide what becomes of the record, so a new reason must not compile until it
// has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// There is no room left, so the record belongs in the next datagram. If this one is empty, the record will never
    /// fit.
    Full,
    /// The interner does not know one of the record's symbols, or the record's tags are no longer in the tag memory.
    UnknownSymbol,
    /// The format cannot express the record.
    Unsupported,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the datagram has no room left for the record",
            Self::UnknownSymbol => "the interner does not know a symbol of the record",
            Self::Unsupported => "the format has no way to say the record",
        })
    }
}

impl core::error::Error for Refused {}

/// An encoder: opens datagrams in one format, and states what the format can do.
pub trait Format {
    /// A datagram being filled.
    type Datagram<'a>: Packer
    where
        Self: 'a;

    /// Whether a datagram without records means anything to the receiver. If not, none is sent.
    const HEARTBEATS: bool;

    /// Whether receivers answer, with acknowledgements of critical events and signs of life. If not, critical events
    /// are sent once, like any other.
    const ACKNOWLEDGES: bool;

    /// Whether datagrams carry sequence numbers, by which a receiver recognizes a duplicate. If not, no datagram is
    /// sent twice.
    const NUMBERED: bool;

    /// Opens a datagram in `buf`, whose length is the payload limit.
    ///
    /// # Errors
    /// [`Refused::Full`] if `buf` is too short for any datagram.
    fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Self::Datagram<'a>, Refused>;

    /// Tells the encoder whether the datagram with that sequence number was sent or given up. Formats that carry
    /// cumulative state can ignore it; a format that sends increments takes back those of a datagram that was given up.
    fn settle(&mut self, _sequence: u32, _sent: bool) {}

    /// How many strings the encoder has altered so far because the format reserves some of their characters.
    fn altered(&self) -> u64 {
        0
    }
}

/// An [`Event`] with any amount of inline room, for senders that need not name the amount. Nothing else implements it.
pub trait AnyEvent: Copy + sealed::Sealed {
    /// Adds the event to a datagram; see [`Packer::event`].
    ///
    /// # Errors
    /// As [`Packer::event`].
    fn pack(&self, datagram: &mut impl Packer, names: &impl Resolve) -> Result<(), Refused>;

    /// Adds the event to a datagram as one to be acknowledged; see [`Packer::identified`].
    ///
    /// # Errors
    /// As [`Packer::identified`].
    fn pack_identified(
        &self,
        datagram: &mut impl Packer,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused>;

    /// When the event was recorded, or `None` if the caller set its time.
    fn recorded(&self) -> Option<u64>;

    /// Returns the memory that the event holds outside the ring; see [`Event::give_back`].
    fn give_back(&self, names: &impl Resolve);
}

mod sealed {
    /// Keeps `AnyEvent` from being implemented elsewhere.
    pub trait Sealed {}

    impl<const INLINE: usize> Sealed for super::Event<INLINE> {}
}

impl<const INLINE: usize> AnyEvent for Event<INLINE> {
    #[inline]
    fn pack(&self, datagram: &mut impl Packer, names: &impl Resolve) -> Result<(), Refused> {
        datagram.event(self, names)
    }

    #[inline]
    fn pack_identified(
        &self,
        datagram: &mut impl Packer,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused> {
        datagram.identified(self, names, above_floor)
    }

    #[inline]
    fn recorded(&self) -> Option<u64> {
        (!self.is_stamped()).then(|| self.time())
    }

    #[inline]
    fn give_back(&self, names: &impl Resolve) {
        Self::give_back(self, names);
    }
}

/// Fills one datagram. Each record is added whole or not at all.
pub trait Packer {
    /// The number of records added so far.
    fn records(&self) -> u16;

    /// The length of the datagram in bytes if it were finished now.
    fn size(&self) -> usize;

    /// Adds an event.
    ///
    /// # Errors
    /// See [`Refused`]; the datagram is then unchanged.
    fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused>;

    /// Says that the clock of the events lies `by` units behind the clock of the datagram's base time. Called before the
    /// first record, if at all.
    fn shift(&mut self, by: u64);

    /// Adds an event that the receiver is to acknowledge by its identifier. Formats without acknowledgements add it
    /// like any other event.
    ///
    /// # Errors
    /// See [`Refused`]; the datagram is then unchanged.
    fn identified<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        _above_floor: u64,
    ) -> Result<(), Refused> {
        self.event(event, names)
    }

    /// Adds the state of the instrument with that number; for a histogram, its buckets from `from_bucket` on. Returns
    /// `None` when everything was added, or the bucket at which the next datagram continues.
    ///
    /// # Errors
    /// See [`Refused`]; the datagram is then unchanged.
    fn instrument(
        &mut self,
        number: usize,
        instrument: &dyn Instrument,
        from_bucket: usize,
    ) -> Result<Option<usize>, Refused>;

    /// Closes the datagram and returns its length. With `pad`, formats that support padding fill the datagram up to its
    /// limit.
    fn finish(self, pad: bool) -> usize;
}
