//! Events: records that are each kept by themselves, one 64-byte slot in a ring.
//!
//! An [`Event`] is plain data without a destructor: the recorder copies it into a ring and the sender copies it out.
//! Static names and tag sets are held as thin pointers, dynamic tags as bytes inside the slot, so that a slot with both
//! is one cache line.

#![allow(unsafe_code)] // Thin pointers to 'static data: they save 16 of the 64 bytes of a slot.

use core::mem::MaybeUninit;

use crate::ledger::Cause;
#[cfg(feature = "alloc")]
use crate::record::spill::Owner;
use crate::record::spill::Spilled;
use crate::record::strings::{EventStrings, InSlot};
use crate::record::{Borrowed, Name, Resolve, Symbol, Tag, Value, uninit};

/// What kind of thing a record is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// An amount to add to a total.
    Counter = 0,
    /// The latest value of something.
    Gauge = 1,
    /// How long something took, in milliseconds.
    Timing = 2,
    /// One sample of a distribution.
    Distribution = 3,
    /// One member of a set whose distinct members are counted.
    Set = 4,
    /// Something that happened.
    Event = 5,
}

impl Kind {
    /// Every kind, in the order of its code on the wire.
    pub const ALL: [Self; 6] =
        [Self::Counter, Self::Gauge, Self::Timing, Self::Distribution, Self::Set, Self::Event];

    /// The name that JSON and the command use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Timing => "timing",
            Self::Distribution => "distribution",
            Self::Set => "set",
            Self::Event => "event",
        }
    }

    /// Whether a record of this kind may hold a text in place of a number: a member of a set, or the message of an
    /// event.
    #[inline]
    #[must_use]
    pub const fn takes_text(self) -> bool {
        match self {
            Self::Set | Self::Event => true,
            Self::Counter | Self::Gauge | Self::Timing | Self::Distribution => false,
        }
    }
}

/// How much a record matters when not all records can be kept.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Priority {
    /// Records that are given up first.
    Low = 0,
    /// The priority of a record that does not say otherwise.
    #[default]
    Normal = 1,
    /// Records that are kept while anything lower can be dropped.
    High = 2,
    /// Records that are kept until the collector has acknowledged them, if the client is configured for that.
    Critical = 3,
}

impl Priority {
    /// Every priority, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// The name that JSON and the command use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The room for dynamic tags and text in the default slot, in bytes: what is left of 64 bytes on a 64-bit target.
pub const DEFAULT_INLINE: usize = 26;

/// How the value bits of a slot are to be read. The forms of the wire are narrower; see `wire::Form`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum SlotForm {
    U64 = 0,
    I64 = 1,
    F32 = 2,
    F64 = 3,
    /// A mantissa; the scale is in the other half of the byte.
    Decimal = 4,
    /// No value bits: the text is in the slot.
    Text = 5,
    /// The number of an interned text.
    Symbol = 6,
}

impl SlotForm {
    /// Reads the form from the low nibble of a slot's `form` byte.
    #[inline(always)]
    const fn of(byte: u8) -> Self {
        match byte & 0xF {
            0 => Self::U64,
            1 => Self::I64,
            2 => Self::F32,
            3 => Self::F64,
            4 => Self::Decimal,
            6 => Self::Symbol,
            _ => Self::Text,
        }
    }
}

/// The content of a slot apart from name and tags, in the form that encoders read.
#[derive(Clone, Copy, Debug)]
pub struct RawContent {
    pub(crate) form: SlotForm,
    /// The scale of a decimal, otherwise 0.
    pub(crate) scale: u8,
    pub(crate) bits: u64,
}

/// A value of `inline_len` that says that the strings are in the tag memory and the slot holds the ticket for them.
const SPILLED: u8 = u8::MAX;

const KIND_MASK: u8 = 0b0000_0111;
const PRIORITY_SHIFT: u8 = 3;
/// The bit of `meta` that says that the caller set the time.
const STAMPED: u8 = 0b0100_0000;
const INTERNED: u8 = 0b1000_0000;

