//! Packing: records go straight into the datagram's buffer, each whole or not at all.
//!
//! An [`Encoder`] holds the string tables and is kept; [`Encoder::begin`] opens one [`Datagram`] in a buffer of the
//! caller's, records are added until it is full, and [`Datagram::finish`] closes it with its checksum.

use super::crc::{self, TRAILER};
use super::cursor::{NoRoom, Writer};
use super::layout::{Form, StateForm, extended, tag};
use super::number::Number;
use super::state::BucketsHead;
use super::table::full::Strings;
use super::table::lean::Lean;
use super::table::{Key, Table};
pub use crate::format::Refused;
use crate::format::{Format, Header, PAYLOAD_MAX, PAYLOAD_MIN, Packer, Prologue};
use crate::instrument::{Buckets, Instrument, State};
use crate::record::{Content, Event, EventStrings, Name, Priority, Resolve, STRING_LIMIT, Tag};

impl From<NoRoom> for Refused {
    fn from(NoRoom: NoRoom) -> Self {
        Self::Full
    }
}

/// The string tables of a sender.
///
/// `SLOTS` strings, tags and tag sets are found again, and `ARENA` bytes of strings serve as prefixes of later
/// ones; more than that is sent correctly, in more bytes. The default takes about 29 KiB (a hash
/// table that is mostly empty is a fast one). Chips take a [`LeanEncoder`].
pub struct Encoder<const SLOTS: usize = 512, const ARENA: usize = 4096> {
    strings: Strings<SLOTS, ARENA>,
}

impl<const SLOTS: usize, const ARENA: usize> Default for Encoder<SLOTS, ARENA> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize, const ARENA: usize> Encoder<SLOTS, ARENA> {
    /// An encoder that has seen nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { strings: Strings::new() }
    }

    /// Opens a datagram in `buf`, whose length is the payload limit, up to [`PAYLOAD_MAX`].
    ///
    /// # Errors
    /// [`Refused::Full`] when `buf` is shorter than [`PAYLOAD_MIN`].
    pub fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Datagram<'a, Strings<SLOTS, ARENA>>, Refused> {
        Datagram::open(&mut self.strings, buf, header, prologue)
    }
}

/// The string table of a chip: what it writes is not the shortest, but takes little to write.
///
/// `SLOTS` strings and tag sets of a datagram are found again, 12 bytes each on a 32-bit chip; nothing is remembered
/// from one datagram to the next. Names are not packed and share no prefixes, floats take their four or eight bytes:
/// no floating point and no division is linked for it. Receivers see no difference.
#[derive(Default)]
pub struct LeanEncoder<const SLOTS: usize> {
    strings: Lean<SLOTS>,
}

impl<const SLOTS: usize> LeanEncoder<SLOTS> {
    /// An encoder.
    #[must_use]
    pub const fn new() -> Self {
        Self { strings: Lean::new() }
    }
}

impl<const SLOTS: usize> Format for LeanEncoder<SLOTS> {
    type Datagram<'a> = Datagram<'a, Lean<SLOTS>>;

    const HEARTBEATS: bool = true;
    const ACKNOWLEDGES: bool = true;
    const NUMBERED: bool = true;

    fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Datagram<'a, Lean<SLOTS>>, Refused> {
        Datagram::open(&mut self.strings, buf, header, prologue)
    }
}

impl<const SLOTS: usize, const ARENA: usize> Format for Encoder<SLOTS, ARENA> {
    type Datagram<'a> = Datagram<'a, Strings<SLOTS, ARENA>>;

    const HEARTBEATS: bool = true;
    const ACKNOWLEDGES: bool = true;
    const NUMBERED: bool = true;

    fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Datagram<'a, Strings<SLOTS, ARENA>>, Refused> {
        Self::begin(self, buf, header, prologue)
    }
}

impl<T: Table> Packer for Datagram<'_, T> {
    fn records(&self) -> u16 {
        Self::records(self)
    }

    fn size(&self) -> usize {
        Self::size(self)
    }

    #[inline]
    fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        Self::event(self, event, names)
    }

    fn identified<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused> {
        Self::identified(self, event, names, above_floor)
    }

    fn instrument(
        &mut self,
        _: usize,
        instrument: &dyn Instrument,
        from_bucket: usize,
    ) -> Result<Option<usize>, Refused> {
        Self::instrument(self, instrument, from_bucket)
    }

    fn finish(self, pad: bool) -> usize {
        Self::finish(self, pad)
    }
}

