//! The heart of ringstat: `no_std`, allocation-free, sans-IO.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "testkit"))]
extern crate alloc;
#[cfg(any(test, feature = "testkit"))]
extern crate std;

mod sync;

// Recording: what a caller writes.
pub mod event;
pub mod instrument;
pub mod intern;
pub mod ledger;
pub mod name;
pub mod record;
pub mod value;

// Between recorder and sender.
pub mod ring;

// The wire.
pub mod transport;
pub mod wire;

// Receiving.
pub mod tracker;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