/// One record in a ring: at most 64 bytes with the default `INLINE`, including its dynamic tags.
///
/// `INLINE` bytes hold dynamic tags and text; each key and each value takes its length and one more byte. A client that
/// needs neither can use `Event<2>`, which has 40 bytes on a 64-bit target.
///
/// ```
/// use ringstat_core::record::{Event, Kind, Priority};
///
/// let mut event: Event = Event::new(Kind::Timing, "db.query".into(), 12.5.into(), 1_000)?;
/// event.set_tags(&[("service", "shop")])?;
/// event.push_tag("table", "orders")?;
/// event.set_priority(Priority::High);
/// assert!(size_of_val(&event) <= 64);
/// assert!(event.dynamic_tags().eq([("table", "orders")]));
/// # Ok::<(), ringstat_core::ledger::Cause>(())
/// ```
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Event<const INLINE: usize = DEFAULT_INLINE> {
    time: u64,
    bits: u64,
    /// The first byte of a static name, or the number of an interned one if `INTERNED` is set.
    name: *const u8,
    /// The first of `tags_len` static tags, or null if there are none.
    tags: *const Tag,
    name_len: u8,
    tags_len: u8,
    /// The kind, the priority, `STAMPED` and `INTERNED`.
    meta: u8,
    /// A [`SlotForm`] in the low nibble, the scale of a decimal in the high one.
    form: u8,
    /// How many records of its kind this record stands for.
    rate: u8,
    inline_len: u8,
    /// Strings, each after a length byte: the text if `form` says so, then keys and values in turn. Only the first
    /// `inline_len` bytes are initialized: initializing the others would cost a chip a third more per record.
    inline: [MaybeUninit<u8>; INLINE],
}

// SAFETY: the pointers are to 'static data that is never written (`&'static str`, `&'static [Tag]`), or are numbers
// that nobody dereferences.
unsafe impl<const INLINE: usize> Send for Event<INLINE> {}
// SAFETY: as above; an `Event` has no interior mutability.
unsafe impl<const INLINE: usize> Sync for Event<INLINE> {}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Event>() == 64);

impl<const INLINE: usize> Event<INLINE> {
    /// Creates a record of `value` under `name` at `time`, in the unit of the client's clock.
    ///
    /// # Errors
    /// [`Cause::Invalid`] if the name is empty or longer than 255 bytes, or the value is not [valid](Value::is_valid).
    #[inline]
    pub fn new(kind: Kind, name: Name, value: Value, time: u64) -> Result<Self, Cause> {
        let (event, refused) = Self::checked(kind, name, value, time);
        refused.map_or(Ok(event), Err)
    }

    /// The same, and why it must not be recorded, if so.
    #[inline]
    pub(crate) fn checked(
        kind: Kind,
        name: Name,
        value: Value,
        time: u64,
    ) -> (Self, Option<Cause>) {
        const { assert!(INLINE < SPILLED as usize, "the inline area is at most 254 bytes") };
        let (form, bits) = match value {
            Value::U64(v) => (SlotForm::U64 as u8, v),
            Value::I64(v) => (SlotForm::I64 as u8, v as u64),
            Value::F32(v) => (SlotForm::F32 as u8, u64::from(v.to_bits())),
            Value::F64(v) => (SlotForm::F64 as u8, v.to_bits()),
            Value::Decimal { mantissa, scale } => {
                (SlotForm::Decimal as u8 | scale << 4, mantissa as u64)
            }
        };
        let (pointer, name_len, interned) = match name {
            Name::Static(name) => (name.as_ptr(), name.len(), 0),
            Name::Interned(symbol) => {
                (core::ptr::without_provenance(symbol.0 as usize), 1, INTERNED)
            }
        };
        let invalid = name_len == 0 || name_len > 255 || !value.is_valid();
        let event = Self {
            time,
            bits,
            name: pointer,
            tags: core::ptr::null(),
            // What is invalid has no name: its length may not be one.
            name_len: if invalid { 0 } else { name_len as u8 },
            tags_len: 0,
            meta: kind as u8 | (Priority::Normal as u8) << PRIORITY_SHIFT | interned,
            form,
            rate: 1,
            inline_len: 0,
            inline: [MaybeUninit::uninit(); INLINE],
        };
        (event, if invalid { Some(Cause::Invalid) } else { None })
    }

    /// Replaces the number by a text held in the slot, such as a member of a set. Call it before adding dynamic tags.
    ///
    /// # Errors
    /// [`Cause::TextTooLong`] if the text does not fit the slot, [`Cause::Invalid`] if the slot already holds a text or
    /// a tag.
    #[inline]
    pub fn set_text(&mut self, text: &str) -> Result<(), Cause> {
        if self.inline_len != 0 {
            return Err(Cause::Invalid);
        }
        self.push_inline(&[text]).ok_or(Cause::TextTooLong)?;
        self.form = SlotForm::Text as u8;
        Ok(())
    }

