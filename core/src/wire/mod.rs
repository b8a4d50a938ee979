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
pub(crate) mod layout;
pub(crate) mod number;
pub mod receipt;
pub(crate) mod sixbit;
mod state;

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
