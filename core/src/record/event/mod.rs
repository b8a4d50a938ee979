//! Events: records that are each kept by themselves, one 64-byte slot in a ring.
//!
//! An [`Event`] is plain data without a destructor: the recorder copies it into a ring and the sender copies it out.
//! Static names and tag sets are held as thin pointers, dynamic tags as bytes inside the slot, so that a slot with both
//! is one cache line. What a slot says in place of a number is in [`content`], its text and dynamic tags are in
//! [`strings`], and how an event gets into a reserved slot is in [`copy`].

#![allow(unsafe_code)] // Thin pointers to 'static data: they save 16 of the 64 bytes of a slot.

mod content;
#[cfg(feature = "alloc")]
mod copy;
mod strings;
#[cfg(test)]
mod tests;

use core::mem::MaybeUninit;

use crate::ledger::Cause;
use crate::record::{Kind, Name, Priority, Symbol, Tag, Value};
pub use content::Content;
pub(crate) use content::{RawContent, SlotForm};

/// The room for dynamic tags and text in the default slot, in bytes: what is left of 64 bytes on a 64-bit target.
pub const DEFAULT_INLINE: usize = 26;

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