    /// Replaces the number by a text that comes later, with [`set_strings`](Self::set_strings) or as a ticket.
    #[inline]
    pub(crate) fn says_text(&mut self) {
        self.form = SlotForm::Text as u8;
    }

    /// Copies text and dynamic tags into the slot.
    ///
    /// # Errors
    /// [`Cause::TextTooLong`], [`Cause::TagTooLong`] or [`Cause::TooManyTags`] when they do not fit; the event is then as
    /// before.
    pub fn set_strings(&mut self, strings: &Borrowed<'_>) -> Result<(), Cause> {
        self.keep_strings(strings, |strings| Err(strings.too_long(INLINE)))
    }

    /// Replaces the number by an interned text.
    #[inline]
    pub fn set_symbol(&mut self, text: Symbol) {
        self.form = SlotForm::Symbol as u8;
        self.bits = u64::from(text.0);
    }

    /// Sets the static tags.
    ///
    /// # Errors
    /// [`Cause::TooManyTags`] if there are more than 255.
    #[inline]
    pub fn set_tags(&mut self, tags: &'static [Tag]) -> Result<(), Cause> {
        self.tags_len = u8::try_from(tags.len()).map_err(|_| Cause::TooManyTags)?;
        self.tags = tags.as_ptr();
        Ok(())
    }

    /// Adds a dynamic tag by copying it into the slot.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] if it does not fit; the event is then unchanged.
    #[inline]
    pub fn push_tag(&mut self, key: &str, value: &str) -> Result<(), Cause> {
        self.push_inline(&[key, value]).ok_or(Cause::TagTooLong)
    }

    #[inline]
    fn push_inline(&mut self, strings: &[&str]) -> Option<()> {
        let mut at = usize::from(self.inline_len);
        for string in strings {
            let end = at + 1 + string.len();
            let room = self.inline.get_mut(at..end)?;
            let (length, bytes) = room.split_first_mut()?;
            length.write(string.len() as u8);
            // The lengths are always equal, but written this way the compiler sees it and emits no panic.
            let bytes = bytes.get_mut(..string.len())?;
            uninit::write(bytes, string.as_bytes());
            at = end;
        }
        self.inline_len = at as u8;
        Some(())
    }

    /// The ticket for text and dynamic tags that are not in the slot, if any; see [`spill`](crate::record::spill).
    #[inline]
    #[must_use]
    pub fn spilled(&self) -> Option<Spilled> {
        if self.inline_len != SPILLED {
            return None;
        }
        let ticket = self.inline.first_chunk::<{ Spilled::BYTES }>()?;
        // SAFETY: only `set_spilled` sets this mark, and it wrote all of these bytes.
        Some(Spilled::from_bytes(ticket.map(|byte| unsafe { byte.assume_init() })))
    }

    /// Puts a ticket in the place of text and dynamic tags.
    #[inline]
    pub(crate) fn set_spilled(&mut self, spilled: Spilled) {
        const { assert!(INLINE >= Spilled::BYTES, "a ticket fits the slot") };
        if let Some(place) = self.inline.first_chunk_mut::<{ Spilled::BYTES }>() {
            uninit::write(place, &spilled.to_bytes());
            self.inline_len = SPILLED;
        }
    }

    /// Keeps text and dynamic tags in the slot, or where they do not fit in the memory beside the ring, which `write`
    /// takes them to.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] and [`Cause::TooManyTags`] for what can be nowhere, and what `write` says. The event is then
    /// as before.
    pub fn keep_strings(
        &mut self,
        strings: &Borrowed<'_>,
        write: impl FnOnce(&Borrowed<'_>) -> Result<Spilled, Cause>,
    ) -> Result<(), Cause> {
        let sound = strings.check()?;
        let length = sound.len_in_slot();
        if length <= INLINE {
            // SAFETY: there is room for all, and so no long text.
            unsafe { sound.write_in_slot(self.inline.as_mut_ptr().cast()) };
            self.inline_len = length as u8;
        } else {
            self.set_spilled(write(strings)?);
        }
        if sound.has_text() {
            self.says_text();
        }
        Ok(())
    }

    /// Gives back what it has beside the ring. Whoever takes an event out of circulation calls this.
    #[inline]
    pub fn give_back<N: Resolve>(&self, names: &N) {
        if N::HAS_AREAS
            && let Some(spilled) = self.spilled()
            && let Some(area) = names.area(spilled.area())
        {
            area.free(spilled);
        }
    }

    /// The event's text and dynamic tags, wherever they are. `None` if they are in a memory that `names` does not know,
    /// or have been given back already.
    #[inline]
    #[must_use]
    pub fn strings<'a, N: Resolve>(&'a self, names: &'a N) -> Option<EventStrings<'a>> {
        match self.spilled() {
            None => Some(EventStrings::in_slot(self.in_slot())),
            Some(_) if !N::HAS_AREAS => None,
            Some(spilled) => names.area(spilled.area())?.open(spilled).map(EventStrings::held),
        }
    }

    /// Sets how much the record matters.
    #[inline]
    pub fn set_priority(&mut self, priority: Priority) {
        self.meta = self.meta & !(3 << PRIORITY_SHIFT) | (priority as u8) << PRIORITY_SHIFT;
    }

    /// Sets the time, in the unit of the client's clock.
    #[inline]
    pub fn set_time(&mut self, time: u64) {
        self.time = time;
        self.meta |= STAMPED;
    }

    /// Whether the caller set the time, which may then be far from the time of the record call.
    #[inline]
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.meta & STAMPED != 0
    }

