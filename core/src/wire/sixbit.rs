//! Characters in six bits: lower-case letters, digits and the punctuation of names, which make up most names and tags.
//!
//! A code is the character without its sixth bit, which all of `0x20`–`0x3F` and `0x60`–`0x7E` have set; the code that
//! is left over stands for the underscore. Codes are laid out from the lowest bit of the first byte on.

/// The number of characters in one step.
const STEP: usize = 16;
/// The number of bytes into which they are packed.
const BYTES: usize = 12;

/// Whether the whole string can be packed.
pub(crate) fn fits(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, 0x20..=0x3F | b'_' | 0x60..=0x7E))
}

/// How many bytes this many characters take.
#[inline]
pub(crate) const fn length(characters: usize) -> usize {
    (characters * 6).div_ceil(8)
}

/// Packs 16 characters that [`fits`] accepts into the lowest 12 bytes. The result for others is arbitrary.
#[inline]
fn pack(text: u128) -> u128 {
    let half = |v: u64| {
        // The underscore, 0x5F, gets the code that 0x7F would have.
        let v = v & 0x1F1F_1F1F_1F1F_1F1F | v >> 1 & 0x2020_2020_2020_2020;
        let v = v & 0x003F_003F_003F_003F | v >> 2 & 0x0FC0_0FC0_0FC0_0FC0;
        let v = v & 0x0000_0FFF_0000_0FFF | v >> 4 & 0x00FF_F000_00FF_F000;
        v & 0x00FF_FFFF | v >> 8 & 0xFFFF_FF00_0000
    };
    u128::from(half(text as u64)) | u128::from(half((text >> 64) as u64)) << 48
}

/// The reverse of [`pack`].
#[inline]
fn unpack_bits(bits: u128) -> u128 {
    let half = |v: u64| {
        let v = v & 0x00FF_FFFF | (v & 0xFFFF_FF00_0000) << 8;
        let v = v & 0x0000_0FFF_0000_0FFF | (v & 0x00FF_F000_00FF_F000) << 4;
        let v = v & 0x003F_003F_003F_003F | (v & 0x0FC0_0FC0_0FC0_0FC0) << 2;
        let v =
            v & 0x1F1F_1F1F_1F1F_1F1F | (v & 0x2020_2020_2020_2020) << 1 | 0x2020_2020_2020_2020;
        // The underscore, 0x5F, is unpacked as 0x7F, the only character whose top bit is set by adding one.
        v ^ (v + 0x0101_0101_0101_0101) >> 2 & 0x2020_2020_2020_2020
    };
    u128::from(half(bits as u64)) | u128::from(half((bits >> 48) as u64)) << 64
}

/// The first 16 bytes, padded with zeros.
#[inline]
fn front(bytes: &[u8]) -> u128 {
    match bytes.first_chunk() {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => bytes.iter().rev().fold(0, |all, b| all << 8 | u128::from(*b)),
    }
}

/// Packs up to 16 characters at the beginning of `text`, whatever follows them: 12 bytes, as many as [`length`] says
/// followed by zeros.
#[inline]
pub(crate) fn pack_step(text: &[u8], characters: usize) -> [u8; 16] {
    let bits = 6 * characters.min(STEP);
    (pack(front(text)) & ((1 << bits) - 1)).to_le_bytes()
}

/// Unpacks up to 16 characters. Any that follow them are arbitrary, but ASCII.
#[inline]
pub(crate) fn unpack(bytes: &[u8; STEP]) -> u128 {
    unpack_bits(u128::from_le_bytes(*bytes))
}

/// Unpacks up to 32 characters, 16 in each half. Any that follow them are arbitrary, but ASCII.
#[inline]
pub(crate) fn unpack_wide(bytes: &[u8; 2 * STEP]) -> [u128; 2] {
    [unpack_bits(front(bytes)), unpack_bits(front(&bytes[BYTES..]))]
}

/// Unpacks a string of at most 255 characters. Any characters that follow it in the result are arbitrary.
pub(crate) fn unpack_long(bytes: &[u8]) -> [u8; 256] {
    let mut out = [0; 256];
    for (from, to) in bytes.chunks(BYTES).zip(out.chunks_exact_mut(STEP)) {
        to.copy_from_slice(&unpack_bits(front(from)).to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Packs character by character, as the specification describes it.
    fn plainly(text: &[u8]) -> Vec<u8> {
        let mut out = alloc::vec![0; length(text.len())];
        for (i, c) in text.iter().enumerate() {
            let c = if *c == b'_' { 0x7F } else { *c };
            let code = c & 0x1F | c >> 1 & 0x20;
            for bit in (0..6).filter(|bit| code >> bit & 1 != 0) {
                let at = 6 * i + bit;
                out[at / 8] |= 1 << (at % 8);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn what_fits_comes_back(text in "[ -?_`-~]{0,255}", behind in any::<[u8; 16]>()) {
            prop_assert!(fits(text.as_bytes()));
            let mut packed = Vec::new();
            let padded: Vec<u8> = text.bytes().chain(behind).collect();
            for (step, at) in (0..text.len()).step_by(STEP).enumerate() {
                let n = (text.len() - at).min(STEP);
                packed.truncate(step * BYTES);
                packed.extend(&pack_step(&padded[at..], n)[..length(n)]);
            }
            prop_assert_eq!(&packed, &plainly(text.as_bytes()));
            prop_assert_eq!(&unpack_long(&packed)[..text.len()], text.as_bytes());
            packed.extend(behind);
            packed.resize(packed.len().max(32), 0xFF);
            let short = text.len().min(32);
            let wide = unpack_wide(packed.first_chunk().unwrap()).map(u128::to_le_bytes).concat();
            prop_assert_eq!(&wide[..short], &text.as_bytes()[..short]);
            let first = unpack(packed.first_chunk().unwrap()).to_le_bytes();
            prop_assert_eq!(&first[..], &wide[..16]);
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for text in ["Z", "\u{7f}", "é", "\n", "a\\b", "a@b", "[", "^"] {
            assert!(!fits(text.as_bytes()), "{text:?}");
        }
    }
}
