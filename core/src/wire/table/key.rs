//! What makes two uses of a string, tag or tag set the same, and the hashes that find it again.

use crate::record::{Symbol, Tag, hash};

/// A key, and what sort of key it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    pub(super) key: usize,
    pub(super) sort: u16,
}

/// Sorts of keys. The low byte is left to the length of the string or set; a sort of 0 is none.
pub(super) mod sort {
    pub(in crate::wire::table) const STATIC: u16 = 0x100;
    pub(in crate::wire::table) const SYMBOL: u16 = 0x200;
    pub(in crate::wire::table) const CONTENT: u16 = 0x300;
    pub(in crate::wire::table) const SET: u16 = 0x400;
    pub(in crate::wire::table) const TAG: u16 = 0x500;
}

impl Key {
    /// Of a string known at compile time: its address.
    #[inline]
    pub(crate) fn of_static(text: &'static str) -> Self {
        Self { key: text.as_ptr().addr(), sort: sort::STATIC }
    }

    /// Of an interned string: its number.
    #[inline]
    pub(crate) fn of_symbol(symbol: Symbol) -> Self {
        Self { key: symbol.0 as usize, sort: sort::SYMBOL }
    }

    /// Of a string that may be gone when its address is used again: a hash of its bytes, which are then compared.
    #[inline]
    pub(crate) fn of_content(text: &str) -> Self {
        Self { key: hash(text.as_bytes()) as usize, sort: sort::CONTENT }
    }

    /// Of a static tag set: its address.
    #[inline]
    pub(super) fn of_set(tags: &'static [Tag]) -> Self {
        Self { key: tags.as_ptr().addr(), sort: sort::SET }
    }

    /// Whether it may be shared by different strings.
    #[inline]
    pub(super) fn is_content(self) -> bool {
        self.sort == sort::CONTENT
    }

    /// Of a tag: the slots of key and value.
    #[inline]
    pub(super) fn of_tag(key: usize, value: usize) -> Self {
        Self { key: key << 16 | value, sort: sort::TAG }
    }
}

/// A slot for an address or number (Fibonacci hashing: the odd integer nearest 2^32 / φ; its high bits are the best).
#[inline(always)]
pub(super) fn spread<const SLOTS: usize>(key: usize) -> usize {
    const { assert!(SLOTS.is_power_of_two()) };
    ((u64::from((key as u32).wrapping_mul(0x9E37_79B1)) * SLOTS as u64) >> 32) as usize
}