    /// Declares that this record stands for `rate` of its kind: one in `rate` was kept. 0 counts as 1.
    #[inline]
    pub fn set_rate(&mut self, rate: u8) {
        self.rate = if rate == 0 { 1 } else { rate };
    }

    /// Whether the rate can be multiplied by `n` without exceeding 255.
    #[inline]
    #[must_use]
    pub fn can_thin(&self, n: u8) -> bool {
        self.rate.checked_mul(n).is_some()
    }

    /// Multiplies the rate by `n`, because only one in `n` of these records was kept. Does nothing if
    /// [`can_thin`](Self::can_thin) is false.
    #[inline]
    pub fn thin(&mut self, n: u8) {
        self.rate = self.rate.checked_mul(n.max(1)).unwrap_or(self.rate);
    }

    /// The kind of the record.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::ALL[usize::from(self.meta & KIND_MASK) % Kind::ALL.len()]
    }

    /// How much it matters.
    #[inline]
    #[must_use]
    pub fn priority(&self) -> Priority {
        Priority::ALL[usize::from(self.meta >> PRIORITY_SHIFT & 3)]
    }

    /// The time of the record, in the unit of the client's clock.
    #[inline]
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// How many records of its kind this record stands for.
    #[inline]
    #[must_use]
    pub fn rate(&self) -> u8 {
        self.rate
    }

    /// The name of the record.
    #[inline]
    #[must_use]
    pub fn name(&self) -> Name {
        if self.meta & INTERNED != 0 {
            return Name::Interned(Symbol(self.name.addr() as u32));
        }
        // SAFETY: `new` took pointer and length from one `&'static str`, and neither changes.
        Name::Static(unsafe {
            core::str::from_utf8_unchecked(core::slice::from_raw_parts(
                self.name,
                usize::from(self.name_len),
            ))
        })
    }

    /// The static tags of the record.
    #[inline]
    #[must_use]
    pub fn tags(&self) -> &'static [Tag] {
        if self.tags_len == 0 {
            return &[];
        }
        // SAFETY: `set_tags` took pointer and length from one `&'static [Tag]`, and sets both.
        unsafe { core::slice::from_raw_parts(self.tags, usize::from(self.tags_len)) }
    }

    /// The record's number or text. A text that is not in the slot appears empty here; see [`strings`](Self::strings).
    #[inline]
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        Content::Number(match SlotForm::of(self.form) {
            SlotForm::U64 => Value::U64(self.bits),
            SlotForm::I64 => Value::I64(self.bits as i64),
            SlotForm::F32 => Value::F32(f32::from_bits(self.bits as u32)),
            SlotForm::F64 => Value::F64(f64::from_bits(self.bits)),
            SlotForm::Decimal => {
                Value::Decimal { mantissa: self.bits as i64, scale: self.form >> 4 }
            }
            SlotForm::Symbol => return Content::Symbol(Symbol(self.bits as u32)),
            SlotForm::Text => return Content::Text(self.in_slot().text().unwrap_or("")),
        })
    }

    /// The content as the slot holds it.
    #[inline(always)]
    pub(crate) fn raw(&self) -> RawContent {
        RawContent { form: SlotForm::of(self.form), scale: self.form >> 4, bits: self.bits }
    }

    /// The code of the record's kind.
    #[inline]
    pub(crate) fn kind_code(&self) -> u8 {
        self.meta & KIND_MASK
    }

    /// Whether the record has normal priority and neither a sampling rate, a text nor dynamic tags, as most records
    /// have.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        const PRIORITY: u8 = 3 << PRIORITY_SHIFT;
        self.meta & PRIORITY == (Priority::Normal as u8) << PRIORITY_SHIFT
            && self.rate == 1
            && self.inline_len == 0
    }

    #[cfg(feature = "alloc")]
    /// Copies everything but what stands in the slot, and says what will: so many bytes, or a ticket.
    ///
    /// Field by field, as they were just written: a core waits before it can read in one piece what it has written in
    /// several, and the compiler would make large pieces of them.
    #[inline(always)]
    fn copy_head(&self, place: &mut MaybeUninit<Self>, inline_len: u8) {
        const { assert!(core::mem::offset_of!(Self, rate) == core::mem::offset_of!(Self, name_len) + 4) };
        let place = place.as_mut_ptr();
        // SAFETY: both are events, and the fields of this one are written; the first four of one byte are in a row, and
        // aligned as a word of four is, behind pointers.
        unsafe {
            (&raw mut (*place).time).write((&raw const self.time).read_volatile());
            (&raw mut (*place).bits).write((&raw const self.bits).read_volatile());
            (&raw mut (*place).name).write((&raw const self.name).read_volatile());
            (&raw mut (*place).tags).write((&raw const self.tags).read_volatile());
            let four = (&raw const self.name_len).cast::<u32>().read_volatile();
            (&raw mut (*place).name_len).cast::<u32>().write(four);
            (&raw mut (*place).rate).write(self.rate);
            (&raw mut (*place).inline_len).write(inline_len);
        }
    }

    #[cfg(feature = "alloc")]
    /// Copies an event that has nothing in its slot.
    #[inline(always)]
    pub(crate) fn copy_bare(&self, place: &mut MaybeUninit<Self>) {
        self.copy_head(place, 0);
    }

    #[cfg(feature = "alloc")]
    /// Copies the event with its tags, and keeps them as [`keep_strings`](Self::keep_strings) does. One with a text is
    /// left to that; then, and where the memory beside the ring has no block at hand, nothing is written and this is
    /// `None`.
    #[inline(always)]
    pub(crate) fn copy_with(
        &self,
        place: &mut MaybeUninit<Self>,
        strings: &Borrowed<'_>,
        owner: Option<Owner<'_>>,
    ) -> Option<()> {
        let sound = strings.check().ok().filter(|sound| !sound.has_text())?;
        let length = sound.tag_bytes();
        // SAFETY: it is a field of the event.
        let slot = unsafe { (&raw mut (*place.as_mut_ptr()).inline).cast::<u8>() };
        if length <= INLINE {
            // SAFETY: there is room for all.
            unsafe { sound.write_tags(slot) };
            self.copy_head(place, length as u8);
            return Some(());
        }
        let ticket = owner?.write_tags(sound)?.to_bytes();
        // SAFETY: a ticket fits the slot, see `set_spilled`.
        unsafe { slot.cast::<[u8; Spilled::BYTES]>().write(ticket) };
        self.copy_head(place, SPILLED);
        Some(())
    }

    /// Whether there is nothing in its slot.
    #[inline(always)]
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.inline_len == 0
    }

    /// Its number, or its text among those strings of it.
    #[inline]
    pub(crate) fn content_in<'a>(&'a self, strings: &'a EventStrings<'_>) -> Content<'a> {
        match self.content() {
            Content::Text(_) => Content::Text(strings.text().unwrap_or("")),
            content => content,
        }
    }

    /// The dynamic tags in the slot, in the order in which they were added. Tags outside the slot are left out; see
    /// [`strings`](Self::strings).
    #[inline]
    pub fn dynamic_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.in_slot().tags()
    }

    #[inline]
    fn has_text(&self) -> bool {
        matches!(SlotForm::of(self.form), SlotForm::Text)
    }

    #[inline]
    pub(crate) fn in_slot(&self) -> InSlot<'_> {
        // An event that has spilled has none in the slot: its `inline_len` exceeds every slot.
        let written = self.inline.get(..usize::from(self.inline_len)).unwrap_or(&[]);
        // SAFETY: only `push_inline` and `keep_strings` advance `inline_len`, within the slot and to the end of what they have written
        // without gaps, each string whole after its length. A text is always the first string.
        unsafe { InSlot::new(uninit::written(written), self.has_text()) }
    }
}

