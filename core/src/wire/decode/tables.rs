//! The tables that a datagram fills: strings, tags and tag sets, each defined once and then known by its index.

use core::ops::Range;

use heapless::String;

use super::{Decoder, Dynamic, Span};
use crate::wire::cursor::Reader;
use crate::wire::error::DecodeError;
use crate::wire::{STRING_LIMIT, packed, string};

impl<const STRINGS: usize, const ARENA: usize> Decoder<STRINGS, ARENA> {
    /// Reads the reference to a string, or its definition.
    #[inline(always)]
    pub(super) fn string_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.reference()?;
        if code >= string::REFERENCE && code.is_multiple_of(2) {
            let index = (code - string::REFERENCE) / 2;
            return if index < self.strings.len() as u64 {
                Ok(index as u16)
            } else {
                Err(DecodeError::BadStringIndex)
            };
        }
        self.define(code, r)
    }

    #[inline(never)]
    fn define(&mut self, code: u64, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let at = self.arena.len();
        let mut prefix = 0..0;
        let packed;
        let suffix = if code == string::PLAIN {
            let count = r.reference()?;
            packed = self.packed && count % 2 == 1;
            let length = if self.packed { count / 2 } else { count };
            if length > STRING_LIMIT as u64 {
                return Err(DecodeError::StringTooLong);
            }
            length as usize
        } else {
            let short = code != string::PREFIXED_LONG;
            packed = self.packed && short;
            let index = if short { (code - string::PREFIXED) / 2 } else { r.varint()? };
            let earlier = usize::try_from(index).ok().and_then(|i| self.strings.get(i)).copied();
            let Span { at, length } = earlier.ok_or(DecodeError::BadStringIndex)?;
            let lengths = r.byte()?;
            let (shared, suffix) =
                if short { ((lengths >> 4) + 1, lengths & 0xF) } else { (lengths, r.byte()?) };
            if shared > length {
                return Err(DecodeError::BadStringIndex);
            }
            prefix = usize::from(at)..usize::from(at) + usize::from(shared);
            if !self.arena.is_char_boundary(prefix.end) {
                return Err(DecodeError::BadUtf8);
            }
            usize::from(suffix)
        };
        let wide = r.rest().first_chunk();
        if packed {
            let bytes = r.bytes(packed::length(suffix))?;
            let done = wide
                .is_some_and(|wide| self.append_short(&prefix, &packed::unpack_wide(wide), suffix));
            if !done {
                self.append(&prefix, &packed::unpack_long(bytes)[..suffix])?;
            }
        } else {
            let bytes = r.bytes(suffix)?;
            if !wide.is_some_and(|wide| self.append_short(&prefix, wide, suffix)) {
                self.append(&prefix, bytes)?;
            }
        }
        let length = u8::try_from(self.arena.len() - at).map_err(|_| DecodeError::StringTooLong)?;
        let index = self.strings.len() as u16;
        self.strings.push(Span { at: at as u16, length }).map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    /// Appends a string to the arena: a prefix that stands there, and a suffix.
    fn append(&mut self, prefix: &Range<usize>, suffix: &[u8]) -> Result<(), DecodeError> {
        let prefix = self.arena.get(prefix.clone()).ok_or(DecodeError::BadUtf8)?;
        let prefix: String<STRING_LIMIT> =
            String::try_from(prefix).map_err(|_| DecodeError::StringTooLong)?;
        let suffix = core::str::from_utf8(suffix).map_err(|_| DecodeError::BadUtf8)?;
        self.arena.push_str(&prefix).map_err(|_| DecodeError::TableFull)?;
        self.arena.push_str(suffix).map_err(|_| DecodeError::TableFull)
    }

    /// The same for a string of ASCII of at most 32 bytes, half of them prefix, as nearly all are: put together in
    /// registers, so that nothing depends on its length. `wide` begins with the suffix. `false`: nothing was done.
    #[inline]
    fn append_short(&mut self, prefix: &Range<usize>, wide: &[u8; 32], suffix: usize) -> bool {
        const HALF: usize = 16;
        /// The lowest `n` bytes.
        fn low(n: usize) -> u128 {
            if n >= HALF { u128::MAX } else { (1 << (8 * n)) - 1 }
        }
        let shared = prefix.len();
        let mut head = 0;
        if shared > 0 {
            let tail = self.arena.as_bytes().get(prefix.start..);
            let Some(chunk) = tail.and_then(|t| t.first_chunk::<HALF>()) else { return false };
            head = u128::from_le_bytes(*chunk) & low(shared);
        }
        if shared > HALF || shared + suffix > wide.len() {
            return false;
        }
        let (front, back) = wide.split_at(HALF);
        let half = |b: &[u8]| b.first_chunk().map_or(0, |c| u128::from_le_bytes(*c));
        let (front, back) =
            (half(front) & low(suffix), half(back) & low(suffix.saturating_sub(HALF)));
        // In two steps each: a shift by the whole width would be none.
        let (up, down) = (4 * shared, 64 - 4 * shared);
        let first = head | front << up << up;
        let second = back << up << up | front >> down >> down;
        if (first | second) & 0x8080_8080_8080_8080_8080_8080_8080_8080 != 0 {
            return false;
        }
        let mut whole = [0; 32];
        whole[..HALF].copy_from_slice(&first.to_le_bytes());
        whole[HALF..].copy_from_slice(&second.to_le_bytes());
        let Ok(text) = core::str::from_utf8(&whole) else { return false };
        // All of it, since a copy of a fixed length is no call, then without the zeros at its end.
        let end = self.arena.len() + shared + suffix;
        if text.get(..32).is_none_or(|text| self.arena.push_str(text).is_err()) {
            return false;
        }
        self.arena.truncate(end);
        true
    }

    /// Reads the reference to a tag set, or its definition.
    #[inline(always)]
    pub(super) fn set_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.reference()?;
        if code == 0 {
            return self.define_set(r);
        }
        if code > self.sets.len() as u64 {
            return Err(DecodeError::BadTagIndex);
        }
        Ok((code - 1) as u16)
    }

    #[inline(never)]
    fn define_set(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let count = r.varint()?;
        let from = self.members.len();
        if count > (STRINGS - from.min(STRINGS)) as u64 {
            return Err(DecodeError::TableFull);
        }
        for _ in 0..count {
            let tag = self.tag_ref(r)?;
            self.members.push(tag).map_err(|_| DecodeError::TableFull)?;
        }
        let index = self.sets.len() as u16;
        self.sets
            .push((from as u16, self.members.len() as u16))
            .map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    /// Reads the reference to a tag, or its definition.
    fn tag_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.reference()?;
        if code > 0 {
            return if code <= self.tags.len() as u64 {
                Ok((code - 1) as u16)
            } else {
                Err(DecodeError::BadTagIndex)
            };
        }
        let tag = (self.string_ref(r)?, self.string_ref(r)?);
        let index = self.tags.len() as u16;
        self.tags.push(tag).map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    #[inline]
    pub(super) fn text(&self, index: u16) -> &str {
        let text = self.strings.get(usize::from(index)).and_then(|span| {
            let at = usize::from(span.at);
            self.arena.get(at..at + usize::from(span.length))
        });
        text.unwrap_or("")
    }
}

