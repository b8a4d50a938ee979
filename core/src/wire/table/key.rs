//! What makes two uses of a string, tag or tag set the same, and the hashes that find an earlier use.

use crate::record::{Symbol, Tag, hash};

/// A key, and what sort of key it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub(super) key: usize,
    pub(super) sort: u16,
}

/// The sorts of keys. The low byte is left to the length of the string or set; a sort of 0 means none.
pub(super) mod sort {
    pub(in crate::wire::table) const STATIC: u16 = 0x100;
    pub(in crate::wire::table) const SYMBOL: u16 = 0x200;
    pub(in crate::wire::table) const CONTENT: u16 = 0x300;
    pub(in crate::wire::table) const SET: u16 = 0x400;
    pub(in crate::wire::table) const TAG: u16 = 0x500;
}

impl Key {
    /// The key of a string known at compile time: its address.
    #[inline]
    pub(crate) fn of_static(text: &'static str) -> Self {
        Self { key: text.as_ptr().addr(), sort: sort::STATIC }
    }

    /// The key of an interned string: its number.
    #[inline]
    pub(crate) fn of_symbol(symbol: Symbol) -> Self {
        Self { key: symbol.0 as usize, sort: sort::SYMBOL }
    }

    /// The key of a string that may be freed and its address reused: a hash of its bytes, which are then compared.
    #[inline]
    pub(crate) fn of_content(text: &str) -> Self {
        Self { key: hash(text.as_bytes()) as usize, sort: sort::CONTENT }
    }

    /// The key of a static tag set: its address.
    #[inline]
    pub(super) fn of_set(tags: &'static [Tag]) -> Self {
        Self { key: tags.as_ptr().addr(), sort: sort::SET }
    }

    /// Whether different strings may have the same key.
    #[inline]
    pub(super) fn is_content(self) -> bool {
        self.sort == sort::CONTENT
    }

    /// The key of a tag: the slots of its key and value.
    #[inline]
    pub(super) fn of_tag(key: usize, value: usize) -> Self {
        Self { key: key << 16 | value, sort: sort::TAG }
    }
}

/// The slot for an address or number, by Fibonacci hashing (the odd integer nearest 2^32 / φ; the high bits are the
/// best).
#[inline(always)]
pub(super) fn spread<const SLOTS: usize>(key: usize) -> usize {
    const { assert!(SLOTS.is_power_of_two()) };
    ((u64::from((key as u32).wrapping_mul(0x9E37_79B1)) * SLOTS as u64) >> 32) as usize
}