/// The content of an event apart from its name and tags.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Content<'a> {
    /// A number.
    Number(Value),
    /// A text held in the slot.
    Text(&'a str),
    /// An interned text.
    Symbol(Symbol),
}

impl<const INLINE: usize> core::fmt::Debug for Event<INLINE> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind())
            .field("priority", &self.priority())
            .field("name", &self.name())
            .field("content", &self.content())
            .field("tags", &self.tags())
            .field("time", &self.time)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn event() -> Event {
        Event::new(Kind::Timing, "db.query".into(), Value::F64(12.5), 42).unwrap()
    }

    #[test]
    fn a_slot_gives_back_what_was_put_in() {
        let mut e = event();
        e.set_tags(&[("service", "shop")]).unwrap();
        e.push_tag("table", "orders").unwrap();
        e.push_tag("é", "").unwrap();
        e.set_priority(Priority::Critical);
        e.set_rate(10);
        assert_eq!(e.kind(), Kind::Timing);
        assert_eq!(e.priority(), Priority::Critical);
        assert_eq!(e.name(), Name::Static("db.query"));
        assert_eq!(e.content(), Content::Number(Value::F64(12.5)));
        assert_eq!(e.tags(), [("service", "shop")]);
        assert_eq!(e.dynamic_tags().collect::<Vec<_>>(), [("table", "orders"), ("é", "")]);
        assert_eq!((e.time(), e.rate()), (42, 10));
    }

    #[test]
    fn a_rate_grows_only_as_far_as_it_can_be_said() {
        let mut e = event();
        e.set_rate(20);
        [12, 0, 1].into_iter().for_each(|n| e.thin(n));
        assert_eq!((e.rate(), e.can_thin(1), e.can_thin(2)), (240, true, false));
        e.thin(2);
        assert_eq!(e.rate(), 240);
    }

    #[test]
    fn every_form_of_number_survives() {
        for value in [
            Value::U64(u64::MAX),
            Value::I64(i64::MIN),
            Value::F32(1.5),
            Value::F64(-0.0),
            Value::Decimal { mantissa: -7, scale: 8 },
        ] {
            let e: Event = Event::new(Kind::Gauge, "g".into(), value, 0).unwrap();
            assert_eq!(e.content(), Content::Number(value));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let mut e = event();
        e.push_tag("table", "orders").unwrap();
        assert_eq!(e.push_tag("customer", "somebody"), Err(Cause::TagTooLong));
        assert_eq!(e.push_tag("key", &"v".repeat(300)), Err(Cause::TagTooLong));
        assert_eq!(e.dynamic_tags().collect::<Vec<_>>(), [("table", "orders")]);
        assert_eq!(e.set_text("late"), Err(Cause::Invalid));
        assert_eq!(e.push_tag("k", "123456789"), Ok(()));
        assert_eq!(e.push_tag("", ""), Err(Cause::TagTooLong), "the slot is exactly full");
    }

    #[test]
    fn names_and_numbers_are_checked() {
        let long: &'static str = alloc::boxed::Box::leak("n".repeat(256).into_boxed_str());
        let new =
            |name: &'static str, v: f64| Event::<26>::new(Kind::Gauge, name.into(), v.into(), 0);
        assert_eq!(new("", 1.0).unwrap_err(), Cause::Invalid);
        assert_eq!(new(long, 1.0).unwrap_err(), Cause::Invalid);
        assert!(new(&long[1..], 1.0).is_ok());
        assert_eq!(new("n", f64::NAN).unwrap_err(), Cause::Invalid);
        assert_eq!(new("n", f64::INFINITY).unwrap_err(), Cause::Invalid);
    }

    #[test]
    fn text_and_symbols_stand_in_for_the_number() {
        let mut e = event();
        e.set_text("user-7").unwrap();
        e.push_tag("k", "v").unwrap();
        assert_eq!(e.content(), Content::Text("user-7"));
        assert_eq!(e.dynamic_tags().collect::<Vec<_>>(), [("k", "v")]);
        let mut e: Event<2> = Event::new(Kind::Set, Symbol(9).into(), 1u8.into(), 0).unwrap();
        e.set_symbol(Symbol(3));
        assert_eq!(e.name(), Name::Interned(Symbol(9)));
        assert_eq!(e.content(), Content::Symbol(Symbol(3)));
        assert_eq!(e.dynamic_tags().count(), 0);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn slots_have_the_promised_sizes() {
        assert_eq!(size_of::<Event>(), 64);
        assert_eq!(size_of::<Event<2>>(), 40);
    }
}
