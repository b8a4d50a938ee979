//! What precedes the records: the fixed header, then the prologue, which is a serde type in postcard's encoding.

use postcard::fixint;
use serde::Deserialize;

use super::cursor::{NoRoom, Reader, Writer};
use super::error::DecodeError;
use crate::format::{Header, Mode, Prologue, TimeUnit};

/// The first two bytes of every datagram.
pub const MAGIC: [u8; 2] = *b"RS";
/// The version of the format that this crate writes and reads.
const VERSION: u8 = 1;

/// The first bytes of every datagram, in either direction.
///
/// Not a serde type: its integers have a fixed width, which postcard would read byte by byte. Reading an
/// acknowledgement took 472 instructions that way, and takes 223 this way.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    magic: [u8; 2],
    /// The version in the high nibble, the mode in the low one.
    version_mode: u8,
    key: u8,
    pub(super) sender: u64,
    pub(super) epoch: u32,
}

impl Frame {
    pub(super) const LEN: usize = 16;

    pub(super) const fn new(mode: u8, sender: u64, epoch: u32) -> Self {
        Self { magic: MAGIC, version_mode: VERSION << 4 | mode, key: 0, sender, epoch }
    }

    #[inline]
    pub(super) fn put(&self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        let Self { magic: [m, n], version_mode, key, sender, epoch } = *self;
        w.bytes(&[m, n, version_mode, key])?;
        w.bytes(&sender.to_le_bytes())?;
        w.bytes(&epoch.to_le_bytes())
    }

    #[inline]
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [m, n, version_mode, key, a, b, c, d, e, f, g, h, i, j, k, l] =
            r.array::<{ Self::LEN }>()?;
        Ok(Self {
            magic: [m, n],
            version_mode,
            key,
            sender: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            epoch: u32::from_le_bytes([i, j, k, l]),
        })
    }

    /// Checks that the datagram has this version and mode.
    pub(super) fn check(&self, mode: u8) -> Result<(), DecodeError> {
        if self.magic != MAGIC {
            return Err(DecodeError::BadMagic);
        }
        if self.version_mode >> 4 != VERSION {
            return Err(DecodeError::BadVersion);
        }
        if self.version_mode & 0xF != mode || self.key != 0 {
            return Err(DecodeError::BadMode);
        }
        Ok(())
    }
}

impl Header {
    /// The size of the header in bytes.
    pub const LEN: usize = Frame::LEN + 4;

    /// Writes the header.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let written = self.put(&mut Writer::new(&mut out));
        debug_assert!(written.is_ok(), "its length is fixed");
        out
    }

    pub(crate) fn put(&self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        let frame = Frame { key: self.key, ..Frame::new(self.mode as u8, self.sender, self.epoch) };
        frame.put(w)?;
        w.bytes(&self.sequence.to_le_bytes())
    }

    /// Reads the header at the beginning of `datagram`, without checking anything else.
    ///
    /// # Errors
    /// [`DecodeError::BadMagic`], [`BadVersion`](DecodeError::BadVersion), [`BadMode`](DecodeError::BadMode), or
    /// [`Truncated`](DecodeError::Truncated).
    pub fn parse(datagram: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(datagram);
        let frame = Frame::read(&mut r)?;
        let sequence = u32::from_le_bytes(r.array()?);
        frame.check(Mode::Checksum as u8)?;
        let Frame { key, sender, epoch, .. } = frame;
        Ok(Self { mode: Mode::Checksum, key, sender, epoch, sequence })
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

/// The number of records and the flags.
#[derive(Deserialize)]
struct Counted {
    #[serde(with = "fixint::le")]
    records: u16,
    flags: u8,
}

/// The part of the sender's account that every datagram has.
#[derive(Deserialize)]
struct Account {
    unit: TimeUnit,
    base_time: u64,
    dropped: u64,
    failed: u64,
}

impl Prologue {
    /// The position of the record count in a datagram.
    pub(crate) const RECORDS_AT: usize = Header::LEN;
    const SINCE_BOOT: u8 = 1;
    const WANTS_ACK: u8 = 2;
    const PACKED: u8 = 4;
    const WANTS_RECEIPT: u8 = 8;
    const GOODBYE: u8 = 16;
    const FLAGS: u8 =
        Self::SINCE_BOOT | Self::WANTS_ACK | Self::PACKED | Self::WANTS_RECEIPT | Self::GOODBYE;

    fn flags(&self) -> u8 {
        (u8::from(self.since_boot) * Self::SINCE_BOOT)
            | (u8::from(self.ack_floor.is_some()) * Self::WANTS_ACK)
            | (u8::from(self.packed) * Self::PACKED)
            | (u8::from(self.wants_receipt) * Self::WANTS_RECEIPT)
            | (u8::from(self.goodbye) * Self::GOODBYE)
    }

    /// Writes the prologue.
    pub(crate) fn put(&self, w: &mut Writer<'_>) -> Result<(), NoRoom> {
        let Self { unit, base_time, dropped, failed, .. } = *self;
        // By hand, in the bytes that postcard writes: its varints beside ours would take a chip some 300 bytes of flash.
        let [low, high] = self.records.to_le_bytes();
        w.bytes(&[low, high, self.flags(), unit as u8])?;
        w.varint(base_time)?;
        w.varint(dropped)?;
        w.varint(failed)?;
        self.ack_floor.map_or(Ok(()), |floor| w.varint(floor))
    }

    /// Reads the prologue and returns what follows it.
    pub(crate) fn parse(body: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut r = Reader::new(body);
        let Counted { records, flags } = r.take(DecodeError::BadPrologue)?;
        if flags & !Self::FLAGS != 0 {
            return Err(DecodeError::BadPrologue);
        }
        let Account { unit, base_time, dropped, failed } = r.take(DecodeError::BadPrologue)?;
        let ack_floor = if flags & Self::WANTS_ACK != 0 {
            Some(r.take(DecodeError::BadPrologue)?)
        } else {
            None
        };
        let prologue = Self {
            records,
            since_boot: flags & Self::SINCE_BOOT != 0,
            packed: flags & Self::PACKED != 0,
            unit,
            base_time,
            dropped,
            failed,
            ack_floor,
            wants_receipt: flags & Self::WANTS_RECEIPT != 0,
            goodbye: flags & Self::GOODBYE != 0,
        };
        Ok((prologue, r.rest()))
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
