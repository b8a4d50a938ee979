//! The heart of ringstat: `no_std`, allocation-free, sans-IO.
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

// Between recorder and sender.
pub mod ring;

// Sending: batches become datagrams.
pub mod batch;
pub mod sender;
pub mod wire;
// The caller's socket.
pub mod transport;

// Receiving: the wire's decoder, then this.
pub mod tracker;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