/// The tables of a decoder of any size, as the tags of a record need them.
pub(super) trait Tables: Send + Sync {
    fn text(&self, index: u16) -> &str;
    /// Key and value of a tag.
    fn tag(&self, index: u16) -> Option<(&str, &str)>;
    fn members(&self, set: u16) -> &[u16];
    fn dynamic(&self) -> &[Dynamic];
}

impl<const STRINGS: usize, const ARENA: usize> Tables for Decoder<STRINGS, ARENA> {
    fn text(&self, index: u16) -> &str {
        Decoder::text(self, index)
    }

    fn tag(&self, index: u16) -> Option<(&str, &str)> {
        let (key, value) = self.tags.get(usize::from(index))?;
        Some((Decoder::text(self, *key), Decoder::text(self, *value)))
    }

    fn members(&self, set: u16) -> &[u16] {
        let members = self
            .sets
            .get(usize::from(set))
            .and_then(|(from, to)| self.members.get(usize::from(*from)..usize::from(*to)));
        members.unwrap_or(&[])
    }

    fn dynamic(&self) -> &[Dynamic] {
        &self.dynamic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Short strings of ASCII are put together in another way than the rest.
        #[test]
        fn both_ways_of_appending_agree(
            earlier in "[a-zé]{1,40}",
            shared in 0usize..40,
            suffix in "[a-z._é]{0,40}",
            behind in any::<[u8; 32]>(),
        ) {
            let mut plain: Decoder<4, 256> = Decoder::new();
            plain.arena.push_str("before").unwrap();
            plain.arena.push_str(&earlier).unwrap();
            let shared = shared.min(earlier.len());
            prop_assume!(earlier.is_char_boundary(shared));
            let prefix = 6..6 + shared;
            plain.arena.push_str("and sixteen more").unwrap();
            let mut short: Decoder<4, 256> = Decoder::new();
            short.arena.push_str(&plain.arena).unwrap();
            plain.append(&prefix, suffix.as_bytes()).unwrap();
            let mut wide = behind;
            let length = suffix.len().min(32);
            wide[..length].copy_from_slice(&suffix.as_bytes()[..length]);
            let done = short.append_short(&prefix, &wide, suffix.len());
            let ascii = earlier[..shared].is_ascii() && suffix.is_ascii();
            prop_assert_eq!(done, ascii && shared <= 16 && shared + suffix.len() <= 32);
            if done {
                prop_assert_eq!(&short.arena, &plain.arena);
            }
        }
    }
}