/// A datagram in the making.
pub struct Datagram<'a, T> {
    strings: &'a mut T,
    w: Writer<'a>,
    /// The last bytes of the buffer: the checksum stands there when the datagram is filled to its limit.
    trailer: &'a mut [u8],
    records: u16,
    time: u64,
}

impl<'a, T: Table> Datagram<'a, T> {
    pub(crate) fn open(
        strings: &'a mut T,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Self, Refused> {
        if buf.len() < PAYLOAD_MIN {
            return Err(Refused::Full);
        }
        // The number of records is not known before `finish`.
        let packed = prologue.packed && T::PACKED;
        let prologue = Prologue { records: 0, packed, ..*prologue };
        strings.clear(prologue.packed);
        let limit = buf.len().min(PAYLOAD_MAX);
        let buf = &mut buf[..limit];
        let (body, trailer) = buf.split_at_mut(buf.len() - TRAILER);
        let mut w = Writer::new(body);
        header.put(&mut w)?;
        prologue.put(&mut w)?;
        Ok(Datagram { strings, w, trailer, records: 0, time: prologue.base_time })
    }
}

impl<T: Table> Datagram<'_, T> {
    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> u16 {
        self.records
    }

    /// How many bytes it would have if it were finished now.
    #[must_use]
    pub fn size(&self) -> usize {
        self.w.position() + TRAILER
    }

    /// Adds an event.
    ///
    /// # Errors
    /// See [`Refused`].
    #[inline]
    pub fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        self.whole(|d| d.write_event(event, names, None, own_rate))?;
        self.time = event.time();
        Ok(())
    }

    /// Adds an event that is to be acknowledged: its identifier is that much above the prologue's floor, which must be
    /// there.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn identified<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused> {
        self.whole(|d| d.write_event(event, names, Some(above_floor), own_rate))?;
        self.time = event.time();
        Ok(())
    }

    /// Adds an event that stands for `rate` of its kind (0 counts as 1), whatever its slot says, which has no room for
    /// more than 255: for programs that pack what others recorded. With `above_floor` it has an identifier, as in
    /// [`identified`](Self::identified).
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn event_of_rate<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        rate: u32,
        above_floor: Option<u64>,
    ) -> Result<(), Refused> {
        let mut event = *event;
        // What is written in its place only needs to be written at all.
        event.set_rate(if rate > 1 { u8::MAX } else { 1 });
        self.whole(|d| d.write_event(&event, names, above_floor, |_| rate))?;
        self.time = event.time();
        Ok(())
    }

    /// Adds the state of an instrument, or of a histogram the buckets from `from_bucket` on.
    ///
    /// Returns `None` when all of it is in, else the bucket to go on with in the next datagram.
    ///
    /// # Errors
    /// [`Refused::Full`] when not even one bucket has room.
    pub fn instrument(
        &mut self,
        instrument: &dyn Instrument,
        from_bucket: usize,
    ) -> Result<Option<usize>, Refused> {
        // A receiver refuses a datagram whole for a record without a name.
        if !(1..=STRING_LIMIT).contains(&instrument.name().len()) {
            return Err(Refused::Unsupported);
        }
        match instrument.state() {
            State::Total(total) => self.whole(|d| {
                d.write_instrument_head(instrument, StateForm::Total)?;
                Ok(d.w.put(&total).map(|()| None)?)
            }),
            State::Level(level) => self.whole(|d| {
                d.write_instrument_head(instrument, StateForm::Level)?;
                Ok(d.w.put(&T::number(level)).map(|()| None)?)
            }),
            State::Buckets(_) if !T::ANY_INSTRUMENT => Err(Refused::Unsupported),
            State::Buckets(buckets) => self.whole(|d| {
                d.write_instrument_head(instrument, StateForm::Buckets)?;
                let head = BucketsHead::new(instrument.unit(), buckets.layout());
                d.w.put(&head.map_err(|_| Refused::Unsupported)?)?;
                d.write_buckets(buckets, from_bucket)
            }),
        }
    }

    /// Closes the datagram and returns its length. With `pad` it is filled with zeros to the length of the buffer,
    /// so that several datagrams can go to the kernel as segments of one size.
    pub fn finish(self, pad: bool) -> usize {
        let Self { mut w, trailer, records, .. } = self;
        w.patch(Prologue::RECORDS_AT, &records.to_le_bytes());
        if pad {
            w.zeros_to(usize::MAX);
        }
        let sum = crc::crc32(w.written()).to_le_bytes();
        let end = w.position();
        if w.bytes(&sum).is_err() {
            // The checksum begins in the body's last bytes and ends in the trailer.
            let here = w.remaining();
            w.patch(end, &sum[..here]);
            trailer[..TRAILER - here].copy_from_slice(&sum[here..]);
        }
        end + TRAILER
    }

    /// Runs `write`, and takes everything back if it fails.
    #[inline]
    fn whole<R>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        let start = self.w.position();
        if self.records == u16::MAX {
            return Err(Refused::Full);
        }
        let result = write(self);
        match result {
            // The string tables may now know strings that were taken back. That is harmless for `Full`, behind
            // which the datagram is closed; for an unknown symbol nothing was written yet.
            Err(_) => self.w.rewind(start),
            Ok(_) => self.records += 1,
        }
        result
    }

    #[inline]
    fn write_event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        above_floor: Option<u64>,
        rate: impl Fn(&Event<INLINE>) -> u32,
    ) -> Result<(), Refused> {
        // Symbols and strings first: nothing is written before they are all known.
        let strings = if event.is_plain() {
            EventStrings::NONE
        } else {
            event.strings(names).ok_or(Refused::UnknownSymbol)?
        };
        let (key, name) = match event.name() {
            Name::Static(name) => (Key::of_static(name), name),
            Name::Interned(symbol) => {
                let name = names.resolve(symbol).ok_or(Refused::UnknownSymbol)?;
                (Key::of_symbol(symbol), name)
            }
        };
        let number = match T::number_of_slot(event.raw()) {
            Some(number) => Ok(number),
            // A receiver refuses it, and the datagram from there on.
            None if !event.kind().takes_text() => return Err(Refused::Unsupported),
            None => Err(match event.content_in(&strings) {
                Content::Text(text) => text,
                Content::Symbol(symbol) => names.resolve(symbol).ok_or(Refused::UnknownSymbol)?,
                Content::Number(_) => "", // `of_slot` knows all forms of numbers
            }),
        };
        let tags = event.tags();
        let backward = event.time() < self.time;
        let form = number.map_or(Form::Text, |n| n.form);
        let first = event.kind_code()
            | (form as u8) << tag::FORM_SHIFT
            | if tags.is_empty() { 0 } else { tag::HAS_TAGS };
        let mut second = if event.is_plain() { 0 } else { extension(event, &strings) };
        if backward {
            second |= extended::BACKWARD;
        }
        if above_floor.is_some() {
            second |= extended::IDENTIFIED;
        }
        let delta = if backward { self.time - event.time() } else { event.time() - self.time };
        // Not where 64-bit arithmetic is slower than the branches that it saves.
        if cfg!(target_pointer_width = "64")
            && second == 0
            && let Ok(number) = number
            && self.write_short(first, (key, name), tags, delta, number)
        {
            return Ok(());
        }
        if second == 0 {
            self.w.byte(first)?;
        } else {
            self.w.bytes(&[first | tag::EXTENDED, second])?;
        }
        self.strings.write(&mut self.w, key, name)?;
        if !tags.is_empty() {
            self.strings.write_set(&mut self.w, tags)?;
        }
        self.w.varint(delta)?;
        match number {
            Ok(number) => number.write(&mut self.w)?,
            Err(text) => self.w.string(text.as_bytes())?,
        }
        if second & extended::RATE != 0 {
            self.w.varint(u64::from(rate(event)))?;
        }
        if second & extended::DYNAMIC != 0 {
            self.write_dynamic_tags(&strings)?;
        }
        if let Some(above_floor) = above_floor {
            self.w.varint(above_floor)?;
        }
        Ok(())
    }

    /// Writes an event in one piece, if nothing is new in it and its numbers are small, as most often. Where it does not,
    /// both are looked for once more: to define a name may take the very place that was found for its tags.
    #[inline(always)]
    fn write_short(
        &mut self,
        first: u8,
        (key, name): (Key, &str),
        tags: &'static [Tag],
        delta: u64,
        number: Number,
    ) -> bool {
        let Some(name) = self.strings.known(key, name) else { return false };
        let set = if tags.is_empty() { None } else { self.strings.known_set(tags) };
        if set.is_none() != tags.is_empty() || delta >= 1 << 28 {
            return false;
        }
        let Some(number) = number.short() else { return false };
        self.w.record(first, (name, set), (delta as u32, number))
    }

    /// Keys recur and go through the string table; values mostly do not and stand for themselves.
    fn write_dynamic_tags(&mut self, strings: &EventStrings<'_>) -> Result<(), NoRoom> {
        self.w.byte(strings.tags().count() as u8)?;
        for (key, value) in strings.tags() {
            self.strings.write(&mut self.w, Key::of_content(key), key)?;
            self.w.string(value.as_bytes())?;
        }
        Ok(())
    }

    fn write_instrument_head(
        &mut self,
        instrument: &dyn Instrument,
        state: StateForm,
    ) -> Result<(), NoRoom> {
        let first = tag::STATE | (state as u8) << tag::FORM_SHIFT;
        if let Some((name, tags)) = instrument.static_identity() {
            self.w.byte(first | if tags.is_empty() { 0 } else { tag::HAS_TAGS })?;
            self.strings.write(&mut self.w, Key::of_static(name), name)?;
            return if tags.is_empty() {
                Ok(())
            } else {
                self.strings.write_set(&mut self.w, tags)
            };
        }
        if !T::ANY_INSTRUMENT {
            return Err(NoRoom);
        }
        // Made at run time: its strings may be freed and their address used again, so content decides.
        let count = (0..).take_while(|i| instrument.tag(*i).is_some()).count();
        self.w.byte(first | if count == 0 { 0 } else { tag::HAS_TAGS })?;
        let name = instrument.name();
        self.strings.write(&mut self.w, Key::of_content(name), name)?;
        if count == 0 {
            return Ok(());
        }
        let tags = (0..count).map(|i| instrument.tag(i).unwrap_or(("", "")));
        self.strings.define_set(&mut self.w, tags)
    }

    /// The sum, then a run of buckets from `from` on: as many as have room. Ends with an empty pair.
    fn write_buckets(
        &mut self,
        buckets: &dyn Buckets,
        from: usize,
    ) -> Result<Option<usize>, Refused> {
        /// A gap and a count of ten bytes each, and the closing zero.
        const PAIR_MAX: usize = 21;
        self.w.put(&T::number(buckets.sum()))?;
        // Each pair is the distance from the bucket before, plus one, and the count there.
        let mut next = 0;
        for index in from..buckets.buckets() {
            let count = buckets.bucket_count(index);
            if count == 0 {
                continue;
            }
            if self.w.remaining() < PAIR_MAX {
                if next == 0 {
                    return Err(Refused::Full);
                }
                self.w.byte(0)?;
                return Ok(Some(index));
            }
            self.w.varint((index - next) as u64 + 1)?;
            self.w.varint(count)?;
            next = index + 1;
        }
        self.w.byte(0)?;
        Ok(None)
    }
}

/// The rate that the slot says.
fn own_rate<const INLINE: usize>(event: &Event<INLINE>) -> u32 {
    u32::from(event.rate())
}

/// What the second byte says of an event, apart from the direction of its time.
fn extension<const INLINE: usize>(event: &Event<INLINE>, strings: &EventStrings<'_>) -> u8 {
    let priority = match event.priority() {
        Priority::Normal => 0,
        Priority::Low => 1,
        Priority::High => 2,
        Priority::Critical => 3,
    };
    let rate = if event.rate() > 1 { extended::RATE } else { 0 };
    let dynamic = if strings.has_tags() { extended::DYNAMIC } else { 0 };
    priority | rate | dynamic
}
