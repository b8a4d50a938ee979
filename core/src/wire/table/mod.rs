//! The string table of a datagram from the writer's point of view, and three ways to keep one.
//!
//! [`Strings`](full::Strings) remembers strings from earlier datagrams, shortens new ones by the prefixes they share,
//! and packs them. [`Lean`](lean::Lean) does none of this and takes a tenth of the memory and a quarter of the code.
//! [`Bare`](lean::Bare) remembers nothing at all.

pub(super) mod full;
mod key;
pub(crate) mod lean;

pub(crate) use key::Key;

use crate::wire::cursor::{NoRoom, Writer};

use crate::record::event::RawContent;
use crate::record::{Tag, Value};
use crate::wire::number::Number;

/// A string table.
pub trait Table {
    /// Whether strings are packed in the datagrams that the table is for.
    const PACKED: bool;

    /// Whether instruments may be histograms. If not, the code for them is compiled out.
    const HISTOGRAMS: bool;

    /// Whether instruments may have names that were made at run time. If not, the code for them is compiled out.
    const RUN_TIME_NAMES: bool;

    /// Begins a new datagram, in which nothing is defined.
    fn clear(&mut self, packed: bool);

    /// The code that refers to `text`, if it can quickly be found to be defined; records can then be written at once.
    #[inline(always)]
    fn known(&self, _: Key, _text: &str) -> Option<u16> {
        None
    }

    /// The code that refers to a static tag set, under the same condition.
    #[inline(always)]
    fn known_set(&self, _: &'static [Tag]) -> Option<u16> {
        None
    }

    /// Writes a reference to `text`, or its definition on first use.
    fn write(&mut self, w: &mut Writer<'_>, key: Key, text: &str) -> Result<(), NoRoom>;

    /// Writes a reference to a static tag set, or its definition on first use.
    fn write_set(&mut self, w: &mut Writer<'_>, tags: &'static [Tag]) -> Result<(), NoRoom>;

    /// Writes the definition of a tag set that is not looked up again.
    fn define_set<'t>(
        &mut self,
        w: &mut Writer<'_>,
        tags: impl ExactSizeIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NoRoom>;

    /// The form in which a number is written.
    fn number(value: Value) -> Number;

    /// The form of the number in an event's slot; `None` if the slot holds a text.
    fn number_of_slot(slot: RawContent) -> Option<Number>;
}
