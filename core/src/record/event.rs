//! Events: records that are each kept by themselves, one 64-byte slot in a ring.
//!
//! An [`Event`] is plain data without a destructor: it is copied into a ring by the recorder and out of it by the
//! sender. Static names and tag sets are held as thin pointers, dynamic tags as bytes inside the slot, so that a
//! slot with both is a cache line.

#![allow(unsafe_code)] // Thin pointers to 'static data: they save 16 of the 64 bytes of a slot.

use core::mem::MaybeUninit;

use crate::ledger::Cause;
use crate::record::spill::Spilled;
use crate::record::strings::{EventStrings, InSlot};
use crate::record::{Name, Resolve, Symbol, Tag, Value};

/// What a record says.
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

    /// Whether a record of this kind may hold a text in place of a number: the member of a set, or what an event says.
    #[inline]
    #[must_use]
    pub const fn takes_text(self) -> bool {
        match self {
            Self::Set | Self::Event => true,
            Self::Counter | Self::Gauge | Self::Timing | Self::Distribution => false,
        }
    }
}

/// How much a record matters when not all can be kept.
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
    /// Records that are kept until the collector has acknowledged them, where the client is set up for that.
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

/// Room for dynamic tags and text in the default slot: what is left of 64 bytes on a 64-bit target.
pub const DEFAULT_INLINE: usize = 26;

/// How the bits of a slot are to be read. These are not the forms of the wire, which are narrower: `wire::Form`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum SlotForm {
    U64 = 0,
    I64 = 1,
    F32 = 2,
    F64 = 3,
    /// A mantissa; the scale stands beside the form.
    Decimal = 4,
    /// The bits mean nothing: the text stands in the slot.
    Text = 5,
    /// The number of an interned text.
    Symbol = 6,
}

impl SlotForm {
    /// The form in the low nibble of a slot's byte.
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

/// What a slot holds besides name and tags, as an encoder takes it.
#[derive(Clone, Copy, Debug)]
pub struct RawContent {
    pub(crate) form: SlotForm,
    /// Of a decimal; otherwise 0.
    pub(crate) scale: u8,
    pub(crate) bits: u64,
}

/// In place of `inline_len`: the strings stand beside the ring, and the ticket for them in the slot.
const SPILLED: u8 = u8::MAX;

const KIND_MASK: u8 = 0b0000_0111;
const PRIORITY_SHIFT: u8 = 3;
/// The caller gave the time.
const STAMPED: u8 = 0b0100_0000;
const INTERNED: u8 = 0b1000_0000;

/// One record in a ring: at most 64 bytes with the default `INLINE`, dynamic tags included.
///
/// `INLINE` bytes hold dynamic tags (each key and each value costs its length and one byte) and text. A client
/// that needs none of them takes `Event<2>`: 40 bytes on a 64-bit target.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Event<const INLINE: usize = DEFAULT_INLINE> {
    time: u64,
    bits: u64,
    /// The first byte of a static name, or the number of an interned one (`INTERNED` is set).
    name: *const u8,
    /// The first of `tags_len` static tags; null when there are none.
    tags: *const Tag,
    name_len: u8,
    tags_len: u8,
    /// Kind, priority, `STAMPED` and `INTERNED`.
    meta: u8,
    /// A [`SlotForm`] in the low nibble, the scale of a decimal in the high one.
    form: u8,
    /// This record stands for `rate` of its kind.
    rate: u8,
    inline_len: u8,
    /// Strings, each behind a length byte: the text if `form` says so, then keys and values in turn. The first
    /// `inline_len` bytes are written; the others are left as they are, which is a third of what a record without
    /// them would cost on a chip.
    inline: [MaybeUninit<u8>; INLINE],
}

