//! Names and tags as callers pass them to a recorder.

use crate::record::spill::Area;

/// The largest number of dynamic tags on a record.
pub const DYNAMIC_TAG_LIMIT: usize = 16;
/// The longest name, tag key or tag value, in bytes.
pub const STRING_LIMIT: usize = 255;
/// The longest text of an event, in bytes.
pub const TEXT_LIMIT: usize = 1000;

/// One tag, as a key and a value.
pub type Tag = (&'static str, &'static str);

/// A string held by an interner; the number is its place in the interner's table.
///
/// A symbol is meaningful only to the interner that created it. Any other interner either does not know it (the record
/// is then counted as an encode error) or has another string in that place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Symbol(pub(crate) u32);

/// What a record is called: a string known at compile time, or one interned at run time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Name {
    /// A name that is known at compile time. Using it costs nothing.
    Static(&'static str),
    /// A name that was interned at run time.
    Interned(Symbol),
}

impl From<&'static str> for Name {
    #[inline]
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<Symbol> for Name {
    #[inline]
    fn from(symbol: Symbol) -> Self {
        Self::Interned(symbol)
    }
}

/// Turns symbols back into strings when events are encoded, and knows the memory for long tags.
pub trait Resolve {
    /// The string behind `symbol`, or `None` if this interner did not create it. Takes constant time.
    fn resolve(&self, symbol: Symbol) -> Option<&str>;

    /// Whether [`area`](Self::area) can ever return a memory. If not, the code for long tags is compiled out.
    const HAS_AREAS: bool = false;

    /// The memory for long tags with that number, if there is one; see [`spill`](super::spill).
    #[inline]
    fn area(&self, _number: u16) -> Option<Area<'_>> {
        None
    }
}

/// The resolver of clients that make no names at run time: it knows no symbol.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, _: Symbol) -> Option<&str> {
        None
    }
}

impl<R: Resolve + ?Sized> Resolve for &R {
    const HAS_AREAS: bool = R::HAS_AREAS;

    #[inline]
    fn resolve(&self, symbol: Symbol) -> Option<&str> {
        (**self).resolve(symbol)
    }

    #[inline]
    fn area(&self, number: u16) -> Option<Area<'_>> {
        (**self).area(number)
    }
}

/// One step of a hash over four bytes at a time.
#[inline]
fn mix(h: u32, v: u32) -> u32 {
    (h.rotate_left(5) ^ v).wrapping_mul(0x9E37_79B1)
}

/// A hash of short byte strings.
#[inline]
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut h = bytes.len() as u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        h = mix(h, chunk.first_chunk().map_or(0, |b| u32::from_le_bytes(*b)));
    }
    for byte in chunks.remainder() {
        h = mix(h, u32::from(*byte));
    }
    h ^ h >> 15
}
