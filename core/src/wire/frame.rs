//! Frames: datagrams over a stream of bytes, such as a serial line, USB or RTT.
//!
//! A frame is a zero, the datagram encoded with COBS (Cheshire and Baker 1999), and a zero. Encoded data contain no
//! zeros, so a receiver that starts in the middle, or that reads damaged bytes, is synchronized again at the next zero:
//! a damaged frame does not affect the next one. Anything else between two zeros, such as the output of a boot loader,
//! is refused by its checksum. Datagrams and the answers to them are framed alike.
//!
//! ```
//! use ringstat_core::wire::frame::{self, Deframer};
//!
//! let mut line = [0; frame::len(5)];
//! let length = frame::write(b"a\0b\0c", &mut line).unwrap();
//! let mut deframer: Deframer<64> = Deframer::new();
//! let mut read = line[..length].iter().filter_map(|byte| deframer.feed(*byte).map(<[u8]>::to_vec));
//! assert_eq!(read.next().unwrap(), b"a\0b\0c");
//! ```

/// The byte before and after each frame, which does not occur inside.
pub const DELIMITER: u8 = 0;

/// Returns the largest length of the frame of a datagram of `datagram` bytes, delimiters included.
#[must_use]
pub const fn len(datagram: usize) -> usize {
    cobs::max_encoding_length(datagram).saturating_add(2)
}

/// Returns the length of the longest datagram whose frame always fits into `frame` bytes.
#[must_use]
pub const fn capacity(frame: usize) -> usize {
    // COBS adds one byte in 254, and one more; so this is a little too small at worst.
    frame.saturating_sub(3 + frame.div_ceil(254))
}

/// Writes the frame of a datagram, and returns its length, or `None` if `out` is too short.
#[must_use]
pub fn write(datagram: &[u8], out: &mut [u8]) -> Option<usize> {
    let body = out.get_mut(1..)?;
    let length = cobs::try_encode(datagram, body).ok()?;
    *body.get_mut(length)? = DELIMITER;
    *out.first_mut()? = DELIMITER;
    Some(length + 2)
}

/// Finds the datagrams in a stream of bytes, in frames of up to `N` bytes.
///
/// ```
/// use ringstat_core::wire::frame::{self, Deframer};
///
/// let mut line = [0; 64];
/// let length = frame::write(b"a datagram", &mut line).unwrap();
///
/// let mut deframer = Deframer::<64>::new();
/// let mut found = Vec::new();
/// for byte in b"the end of something".iter().chain(&line[..length]) {
///     found.extend(deframer.feed(*byte).map(<[u8]>::to_vec));
/// }
/// assert_eq!(found, [b"a datagram"]);
/// ```
#[derive(Clone, Debug)]
pub struct Deframer<const N: usize> {
    frame: [u8; N],
    datagram: [u8; N],
    /// The number of bytes since the last delimiter, which is more than fit if the frame is too long.
    length: usize,
    damaged: u64,
}

impl<const N: usize> Default for Deframer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deframer<N> {
    /// Starts by waiting for the first delimiter, since it may have started in the middle of a frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { frame: [0; N], datagram: [0; N], length: usize::MAX, damaged: 0 }
    }

    /// Takes a byte. If it is a delimiter, returns the decoded bytes since the one before: a datagram, which has to be
    /// checked because it may be damaged.
    pub fn feed(&mut self, byte: u8) -> Option<&[u8]> {
        if byte != DELIMITER {
            if let Some(place) = self.frame.get_mut(self.length) {
                *place = byte;
            }
            self.length = self.length.saturating_add(1);
            return None;
        }
        let length = core::mem::replace(&mut self.length, 0);
        // Two adjacent delimiters are the end of a frame and the beginning of another.
        if length == 0 {
            return None;
        }
        let frame = self.frame.get(..length);
        match frame.and_then(|frame| cobs::decode(frame, &mut self.datagram).ok()) {
            Some(length) => self.datagram.get(..length),
            None => {
                // The first frame may be incomplete only because of the late start.
                self.damaged += u64::from(length != usize::MAX);
                None
            }
        }
    }

    /// Returns how many frames were too long, or not valid COBS.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn frame(datagram: &[u8]) -> Vec<u8> {
        let mut out = vec![7; len(datagram.len())];
        let length = write(datagram, &mut out).unwrap();
        out.truncate(length);
        out
    }

    fn read<const N: usize>(deframer: &mut Deframer<N>, line: &[u8]) -> Vec<Vec<u8>> {
        line.iter().filter_map(|byte| deframer.feed(*byte).map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn noise_costs_the_frame_that_it_hits_and_no_other() {
        let mut line = b"boot loader 1.0\r\n".to_vec();
        let datagrams: Vec<Vec<u8>> = (0..10u8).map(|n| vec![n; 20 + usize::from(n)]).collect();
        for datagram in &datagrams {
            line.extend(frame(datagram));
        }
        let mut deframer: Deframer<64> = Deframer::new();
        assert_eq!(read(&mut deframer, &line), datagrams);
        // There is a delimiter in the middle of the fifth frame, and the end of the eighth is missing.
        let at = line.windows(20).position(|w| w == [4; 20]).unwrap();
        line[at + 3] = 0;
        let at = line.windows(20).position(|w| w == [7; 20]).unwrap();
        line.drain(at + 10..at + 15);
        let mut deframer: Deframer<64> = Deframer::new();
        let heard = read(&mut deframer, &line);
        for (n, datagram) in datagrams.iter().enumerate() {
            assert_eq!(heard.contains(datagram), n != 4 && n != 7, "{n}");
        }
        assert!(deframer.damaged() > 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_the_next_is_read() {
        let mut deframer: Deframer<16> = Deframer::new();
        let line = [frame(&[1; 100]), frame(&[2; 14])].concat();
        assert_eq!(read(&mut deframer, &line), [vec![2; 14]]);
        assert_eq!(deframer.damaged(), 1);
        assert_eq!(write(&[1; 20], &mut [0; 22]), None);
        assert_eq!(write(b"", &mut []), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(datagram in proptest::collection::vec(any::<u8>(), 1..1500)) {
            let line = frame(&datagram);
            prop_assert!(line.len() <= len(datagram.len()));
            prop_assert!(!line[1..line.len() - 1].contains(&DELIMITER));
            let mut deframer: Deframer<2000> = Deframer::new();
            prop_assert_eq!(read(&mut deframer, &line), [datagram]);
        }

        #[test]
        fn as_much_as_it_says_fits(room in 4usize..3000) {
            let datagram = vec![1; capacity(room)];
            prop_assert!(write(&datagram, &mut vec![0; room]).is_some());
        }

        #[test]
        fn no_bytes_do_harm(line in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut deframer: Deframer<64> = Deframer::new();
            for byte in line {
                if let Some(datagram) = deframer.feed(byte) {
                    prop_assert!(datagram.len() < 64);
                }
            }
        }
    }
}
