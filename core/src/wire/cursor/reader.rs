//! The reader of a datagram: postcard's encoding, with faster paths for what every record has.

use serde::Deserialize;

use super::varint::CONTINUE;
#[cfg(target_pointer_width = "64")]
use super::varint::gather_sevens;
use crate::record::{STRING_LIMIT, TEXT_LIMIT};
use crate::wire::error::DecodeError;

/// Reads at a position, never beyond the end.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    buf: &'a [u8],
    pub(super) at: usize,
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

    /// Reads a value that postcard wrote. `otherwise` is the error if its bytes are complete but invalid.
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

    /// Reads a varint that nearly always takes one byte: a count, or the reference to a tag or set.
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

    /// Reads a varint that takes one or two bytes with equal probability: the reference to a string.
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

    /// Reads a LEB128 integer of at most ten bytes and 64 bits.
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

    /// Reads one varint, or two with `both`, if each takes at most four bytes and there is enough input for a wide
    /// load; without `both`, the second is 0. `None` if nothing was read.
    #[inline(always)]
    pub(crate) fn pair(&mut self, both: bool) -> Option<(u32, u32)> {
        let bytes = self.buf.get(self.at..).and_then(|b| b.first_chunk())?;
        let wide = u64::from_le_bytes(*bytes);
        // The position of the bit that marks the last byte; 64 if there is none.
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

    /// Reads the length of a string: at most [`STRING_LIMIT`].
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

    /// Reads a string after its length. Its bytes are not checked.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        self.bytes(length)
    }

    /// Reads the text of an event after its length: at most [`TEXT_LIMIT`] bytes, which are not checked.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length_up_to(TEXT_LIMIT)?;
        self.bytes(length)
    }
}
