//! Wire format v1: the bytes between sender and receiver.
//!
//! The specification is `core/docs/protocol.md`, with golden bytes in `core/docs/vectors.jsonl`; this module is
//! one implementation of it. In flow order: [`encode`] writes records straight into the datagram's buffer, with
//! `strings` naming each string once a datagram, `prefixes`, `spelling` and `packed` keeping that short, and `number`
//! choosing the narrowest exact form; [`header`] and `crc` frame it; [`decode`] checks and reads it back without
//! allocating.
//!
//! Integers, strings and floats stand exactly as the `postcard` crate writes them, so that any postcard
//! implementation reads the primitives.

// What both directions share.
pub mod ack;
pub(crate) mod crc;
pub(crate) mod cursor;
mod header;
pub use header::MAGIC;
pub(crate) mod number;
pub mod receipt;
pub(crate) mod sixbit;

// Sending.
pub mod encode;
pub(crate) mod prefixes;
pub(crate) mod spelling;
pub(crate) mod table;

// Receiving.
pub mod decode;
pub mod error;

pub use decode::Decoder;
pub use encode::{Encoder, LeanEncoder};
pub use error::DecodeError;

/// At most so many strings, tags, tag sets and members of tag sets are in a datagram: a receiver's tables are this
/// large.
pub const TABLE_LIMIT: usize = 1024;
/// At most so many bytes are in all strings of a datagram when prefixes are written out.
pub const ARENA_LIMIT: usize = 16_384;
/// Form of the value: bits 3 to 5 of a record's first byte.
pub(crate) mod form {
    pub(crate) const UNSIGNED: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const DECIMAL: u8 = 2;
    pub(crate) const DECIMAL_NEGATIVE: u8 = 3;
    pub(crate) const F32: u8 = 4;
    pub(crate) const F64: u8 = 5;
    pub(crate) const TEXT: u8 = 6;
    pub(crate) const ONE: u8 = 7;
}

/// A record's first byte.
pub(crate) mod tag {
    pub(crate) const KIND: u8 = 0b0000_0111;
    pub(crate) const FORM_SHIFT: u8 = 3;
    pub(crate) const FORM: u8 = 0b0011_1000;
    pub(crate) const HAS_TAGS: u8 = 0b0100_0000;
    pub(crate) const EXTENDED: u8 = 0b1000_0000;
    /// The kind of an instrument's state; the form says which.
    pub(crate) const STATE: u8 = 6;
    pub(crate) const STATE_TOTAL: u8 = 0;
    pub(crate) const STATE_LEVEL: u8 = 1;
    pub(crate) const STATE_BUCKETS: u8 = 2;
}

/// A record's second byte, present when the first one says so.
pub(crate) mod extended {
    /// 0 normal, 1 low, 2 high, 3 critical: the commonest one is zero.
    pub(crate) const PRIORITY: u8 = 0b0000_0011;
    pub(crate) const BACKWARD: u8 = 0b0000_0100;
    pub(crate) const RATE: u8 = 0b0000_1000;
    pub(crate) const DYNAMIC: u8 = 0b0001_0000;
    /// It has an identifier, by which it is acknowledged.
    pub(crate) const IDENTIFIED: u8 = 0b0010_0000;
    pub(crate) const RESERVED: u8 = 0b1100_0000;
}

/// What stands where a string is named: one of these two, or an index (twice it, plus [`REFERENCE`](string::REFERENCE)
/// or [`PREFIXED`](string::PREFIXED)).
pub(crate) mod string {
    /// A new string: its length and bytes follow.
    pub(crate) const PLAIN: u64 = 0;
    /// A new string: index of an earlier one, prefix length, suffix length, suffix.
    pub(crate) const PREFIXED_LONG: u64 = 1;
    /// Even from here on: the string with that index.
    pub(crate) const REFERENCE: u64 = 2;
    /// Odd from here on: a new string that begins like the one with that index; one byte with prefix length − 1 and
    /// suffix length, then the suffix.
    pub(crate) const PREFIXED: u64 = 3;
}
