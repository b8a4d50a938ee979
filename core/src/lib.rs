//! The heart of ringstat: `no_std`, allocation-free, sans-IO.
//!
//! ```text
//!  record ──► instrument (aggregates in place) ─────────────────┐
//!        └──► event ──► ring ──► batch ──► sender ──► wire::encode ──► datagram
//!                                                                         │ transport: yours
//!                              tracker ◄── wire::decode ◄── datagram ◄────┘
//! ```
//!
//! There is no clock, no socket, no thread and no allocator in here: time comes in as an argument, bytes go in and out
//! of the caller's buffers, and the [`sender`] says what it wants next. `ringstat-std` puts a thread and a socket
//! around it; [`stats`] is all that a chip needs in one `static`.
//!
//! # Features
//! - `alloc`: rings whose capacity is chosen at run time.
//! - `crc32fast`: the fast checksum of hosts.
//! - `critical-section`: atomics that the target lacks.
//! - `text`: the lines of DogStatsD and StatsD.
//! - `testkit`: fake clock, spy and fault transports, a corpus, for your own tests.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "alloc", feature = "testkit"))]
extern crate alloc;
#[cfg(any(test, feature = "testkit"))]
extern crate std;

mod sync;

// Recording: what a caller writes.
pub mod record;
// …becomes an event in a ring,
pub mod event;
pub mod ledger;
pub mod name;
pub mod value;
// with names made at run time in an interner,
pub mod intern;
// or is aggregated in place.
pub mod instrument;

// Between recorder and sender, and what is given up where that is too little.
pub mod policy;
pub mod ring;

// Sending: batches become datagrams.
pub mod batch;
pub mod beacon;
pub mod critical;
pub mod encode;
pub mod sender;
// All of it for a chip, in one `static`.
pub mod stats;
#[cfg(feature = "text")]
pub mod text;
pub mod wire;
// The caller's socket, what waits for it, and what keeps it from trying in vain.
pub mod breaker;
pub mod pool;
pub mod transport;
// How it is all going.
pub mod health;
pub mod snapshot;

// Receiving: the wire's decoder, then this.
pub mod tracker;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
