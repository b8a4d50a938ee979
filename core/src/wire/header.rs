//! What stands before the records: the fixed header, then the prologue.

use serde::{Deserialize, Serialize};

use super::error::DecodeError;

/// The first two bytes of every datagram.
pub const MAGIC: [u8; 2] = *b"RS";
/// The version of the format that this crate writes and reads.
pub const VERSION: u8 = 1;

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

/// How a datagram is protected.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u8)]
pub enum Mode {
    /// CRC-32 against damage; nothing against forgery.
    #[default]
    Checksum = 0,
}

/// The fixed header: 20 bytes, integers little-endian. It can be read without reading anything else, to route a
/// datagram or as the associated data of a sealed one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Header {
    /// How the datagram is protected.
    pub mode: Mode,
    /// Which key, in the modes that have one.
    pub key: u8,
    /// Who sends: unique among the senders of a collector, the same over restarts.
    pub sender: u64,
    /// Which run of the sender: another number after each restart.
    pub epoch: u32,
    /// Which datagram of that run: 0, 1, 2…, wrapping.
    pub sequence: u32,
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

/// The unit of all times in a datagram, which is that of the sender's clock.
// A plain integer on the wire: an enum of serde's would refuse integers of more than five bytes as malformed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
#[repr(u8)]
pub enum TimeUnit {
    /// 10^-9 s.
    #[default]
    Nanos = 0,
    /// 10^-6 s.
    Micros = 1,
    /// 10^-3 s.
    Millis = 2,
}

impl TimeUnit {
    /// Nanoseconds in one unit.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        match self {
            Self::Nanos => 1,
            Self::Micros => 1_000,
            Self::Millis => 1_000_000,
        }
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

/// What stands between header and records: the sender's own account, in every datagram.
///
/// On the wire: the number of records as two bytes little-endian, one byte of flags, then the rest as postcard
/// writes it, and the floor where there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prologue {
    /// How many records follow.
    pub records: u16,
    /// Whether times count from the sender's start rather than from 1970.
    pub since_boot: bool,
    /// Whether new strings are packed into six bits a character where that can be.
    pub packed: bool,
    /// When the datagram was packed, and the unit of all times in it.
    pub account: Account,
    /// The receiver is asked to acknowledge: critical events from this identifier on are outstanding, or may be.
    pub ack_floor: Option<u64>,
}

impl Default for Prologue {
    /// All zero, and strings packed.
    fn default() -> Self {
        let account = Account::default();
        Self { records: 0, since_boot: false, packed: true, account, ack_floor: None }
    }
}

/// The part of the prologue that postcard writes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The unit of all times in the datagram.
    pub unit: TimeUnit,
    /// When the datagram was packed.
    pub base_time: u64,
    /// Events that the sender gave up in this epoch before they reached a datagram, by any cause.
    pub dropped: u64,
    /// Datagrams that the sender gave up in this epoch; each used up a sequence number.
    pub failed: u64,
}

impl Prologue {
    /// Where its record count stands in a datagram.
    pub(crate) const RECORDS_AT: usize = Header::LEN;
    const SINCE_BOOT: u8 = 1;
    const WANTS_ACK: u8 = 2;
    const PACKED: u8 = 4;

    pub(crate) fn flags(&self) -> u8 {
        (u8::from(self.since_boot) * Self::SINCE_BOOT)
            | (u8::from(self.ack_floor.is_some()) * Self::WANTS_ACK)
            | (u8::from(self.packed) * Self::PACKED)
    }

    /// Reads the prologue and returns what follows it.
    pub(crate) fn parse(body: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (&[low, high, flags], rest) =
            body.split_first_chunk::<3>().ok_or(DecodeError::Truncated)?;
        if flags & !(Self::SINCE_BOOT | Self::WANTS_ACK | Self::PACKED) != 0 {
            return Err(DecodeError::BadPrologue);
        }
        let refused = |e| match e {
            postcard::Error::DeserializeUnexpectedEnd => DecodeError::Truncated,
            postcard::Error::DeserializeBadVarint => DecodeError::BadVarint,
            _ => DecodeError::BadPrologue,
        };
        let (account, rest) = postcard::take_from_bytes(rest).map_err(refused)?;
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
            account,
            ack_floor,
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