// SAFETY: the pointers lead to 'static data that is never written (`&'static str`, `&'static [Tag]`), or are
// numbers that nobody dereferences.
unsafe impl<const INLINE: usize> Send for Event<INLINE> {}
// SAFETY: as above; an `Event` has no interior mutability.
unsafe impl<const INLINE: usize> Sync for Event<INLINE> {}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Event>() == 64);

impl<const INLINE: usize> Event<INLINE> {
    /// A record of `value` under `name` at `time` (in the unit of the client's clock).
    ///
    /// # Errors
    /// [`Cause::Invalid`] when the name is empty or longer than 255 bytes, or the value is not [valid](Value::is_valid).
    #[inline]
    pub fn new(kind: Kind, name: Name, value: Value, time: u64) -> Result<Self, Cause> {
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
        if name_len == 0 || name_len > 255 || !value.is_valid() {
            return Err(Cause::Invalid);
        }
        Ok(Self {
            time,
            bits,
            name: pointer,
            tags: core::ptr::null(),
            name_len: name_len as u8,
            tags_len: 0,
            meta: kind as u8 | (Priority::Normal as u8) << PRIORITY_SHIFT | interned,
            form,
            rate: 1,
            inline_len: 0,
            inline: [MaybeUninit::uninit(); INLINE],
        })
    }

    /// Replaces the number by a text held in the slot, as for the member of a set. Call it before the first tag.
    ///
    /// # Errors
    /// [`Cause::TextTooLong`] when the text does not fit the slot, [`Cause::Invalid`] when a text or tag stands there
    /// already.
    #[inline]
    pub fn set_text(&mut self, text: &str) -> Result<(), Cause> {
        if self.inline_len != 0 {
            return Err(Cause::Invalid);
        }
        self.push_inline(&[text]).ok_or(Cause::TextTooLong)?;
        self.form = SlotForm::Text as u8;
        Ok(())
    }

