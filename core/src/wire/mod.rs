//! Wire format v1: the bytes between sender and receiver.
//!
//! The specification is `core/docs/protocol.md`, with golden bytes in `core/docs/vectors.jsonl`; this room is one
//! implementation of it, and what it reads is held against another one in JavaScript (`core/docs/decoder.mjs`).
//!
//! ```text
//! record ─► encode ─► table ─► spelling, prefixes, sixbit ─┐
//!             │  └──► number ─────────────────────────────┤
//!             └─────► header, state ──────────────────────┴─► cursor::Writer ─► crc ─► datagram ─┐
//!                                                                                                │
//! record ◄─ decode ◄─ header, state, number ◄─ cursor::Reader ◄─ crc ◄───────────────────────────┘
//! ```
//!
//! [`encode`] puts records straight into the datagram's buffer. A `table` names each string once a datagram, `prefixes`
//! finds what a new one shares with earlier ones, `spelling` and `sixbit` keep it short, and `number` chooses the
//! narrowest exact form. [`decode`] checks and reads it all back without allocating. [`ack`] and [`receipt`] are what a
//! receiver answers.
//!
//! What has one shape (the sender's account, the head of a histogram, receipts) is serde's and goes through postcard, whose
//! flavour the writer is. By hand are string tables, references, numbers and what stands at fixed places: integers,
//! strings and floats in the same bytes that postcard writes, but several of them in one step. Each says what it costs.
//!
//! It may import what a record is made of (`record`, `instrument`) and the [`format`](crate::format) that it implements; it
//! knows nothing of rings, of policies or of who sends.

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
