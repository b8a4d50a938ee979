//! Wire format v1: the bytes between sender and receiver.
//!
//! The specification is `core/docs/protocol.md`, with golden bytes in `core/docs/vectors.jsonl`. This room is one
//! implementation of it, and tests compare it with a second one in JavaScript (`core/docs/decoder.mjs`).
//!
//! ```text
//! record ─► encode ─► table (full: spelling, prefixes) ───┐
//!             │  └──► number ─────────────────────────────┤
//!             └─────► header, state ──────────────────────┴─► cursor::Writer ─► crc ─► datagram ─┐
//!                                                                                                │
//! record ◄─ decode ◄─ header, state, number ◄─ cursor::Reader ◄─ crc ◄───────────────────────────┘
//! ```
//!
//! [`encode`] writes records straight into the datagram's buffer. A `table` names each string once per datagram; the
//! full one also finds what a new string shares with earlier ones (`prefixes`) and keeps it short (`spelling`, `sixbit`).
//! `number` chooses the narrowest exact form. [`decode`] checks and reads everything back without allocating. [`ack`]
//! and [`receipt`] are a receiver's answers.
//!
//! The format is postcard's. What has a fixed shape (the sender's account, the head of a histogram, what a program says
//! about itself) is a serde type that goes through postcard. Three things are by hand, in the same bytes: strings,
//! references and the narrowest numbers, which are the format's own; what every sender writes, because postcard's
//! varints beside those take a chip a kilobyte of flash; and integers of a fixed width. Each such place says what it saves.
//!
//! It may import what a record consists of (`record`, `instrument`) and the [`format`](crate::format) that it
//! implements; it knows nothing of rings, policies or senders.

// Shared by both directions.
pub mod ack;
pub(crate) mod crc;
pub(crate) mod cursor;
#[cfg(feature = "serial")]
pub mod frame;
mod header;
pub use header::MAGIC;
pub(crate) mod layout;
pub(crate) mod number;
pub mod receipt;
pub(crate) mod sixbit;
mod state;

// Sending.
pub mod encode;
pub(crate) mod table;

// Receiving.
pub mod decode;
pub mod error;

pub use decode::Decoder;
pub use encode::{Encoder, LeanEncoder};
pub use error::DecodeError;

/// The largest number of strings, of tags, of tag sets and of members of tag sets in a datagram: the size of a
/// receiver's tables.
pub const TABLE_LIMIT: usize = 1024;
/// The largest number of bytes in all strings of a datagram, with prefixes written out.
pub const ARENA_LIMIT: usize = 16_384;
