//! The writer of a datagram, in the bytes that postcard would write, with faster paths for what every record has.

use serde::Serialize;

#[cfg(target_pointer_width = "64")]
use super::varint::{CONTINUE, spread_sevens};
use super::varint::{CONTINUED, spread_two_sevens, two_bytes, varint_length};
use crate::wire::crc::crc32;
use crate::wire::sixbit;

/// The buffer has no room left. The writer's position is meaningless until it is reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// How many bytes are copied at once if there is room.
const WIDE: usize = 32;

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

    /// Whether `bytes` were written at the position `at`.
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
        // Two wide stores, without a call and without a branch on the length, which differs from string to string.
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

    /// Writes a varint below 2^14: the reference to a string, tag or set.
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

    /// Writes an integer in LEB128: seven bits per byte, low ones first.
    #[inline(always)]
    pub(crate) fn varint(&mut self, v: u64) -> Result<(), NoRoom> {
        // One wide store without branches: lengths vary from record to record, and a mispredicted branch costs more
        // than all of this. A chip has no wide stores, and no branch prediction to protect.
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

    /// The same for a varint of any length.
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

    /// Writes a record of small fields at once: its first byte, two references below 2^14 (the second may be absent),
    /// and two varints below 2^28 (the second may be absent, and is then 0). Returns `false` if it did not fit, and
    /// then nothing was written.
    ///
    /// The bytes are the same as if written field by field, but the room is checked once, and no branch depends on the
    /// fields.
    #[inline(always)]
    pub(crate) fn record(
        &mut self,
        first: u8,
        references: (u16, Option<u16>),
        varints: (u32, Option<u32>),
    ) -> bool {
        // Of this many bytes, the record takes at most 13.
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

    /// Writes a string after its length.
    #[inline]
    pub(crate) fn string(&mut self, v: &[u8]) -> Result<(), NoRoom> {
        self.varint(v.len() as u64)?;
        self.bytes(v)
    }

    /// Lets `write` write to the beginning of the rest of the buffer; it returns how much that was.
    pub(crate) fn written_by(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<(), NoRoom> {
        let rest = self.buf.get_mut(self.at..).ok_or(NoRoom)?;
        self.at += write(rest).ok_or(NoRoom)?;
        Ok(())
    }

    /// Writes a value as postcard does.
    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<(), NoRoom> {
        self.written_by(|room| Some(postcard::to_slice(value, room).ok()?.len()))
    }

    /// Writes the checksum of everything written so far.
    pub(crate) fn checksum(&mut self) -> Result<(), NoRoom> {
        let sum = crc32(self.written());
        self.bytes(&sum.to_le_bytes())
    }

    /// Overwrites bytes at `at` that were written before.
    #[inline]
    pub(crate) fn patch(&mut self, at: usize, v: &[u8]) {
        if let Some(place) = self.buf.get_mut(at..at + v.len()) {
            place.copy_from_slice(v);
        }
    }

    /// Writes zeros up to `end`, or up to the end of the buffer.
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
