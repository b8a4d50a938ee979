//! Reading and writing primitives at a position in a buffer, as postcard lays them out.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::crc::crc32;
use super::error::DecodeError;
use super::sixbit;
use crate::record::{STRING_LIMIT, TEXT_LIMIT};

/// The buffer has no room left; the writer's position is then meaningless until it is reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// How many bytes are copied at once where there is room.
const WIDE: usize = 32;

/// The bit of each byte that says that another follows.
const CONTINUE: u64 = 0x8080_8080_8080_8080;

/// How many bytes `v` takes as a varint.
#[inline]
fn varint_length(v: u64) -> usize {
    // Bits in sevenths, rounded up, without a division: exact for 1 to 64 bits.
    let bits = 64 - (v | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Puts each seven bits of a number below 2^56 into a byte of its own.
#[cfg(target_pointer_width = "64")]
#[inline]
fn spread_sevens(mut v: u64) -> u64 {
    v = (v & 0x00FF_FFFF_F000_0000) << 4 | v & 0x0000_0000_0FFF_FFFF;
    v = (v & 0x0FFF_C000_0FFF_C000) << 2 | v & 0x0000_3FFF_0000_3FFF;
    (v & 0x3F80_3F80_3F80_3F80) << 1 | v & 0x007F_007F_007F_007F
}

/// Puts each seven bits of two numbers below 2^28 into a byte of its own, four bytes each.
#[inline]
fn spread_two_sevens(first: u32, second: u32) -> u64 {
    let v = u64::from(first) | u64::from(second) << 32;
    let v = (v & 0x0FFF_C000_0FFF_C000) << 2 | v & 0x0000_3FFF_0000_3FFF;
    (v & 0x3F80_3F80_3F80_3F80) << 1 | v & 0x007F_007F_007F_007F
}

/// A varint below 2^14, and how many of the two bytes are its own.
#[inline(always)]
fn two_bytes(v: u16) -> (u16, usize) {
    let more = u16::from(v > 0x7F);
    (v & 0x7F | more << 7 | (v >> 7) << 8, 1 + usize::from(more))
}

/// The bits that say that another byte follows, in varints of up to four bytes.
const CONTINUED: [u64; 5] = [0, 0, 0x80, 0x8080, 0x0080_8080];

/// The reverse of [`spread_sevens`]; continuation bits are dropped.
#[cfg(target_pointer_width = "64")]
#[inline]
fn gather_sevens(mut v: u64) -> u64 {
    v &= !CONTINUE;
    v = (v & 0x7F00_7F00_7F00_7F00) >> 1 | v & 0x007F_007F_007F_007F;
    v = (v & 0x3FFF_0000_3FFF_0000) >> 2 | v & 0x0000_3FFF_0000_3FFF;
    (v & 0x0FFF_FFFF_0000_0000) >> 4 | v & 0x0000_0000_0FFF_FFFF
}

/// Writes at a position, never beyond the end.
pub struct Writer<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, at: 0 }
    }

    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    /// Whether these bytes were written at that place.
    pub(crate) fn stands_at(&self, at: usize, bytes: &[u8]) -> bool {
        at + bytes.len() <= self.at && self.buf.get(at..).is_some_and(|b| b.starts_with(bytes))
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.buf.len() - self.at.min(self.buf.len())
    }

    #[inline]
    pub(crate) fn byte(&mut self, v: u8) -> Result<(), NoRoom> {
        *self.buf.get_mut(self.at).ok_or(NoRoom)? = v;
        self.at += 1;
        Ok(())
    }

    #[inline]
    pub(crate) fn bytes(&mut self, v: &[u8]) -> Result<(), NoRoom> {
        let end = self.at + v.len();
        self.buf.get_mut(self.at..end).ok_or(NoRoom)?.copy_from_slice(v);
        self.at = end;
        Ok(())
    }

    /// Writes the first `length` bytes of `v`, and may overwrite what follows them in the buffer.
    #[inline]
    pub(crate) fn front(&mut self, v: &[u8], length: usize) -> Result<(), NoRoom> {
        // Two wide stores without a call or a branch on the length, which is another for each string.
        if length <= WIDE
            && let Some(from) = v.first_chunk::<WIDE>()
            && let Some(to) = self.buf.get_mut(self.at..).and_then(|b| b.first_chunk_mut::<WIDE>())
        {
            *to = *from;
            self.at += length;
            return Ok(());
        }
        self.bytes(v.get(..length).ok_or(NoRoom)?)
    }

    /// Packs the first `characters` of `v`, and may overwrite what follows in the buffer.
    #[inline]
    pub(crate) fn packed(&mut self, mut v: &[u8], mut characters: usize) -> Result<(), NoRoom> {
        loop {
            let bytes = sixbit::pack_step(v, characters);
            let length = sixbit::length(characters.min(16));
            match self.buf.get_mut(self.at..).and_then(|b| b.first_chunk_mut()) {
                Some(to) => *to = bytes,
                None => self
                    .buf
                    .get_mut(self.at..self.at + length)
                    .ok_or(NoRoom)?
                    .copy_from_slice(&bytes[..length]),
            }
            self.at += length;
            if characters <= 16 {
                return Ok(());
            }
            v = v.get(16..).unwrap_or(&[]);
            characters -= 16;
        }
    }

    /// A varint below 2^14: the reference to a string, tag or set.
    #[inline]
    pub(crate) fn reference(&mut self, v: u16) -> Result<(), NoRoom> {
        if let Some(place) = self.buf.get_mut(self.at..).and_then(|b| b.first_chunk_mut::<2>()) {
            let (bytes, length) = two_bytes(v);
            *place = bytes.to_le_bytes();
            self.at += length;
            return Ok(());
        }
        self.varint_bytewise(u64::from(v))
    }

    /// LEB128: seven bits a byte, low ones first.
    #[inline(always)]
    pub(crate) fn varint(&mut self, v: u64) -> Result<(), NoRoom> {
        // One wide store without branches: lengths vary from record to record, and a mispredicted branch costs
        // more than all of this. A chip has neither wide stores nor branch prediction to lose.
        #[cfg(target_pointer_width = "64")]
        if v < 1 << 28
            && let Some(place) = self.buf.get_mut(self.at..).and_then(|b| b.first_chunk_mut::<4>())
        {
            let v = v as u32;
            let spread = (v & 0x0FFF_C000) << 2 | v & 0x3FFF;
            let spread = (spread & 0x3F80_3F80) << 1 | spread & 0x007F_007F;
            let length = varint_length(u64::from(v));
            let continued = 0x0080_8080 & ((1 << (8 * (length - 1))) - 1);
            *place = (spread | continued).to_le_bytes();
            self.at += length;
            return Ok(());
        }
        self.long_varint(v)
    }

    /// The same for one that may be of any length.
    #[inline(never)]
    fn long_varint(&mut self, v: u64) -> Result<(), NoRoom> {
        #[cfg(target_pointer_width = "64")]
        if v < 1 << 56
            && let Some(place) = self.buf.get_mut(self.at..).and_then(|b| b.first_chunk_mut::<8>())
        {
            let length = varint_length(v);
            let continued = CONTINUE & ((1 << (8 * (length - 1))) - 1);
            *place = (spread_sevens(v) | continued).to_le_bytes();
            self.at += length;
            return Ok(());
        }
        self.varint_bytewise(v)
    }

    #[cfg_attr(target_pointer_width = "64", cold)]
    fn varint_bytewise(&mut self, mut v: u64) -> Result<(), NoRoom> {
        while v >= 0x80 {
            self.byte(v as u8 | 0x80)?;
            v >>= 7;
        }
        self.byte(v as u8)
    }

    /// A record of small fields in one piece: its first byte, two references below 2^14 (the second one may be missing),
    /// and two varints below 2^28 (the second one may be missing, and is 0 then). `false`: it did not fit, and nothing
    /// was written.
    ///
    /// The same bytes as field by field, but the room is checked once, and there is no branch on what the fields are.
    #[inline(always)]
    pub(crate) fn record(
        &mut self,
        first: u8,
        references: (u16, Option<u16>),
        varints: (u32, Option<u32>),
    ) -> bool {
        // Of so many bytes, 13 at most are the record's.
        const ROOM: usize = 16;
        let Some(place) = self.buf.get_mut(self.at..).and_then(|b| b.first_chunk_mut::<ROOM>())
        else {
            return false;
        };
        let (name, name_length) = two_bytes(references.0);
        let (set, set_length) = references.1.map_or((0, 0), two_bytes);
        let head =
            u64::from(first) | u64::from(name) << 8 | u64::from(set) << (8 + 8 * name_length);
        let head_length = 1 + name_length + set_length;
        place[..8].copy_from_slice(&head.to_le_bytes());

        let lengths =
            (varint_length(varints.0.into()), varints.1.map_or(0, |v| varint_length(v.into())));
        let spread = spread_two_sevens(varints.0, varints.1.unwrap_or(0));
        let first = spread & u64::from(u32::MAX) | CONTINUED[lengths.0];
        let second = spread >> 32 | CONTINUED[lengths.1];
        let tail = first | second << (8 * lengths.0);
        place[head_length..head_length + 8].copy_from_slice(&tail.to_le_bytes());
        self.at += head_length + lengths.0 + lengths.1;
        true
    }

    /// A string behind its length.
    #[inline]
    pub(crate) fn string(&mut self, v: &[u8]) -> Result<(), NoRoom> {
        self.varint(v.len() as u64)?;
        self.bytes(v)
    }

    /// Writes what postcard makes of `value`, straight into the buffer.
    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<(), NoRoom> {
        postcard::serialize_with_flavor(value, self).map_err(|_| NoRoom)
    }

    /// Writes the checksum of all that is written.
    pub(crate) fn checksum(&mut self) -> Result<(), NoRoom> {
        let sum = crc32(self.written());
        self.bytes(&sum.to_le_bytes())
    }

    /// Overwrites what stands at `at`, which was written before.
    #[inline]
    pub(crate) fn patch(&mut self, at: usize, v: &[u8]) {
        if let Some(place) = self.buf.get_mut(at..at + v.len()) {
            place.copy_from_slice(v);
        }
    }

    /// Fills with zeros up to `end`, or to the end of the buffer.
    pub(crate) fn zeros_to(&mut self, end: usize) {
        let end = end.min(self.buf.len());
        if let Some(rest) = self.buf.get_mut(self.at..end) {
            rest.fill(0);
            self.at = end;
        }
    }

    #[inline]
    pub(crate) fn written(&self) -> &[u8] {
        &self.buf[..self.at.min(self.buf.len())]
    }
}

