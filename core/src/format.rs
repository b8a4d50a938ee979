//! What a sender asks of a format: the seam between [`sender`](crate::send) and the encoders.
//!
//! [`wire::Encoder`](crate::wire::Encoder) writes ringstat's own format; with the feature `text`, `text::Encoder` writes
//! the lines of DogStatsD and StatsD. A sender is generic over its encoder, so that an encoder that is not used
//! costs neither time nor flash.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::instrument::Instrument;
use crate::record::{Event, Resolve};

/// UDP payload in one Ethernet frame over IPv4.
pub const PAYLOAD_ETHERNET: usize = 1472;
/// UDP payload that every IPv6 path carries unfragmented.
pub const PAYLOAD_IPV6_MIN: usize = 1232;
/// UDP payload in one jumbo frame over IPv4.
pub const PAYLOAD_JUMBO: usize = 8972;
/// The smallest payload limit that an encoder accepts: header, longest prologue, checksum and a short record.
pub const PAYLOAD_MIN: usize = 128;
/// The largest payload that a UDP datagram over IPv4 can carry.
pub const PAYLOAD_MAX: usize = 65_507;

/// How a datagram is protected.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Mode {
    /// CRC-32 against damage; nothing against forgery.
    #[default]
    Checksum = 0,
}

/// The fixed header: 20 bytes, integers little-endian. It can be read without reading anything else, to route a
/// datagram or as the associated data of a sealed one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Header {
    /// How the datagram is protected.
    pub mode: Mode,
    /// The number of the key, in the modes that have one.
    pub key: u8,
    /// The sender's number: unique among the senders of a collector, and the same over restarts.
    pub sender: u64,
    /// The number of the sender's run: another one after each restart.
    pub epoch: u32,
    /// The datagram's number in that run: 0, 1, 2…, wrapping.
    pub sequence: u32,
}

/// The unit of all times in a datagram, which is that of the sender's clock.
// A plain integer on the wire: an enum of serde's would refuse integers of more than five bytes as malformed.
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
    /// How many nanoseconds one unit has.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        match self {
            Self::Nanos => 1,
            Self::Micros => 1_000,
            Self::Millis => 1_000_000,
        }
    }
}

/// What stands between header and records: the sender's own account, in every datagram.
///
/// On the wire: the number of records as two bytes little-endian, one byte of flags, then the rest as postcard
/// writes it, and the floor where there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prologue {
    /// How many records follow.
    pub records: u16,
    /// Whether times count from the sender's start rather than from 1970.
    pub since_boot: bool,
    /// Whether new strings are packed into six bits a character where that can be.
    pub packed: bool,
    /// The unit of all times in the datagram.
    pub unit: TimeUnit,
    /// When the datagram was packed.
    pub base_time: u64,
    /// Events that the sender gave up in this epoch before they reached a datagram, by any cause.
    pub dropped: u64,
    /// Datagrams that the sender gave up in this epoch; each used up a sequence number.
    pub failed: u64,
    /// Where it is there, the receiver is asked to acknowledge: critical events from this identifier on may be outstanding.
    pub ack_floor: Option<u64>,
    /// The receiver is asked for a sign of life: a [`Receipt`](crate::wire::receipt::Receipt) for this datagram.
    pub wants_receipt: bool,
}

impl Default for Prologue {
    /// All zero, and strings packed.
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
        }
    }
}

/// Why a record is not in the datagram. It is then as it was before.
// A sender decides what becomes of the record, so a new reason is to be decided there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// There is no room left: the record goes into the next datagram. In an empty datagram it will never fit.
    Full,
    /// The interner does not know one of the record's symbols, or its tags are not where they should be.
    UnknownSymbol,
    /// The format has no way to say the record.
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

/// An encoder: opens datagrams in one format, and says what the format can do.
pub trait Format {
    /// A datagram in the making.
    type Datagram<'a>: Packer
    where
        Self: 'a;

    /// Whether a datagram without records tells the receiver something. If not, none is sent.
    const HEARTBEATS: bool;

    /// Whether receivers answer: acknowledge critical events, and say that they are there. If not, critical events are
    /// sent once, like others.
    const ACKNOWLEDGES: bool;

    /// Whether datagrams have numbers by which a receiver knows one that it had before. If not, none is sent twice.
    const NUMBERED: bool;

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

/// An [`Event`] of any size; nothing else is one. What a sender asks of its events, without naming their size.
pub trait AnyEvent: Copy + sealed::Sealed {
    /// Adds the event to a datagram, see [`Packer::event`].
    ///
    /// # Errors
    /// See [`Refused`].
    fn pack(&self, datagram: &mut impl Packer, names: &impl Resolve) -> Result<(), Refused>;

    /// Adds it as one that is to be acknowledged, see [`Packer::identified`].
    ///
    /// # Errors
    /// See [`Refused`].
    fn pack_identified(
        &self,
        datagram: &mut impl Packer,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused>;

    /// When it was recorded, unless the caller gave it a time.
    fn recorded(&self) -> Option<u64>;

    /// Gives back what it has beside the ring, see [`Event::give_back`].
    fn give_back(&self, names: &impl Resolve);
}

mod sealed {
    /// Nobody else implements `AnyEvent`.
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

/// Fills one datagram: each record whole or not at all.
pub trait Packer {
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
