//! The tables that a datagram fills: strings, tags and tag sets, each defined once and then referred to by index.

use core::ops::Range;

use heapless::String;

use super::{Decoder, Dynamic, Span};
use crate::record::STRING_LIMIT;
use crate::wire::cursor::Reader;
use crate::wire::error::DecodeError;
use crate::wire::layout::string;
use crate::wire::sixbit;

/// The size of a `u128` in bytes.
const HALF: usize = 16;

/// A mask of the lowest `n` bytes, or of all 16.
#[inline(always)]
fn low(n: usize) -> u128 {
    const LOW: [u128; HALF + 1] = {
        let mut low = [0; HALF + 1];
        let mut n = 0;
        while n < HALF {
            low[n + 1] = low[n] << 8 | 0xFF;
            n += 1;
        }
        low
    };
    LOW[n.min(HALF)]
}

/// Splits 32 bytes into two little-endian halves, the first bytes lowest.
#[inline]
fn halves(bytes: &[u8; 2 * HALF]) -> [u128; 2] {
    let (first, second) = bytes.split_at(HALF);
    [first, second].map(|half| half.first_chunk().map_or(0, |b| u128::from_le_bytes(*b)))
}

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
        let at = self.end;
        if code == string::PLAIN {
            self.define_plain(r)?;
        } else {
            self.define_like(code, r)?;
        }
        let length = u8::try_from(self.end - at).map_err(|_| DecodeError::StringTooLong)?;
        let index = self.strings.len() as u16;
        self.strings.push(Span { at: at as u16, length }).map_err(|_| DecodeError::TableFull)?;
        Ok(index)
    }

    /// Reads the definition of a string that is spelled out.
    #[inline(always)]
    fn define_plain(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let count = r.small()?;
        let packed = self.packed && count % 2 == 1;
        let length = if self.packed { count / 2 } else { count };
        if length > STRING_LIMIT as u64 {
            return Err(DecodeError::StringTooLong);
        }
        let length = length as usize;
        let wide = r.rest().first_chunk();
        if packed {
            let bytes = r.bytes(sixbit::length(length))?;
            if wide.is_some_and(|wide| self.append_wide(sixbit::unpack_wide(wide), length)) {
                return Ok(());
            }
            return self.append(&(0..0), &sixbit::unpack_long(bytes)[..length]);
        }
        let bytes = r.bytes(length)?;
        if wide.is_some_and(|wide| self.append_wide(halves(wide), length)) {
            return Ok(());
        }
        self.append(&(0..0), bytes)
    }

    /// Reads the definition of a string that begins like an earlier one.
    #[inline(always)]
    fn define_like(&mut self, code: u64, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let short = code != string::PREFIXED_LONG;
        let index = if short { (code - string::PREFIXED) / 2 } else { r.varint()? };
        let earlier = usize::try_from(index).ok().and_then(|i| self.strings.get(i)).copied();
        let Span { at, length } = earlier.ok_or(DecodeError::BadStringIndex)?;
        let lengths = r.byte()?;
        let shared = if short { (lengths >> 4) + 1 } else { lengths };
        if shared > length {
            return Err(DecodeError::BadStringIndex);
        }
        let prefix = usize::from(at)..usize::from(at) + usize::from(shared);
        if !self.arena.is_char_boundary(prefix.end) {
            return Err(DecodeError::BadUtf8);
        }
        if !short {
            let suffix = r.byte()?;
            if shared.checked_add(suffix).is_none() {
                return Err(DecodeError::StringTooLong);
            }
            return self.append(&prefix, r.bytes(suffix.into())?);
        }
        let suffix = usize::from(lengths & 0xF);
        let wide = r.rest().first_chunk();
        if self.packed {
            let bytes = r.bytes(sixbit::length(suffix))?;
            if wide.is_some_and(|wide| self.append_short(&prefix, sixbit::unpack(wide), suffix)) {
                return Ok(());
            }
            return self.append(&prefix, &sixbit::unpack_long(bytes)[..suffix]);
        }
        let bytes = r.bytes(suffix)?;
        if wide.is_some_and(|wide| self.append_short(&prefix, u128::from_le_bytes(*wide), suffix)) {
            return Ok(());
        }
        self.append(&prefix, bytes)
    }

    /// Appends a string to the arena: a prefix that is already there, and a suffix.
    fn append(&mut self, prefix: &Range<usize>, suffix: &[u8]) -> Result<(), DecodeError> {
        let prefix = self.arena.get(prefix.clone()).ok_or(DecodeError::BadUtf8)?;
        let prefix: String<STRING_LIMIT> =
            String::try_from(prefix).map_err(|_| DecodeError::StringTooLong)?;
        let suffix = core::str::from_utf8(suffix).map_err(|_| DecodeError::BadUtf8)?;
        self.arena.truncate(self.end);
        self.arena.push_str(&prefix).map_err(|_| DecodeError::TableFull)?;
        self.arena.push_str(suffix).map_err(|_| DecodeError::TableFull)?;
        self.end = self.arena.len();
        Ok(())
    }

    /// Does the same for a string of at most 32 bytes without a prefix, given as the first bytes of `text`: in
    /// registers, without a branch on its length. Returns `false` if nothing was done.
    #[inline(always)]
    fn append_wide(&mut self, text: [u128; 2], length: usize) -> bool {
        let [first, second] = text;
        length <= 2 * HALF
            && self.append_halves(
                first & low(length),
                second & low(length.saturating_sub(HALF)),
                length,
            )
    }

    /// Does the same for a prefix and a suffix of at most 16 bytes each; the suffix is the first bytes of `text`.
    #[inline(always)]
    fn append_short(&mut self, prefix: &Range<usize>, text: u128, suffix: usize) -> bool {
        let shared = prefix.len();
        let tail = self.arena.as_bytes().get(prefix.start..);
        let Some(head) = tail.and_then(|tail| tail.first_chunk()) else { return false };
        let text = text & low(suffix);
        // In two steps, because a shift by the full width is undefined.
        let (up, down) = (4 * shared, 64 - 4 * shared);
        let first = u128::from_le_bytes(*head) & low(shared) | text << up << up;
        self.append_halves(first, text >> down >> down, shared + suffix)
    }

    #[inline(always)]
    fn append_halves(&mut self, first: u128, second: u128, length: usize) -> bool {
        let mut whole = [0; 2 * HALF];
        whole[..HALF].copy_from_slice(&first.to_le_bytes());
        whole[HALF..].copy_from_slice(&second.to_le_bytes());
        // The whole width, zeros included, because a copy of fixed length needs no call.
        self.arena.truncate(self.end);
        let text = core::str::from_utf8(&whole).ok().and_then(|text| text.get(..2 * HALF));
        if text.is_none_or(|text| self.arena.push_str(text).is_err()) {
            return false;
        }
        self.end += length;
        true
    }

    /// Reads the reference to a tag set, or its definition.
    #[inline(always)]
    pub(super) fn set_ref(&mut self, r: &mut Reader<'_>) -> Result<u16, DecodeError> {
        let code = r.small()?;
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
        let count = r.small()?;
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
        let code = r.small()?;
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

/// The tables of a decoder of any size, as the tags of a record use them.
pub(super) trait Tables: Send + Sync {
    fn text(&self, index: u16) -> &str;
    /// The key and value of a tag.
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

    /// The first bytes of `text`, followed by `behind`.
    fn wide(text: &str, behind: [u8; 32]) -> [u8; 32] {
        let mut wide = behind;
        let length = text.len().min(32);
        wide[..length].copy_from_slice(&text.as_bytes()[..length]);
        wide
    }

    proptest! {
        /// Short strings are assembled in another way than long ones.
        #[test]
        fn all_ways_of_appending_agree(
            earlier in "[a-zé]{1,40}",
            shared in 0usize..=16,
            suffix in "[a-z._é]{0,16}",
            long in "[a-z._é]{0,40}",
            behind in any::<[u8; 32]>(),
        ) {
            let mut slow: Decoder<4, 256> = Decoder::new();
            let mut fast: Decoder<4, 256> = Decoder::new();
            for decoder in [&mut slow, &mut fast] {
                decoder.append(&(0..0), b"before").unwrap();
                decoder.append(&(0..0), earlier.as_bytes()).unwrap();
                decoder.append(&(0..0), b"and sixteen more").unwrap();
            }
            let shared = shared.min(earlier.len());
            prop_assume!(earlier.is_char_boundary(shared) && suffix.len() <= 16);
            let prefix = 6..6 + shared;
            slow.append(&prefix, suffix.as_bytes()).unwrap();
            let [text, _] = halves(&wide(&suffix, behind));
            prop_assert!(fast.append_short(&prefix, text, suffix.len()));
            slow.append(&(0..0), long.as_bytes()).unwrap();
            if !fast.append_wide(halves(&wide(&long, behind)), long.len()) {
                prop_assert!(long.len() > 32);
                fast.append(&(0..0), long.as_bytes()).unwrap();
            }
            prop_assert_eq!(&fast.arena[..fast.end], &slow.arena[..slow.end]);
        }

        /// Invalid UTF-8 is refused, however the string is assembled.
        #[test]
        fn no_way_of_appending_takes_what_is_not_utf8(bytes in any::<[u8; 32]>(), length in 0usize..=32) {
            let valid = core::str::from_utf8(&bytes[..length]).is_ok();
            let mut decoder: Decoder<4, 256> = Decoder::new();
            prop_assert_eq!(decoder.append(&(0..0), &bytes[..length]).is_ok(), valid);
            prop_assert_eq!(decoder.append_wide(halves(&bytes), length), valid);
            decoder.append(&(0..0), b"sixteen and more").unwrap();
            let short = length.min(16);
            let valid = core::str::from_utf8(&bytes[..short]).is_ok();
            prop_assert_eq!(decoder.append_short(&(0..0), halves(&bytes)[0], short), valid);
        }
    }
}
