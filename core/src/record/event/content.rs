//! What an event says: a number, or a text in its place.

use super::Event;
use crate::ledger::Cause;
use crate::record::strings::EventStrings;
use crate::record::{Symbol, Value};

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

impl<const INLINE: usize> Event<INLINE> {
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

    /// Replaces the number by an interned text.
    #[inline]
    pub fn set_symbol(&mut self, text: Symbol) {
        self.form = SlotForm::Symbol as u8;
        self.bits = u64::from(text.0);
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

    /// Its number, or its text among those strings of it.
    #[inline]
    pub(crate) fn content_in<'a>(&'a self, strings: &'a EventStrings<'_>) -> Content<'a> {
        match self.content() {
            Content::Text(_) => Content::Text(strings.text().unwrap_or("")),
            content => content,
        }
    }

    #[inline]
    pub(super) fn has_text(&self) -> bool {
        matches!(SlotForm::of(self.form), SlotForm::Text)
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