    /// Replaces the number by a text that is not in the slot.
    pub(crate) fn set_text_spilled(&mut self) {
        self.form = SlotForm::Text as u8;
        self.set_spilled(Spilled::NOWHERE);
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
    /// [`Cause::TooManyTags`] when there are more than 255.
    #[inline]
    pub fn set_tags(&mut self, tags: &'static [Tag]) -> Result<(), Cause> {
        self.tags_len = u8::try_from(tags.len()).map_err(|_| Cause::TooManyTags)?;
        self.tags = tags.as_ptr();
        Ok(())
    }

    /// Adds a dynamic tag, copied into the slot.
    ///
    /// # Errors
    /// [`Cause::TagTooLong`] when it does not fit; the event is then as before.
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
            // The lengths are equal; said this way, the compiler sees it and has no panic to provide for.
            let bytes = bytes.get_mut(..string.len())?;
            bytes.write_copy_of_slice(string.as_bytes());
            at = end;
        }
        self.inline_len = at as u8;
        Some(())
    }

    /// Where its text and dynamic tags are, if not in the slot: see [`spill`](crate::record::spill).
    #[inline]
    #[must_use]
    pub fn spilled(&self) -> Option<Spilled> {
        if self.inline_len != SPILLED {
            return None;
        }
        let ticket = self.inline.first_chunk::<{ Spilled::BYTES }>()?;
        // SAFETY: `set_spilled`, which alone says that it has spilled, wrote them all.
        Some(Spilled::from_bytes(ticket.map(|byte| unsafe { byte.assume_init() })))
    }

    /// Whether a ticket fits the slot.
    pub(crate) const fn can_spill(&self) -> bool {
        INLINE >= Spilled::BYTES
    }

    /// Puts a ticket in the place of text and dynamic tags. Nothing is changed where it does not fit.
    #[inline]
    pub(crate) fn set_spilled(&mut self, spilled: Spilled) {
        if let Some(place) = self.inline.first_chunk_mut::<{ Spilled::BYTES }>() {
            place.write_copy_of_slice(&spilled.to_bytes());
            self.inline_len = SPILLED;
        }
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

    /// Its text and dynamic tags, wherever they are. `None` when they are beside a ring of which `names` does not know,
    /// or were given back already.
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

    /// Whether the caller gave the time, which may then lie far from the record call.
    #[inline]
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.meta & STAMPED != 0
    }

    /// Says that this record stands for `rate` of its kind (1 in `rate` was kept). 0 counts as 1.
    #[inline]
    pub fn set_rate(&mut self, rate: u8) {
        self.rate = if rate == 0 { 1 } else { rate };
    }

    /// Whether a rate can say that this stands for `n` times as many: at most 255.
    #[inline]
    #[must_use]
    pub fn can_thin(&self, n: u8) -> bool {
        self.rate.checked_mul(n).is_some()
    }

    /// Says that only one in `n` of these was kept: it stands for `n` times as many. Nothing is changed where that
    /// [cannot be said](Self::can_thin).
    #[inline]
    pub fn thin(&mut self, n: u8) {
        self.rate = self.rate.checked_mul(n.max(1)).unwrap_or(self.rate);
    }

    /// What the record says.
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

    /// When it was recorded, in the unit of the client's clock.
    #[inline]
    #[must_use]
    pub fn time(&self) -> u64 {
        self.time
    }

    /// It stands for so many of its kind.
    #[inline]
    #[must_use]
    pub fn rate(&self) -> u8 {
        self.rate
    }

    /// Its name.
    #[inline]
    #[must_use]
    pub fn name(&self) -> Name {
        if self.meta & INTERNED != 0 {
            return Name::Interned(Symbol(self.name.addr() as u32));
        }
        // SAFETY: `new` took pointer and length from one `&'static str`, and nothing changes them.
        Name::Static(unsafe {
            core::str::from_utf8_unchecked(core::slice::from_raw_parts(
                self.name,
                usize::from(self.name_len),
            ))
        })
    }

    /// Its static tags.
    #[inline]
    #[must_use]
    pub fn tags(&self) -> &'static [Tag] {
        if self.tags_len == 0 {
            return &[];
        }
        // SAFETY: `set_tags` took pointer and length from one `&'static [Tag]`, and sets both.
        unsafe { core::slice::from_raw_parts(self.tags, usize::from(self.tags_len)) }
    }

    /// Its number, or text. A text that is not in the slot is empty here; see [`strings`](Self::strings).
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

    /// Its content as the slot holds it.
    #[inline(always)]
    pub(crate) fn raw(&self) -> RawContent {
        RawContent { form: SlotForm::of(self.form), scale: self.form >> 4, bits: self.bits }
    }

    /// The code of its kind.
    #[inline]
    pub(crate) fn kind_code(&self) -> u8 {
        self.meta & KIND_MASK
    }

    /// Whether it has normal priority, no sampling rate, no text and no dynamic tags, as most have.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        const PRIORITY: u8 = 3 << PRIORITY_SHIFT;
        self.meta & PRIORITY == (Priority::Normal as u8) << PRIORITY_SHIFT
            && self.rate == 1
            && self.inline_len == 0
    }

    /// Its number, or its text among those strings of it.
    #[inline]
    pub(crate) fn content_in<'a>(&'a self, strings: &'a EventStrings<'_>) -> Content<'a> {
        match self.content() {
            Content::Text(_) => Content::Text(strings.text().unwrap_or("")),
            content => content,
        }
    }

    /// Its dynamic tags, in the order they were added. Those that are not in the slot are left out; see
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
        // Of one that has spilled none: no slot is as long as that.
        let written = self.inline.get(..usize::from(self.inline_len)).unwrap_or(&[]);
        // SAFETY: `push_inline` alone moves `inline_len` within the slot, and to where it has written without a gap,
        // each string whole behind its length; of a text the first.
        unsafe { InSlot::new(written.assume_init_ref(), self.has_text()) }
    }
}

/// What an event holds besides its name and tags.
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
