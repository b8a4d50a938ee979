//! What a datagram's string table is to the one who writes records: two ways to keep it.
//!
//! [`Strings`](full::Strings) remembers what was said in earlier datagrams, shortens strings by the prefixes they share and
//! packs them; [`Lean`](lean::Lean) does none of it and takes a tenth of the memory and a quarter of the code;
//! [`Bare`](lean::Bare) remembers nothing at all.

pub(super) mod full;
mod key;
pub(crate) mod lean;

pub(crate) use key::Key;

use crate::wire::cursor::{NoRoom, Writer};

use crate::record::event::RawContent;
use crate::record::{Tag, Value};
use crate::wire::number::Number;

/// A table.
pub trait Table {
    /// Whether strings are packed in the datagrams it is for.
    const PACKED: bool;

    /// Whether instruments may be histograms, and have names made at run time. Where they may not, the code for it is
    /// left out.
    const ANY_INSTRUMENT: bool;

    /// A new datagram begins: nothing is defined in it.
    fn clear(&mut self, packed: bool);

    /// The code that refers to `text`, where it is quickly found that it is defined: then records can be written in one
    /// piece.
    #[inline(always)]
    fn known(&self, _: Key, _text: &str) -> Option<u16> {
        None
    }

    /// The same for a static tag set.
    #[inline(always)]
    fn known_set(&self, _: &'static [Tag]) -> Option<u16> {
        None
    }

    /// Writes a reference to `text`, or its definition on first use.
    fn write(&mut self, w: &mut Writer<'_>, key: Key, text: &str) -> Result<(), NoRoom>;

    /// Writes a reference to a static tag set, or its definition on first use.
    fn write_set(&mut self, w: &mut Writer<'_>, tags: &'static [Tag]) -> Result<(), NoRoom>;

    /// Writes the definition of a tag set that is not looked for again.
    fn define_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NoRoom>;

    /// How a number is written.
    fn number(value: Value) -> Number;

    /// The same for the number in an event's slot; `None` if there is a text.
    fn number_of_slot(slot: RawContent) -> Option<Number>;
}
