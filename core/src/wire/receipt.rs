//! Receipts: a receiver's sign of life.
//!
//! A sender that sets [`Prologue::wants_receipt`](crate::format::Prologue::wants_receipt) in a datagram asks its receiver
//! whether it is there. The receiver answers that very datagram, at once, and says how much of the sender's epoch has
//! come in so far. So a sender knows the difference between what left and what arrived.

use super::crc;
use super::error::DecodeError;
use super::header::{MAGIC, VERSION};

/// The mode of a receipt, in the low nibble of the third byte.
pub const RECEIPT_MODE: u8 = 9;
const TRAILER: usize = 4;

/// What a receiver answers to a datagram that asks for a sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The sender that asked.
    pub sender: u64,
    /// The epoch of the datagram that asked.
    pub epoch: u32,
    /// The sequence number of the datagram that asked.
    pub sequence: u32,
    /// Which life of the receiver this is: another number after each of its restarts. Counts begin anew with it.
    pub instance: u32,
    /// The sequence number of the first datagram of this epoch that is in the counts.
    pub first: u32,
    /// Datagrams of this epoch received so far, each once, the one that asked included.
    pub datagrams: u64,
    /// Events read from them, without those that have an identifier: these are acknowledged one by one.
    pub events: u64,
}

impl Receipt {
    /// Its length in bytes.
    pub const LEN: usize = 44 + TRAILER;

    /// Writes the datagram.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..2].copy_from_slice(&MAGIC);
        out[2] = VERSION << 4 | RECEIPT_MODE;
        out[4..12].copy_from_slice(&self.sender.to_le_bytes());
        out[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        out[16..20].copy_from_slice(&self.sequence.to_le_bytes());
        out[20..24].copy_from_slice(&self.instance.to_le_bytes());
        out[24..28].copy_from_slice(&self.first.to_le_bytes());
        out[28..36].copy_from_slice(&self.datagrams.to_le_bytes());
        out[36..44].copy_from_slice(&self.events.to_le_bytes());
        let sum = crc::crc32(&out[..44]);
        out[44..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Whether `datagram` calls itself a receipt. It may still be damaged.
    #[must_use]
    pub fn is_one(datagram: &[u8]) -> bool {
        datagram.get(2).is_some_and(|byte| byte & 0xF == RECEIPT_MODE)
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// The refusals of any datagram, in the same order; [`DecodeError::TooLong`] when it is longer than a receipt.
    pub fn parse(datagram: &[u8]) -> Result<Self, DecodeError> {
        if datagram.len() > Self::LEN {
            return Err(DecodeError::TooLong);
        }
        let Some(whole) = datagram.first_chunk::<{ Self::LEN }>() else {
            return Err(DecodeError::Truncated);
        };
        if whole[..2] != MAGIC {
            return Err(DecodeError::BadMagic);
        }
        if whole[2] >> 4 != VERSION {
            return Err(DecodeError::BadVersion);
        }
        if whole[2] & 0xF != RECEIPT_MODE || whole[3] != 0 {
            return Err(DecodeError::BadMode);
        }
        if crc::crc32(&whole[..44]) != word(whole, 44) {
            return Err(DecodeError::BadChecksum);
        }
        Ok(Self {
            sender: long(whole, 4),
            epoch: word(whole, 12),
            sequence: word(whole, 16),
            instance: word(whole, 20),
            first: word(whole, 24),
            datagrams: long(whole, 28),
            events: long(whole, 36),
        })
    }
}

/// The little-endian integer at `at`; no call asks for one beyond the end.
fn word(whole: &[u8; Receipt::LEN], at: usize) -> u32 {
    whole.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn long(whole: &[u8; Receipt::LEN], at: usize) -> u64 {
    whole.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECEIPT: Receipt = Receipt {
        sender: 0x0807_0605_0403_0201,
        epoch: 3,
        sequence: 9,
        instance: 0xAABB_CCDD,
        first: 2,
        datagrams: 7,
        events: 1 << 40,
    };

    #[test]
    fn it_round_trips() {
        assert_eq!(Receipt::parse(&RECEIPT.emit()), Ok(RECEIPT));
        assert!(Receipt::is_one(&RECEIPT.emit()));
    }

    #[test]
    fn what_is_wrong_with_it_is_told_apart() {
        let with = |at: usize, value: u8| {
            let mut bytes = RECEIPT.emit();
            bytes[at] = value;
            Receipt::parse(&bytes)
        };
        assert_eq!(with(0, 0), Err(DecodeError::BadMagic));
        assert_eq!(with(2, 0x29), Err(DecodeError::BadVersion));
        assert_eq!(with(2, 0x18), Err(DecodeError::BadMode));
        assert_eq!(with(3, 1), Err(DecodeError::BadMode));
        assert_eq!(with(30, 1), Err(DecodeError::BadChecksum));
        assert_eq!(Receipt::parse(&RECEIPT.emit()[..47]), Err(DecodeError::Truncated));
        assert_eq!(Receipt::parse(&[0; 49]), Err(DecodeError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Receipt::parse(&bytes).is_err());
        }
    }
}
