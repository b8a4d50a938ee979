//! Varints without a loop: seven bits of a number in each byte, all moved at once.

/// The bit of each byte that says that another byte follows.
pub(super) const CONTINUE: u64 = 0x8080_8080_8080_8080;

/// The length of `v` as a varint, in bytes.
#[inline]
pub(super) fn varint_length(v: u64) -> usize {
    // The bits divided by seven and rounded up, without a division: exact for 1 to 64 bits.
    let bits = 64 - (v | 1).leading_zeros() as usize;
    (bits * 9 + 64) / 64
}

/// Moves each group of seven bits of a number below 2^56 into a byte of its own.
#[cfg(target_pointer_width = "64")]
#[inline]
pub(super) fn spread_sevens(mut v: u64) -> u64 {
    v = (v & 0x00FF_FFFF_F000_0000) << 4 | v & 0x0000_0000_0FFF_FFFF;
    v = (v & 0x0FFF_C000_0FFF_C000) << 2 | v & 0x0000_3FFF_0000_3FFF;
    (v & 0x3F80_3F80_3F80_3F80) << 1 | v & 0x007F_007F_007F_007F
}

/// Moves each group of seven bits of two numbers below 2^28 into a byte of its own, four bytes each.
#[inline]
pub(super) fn spread_two_sevens(first: u32, second: u32) -> u64 {
    let v = u64::from(first) | u64::from(second) << 32;
    let v = (v & 0x0FFF_C000_0FFF_C000) << 2 | v & 0x0000_3FFF_0000_3FFF;
    (v & 0x3F80_3F80_3F80_3F80) << 1 | v & 0x007F_007F_007F_007F
}

/// A varint below 2^14, and how many of the two bytes belong to it.
#[inline(always)]
pub(super) fn two_bytes(v: u16) -> (u16, usize) {
    let more = u16::from(v > 0x7F);
    (v & 0x7F | more << 7 | (v >> 7) << 8, 1 + usize::from(more))
}

/// The continuation bits of varints of up to four bytes, by length.
pub(super) const CONTINUED: [u64; 5] = [0, 0, 0x80, 0x8080, 0x0080_8080];

/// The reverse of [`spread_sevens`]; continuation bits are discarded.
#[cfg(target_pointer_width = "64")]
#[inline]
pub(super) fn gather_sevens(mut v: u64) -> u64 {
    v &= !CONTINUE;
    v = (v & 0x7F00_7F00_7F00_7F00) >> 1 | v & 0x007F_007F_007F_007F;
    v = (v & 0x3FFF_0000_3FFF_0000) >> 2 | v & 0x0000_3FFF_0000_3FFF;
    (v & 0x0FFF_FFFF_0000_0000) >> 4 | v & 0x0000_0000_0FFF_FFFF
}
