//! What stands before the records: the fixed header, then the prologue.

use serde::Deserialize;

use super::error::DecodeError;
use crate::format::{Header, Mode, Prologue, TimeUnit};

/// The first two bytes of every datagram.
pub const MAGIC: [u8; 2] = *b"RS";
/// The version of the format that this crate writes and reads.
pub(crate) const VERSION: u8 = 1;

/// Where the fields of the fixed header stand.
mod field {
    use core::ops::Range;
    pub(super) const MAGIC: Range<usize> = 0..2;
    /// Version in the high nibble, mode in the low one.
    pub(super) const VERSION_MODE: usize = 2;
    pub(super) const KEY: usize = 3;
    pub(super) const SENDER: Range<usize> = 4..12;
    pub(super) const EPOCH: Range<usize> = 12..16;
    pub(super) const SEQUENCE: Range<usize> = 16..20;
}

impl Header {
    /// Its size in bytes.
    pub const LEN: usize = 20;

    /// Writes the header.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[field::MAGIC].copy_from_slice(&MAGIC);
        out[field::VERSION_MODE] = VERSION << 4 | self.mode as u8;
        out[field::KEY] = self.key;
        out[field::SENDER].copy_from_slice(&self.sender.to_le_bytes());
        out[field::EPOCH].copy_from_slice(&self.epoch.to_le_bytes());
        out[field::SEQUENCE].copy_from_slice(&self.sequence.to_le_bytes());
        out
    }

    /// Reads the header at the beginning of `datagram`. Says nothing about the rest of it.
    ///
    /// # Errors
    /// [`DecodeError::BadMagic`], [`BadVersion`](DecodeError::BadVersion), [`BadMode`](DecodeError::BadMode), or
    /// [`Truncated`](DecodeError::Truncated).
    pub fn parse(datagram: &[u8]) -> Result<Self, DecodeError> {
        let head = datagram.first_chunk::<{ Self::LEN }>().ok_or(DecodeError::Truncated)?;
        if head[field::MAGIC] != MAGIC {
            return Err(DecodeError::BadMagic);
        }
        if head[field::VERSION_MODE] >> 4 != VERSION {
            return Err(DecodeError::BadVersion);
        }
        if head[field::VERSION_MODE] & 0xF != Mode::Checksum as u8 || head[field::KEY] != 0 {
            return Err(DecodeError::BadMode);
        }
        let [.., s0, s1, s2, s3] = *head;
        let [_, _, _, _, a, b, c, d, e, f, g, h, i, j, k, l, ..] = *head;
        Ok(Self {
            mode: Mode::Checksum,
            key: head[field::KEY],
            sender: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            epoch: u32::from_le_bytes([i, j, k, l]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
        })
    }
}

impl From<TimeUnit> for u64 {
    fn from(unit: TimeUnit) -> Self {
        unit as Self
    }
}

impl TryFrom<u64> for TimeUnit {
    type Error = DecodeError;

    fn try_from(code: u64) -> Result<Self, DecodeError> {
        match code {
            0 => Ok(Self::Nanos),
            1 => Ok(Self::Micros),
            2 => Ok(Self::Millis),
            _ => Err(DecodeError::BadPrologue),
        }
    }
}

/// The part of the prologue that postcard writes.
#[derive(Deserialize)]
struct Given {
    unit: TimeUnit,
    base_time: u64,
    dropped: u64,
    failed: u64,
}

impl Prologue {
    /// Where its record count stands in a datagram.
    pub(crate) const RECORDS_AT: usize = Header::LEN;
    const SINCE_BOOT: u8 = 1;
    const WANTS_ACK: u8 = 2;
    const PACKED: u8 = 4;
    const WANTS_RECEIPT: u8 = 8;

    pub(crate) fn flags(&self) -> u8 {
        (u8::from(self.since_boot) * Self::SINCE_BOOT)
            | (u8::from(self.ack_floor.is_some()) * Self::WANTS_ACK)
            | (u8::from(self.packed) * Self::PACKED)
            | (u8::from(self.wants_receipt) * Self::WANTS_RECEIPT)
    }

    /// Reads the prologue and returns what follows it.
    pub(crate) fn parse(body: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (&[low, high, flags], rest) =
            body.split_first_chunk::<3>().ok_or(DecodeError::Truncated)?;
        if flags & !(Self::SINCE_BOOT | Self::WANTS_ACK | Self::PACKED | Self::WANTS_RECEIPT) != 0 {
            return Err(DecodeError::BadPrologue);
        }
        let refused = |e| match e {
            postcard::Error::DeserializeUnexpectedEnd => DecodeError::Truncated,
            postcard::Error::DeserializeBadVarint => DecodeError::BadVarint,
            _ => DecodeError::BadPrologue,
        };
        let (given, rest): (Given, _) = postcard::take_from_bytes(rest).map_err(refused)?;
        let (ack_floor, rest) = if flags & Self::WANTS_ACK != 0 {
            let (floor, rest) = postcard::take_from_bytes(rest).map_err(refused)?;
            (Some(floor), rest)
        } else {
            (None, rest)
        };
        let prologue = Self {
            records: u16::from_le_bytes([low, high]),
            since_boot: flags & Self::SINCE_BOOT != 0,
            packed: flags & Self::PACKED != 0,
            unit: given.unit,
            base_time: given.base_time,
            dropped: given.dropped,
            failed: given.failed,
            ack_floor,
            wants_receipt: flags & Self::WANTS_RECEIPT != 0,
        };
        Ok((prologue, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_round_trips_at_fixed_offsets() {
        let header = Header {
            sender: 0x0807_0605_0403_0201,
            epoch: 0x0C0B_0A09,
            sequence: 0x100F_0E0D,
            ..Header::default()
        };
        let bytes = header.emit();
        assert_eq!(
            bytes,
            *b"RS\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10"
        );
        assert_eq!(Header::parse(&bytes), Ok(header));
    }

    #[test]
    fn foreign_datagrams_are_told_apart() {
        let good = Header::default().emit();
        let with = |at: usize, v: u8| {
            let mut bytes = good;
            bytes[at] = v;
            Header::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(0, b'X'), DecodeError::BadMagic);
        assert_eq!(with(2, 0x20), DecodeError::BadVersion);
        assert_eq!(with(2, 0x13), DecodeError::BadMode);
        assert_eq!(with(3, 1), DecodeError::BadMode);
        assert_eq!(Header::parse(&good[..19]), Err(DecodeError::Truncated));
    }
}
