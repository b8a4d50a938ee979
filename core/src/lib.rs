//! The heart of ringstat: `no_std`, allocation-free, sans-IO.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "testkit"))]
extern crate alloc;
#[cfg(any(test, feature = "testkit"))]
extern crate std;

mod sync;

// Recording: what a caller writes.
pub mod value;
pub mod name;
pub mod event;
pub mod intern;
pub mod instrument;

// Between recorder and sender.
pub mod ring;

// The wire.
pub mod wire;

// Receiving.
pub mod tracker;

#[cfg(feature = "testkit")]
pub mod testkit;
