//! Acknowledgements: datagrams from a receiver back to a sender.
//!
//! A receiver states which critical events of one epoch it has stored: all below [`Ack::base`], and those whose bits
//! are set in the bitmap. It repeats the statement, so that the next acknowledgement makes up for a lost one.

use super::crc::{self, TRAILER};
use super::cursor::{Reader, Writer};
use super::error::DecodeError;
use super::header::Frame;

/// How many identifiers, from the base on, can be outstanding at a time.
pub const ID_WINDOW: usize = 1024;
/// The mode of an acknowledgement, in the low nibble of the third byte.
pub const MODE: u8 = 8;

/// The length of what precedes the bitmap: the frame and the base.
const HEAD: usize = Frame::LEN + 8;

/// The critical events that a receiver has stored of one epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack<'a> {
    /// The sender of the events.
    pub sender: u64,
    /// The epoch of the sender.
    pub epoch: u32,
    /// Every event below this identifier is settled: stored, or given up according to the sender.
    pub base: u64,
    /// Bit `i`, counted from the lowest bit of the first byte, says that event `base + i` is stored.
    pub bitmap: &'a [u8],
}

impl<'a> Ack<'a> {
    /// The length of the shortest acknowledgement: one that names no events.
    pub const MIN_LEN: usize = HEAD + TRAILER;
    /// The length of the longest acknowledgement.
    pub const MAX_LEN: usize = HEAD + ID_WINDOW / 8 + TRAILER;

    /// Writes the datagram, without zeros at the end of the bitmap, and returns its length. `None` if `buf` is too
    /// short or the bitmap is too long.
    #[must_use]
    pub fn emit(&self, buf: &mut [u8]) -> Option<usize> {
        let used = self.bitmap.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let bitmap = self.bitmap.get(..used).filter(|b| b.len() <= ID_WINDOW / 8)?;
        let mut w = Writer::new(buf);
        Frame::new(MODE, self.sender, self.epoch).put(&mut w).ok()?;
        w.bytes(&self.base.to_le_bytes()).ok()?;
        w.bytes(bitmap).ok()?;
        w.checksum().ok()?;
        Some(w.position())
    }

    /// Reads an acknowledgement.
    ///
    /// # Errors
    /// The same as for any datagram, in the same order, and [`DecodeError::TooLong`] for a bitmap of more than
    /// [`ID_WINDOW`] bits.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        if datagram.len() > Self::MAX_LEN {
            return Err(DecodeError::TooLong);
        }
        if datagram.len() < Self::MIN_LEN {
            return Err(DecodeError::Truncated);
        }
        let mut r = Reader::new(datagram);
        let frame = Frame::read(&mut r)?;
        let base = u64::from_le_bytes(r.array()?);
        frame.check(MODE)?;
        let bitmap = &crc::checked(datagram)?[HEAD..];
        Ok(Self { sender: frame.sender, epoch: frame.epoch, base, bitmap })
    }

    /// One past the last identifier in the bitmap; the base if the bitmap is empty.
    #[must_use]
    pub fn end(&self) -> u64 {
        let Some(last) = self.bitmap.iter().rposition(|b| *b != 0) else { return self.base };
        let bits = last as u64 * 8 + u64::from(8 - self.bitmap[last].leading_zeros());
        self.base.saturating_add(bits)
    }

    /// Whether the acknowledgement settles the event `id`.
    #[must_use]
    pub fn settles(&self, id: u64) -> bool {
        let Some(offset) = id.checked_sub(self.base) else { return true };
        let byte = usize::try_from(offset / 8).ok().and_then(|i| self.bitmap.get(i));
        byte.is_some_and(|byte| byte >> (offset % 8) & 1 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_says_what_is_settled_and_nothing_else() {
        let ack = Ack { sender: 7, epoch: 3, base: 100, bitmap: &[0b0000_0100, 0, 0b1000_0000, 0] };
        let mut buf = [0; Ack::MAX_LEN];
        let length = ack.emit(&mut buf).unwrap();
        assert_eq!(length, 24 + 3 + 4, "zeros at the end are left out");
        let read = Ack::parse(&buf[..length]).unwrap();
        let settled: alloc::vec::Vec<u64> = (95..2000).filter(|id| read.settles(*id)).collect();
        assert_eq!(settled, [95, 96, 97, 98, 99, 102, 123]);
        assert!(!read.settles(u64::MAX));
        assert_eq!(read.end(), 124);
        assert_eq!(Ack { bitmap: &[0, 0], ..read }.end(), 100);
        assert_eq!(Ack { base: u64::MAX, ..read }.end(), u64::MAX);
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let ack = Ack { sender: 0, epoch: 0, base: 0, bitmap: &[1; 129] };
        assert_eq!(ack.emit(&mut [0; 500]), None);
        assert_eq!(Ack { bitmap: &[1], ..ack }.emit(&mut [0; 28]), None);
        assert_eq!(Ack { bitmap: &[], ..ack }.emit(&mut [0; 28]), Some(28));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), id in any::<u64>()) {
            let _ = Ack::parse(&bytes);
            // The same bytes inside a valid frame.
            if bytes.len() >= HEAD {
                bytes[..4].copy_from_slice(b"RS\x18\0");
                bytes.truncate(HEAD + ID_WINDOW / 8);
                let sum = crc::crc32(&bytes).to_le_bytes();
                bytes.extend(sum);
                prop_assert!(Ack::parse(&bytes).is_ok_and(|ack| ack.settles(id) || id >= ack.base));
            }
        }
    }
}
