//! The checksum of mode 0: CRC-32 as in Ethernet and zlib (CRC-32/ISO-HDLC).
//!
//! Hosts use `crc32fast` (feature of that name: 37 ns for 1472 bytes), and chips a table of 64 bytes, four bits at a time,
//! or of 1 KiB (feature `crc-table`), which saves a quarter of the instructions.

use super::error::DecodeError;

#[cfg(feature = "crc32fast")]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(all(feature = "crc-table", not(feature = "crc32fast")))]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    type Table = crc::Table<1>;
    static CRC: crc::Crc<u32, Table> = crc::Crc::<u32, Table>::new(&crc::CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

#[cfg(not(any(feature = "crc-table", feature = "crc32fast")))]
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| half_a_byte(half_a_byte(sum ^ u32::from(*byte))))
}

/// Divides by the next four bits. The crate `crc` has tables of 1 KiB and more, or none.
#[cfg(any(test, not(any(feature = "crc-table", feature = "crc32fast"))))]
fn half_a_byte(sum: u32) -> u32 {
    /// The polynomial of the checksum, lowest bit first.
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    static TABLE: [u32; 16] = {
        let mut table = [0; 16];
        let mut bits = 1;
        while bits < 16 {
            let mut sum = bits as u32;
            let mut bit = 0;
            while bit < 4 {
                sum = if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ POLYNOMIAL };
                bit += 1;
            }
            table[bits] = sum;
            bits += 1;
        }
        table
    };
    sum >> 4 ^ TABLE[(sum & 15) as usize]
}

/// The length of the checksum, which ends every datagram.
pub(crate) const TRAILER: usize = 4;

/// Returns what precedes the checksum, if the checksum is right.
pub(crate) fn checked(datagram: &[u8]) -> Result<&[u8], DecodeError> {
    let (body, sum) = datagram.split_last_chunk::<TRAILER>().ok_or(DecodeError::Truncated)?;
    if crc32(body) != u32::from_le_bytes(*sum) {
        return Err(DecodeError::BadChecksum);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    #[test]
    fn half_a_byte_at_a_time_is_the_same() {
        let bytes: [u8; 256] = core::array::from_fn(|n| n as u8);
        for length in 0..bytes.len() {
            let halves =
                |sum, byte: &u8| super::half_a_byte(super::half_a_byte(sum ^ u32::from(*byte)));
            let sum = !bytes[..length].iter().fold(!0, halves);
            assert_eq!(sum, crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[..length]));
        }
    }

    #[test]
    fn it_is_the_ethernet_crc() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926); // the check value in the CRC catalogue
    }
}