/// Postcard writes where everything else is written.
impl Flavor for &mut Writer<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.byte(byte).map_err(|NoRoom| postcard::Error::SerializeBufferFull)
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.bytes(bytes).map_err(|NoRoom| postcard::Error::SerializeBufferFull)
    }

    #[inline]
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Reads from a position, never beyond the end.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    buf: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(buf: &'a [u8]) -> Self {
        Self { buf, at: 0 }
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.buf.get(self.at..).unwrap_or(&[])
    }

    /// Reads what postcard made of a value. `otherwise` is what it is refused for if its bytes are there, but mean none.
    pub(crate) fn take<T: Deserialize<'a>>(
        &mut self,
        otherwise: DecodeError,
    ) -> Result<T, DecodeError> {
        let (value, rest) = postcard::take_from_bytes(self.rest()).map_err(|e| match e {
            postcard::Error::DeserializeUnexpectedEnd => DecodeError::Truncated,
            postcard::Error::DeserializeBadVarint => DecodeError::BadVarint,
            _ => otherwise,
        })?;
        self.at = self.buf.len() - rest.len();
        Ok(value)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let v = *self.buf.get(self.at).ok_or(DecodeError::Truncated)?;
        self.at += 1;
        Ok(v)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(n).ok_or(DecodeError::Truncated)?;
        let v = self.buf.get(self.at..end).ok_or(DecodeError::Truncated)?;
        self.at = end;
        Ok(v)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let v = self.buf.get(self.at..).and_then(|b| b.first_chunk::<N>());
        self.at += N;
        v.copied().ok_or(DecodeError::Truncated)
    }

    /// A varint that nearly always takes one byte: a count, or the reference to a tag or set.
    #[inline(always)]
    pub(crate) fn small(&mut self) -> Result<u64, DecodeError> {
        match self.buf.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.varint_bytewise(),
        }
    }

    /// A varint that takes one or two bytes, which of the two is anybody's guess: the reference to a string.
    #[inline(always)]
    pub(crate) fn reference(&mut self) -> Result<u64, DecodeError> {
        if let Some(bytes) = self.buf.get(self.at..).and_then(|b| b.first_chunk::<2>()) {
            let wide = u16::from_le_bytes(*bytes);
            if wide & 0x8080 != 0x8080 {
                let more = wide >> 7 & 1;
                self.at += 1 + usize::from(more);
                return Ok(u64::from(wide & 0x7F | ((wide >> 1 & 0x3F80) * more)));
            }
        }
        self.varint_bytewise()
    }

    /// LEB128 of at most ten bytes and 64 bits.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        #[cfg(target_pointer_width = "64")]
        if let Some(bytes) = self.buf.get(self.at..).and_then(|b| b.first_chunk::<4>()) {
            let wide = u32::from_le_bytes(*bytes);
            let ends = !wide & 0x8080_8080;
            if ends != 0 {
                let bits = ends.trailing_zeros(); // the end bit of the last byte
                self.at += (bits as usize + 1) / 8;
                let wide = wide & 0x7F7F_7F7F & (u32::MAX >> (31 - bits));
                let pairs = (wide & 0x7F00_7F00) >> 1 | wide & 0x007F_007F;
                return Ok(u64::from((pairs & 0x3FFF_0000) >> 2 | pairs & 0x3FFF));
            }
        }
        #[cfg(target_pointer_width = "64")]
        if let Some(bytes) = self.buf.get(self.at..).and_then(|b| b.first_chunk::<8>()) {
            let wide = u64::from_le_bytes(*bytes);
            let ends = !wide & CONTINUE;
            if ends != 0 {
                let bits = ends.trailing_zeros(); // the end bit of the last byte
                self.at += (bits as usize + 1) / 8;
                return Ok(gather_sevens(wide & (u64::MAX >> (63 - bits))));
            }
        }
        self.varint_bytewise()
    }

    /// One varint or `both` of two, if they take at most four bytes each and are quickly read; the second one is 0 where
    /// it is not asked for. `None`: nothing was read.
    #[inline(always)]
    pub(crate) fn pair(&mut self, both: bool) -> Option<(u32, u32)> {
        let bytes = self.buf.get(self.at..).and_then(|b| b.first_chunk())?;
        let wide = u64::from_le_bytes(*bytes);
        // The bits that say of a byte that it is the last one; 64 if there is none.
        let ends = !wide & CONTINUE;
        let first_end = ends.trailing_zeros();
        let second_end = (ends & ends.wrapping_sub(1)).trailing_zeros();
        let last = if both { second_end } else { first_end };
        let second_bits = last - first_end;
        if first_end > 31 || second_bits > 32 {
            return None;
        }
        let first = wide & ((2 << first_end) - 1);
        let second = wide >> (first_end + 1) & ((1 << second_bits) - 1);
        self.at += (last as usize + 1) / 8;
        let v = (first | second << 32) & !CONTINUE;
        let v = (v & 0x7F00_7F00_7F00_7F00) >> 1 | v & 0x007F_007F_007F_007F;
        let v = (v & 0x3FFF_0000_3FFF_0000) >> 2 | v & 0x0000_3FFF_0000_3FFF;
        Some((v as u32, (v >> 32) as u32))
    }

    #[cfg_attr(target_pointer_width = "64", cold)]
    fn varint_bytewise(&mut self) -> Result<u64, DecodeError> {
        let mut v = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            // The tenth byte holds the 64th bit and nothing else.
            if shift == 63 && byte > 1 {
                return Err(DecodeError::BadVarint);
            }
            v |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(v);
            }
            shift += 7;
        }
    }

    /// The length of a string: at most [`STRING_LIMIT`].
    #[inline]
    pub(crate) fn length(&mut self) -> Result<usize, DecodeError> {
        self.length_up_to(STRING_LIMIT)
    }

    #[inline]
    fn length_up_to(&mut self, limit: usize) -> Result<usize, DecodeError> {
        let length = self.reference()?;
        if length > limit as u64 {
            return Err(DecodeError::StringTooLong);
        }
        Ok(length as usize)
    }

    /// A string behind its length, not yet checked.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        self.bytes(length)
    }

    /// The text of an event behind its length, at most [`TEXT_LIMIT`] bytes, not yet checked.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length_up_to(TEXT_LIMIT)?;
        self.bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_are_postcards(v in any::<u64>(), shift in 0u32..64) {
            let v = v >> shift;
            let (mut ours, mut theirs) = ([0; 10], [0; 10]);
            let mut w = Writer::new(&mut ours);
            w.varint(v).unwrap();
            let theirs = postcard::to_slice(&v, &mut theirs).unwrap();
            prop_assert_eq!(w.written(), &*theirs);
            prop_assert_eq!(Reader::new(theirs).varint(), Ok(v));
        }

        #[test]
        fn a_record_in_one_piece_is_the_same_as_in_many(
            first in any::<u8>(),
            name in 0u16..1 << 14,
            set in proptest::option::of(0u16..1 << 14),
            (delta, number) in (any::<u32>(), proptest::option::of(any::<u32>())),
            shifts in (4u32..32, 4u32..32),
            room in 0usize..20,
        ) {
            let (delta, number) = (delta >> shifts.0, number.map(|n| n >> shifts.1));
            let (mut pieces, mut whole) = ([0; 20], [0; 20]);
            let mut w = Writer::new(&mut pieces);
            w.byte(first).unwrap();
            w.reference(name).unwrap();
            set.map_or(Ok(()), |set| w.reference(set)).unwrap();
            w.varint(delta.into()).unwrap();
            number.map_or(Ok(()), |n| w.varint(n.into())).unwrap();
            let mut one = Writer::new(&mut whole[..room]);
            if one.record(first, (name, set), (delta, number)) {
                prop_assert_eq!(one.written(), w.written());
            } else {
                prop_assert_eq!(one.position(), 0);
                prop_assert!(room < 16);
            }
        }

        #[test]
        fn two_at_once_are_the_same_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 0..12), both in any::<bool>()) {
            let (mut at_once, mut one_by_one) = (Reader::new(&bytes), Reader::new(&bytes));
            let Some((first, second)) = at_once.pair(both) else {
                prop_assert_eq!(at_once.at, 0);
                let mut is_small = || {
                    let before = one_by_one.at;
                    one_by_one.varint().is_ok() && one_by_one.at - before <= 4
                };
                prop_assert!(bytes.len() < 8 || !is_small() || (both && !is_small()));
                return Ok(());
            };
            prop_assert_eq!(one_by_one.varint(), Ok(first.into()));
            prop_assert_eq!(if both { one_by_one.varint() } else { Ok(0) }, Ok(second.into()));
            prop_assert_eq!(at_once.at, one_by_one.at);
        }

        #[test]
        fn any_bytes_read_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let ours = Reader::new(&bytes).varint().ok();
            let theirs = postcard::from_bytes::<u64>(&bytes).ok();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn the_writer_stops_at_the_end() {
        let mut buf = [0; 2];
        let mut w = Writer::new(&mut buf);
        assert_eq!(w.bytes(&[1, 2, 3]), Err(NoRoom));
        assert_eq!(w.varint(300), Ok(()));
        assert_eq!(w.byte(0), Err(NoRoom));
        assert_eq!(w.remaining(), 0);
    }
}
