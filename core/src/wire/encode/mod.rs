//! Packing: records are written straight into the datagram's buffer, each whole or not at all.
//!
//! An [`Encoder`] holds the string tables and is reused; [`Encoder::begin`] opens one [`Datagram`] in a buffer of the
//! caller's, records are added until it is full, and [`Datagram::finish`] closes it with its checksum.

mod datagram;
mod event;
mod state;

pub use datagram::Datagram;

pub use crate::format::Refused;
use crate::format::{Format, Header, Prologue};
use crate::wire::table::full::Strings;
use crate::wire::table::lean::Lean;

/// The string tables of a sender.
///
/// `SLOTS` strings, tags and tag sets are remembered, and `ARENA` bytes of strings serve as prefixes of later ones.
/// Anything beyond that is sent correctly, in more bytes. The default takes about 29 KiB, because a hash table that is
/// mostly empty is a fast one. Chips use a [`LeanEncoder`].
///
/// ```
/// use ringstat_core::format::{Header, Mode, PAYLOAD_ETHERNET, Prologue, Refused};
/// use ringstat_core::record::{Event, Kind, NoNames};
/// use ringstat_core::wire::Encoder;
///
/// let header = Header { mode: Mode::Checksum, key: 0, sender: 7, epoch: 1, sequence: 0 };
/// let mut buf = [0; PAYLOAD_ETHERNET];
/// let mut encoder = <Encoder>::new();
/// let mut datagram = encoder.begin(&mut buf, &header, &Prologue::default())?;
/// let event: Event = Event::new(Kind::Counter, "cache.miss".into(), 1u8.into(), 0).unwrap();
/// let mut packed = 0;
/// while datagram.event(&event, &NoNames) != Err(Refused::Full) {
///     packed += 1;
/// }
/// assert!(packed > 200, "a repeated name takes a few bytes");
/// # assert!(datagram.finish(false) <= PAYLOAD_ETHERNET);
/// # Ok::<(), Refused>(())
/// ```
pub struct Encoder<const SLOTS: usize = 512, const ARENA: usize = 4096> {
    strings: Strings<SLOTS, ARENA>,
}

impl<const SLOTS: usize, const ARENA: usize> Default for Encoder<SLOTS, ARENA> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize, const ARENA: usize> Encoder<SLOTS, ARENA> {
    /// Creates an encoder that remembers nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { strings: Strings::new() }
    }

    /// Opens a datagram in `buf`, whose length is the payload limit, up to [`PAYLOAD_MAX`](crate::format::PAYLOAD_MAX).
    ///
    /// # Errors
    /// [`Refused::Full`] if `buf` is shorter than [`PAYLOAD_MIN`](crate::format::PAYLOAD_MIN).
    pub fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Datagram<'a, Strings<SLOTS, ARENA>>, Refused> {
        Datagram::open(&mut self.strings, buf, header, prologue)
    }
}

/// The encoder of a chip: its output is not the shortest, but takes little code and memory to write.
///
/// `SLOTS` strings and tag sets of a datagram are remembered, in 12 bytes each on a 32-bit chip; nothing is remembered
/// from one datagram to the next. Names are not packed and share no prefixes, and floats take their four or eight
/// bytes, so neither floating-point code nor a division is linked. Receivers see no difference. Instruments whose names were
/// made at run time cannot be sent, and are counted as such.
#[derive(Default)]
pub struct LeanEncoder<const SLOTS: usize> {
    strings: Lean<SLOTS>,
}

impl<const SLOTS: usize> LeanEncoder<SLOTS> {
    /// Creates an encoder.
    #[must_use]
    pub const fn new() -> Self {
        Self { strings: Lean::new() }
    }
}

/// Implements [`Format`] for an encoder whose field `strings` is a table of the given type.
macro_rules! native_format {
    ($encoder:ty, $table:ty, $(const $param:ident),+) => {
        impl<$(const $param: usize),+> Format for $encoder {
            type Datagram<'a> = Datagram<'a, $table>;

            const HEARTBEATS: bool = true;
            const ACKNOWLEDGES: bool = true;
            const NUMBERED: bool = true;

            fn begin<'a>(
                &'a mut self,
                buf: &'a mut [u8],
                header: &Header,
                prologue: &Prologue,
            ) -> Result<Datagram<'a, $table>, Refused> {
                Datagram::open(&mut self.strings, buf, header, prologue)
            }
        }
    };
}

native_format!(LeanEncoder<SLOTS>, Lean<SLOTS>, const SLOTS);
native_format!(Encoder<SLOTS, ARENA>, Strings<SLOTS, ARENA>, const SLOTS, const ARENA);
